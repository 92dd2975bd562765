"""Recurrent layers by ONNX's own operators, which run a whole song as one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.exporting.graph import Graph, Value
from genrezoo.layers import TanhCell
from genrezoo.layers.cells import BatchNormTanhCell

ACTIVATIONS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "linear": "Affine", "softsign": "Softsign"}
"""By their names in Keras."""

Result = tuple[Value, Value, list[Value]]
"""The outputs of all steps ``(batch, segments, units)``, that of the last one, and the final states."""


def lstm(graph: Graph, layer: Any, sequence: Value, **options: Any) -> Result:
    """A `keras.layers.LSTM`; the gates in ONNX's order."""
    cell = layer.cell
    gates = [_gates(part, [0, 3, 1, 2], layer.units) for part in _parts(cell)]  # i f c o -> i o f c
    return _write(graph, "LSTM", layer, sequence, gates, _activations(cell, [1, 0, 0]), **options)


def gru(graph: Graph, layer: Any, sequence: Value, **options: Any) -> Result:
    """A `keras.layers.GRU`, whose gates stand in ONNX's order."""
    cell = layer.cell
    kernel, recurrent_kernel, bias = _parts(cell)
    if cell.reset_after and cell.use_bias:
        bias = bias.reshape(-1)  # of the input, then of the state
    options["linear_before_reset"] = int(cell.reset_after)
    return _write(
        graph, "GRU", layer, sequence, [kernel, recurrent_kernel, bias], _activations(cell, [1, 0]), **options
    )


def recurrent(graph: Graph, layer: Any, sequence: Value, **options: Any) -> Result:
    """A `keras.layers.RNN` of a cell whose state is the activation of one affine map of the input and the state."""
    cell = layer.cell
    if isinstance(cell, TanhCell | BatchNormTanhCell):
        kernel = _array(cell.kernel)
        if isinstance(cell, TanhCell):
            bias = _array(cell.bias)
        else:
            scale = _array(cell.gamma) / np.sqrt(_array(cell.moving_variance) + cell.epsilon)
            kernel, bias = kernel * scale, _array(cell.beta) - _array(cell.moving_mean) * scale
        parts, activations = [kernel[: -cell.units], kernel[-cell.units :], bias], ["Tanh"]
    elif type(cell) is keras.layers.SimpleRNNCell:
        parts, activations = _parts(cell), _activations(cell, [0])
    else:
        raise SettingsError(f"the recurrent cell {type(cell).__name__!r} has no operator in ONNX")
    return _write(graph, "RNN", layer, sequence, parts, activations, **options)


def _write(
    graph: Graph,
    operator: str,
    layer: Any,
    sequence: Value,
    parts: Sequence[np.ndarray],
    activations: Sequence[str],
    *,
    initial_state: Any = None,
    mask: Value | None = None,
    training: bool = False,
    **attributes: Any,
) -> Result:
    """One of the operators; padding stands at the end of a song, so that the mask is told by the songs' lengths."""
    if layer.go_backwards or layer.stateful:
        raise SettingsError(f"layer {layer.name!r} goes backwards or keeps its state, which has no translation to ONNX")
    kernel, recurrent_kernel, bias = parts
    units, dtype = recurrent_kernel.shape[0], sequence.dtype
    full = np.zeros((2, recurrent_kernel.shape[1]), dtype)  # of the input and of the state
    full.reshape(-1)[: bias.size] = bias
    batch, segments, _ = sequence.shape
    by_step = graph.emit("Transpose", [graph.last(sequence)], (segments, batch), dtype, perm=[1, 0, 2])
    lengths = None
    if mask is not None:
        steps = graph.value(graph.last(mask), "int32")
        lengths = graph.emit(
            "ReduceSum", [steps, graph.constant(np.array([1], np.int64))], (batch,), "int32", keepdims=0
        )
    axis = graph.constant(np.array([0], np.int64))
    states = list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state] * bool(initial_state)
    inputs = [
        by_step,
        graph.constant(kernel.T[None], dtype),
        graph.constant(recurrent_kernel.T[None], dtype),
        graph.constant(full.reshape(1, -1)),
        lengths,
        *(graph.emit("Unsqueeze", [graph.last(state), axis], (1, *state.shape), dtype) for state in states),
    ]
    outputs = 3 if operator == "LSTM" else 2
    names = graph.names(operator, inputs, outputs, hidden_size=units, activations=list(activations), **attributes)
    everything = Value(names[0], (segments, 1, batch, units), dtype)
    everything = graph.emit("Squeeze", [everything, graph.constant(np.array([1], np.int64))], (), dtype)
    everything = graph.emit("Transpose", [everything], (batch, segments, units), dtype, perm=[1, 0, 2])
    final = [graph.emit("Squeeze", [Value(name, (), dtype), axis], (batch, units), dtype) for name in names[1:]]
    return everything, final[0], final


def _parts(cell: Any) -> list[np.ndarray]:
    """Kernel, recurrent kernel and bias of a cell of Keras."""
    kernel, recurrent_kernel = _array(cell.kernel), _array(cell.recurrent_kernel)
    bias = _array(cell.bias) if cell.use_bias else np.zeros(kernel.shape[1], kernel.dtype)
    return [kernel, recurrent_kernel, bias]


def _gates(part: np.ndarray, order: Sequence[int], units: int) -> np.ndarray:
    """The columns of the gates in another order."""
    return np.concatenate([part[..., gate * units : (gate + 1) * units] for gate in order], axis=-1)


def _activations(cell: Any, which: Sequence[int]) -> list[str]:
    """ONNX's names for a cell's activations: 0 for that of the state, 1 for that of the gates."""
    found = []
    for number in which:
        name = keras.activations.serialize(cell.recurrent_activation if number else cell.activation)
        if name not in ACTIVATIONS:
            raise SettingsError(f"a recurrent cell with the activation {name!r} has no operator in ONNX")
        found.append(ACTIVATIONS[name])
    return found


def _array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))
