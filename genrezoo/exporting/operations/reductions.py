"""Operations along an axis: sums, means, maxima, softmax, sorting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genrezoo.exporting.graph import Graph, Value
from genrezoo.exporting.operations.registry import OPERATIONS, Translation, of


def _reduction(operator: str) -> Translation:
    def translate(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
        return _reduced(graph, operator, operation, output.shape, graph.value(x, output.dtype))

    return translate


def _reduced(graph: Graph, operator: str, operation: Any, shape: Sequence[int | None], x: Value) -> Value:
    x, axes = _axes(graph, x, operation.axis, operation.keepdims)
    first, keepdims = x.first and bool(operation.keepdims), int(operation.keepdims)
    return graph.emit(operator, [x, axes], tuple(shape), x.dtype, first=first, keepdims=keepdims)


def _axes(graph: Graph, x: Value, axis: Any, keepdims: bool) -> tuple[Value, Value]:
    """Returns the tensor and the axes to reduce; channels stay first if this does not change the result."""
    rank = len(x.shape)
    axes = {a % rank for a in (range(rank) if axis is None else [axis] if isinstance(axis, int) else axis)}
    if x.first and (keepdims or axes >= set(range(1, rank - 1))):
        axes = {0 if a == 0 else 1 if a == rank - 1 else a + 1 for a in axes}
    else:
        x = graph.last(x)
    return x, graph.constant(np.array(sorted(axes), np.int64))


for _name, _operator in {"Sum": "ReduceSum", "Mean": "ReduceMean", "Max": "ReduceMax", "Min": "ReduceMin"}.items():
    OPERATIONS[_name] = _reduction(_operator)
OPERATIONS["Logsumexp"] = _reduction("ReduceLogSumExp")


@of("Any", "All")
def _any_or_all(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    if (made := graph.made_by(x, "IsNaN")) and type(operation).__name__ == "Any":
        total = _reduced(graph, "ReduceSum", operation, output.shape, made[0])  # NaN if any of the numbers is NaN
        return graph.emit("IsNaN", [total], tuple(output.shape), "bool", first=total.first)
    operator = {"Any": "ReduceMax", "All": "ReduceMin"}[type(operation).__name__]
    return _reduction(operator)(graph, operation, output, x)


@of("Softmax", "LogSoftmax")
def _softmax(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return graph.emit(type(operation).__name__, [graph.last(x)], output.shape, output.dtype, axis=operation.axis)


@of("Cumsum")
def _cumsum(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    axis = graph.constant(np.asarray(operation.axis % len(x.shape), np.int64))
    return graph.emit("CumSum", [graph.value(graph.last(x), output.dtype), axis], output.shape, output.dtype)


@of("Sort")
def _sort(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    """Writes ``TopK`` with the size of the axis; its second output, the positions, is not used."""
    x = graph.last(x)
    axis = operation.axis % len(x.shape)
    size = graph.emit("Shape", [x], (1,), "int64", start=axis, end=axis + 1)
    values, _ = graph.names("TopK", [x, size], 2, axis=axis, largest=0, sorted=1)
    return Value(values, tuple(output.shape), x.dtype)
