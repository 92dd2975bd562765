"""The translation of a Keras model to an ONNX graph.

Keras records how the layers of a functional model are connected, masks included. Layers that are written in
`keras.ops` alone can be called on symbolic tensors, which records the operations inside them. Therefore only operations
need translations (`genrezoo.exporting.operations`), and the few layers that have an ONNX operator of their own or that
must not be called.

Keras's own exporter is slower. It goes through TensorFlow's graph, in which a recurrent layer that masks padding is a
loop of small operators: `lstm` takes 1.4 ms for one song, and 0.2 ms with ONNX's operator. It also needs the TensorFlow
backend, and runs both members of a cascade on every song.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.exporting.graph import Graph, Value
from genrezoo.exporting.operations import OPERATIONS, reshaped
from genrezoo.exporting.recurrent import bidirectional, recurrent
from genrezoo.layers import ActivityStabiliser, Cascade, DiversityPenalty, Frozen, Head, LastSegment

UNCHANGED = (
    ActivityStabiliser,
    DiversityPenalty,
    Head,
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
)
"""Layers that return their input outside of training."""


def to_onnx(model: Any, output: str = "logits", *, sequence_lens: bool = True) -> bytes:
    """Translates a functional model to ONNX, without metadata.

    Args:
        model: A model with one input; of several outputs the one called ``logits`` is translated.
        output: Name of the output in the graph; the input is called ``songs``.
        sequence_lens: As in `Graph`.

    Returns:
        The serialised ONNX model.

    Raises:
        SettingsError: One of its layers has no translation.

    Example:
        >>> from genrezoo.models import create_model
        >>> len(to_onnx(create_model("lstm", (None, 25), 10, units=20))) // 1000  # kilobytes
        17
    """
    graph = Graph(sequence_lens=sequence_lens)
    songs = Value("songs", tuple(model.inputs[0].shape), "float32")
    wanted = model.output["logits"] if isinstance(model.output, dict) else model.output
    found = Translator(graph).model(model, [songs], wanted)
    onnx_model = graph.finish([songs], {output: found}, name=model.name)
    written: bytes = onnx_model.SerializeToString()
    return written


class Translator:
    """Writes a model's layers into a graph.

    Args:
        graph: The graph.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self._last_outputs: dict[tuple[str, str | None], Value] = {}

    def model(self, model: Any, inputs: Sequence[Value], outputs: Any = None) -> Any:
        """Writes a functional model.

        Args:
            model: The model.
            inputs: Its inputs.
            outputs: The symbolic tensors to compute; all of its outputs if left out.

        Returns:
            The values in the structure of the outputs.
        """
        if isinstance(model, keras.Sequential):
            model = model._functional
        known = {id(tensor): value for tensor, value in zip(model.inputs, inputs, strict=True)}
        return self.tensors(model._outputs_struct if outputs is None else outputs, known, model.inputs)

    def tensors(self, wanted: Any, known: dict[int, Value], inputs: Sequence[Any]) -> Any:
        """Writes the operations that compute symbolic tensors.

        Args:
            wanted: A structure of symbolic tensors.
            known: Values by the identity of their tensors; new values are added.
            inputs: The symbolic inputs of the model.

        Returns:
            The values in the structure of ``wanted``.
        """
        open_ends = [tensor for tensor in keras.tree.flatten(wanted) if isinstance(tensor, keras.KerasTensor)]
        while open_ends:
            tensor = open_ends[-1]
            if id(tensor) in known:
                open_ends.pop()
                continue
            node = self._node(tensor)
            lazy = isinstance(node.operation, Cascade)
            needed = [one for one in (node.input_tensors[:1] if lazy else node.input_tensors) if id(one) not in known]
            if needed:
                open_ends += needed
                continue
            if lazy:
                found = self._cascade(node, known, inputs)
            else:
                args, kwargs = node.arguments.convert(lambda part: self._filled(part, known))
                found = self.operation(node.operation, node.output_tensors, args, kwargs)
            values = keras.tree.flatten(found)
            known.update({id(one): value for one, value in zip(node.output_tensors, values, strict=True)})
        return keras.tree.map_structure(lambda one: self._filled(one, known), wanted)

    def operation(self, operation: Any, outputs: Sequence[Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Writes one layer or one operation of `keras.ops`, applied to values and constants."""
        if not isinstance(operation, keras.layers.Layer):
            name = type(operation).__name__
            if name not in OPERATIONS:
                raise SettingsError(f"the operation {name!r} of keras.ops has no translation to ONNX")
            return OPERATIONS[name](self.graph, operation, outputs[0], *args, **kwargs)
        if isinstance(operation, UNCHANGED):
            return args[0]
        if isinstance(operation, Frozen):
            return self.model(operation.model, keras.tree.flatten(args[0]))
        if isinstance(operation, keras.Model) and getattr(operation, "inputs", None):
            return self.model(operation, keras.tree.flatten(args[0]))
        if isinstance(operation, keras.layers.RNN):
            return self._recurrent(operation, outputs, *args, **kwargs)
        if isinstance(operation, keras.layers.Bidirectional):
            return bidirectional(self.graph, operation, args[0], self.traced, mask=kwargs.get("mask"))
        if isinstance(operation, LastSegment):
            last = self._last_outputs.get((args[0].name, _name(kwargs.get("mask"))))
            return last or self.traced(operation.call, args, kwargs)
        if isinstance(operation, keras.layers.Flatten | keras.layers.Reshape):
            return self._reshape(args[0], outputs[0])
        if isinstance(operation, keras.layers.Rescaling):  # its `call` is not written in keras.ops
            return self.traced(lambda x: x * operation.scale + operation.offset, args, kwargs)
        return self.traced(operation.call, args, kwargs)

    def traced(self, call: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Writes the operations of a function, which are recorded when it is called on symbolic tensors."""
        known: dict[int, Value] = {}
        inputs = []

        def symbol(part: Any) -> Any:
            if not isinstance(part, Value):
                return part
            tensor = keras.KerasTensor(part.shape, part.dtype)
            known[id(tensor)] = part
            inputs.append(tensor)
            return tensor

        symbols, options = keras.tree.map_structure(symbol, (args, dict(kwargs)))
        if "training" in inspect.signature(call).parameters:
            options["training"] = False
        return self.tensors(call(*symbols, **options), known, inputs)

    def _filled(self, part: Any, known: Mapping[int, Value]) -> Any:
        """Returns the value of a symbolic tensor, the content of a variable or tensor, and anything else unchanged."""
        if isinstance(part, keras.KerasTensor):
            return known[id(part)]
        if isinstance(part, keras.Variable) or keras.ops.is_tensor(part):
            return keras.ops.convert_to_numpy(part)
        return part

    def _node(self, tensor: Any) -> Any:
        history = tensor._keras_history
        if history.operation is None:
            raise SettingsError("a layer reads a tensor that does not depend on the model's inputs")
        return history.operation._inbound_nodes[history.node_index]

    def _reshape(self, x: Value, output: Any) -> Value:
        sizes: list[int | None] = [None, *(-1 if size is None else size for size in output.shape[1:])]
        return reshaped(self.graph, x, sizes, output.shape)

    def _recurrent(self, layer: Any, outputs: Sequence[Any], sequence: Value, **options: Any) -> Any:
        """Writes a recurrent layer and remembers its last output, for `LastSegment`."""
        found = recurrent(self.graph, layer, sequence, self.traced, **options)
        self._last_outputs[found.every.name, _name(options.get("mask"))] = found.last
        output = found.every if layer.return_sequences else found.last
        return [output, *found.states] if layer.return_state else output

    def _cascade(self, node: Any, known: dict[int, Value], inputs: Sequence[Any]) -> Value:
        """Writes a cascade: the second model runs only if songs are deferred to it, and only on these."""
        graph, layer = self.graph, node.operation
        first_tensor, second_tensor = node.input_tensors
        first = known[id(first_tensor)]
        asks = graph.last(self.traced(layer.asks, (first,), {}))
        number = graph.value(asks, "int32")
        anyone = graph.emit("ReduceMax", [number, graph.constant(np.array([0], np.int64))], (), "int32", keepdims=0)

        def ask() -> Value:
            asked = {}
            for tensor in inputs:
                songs = graph.last(known[id(tensor)])
                asked[id(tensor)] = graph.emit("Compress", [songs, asks], (None, *songs.shape[1:]), songs.dtype, axis=0)
            second = graph.last(self.tensors(second_tensor, asked, inputs))
            where = graph.emit("NonZero", [asks], (1, None), "int64")
            where = graph.emit("Transpose", [where], (None, 1), "int64", perm=[1, 0])
            answers = graph.emit("ScatterND", [first, where, second], first.shape, first.dtype)
            found: Value = self.traced(layer.call, ([first, answers],), {})
            return found

        condition = graph.value(anyone, "bool")
        return graph.choose(condition, ask, lambda: first, first.shape, first.dtype)


def _name(value: Value | None) -> str | None:
    return None if value is None else value.name
