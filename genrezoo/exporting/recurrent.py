"""Recurrent layers, each as one operator that runs a whole song: ONNX's own for LSTM and GRU, a loop for other cells.

Padding is at the end of a song, so the outputs of the real steps do not depend on it.

ONNX has an operator for the plain cell too, `RNN`, but ONNX Runtime does not pack its weights: with 341 units the loop
takes 0.54 of the operator's time on one song, and 0.32 on 32 songs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.exporting.graph import Graph, Value
from genrezoo.layers import TanhCell
from genrezoo.layers.cells import BatchNormTanhCell

ACTIVATIONS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "softsign": "Softsign"}
"""ONNX's names of activations, by Keras's."""

Step = Callable[[Value, list[Value]], tuple[Value, list[Value]]]
"""Computes one step: from a segment and the states before it to the output and the states after it."""


@dataclass(frozen=True)
class Outputs:
    """The results of a recurrent layer.

    Attributes:
        every: The outputs of all steps, ``(batch, segments, units)``.
        last: The output of the last real step, ``(batch, units)``.
        states: The states after it.
    """

    every: Value
    last: Value
    states: list[Value]


def recurrent(
    graph: Graph,
    layer: Any,
    sequence: Value,
    trace: Callable[..., Any],
    *,
    initial_state: Any = None,
    mask: Value | None = None,
    training: bool = False,
    backwards: bool = False,
) -> Outputs:
    """Writes a recurrent layer.

    Args:
        graph: The graph.
        layer: A `keras.layers.RNN` with any cell, or a layer of a subclass.
        sequence: ``(batch, segments, features)``.
        trace: Writes a function of `keras.ops`: ``trace(function, arguments, options)``.
        initial_state: The initial state, or a list of states; None for zeros.
        mask: ``(batch, segments)``, True where a segment is real; None if all are.
        training: Ignored; Keras may pass it.
        backwards: The layer has ``go_backwards``, and the sequence is already reversed.

    Raises:
        SettingsError: There is no translation.
    """
    if layer.go_backwards != backwards or layer.stateful:
        raise SettingsError(f"layer {layer.name!r} goes backwards or keeps its state, which has no translation to ONNX")
    given = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
    states = [graph.last(state) for state in given if state is not None]
    batch, segments, features = sequence.shape
    shape, dtype = (segments, batch, features), sequence.dtype
    by_step = graph.emit("Transpose", [graph.last(sequence)], shape, dtype, perm=[1, 0, 2])
    lengths = None if mask is None else _lengths(graph, mask)
    if isinstance(layer, keras.layers.LSTM):
        return _lstm(graph, layer, by_step, states, lengths)
    if isinstance(layer, keras.layers.GRU):
        return _gru(graph, layer, by_step, states, lengths)
    if parts := _plain(layer.cell):
        kernel, recurrent_kernel, bias, activation = parts
        shape = (segments, batch, len(bias))
        by_step = graph.emit("MatMul", [by_step, graph.constant(kernel)], shape, dtype)
        by_step = graph.emit("Add", [by_step, graph.constant(bias)], shape, dtype)

        def step(segment: Value, states: list[Value]) -> tuple[Value, list[Value]]:
            mapped = graph.emit("MatMul", [states[0], graph.constant(recurrent_kernel)], segment.shape, dtype)
            new = graph.emit("Add", [mapped, segment], segment.shape, dtype)
            new = graph.emit(activation, [new], segment.shape, dtype)
            return new, [new]

    else:

        def step(segment: Value, states: list[Value]) -> tuple[Value, list[Value]]:
            output, new = trace(layer.cell.call, (segment, states), {})
            return graph.last(output), [graph.last(state) for state in new]

    sizes = layer.cell.state_size
    sizes = list(sizes) if isinstance(sizes, list | tuple) else [sizes]
    states = states or [_zeros(graph, by_step, size) for size in sizes]
    return _loop(graph, by_step, states, lengths, step)


def bidirectional(
    graph: Graph, layer: Any, sequence: Value, trace: Callable[..., Any], *, mask: Value | None = None
) -> Value:
    """Writes a `keras.layers.Bidirectional`: its second layer reads the real segments of each song in reverse order.

    Args:
        graph: The graph.
        layer: The layer, which joins the outputs of both directions.
        sequence: ``(batch, segments, features)``.
        trace: As in `recurrent`.
        mask: ``(batch, segments)``, True where a segment is real; None if all are.

    Raises:
        SettingsError: There is no translation.
    """
    if layer.merge_mode != "concat" or layer.return_state:
        raise SettingsError(
            f"layer {layer.name!r} has merge_mode={layer.merge_mode!r} and return_state={layer.return_state}; only "
            "bidirectional layers with merge_mode='concat' and return_state=False have a translation to ONNX"
        )
    sequence = graph.last(sequence)
    forward = recurrent(graph, layer.forward_layer, sequence, trace, mask=mask)
    other = _reversed(graph, sequence, mask)
    backward = recurrent(graph, layer.backward_layer, other, trace, mask=mask, backwards=True)
    if layer.return_sequences:
        parts = [forward.every, _reversed(graph, backward.every, mask)]
    else:
        parts = [forward.last, backward.last]
    units = [part.shape[-1] or 0 for part in parts]
    return graph.emit("Concat", parts, (*parts[0].shape[:-1], sum(units)), sequence.dtype, axis=-1)


def _reversed(graph: Graph, sequence: Value, mask: Value | None) -> Value:
    """Reverses the real segments of each song, ``(batch, segments, features)``; padding stays at the end."""
    if mask is None:
        start, end, axis, step = (graph.constant(np.array([n], np.int64)) for n in (-1, -(2**31) + 1, 1, -1))
        return graph.emit("Slice", [sequence, start, end, axis, step], sequence.shape, sequence.dtype)
    lengths = graph.value(_lengths(graph, mask), "int64")
    return graph.emit("ReverseSequence", [sequence, lengths], sequence.shape, sequence.dtype, batch_axis=0, time_axis=1)


def _lengths(graph: Graph, mask: Value) -> Value:
    """Returns the number of real segments of each song, ``(batch,)``."""
    steps = graph.value(graph.last(mask), "int32")
    return graph.emit("ReduceSum", [steps, _axis(graph, 1)], mask.shape[:1], "int32", keepdims=0)


def _lstm(graph: Graph, layer: Any, by_step: Value, states: list[Value], lengths: Value | None) -> Outputs:
    cell = layer.cell
    parts = [_gates(part, [0, 3, 1, 2], layer.units) for part in _parts(cell)]  # i f c o -> i o f c
    activations = [_activation(part) for part in (cell.recurrent_activation, cell.activation, cell.activation)]
    return _operator(graph, "LSTM", by_step, parts, states, lengths, activations=activations)


def _gru(graph: Graph, layer: Any, by_step: Value, states: list[Value], lengths: Value | None) -> Outputs:
    cell = layer.cell  # its gates have ONNX's order; the bias of the input is before that of the state
    activations = [_activation(part) for part in (cell.recurrent_activation, cell.activation)]
    after = int(cell.reset_after)
    return _operator(
        graph, "GRU", by_step, _parts(cell), states, lengths, activations=activations, linear_before_reset=after
    )


def _operator(
    graph: Graph,
    operator: str,
    by_step: Value,
    parts: Sequence[np.ndarray],
    states: Sequence[Value],
    lengths: Value | None,
    **attributes: Any,
) -> Outputs:
    """Writes ``LSTM`` or ``GRU``, whose axes are steps, directions, songs and units."""
    kernel, recurrent_kernel, bias = parts
    units, dtype = recurrent_kernel.shape[0], by_step.dtype
    full = np.zeros(2 * recurrent_kernel.shape[1], dtype)
    full[: bias.size] = bias.reshape(-1)
    segments, batch, _ = by_step.shape
    weights = [graph.constant(part.T[None], dtype) for part in (kernel, recurrent_kernel)]
    begin = [graph.emit("Unsqueeze", [state, _axis(graph, 0)], (1, *state.shape), dtype) for state in states]
    sequence_lens = lengths if graph.sequence_lens else None
    inputs = [by_step, *weights, graph.constant(full[None]), sequence_lens, *begin]
    outputs = 3 if operator == "LSTM" else 2
    names = graph.names(operator, inputs, outputs, hidden_size=units, **attributes)
    every = Value(names[0], (segments, 1, batch, units), dtype)
    every = graph.emit("Squeeze", [every, _axis(graph, 1)], (segments, batch, units), dtype)
    final = [Value(name, (1, batch, units), dtype) for name in names[1:]]
    final = [graph.emit("Squeeze", [state, _axis(graph, 0)], (batch, units), dtype) for state in final]
    every = _by_song(graph, every)
    if lengths is not None and sequence_lens is None:
        empty = states[0] if states else graph.constant(np.zeros((), dtype))
        final[0] = _of_last_step(graph, every, lengths, empty)
    return Outputs(every, final[0], final)


def _loop(graph: Graph, by_step: Value, states: Sequence[Value], lengths: Value | None, step: Step) -> Outputs:
    """Writes a loop that keeps the outputs and states of all steps; those of the last real step are looked up."""
    segments, batch, features = by_step.shape
    dtype = by_step.dtype
    with graph.body(*((state.shape, dtype) for state in states), ((batch, features), dtype)) as body:
        output, new = step(body.inputs[-1], list(body.inputs[:-1]))
        kept = {value.name: value for value in (output, *new)}
        copies = [graph.emit("Identity", [value], value.shape, dtype) for value in kept.values()]
        body.outputs = (*new, *copies)
    names = graph.within("Scan", [*states, by_step], {"body": body}, len(body.outputs), num_scan_inputs=1)
    every = {
        name: _by_song(graph, Value(written, (segments, *value.shape), dtype))
        for (name, value), written in zip(kept.items(), names[len(new) :], strict=True)
    }
    before = [graph.constant(np.zeros((), dtype)), *states]
    last, *final = (
        _of_last_step(graph, every[value.name], lengths, empty)
        for value, empty in zip((output, *new), before, strict=True)
    )
    return Outputs(every[output.name], last, final)


def _of_last_step(graph: Graph, every: Value, lengths: Value | None, empty: Value) -> Value:
    """Returns the values of the last real step of each song, ``(batch, units)``; ``empty`` for a song without any."""
    batch, _, units = every.shape
    if lengths is None:
        last = graph.constant(np.asarray(-1, np.int64))
        return graph.emit("Gather", [every, last], (batch, units), every.dtype, axis=1)
    one = graph.constant(np.ones((), lengths.dtype))
    place = graph.value(graph.emit("Sub", [lengths, one], lengths.shape, lengths.dtype), "int64")
    place = graph.emit("Unsqueeze", [place, _axis(graph, 1)], (batch, 1), "int64")
    found = graph.emit("GatherND", [every, place], (batch, units), every.dtype, batch_dims=1)
    real = graph.emit("Greater", [lengths, graph.constant(np.zeros((), lengths.dtype))], lengths.shape, "bool")
    real = graph.emit("Unsqueeze", [real, _axis(graph, 1)], (batch, 1), "bool")
    return graph.emit("Where", [real, found, empty], found.shape, found.dtype)


def _by_song(graph: Graph, every: Value) -> Value:
    """Transposes ``(segments, batch, units)`` to ``(batch, segments, units)``."""
    segments, batch, units = every.shape
    return graph.emit("Transpose", [every], (batch, segments, units), every.dtype, perm=[1, 0, 2])


def _zeros(graph: Graph, by_step: Value, units: int) -> Value:
    """Returns a state of zeros, ``(batch, units)``."""
    batch = graph.emit("Shape", [by_step], (1,), "int64", start=1, end=2)
    size = graph.emit("Concat", [batch, graph.constant(np.array([units], np.int64))], (2,), "int64", axis=0)
    zero = graph.constant(np.zeros((1, 1), by_step.dtype))
    return graph.emit("Expand", [zero, size], (by_step.shape[1], units), by_step.dtype)


def _plain(cell: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, str] | None:
    """Returns kernels, bias and activation of a cell whose new state is an activated affine map, else None."""
    if isinstance(cell, TanhCell):
        kernel, bias = _array(cell.kernel), _array(cell.bias)
        return kernel[: -cell.units], kernel[-cell.units :], bias, "Tanh"
    if isinstance(cell, BatchNormTanhCell):
        scale = _array(cell.gamma) / np.sqrt(_array(cell.moving_variance) + cell.epsilon)
        kernel, bias = _array(cell.kernel) * scale, _array(cell.beta) - _array(cell.moving_mean) * scale
        return kernel[: -cell.units], kernel[-cell.units :], bias, "Tanh"
    if type(cell) is keras.layers.SimpleRNNCell:
        kernel, recurrent_kernel, bias = _parts(cell)
        return kernel, recurrent_kernel, bias, _activation(cell.activation)
    return None


def _parts(cell: Any) -> list[np.ndarray]:
    """Returns kernel, recurrent kernel and bias of a Keras cell."""
    kernel, recurrent_kernel = _array(cell.kernel), _array(cell.recurrent_kernel)
    bias = _array(cell.bias) if cell.use_bias else np.zeros(kernel.shape[1], kernel.dtype)
    return [kernel, recurrent_kernel, bias]


def _gates(part: np.ndarray, order: Sequence[int], units: int) -> np.ndarray:
    """Reorders the columns of the gates."""
    return np.concatenate([part[..., gate * units : (gate + 1) * units] for gate in order], axis=-1)


def _activation(activation: Any) -> str:
    name = keras.activations.serialize(activation)
    if name not in ACTIVATIONS:
        raise SettingsError(f"a recurrent cell with the activation {name!r} has no translation to ONNX")
    return ACTIVATIONS[name]


def _axis(graph: Graph, axis: int) -> Value:
    return graph.constant(np.array([axis], np.int64))


def _array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))
