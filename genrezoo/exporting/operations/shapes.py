"""Operations that rearrange tensors: reshaping, joining, indexing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.exporting.graph import Graph, Value
from genrezoo.exporting.operations.registry import of


def reshaped(graph: Graph, x: Value, sizes: Sequence[int | None], output_shape: Sequence[int | None]) -> Value:
    """Reshapes a tensor; None copies the size of the same axis of the input, and -1 infers the size."""
    target = graph.constant(np.array([0 if size is None else size for size in sizes], np.int64))
    return graph.emit("Reshape", [graph.last(x), target], tuple(output_shape), x.dtype)


@of("Reshape")
def _reshape(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return reshaped(graph, x, operation.newshape, output.shape)


@of("Squeeze")
def _squeeze(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    rank = len(x.shape)
    given = [a for a, size in enumerate(x.shape) if size == 1] if operation.axis is None else operation.axis
    axes = sorted(a % rank for a in ([given] if isinstance(given, int) else given))
    if x.first and rank - 1 in axes:  # without channels, the other axes have the same order in both layouts
        axes = sorted(1 if a == rank - 1 else a + 1 for a in axes)
    else:
        x = graph.last(x)
    return graph.emit("Squeeze", [x, graph.constant(np.array(axes, np.int64))], output.shape, output.dtype)


@of("ExpandDims")
def _expand_dims(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    given, rank = operation.axis, len(output.shape)
    axes = sorted(a % rank for a in ([given] if isinstance(given, int) else given))
    if (made := graph.made_by(x, "Squeeze")) and made[0].shape == output.shape:
        before: Value = made[0]
        return before
    return graph.emit("Unsqueeze", [graph.last(x), graph.constant(np.array(axes, np.int64))], output.shape, x.dtype)


@of("Transpose")
def _transpose(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    order = operation.axes or range(len(x.shape))[::-1]
    return graph.emit("Transpose", [graph.last(x)], output.shape, x.dtype, perm=list(order))


@of("Concatenate")
def _concatenate(graph: Graph, operation: Any, output: Any, xs: Sequence[Any]) -> Value:
    return joined(graph, [graph.value(x, output.dtype) for x in xs], operation.axis, output.shape)


def joined(graph: Graph, values: Sequence[Value], axis: int, shape: Sequence[int | None]) -> Value:
    """Concatenates tensors along an axis, with channels first if all of them have this layout."""
    rank = len(shape)
    first, axis = all(value.first for value in values), axis % rank
    if first:
        axis = 0 if axis == 0 else 1 if axis == rank - 1 else axis + 1
    else:
        values = [graph.last(value) for value in values]
    return graph.emit("Concat", values, tuple(shape), values[0].dtype, first=first, axis=axis)


@of("Stack")
def _stack(graph: Graph, operation: Any, output: Any, xs: Sequence[Any]) -> Value:
    axis = operation.axis % len(output.shape)
    where = graph.constant(np.array([axis], np.int64))
    shape = tuple(1 if a == axis else size for a, size in enumerate(output.shape))
    values = [graph.last(graph.value(x, output.dtype)) for x in xs]
    parts = [graph.emit("Unsqueeze", [value, where], shape, output.dtype) for value in values]
    return graph.emit("Concat", parts, output.shape, output.dtype, axis=axis)


@of("Take")
def _take(graph: Graph, operation: Any, output: Any, x: Value, indices: Any) -> Value:
    where = indices if isinstance(indices, Value) else graph.constant(np.asarray(indices, np.int64))
    return _gathered(graph, x, where, operation.axis, output)


@of("Flip")
def _flip(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    axis = operation.axis % len(x.shape)
    return _gathered(graph, x, graph.constant(np.arange(_size(x, axis))[::-1].astype(np.int64)), axis, output)


@of("Repeat")
def _repeat(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    axis = operation.axis % len(x.shape)
    where = np.repeat(np.arange(_size(x, axis), dtype=np.int64), operation.repeats)
    return _gathered(graph, x, graph.constant(where), axis, output)


def _gathered(graph: Graph, x: Value, indices: Value, axis: int, output: Any) -> Value:
    return graph.emit("Gather", [graph.last(x), indices], output.shape, output.dtype, axis=axis)


def _size(x: Value, axis: int) -> int:
    size = x.shape[axis]
    if size is None:
        raise SettingsError(f"axis {axis} of {x.shape} has no fixed size, which the translation to ONNX needs")
    return size


@of("GetItem")
def _get_item(graph: Graph, operation: Any, output: Any, x: Value, key: Any) -> Value:
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        missing = len(x.shape) - sum(k is not None for k in keys) + 1
        keys[place : place + 1] = [slice(None)] * missing
    x = graph.last(x)
    starts: list[int] = []
    ends: list[int] = []
    axes: list[int] = []
    steps: list[int] = []
    dropped: list[int] = []
    added: list[int] = []
    axis = 0
    for position, part in enumerate(keys):
        if part is None:
            added.append(position - len(dropped))
            continue
        if isinstance(part, slice):
            if part != slice(None):
                step = part.step or 1
                low, high = (0, 2**31 - 1) if step > 0 else (2**31 - 1, -(2**31) + 1)
                starts.append(low if part.start is None else part.start)
                ends.append(high if part.stop is None else part.stop)
                axes.append(axis)
                steps.append(step)
        elif isinstance(part, int | np.integer):
            starts.append(int(part))
            ends.append(2**31 - 1 if part == -1 else int(part) + 1)
            axes.append(axis)
            steps.append(1)
            dropped.append(axis)
        else:
            raise SettingsError(f"indexing by {part!r} has no translation to ONNX")
        axis += 1
    if axes:
        tables = [graph.constant(np.array(table, np.int64)) for table in (starts, ends, axes, steps)]
        shape = tuple(None if a in axes else size for a, size in enumerate(x.shape))
        x = graph.emit("Slice", [x, *tables], shape, x.dtype)
    for operator, where in (("Squeeze", dropped), ("Unsqueeze", added)):
        if where:
            x = graph.emit(operator, [x, graph.constant(np.array(where, np.int64))], output.shape, x.dtype)
    return Value(x.name, tuple(output.shape), x.dtype)
