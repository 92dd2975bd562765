"""A builder of ONNX graphs: values, nodes, constants and subgraphs."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from genrezoo.errors import SettingsError
from genrezoo.exported import IR_VERSION, OPSET

Shape = tuple[int | None, ...]

ALL_OUTPUTS = {"TopK"}
"""Operators that must name all of their outputs, even those that no other operator reads."""


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph.

    Attributes:
        name: Its name in the graph.
        shape: In Keras's order of axes, channels last; None for a size that is known only when the graph runs.
        dtype: NumPy's name of its type.
        array: Its content, if it is constant.
        fill: The value of all its elements, if they are known to be equal.
        first: Whether it is stored with the channels as its second axis, the layout of ONNX's convolutions.
    """

    name: str
    shape: Shape
    dtype: str
    array: np.ndarray | None = None
    fill: float | None = None
    first: bool = False


@dataclass
class Node:
    """An operator with the names of its inputs and outputs; ``bodies`` are its subgraphs by attribute."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    bodies: dict[str, Scope] = field(default_factory=dict)


@dataclass
class Scope:
    """The nodes of a graph or subgraph; ``known`` finds an earlier node with the same inputs and attributes."""

    nodes: list[Node] = field(default_factory=list)
    known: dict[Any, tuple[str, ...]] = field(default_factory=dict)
    inputs: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()


class Graph:
    """Builds a graph node by node.

    The same operator on the same values is written once. Values know their layout: successive convolutions, and the
    elementwise operators between them, keep the channels first, so that no pair of transpositions is written.

    Args:
        sequence_lens: Whether recurrent operators get the lengths of the songs. If not, all steps are computed and the
            last real one is looked up, which takes up to 6 % longer in ONNX Runtime.
    """

    def __init__(self, *, sequence_lens: bool = True) -> None:
        self.sequence_lens = sequence_lens
        self._scopes = [Scope()]
        self._constants: dict[str, np.ndarray] = {}
        self._made: dict[str, tuple[str, tuple[Value | None, ...], dict[str, Any]]] = {}
        self._other_layout: dict[str, Value] = {}
        self._count = 0

    # ----- values

    def constant(self, array: Any, dtype: str | None = None) -> Value:
        """Returns a constant; equal arrays share one constant."""
        array = np.ascontiguousarray(array, dtype) if np.ndim(array) else np.asarray(array, dtype)
        key = f"{array.dtype}{array.shape}".encode() + array.tobytes()
        name = f"constant_{hashlib.sha256(key).hexdigest()[:16]}"
        self._constants[name] = array
        return Value(name, array.shape, str(array.dtype), array)

    def value(self, given: Any, dtype: str) -> Value:
        """Returns a value, a number or an array as a value of the given type."""
        if not isinstance(given, Value):
            return self.constant(given, dtype)
        if given.dtype == dtype:
            return given
        if given.array is not None:
            return self.constant(given.array.astype(dtype))
        return self.emit("Cast", [given], given.shape, dtype, first=given.first, to=onnx_type(dtype))

    def emit(
        self,
        operator: str,
        inputs: Sequence[Value | None],
        shape: Shape,
        dtype: str,
        *,
        first: bool = False,
        **attributes: Any,
    ) -> Value:
        """Writes an operator with one output."""
        (name,) = self.names(operator, inputs, 1, **attributes)
        self._made[name] = operator, tuple(inputs), attributes
        return Value(name, tuple(shape), dtype, first=first)

    def made_by(self, value: Any, operator: str) -> tuple[Any, ...]:
        """Returns the inputs of the operator whose output a value is; nothing if that is another operator."""
        found, inputs, _ = self._made.get(getattr(value, "name", ""), ("", (), {}))
        return inputs if found == operator else ()

    def again(self, value: Value, other: Value) -> Value:
        """Applies the operator whose output a value is to another first input."""
        operator, inputs, attributes = self._made[value.name]
        return self.emit(operator, [other, *inputs[1:]], other.shape, other.dtype, first=value.first, **attributes)

    def names(self, operator: str, inputs: Sequence[Value | None], outputs: int, **attributes: Any) -> tuple[str, ...]:
        """Writes an operator and returns the names of its outputs."""
        read = tuple("" if value is None else value.name for value in inputs)
        key = (operator, read, outputs, repr(sorted(attributes.items())))
        for scope in reversed(self._scopes):
            if key in scope.known:
                return scope.known[key]
        written = tuple(self._name(operator) for _ in range(outputs))
        self._scopes[-1].nodes.append(Node(operator, read, written, attributes))
        self._scopes[-1].known[key] = written
        return written

    # ----- layout

    def last(self, value: Value) -> Value:
        """Returns the value with the channels as its last axis, as in Keras."""
        return self._transposed(value, False) if value.first else value

    def first(self, value: Value) -> Value:
        """Returns the value with the channels as its second axis."""
        return value if value.first else self._transposed(value, True)

    def _transposed(self, value: Value, first: bool) -> Value:
        rank = len(value.shape)
        order = [0, rank - 1, *range(1, rank - 1)] if first else [0, *range(2, rank), 1]
        if value.array is not None:
            return replace(self.constant(value.array.transpose(order)), shape=value.shape, first=first)
        if value.name in self._other_layout:
            return self._other_layout[value.name]
        if rank == 3 and first and (made := self.made_by(value, "Unsqueeze")) and made[1].array.tolist() == [2]:
            one = self.constant(np.array([1], np.int64))  # a single channel is inserted at its final place
            return self.emit("Unsqueeze", [made[0], one], value.shape, value.dtype, first=True)
        found = self.emit("Transpose", [value], value.shape, value.dtype, first=first, perm=order)
        self._other_layout[found.name] = value
        return found

    def elementwise(self, operator: str, values: Sequence[Value], shape: Shape, dtype: str, **attributes: Any) -> Value:
        """Writes an elementwise operator in the layout of its inputs."""
        rank = len(shape)
        if any(value.fill is None and value.shape == tuple(shape) for value in values):  # the others broadcast
            values = [v if v.fill is None else self.constant(v.fill, v.dtype) for v in values]
        first = any(value.first for value in values)
        if first and all(value.array is not None or len(value.shape) in (0, rank) for value in values):
            values = [self._broadcastable(value, rank) for value in values]
        else:
            first, values = False, [self.last(value) for value in values]
        return self.emit(operator, values, shape, dtype, first=first, **attributes)

    def _broadcastable(self, value: Value, rank: int) -> Value:
        """Returns a value of the given rank with its channels first; a scalar is returned as it is."""
        if value.array is not None and value.array.ndim and not value.first:
            value = self.constant(value.array.reshape((1,) * (rank - value.array.ndim) + value.array.shape))
        return self.first(value) if value.shape else value

    # ----- bodies

    @contextlib.contextmanager
    def body(self, *inputs: tuple[Shape, str]) -> Iterator[Scope]:
        """Writes a subgraph until the block ends; it may read the earlier values of the graphs around it."""
        scope = Scope(inputs=tuple(Value(self._name("input"), shape, dtype) for shape, dtype in inputs))
        self._scopes.append(scope)
        try:
            yield scope
        finally:
            self._scopes.pop()

    def within(
        self, operator: str, inputs: Sequence[Value], bodies: dict[str, Scope], outputs: int, **attributes: Any
    ) -> tuple[str, ...]:
        """Writes an operator with subgraphs and returns the names of its outputs."""
        written = tuple(self._name(operator) for _ in range(outputs))
        read = tuple(value.name for value in inputs)
        self._scopes[-1].nodes.append(Node(operator, read, written, attributes, bodies))
        return written

    def choose(
        self, condition: Value, then: Callable[[], Value], otherwise: Callable[[], Value], shape: Shape, dtype: str
    ) -> Value:
        """Writes an ``If``: only the chosen one of two values is computed."""
        bodies = {}
        for name, compute in (("then_branch", then), ("else_branch", otherwise)):
            with self.body() as scope:
                found = self.last(compute())
                # A subgraph may only output values of its own.
                scope.outputs = (self.emit("Identity", [found], shape, dtype),)
            bodies[name] = scope
        return Value(self.within("If", [condition], bodies, 1)[0], shape, dtype)

    # ----- the whole

    def finish(self, inputs: Sequence[Value], outputs: dict[str, Value], *, name: str) -> onnx.ModelProto:
        """Returns the graph as an ONNX model, without the nodes and constants that no output needs.

        Args:
            inputs: The inputs of the graph.
            outputs: Its outputs by name.
            name: Name of the graph.
        """
        scope = self._scopes[0]
        scope.inputs = tuple(inputs)
        ends = []
        for own, value in outputs.items():
            scope.nodes.append(Node("Identity", (self.last(value).name,), (own,), {}))
            ends.append(Value(own, value.shape, value.dtype))
        scope.outputs = tuple(ends)
        used: set[str] = set()
        graph = self._assemble(scope, name, used)
        graph.initializer.extend(
            numpy_helper.from_array(array, key) for key, array in self._constants.items() if key in used
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="genrezoo")
        onnx.checker.check_model(model)
        return model

    def _assemble(self, scope: Scope, name: str, used: set[str]) -> onnx.GraphProto:
        used.update(value.name for value in scope.outputs)
        nodes = []
        for node in reversed(scope.nodes):
            if not used.intersection(node.outputs):
                continue
            used.update(node.inputs)
            inside = {key: self._assemble(body, f"{name}_{key}", used) for key, body in node.bodies.items()}
            outputs = list(node.outputs)
            if not (node.bodies or node.operator in ALL_OUTPUTS):
                while outputs[-1] not in used:
                    outputs.pop()
                outputs = [output if output in used else "" for output in outputs]
            nodes.append(
                helper.make_node(node.operator, node.inputs, outputs, name=outputs[-1], **node.attributes, **inside)
            )
        return helper.make_graph(
            nodes[::-1], name, [_info(value) for value in scope.inputs], [_info(value) for value in scope.outputs]
        )

    def _name(self, operator: str) -> str:
        self._count += 1
        return f"{operator.lower()}_{self._count}"


def onnx_type(dtype: str) -> int:
    """Returns ONNX's number of a type."""
    try:
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    except (TypeError, KeyError) as error:
        raise SettingsError(f"ONNX does not support numbers of type {dtype!r}") from error


def _info(value: Value) -> onnx.ValueInfoProto:
    """Describes an input or output; the first axis is called ``batch``, other axes of free size by their position."""
    sizes = [
        size if size is not None else ("batch" if axis == 0 else "segments" if axis == 1 else f"axis_{axis}")
        for axis, size in enumerate(value.shape)
    ]
    return helper.make_tensor_value_info(value.name, onnx_type(value.dtype), sizes)
