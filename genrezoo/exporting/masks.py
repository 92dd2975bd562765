"""Simplifications of a graph that hold because masks consist of zeros and ones.

Each layer masks its input and its output, and converts masks to numbers and back. The functions here look at the
operators that made a value and leave out those that change nothing. Each saves half a microsecond on one song: in
total 17 of the 68 microseconds of `conv_in_time`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from genrezoo.exporting.graph import Graph, Value

FAR = 1e29
"""Penalties that keep masked numbers from being a maximum are larger than this."""


def is_binary(graph: Graph, value: Any) -> bool:
    """Whether all elements of a value are known to be 0 or 1."""
    for operator in ("MaxPool", "Unsqueeze", "Squeeze", "Transpose", "Slice", "Cast"):
        if found := graph.made_by(value, operator):
            return found[0].dtype == "bool" if operator == "Cast" else is_binary(graph, found[0])
    return False


def numbers_of(graph: Graph, mask: Any) -> Value | None:
    """Returns the zeros and ones that a mask was made of; None if it was made in another way."""
    made = graph.made_by(mask, "Greater")
    return made[0] if made and is_binary(graph, made[0]) and not np.any(made[1].array) else None


def is_masked(graph: Graph, value: Any, mask: Value) -> bool:
    """Whether a value is known to be zero wherever a mask is."""
    names = {mask.name, graph.first(mask).name} if len(mask.shape) > 2 else {mask.name}
    return not names.isdisjoint(_masks_of(graph, value))


def masked(graph: Graph, value: Value, mask: Value) -> Value | None:
    """Replaces NaN and masks the segments with NaN in one step; None if the value was not made like that."""
    made = graph.made_by(value, "Where")
    padding = made and graph.made_by(made[0], "IsNaN")
    real = graph.made_by(mask, "Unsqueeze") and graph.made_by(graph.made_by(mask, "Unsqueeze")[0], "Cast")
    anywhere = real and graph.made_by(real[0], "Not") and graph.made_by(graph.made_by(real[0], "Not")[0], "IsNaN")
    total = anywhere and graph.made_by(anywhere[0], "ReduceSum")
    if not (padding and total and padding[0].name == total[0].name == made[2].name and not value.first):
        return None
    last = graph.constant(np.array([2], np.int64))
    keep = graph.emit("Unsqueeze", [real[0], last], (*real[0].shape, 1), "bool")
    return graph.emit("Where", [keep, made[2], made[1]], value.shape, value.dtype)


def without_penalty(graph: Graph, value: Value) -> Value:
    """Leaves out the penalty of masked numbers before max pooling, if they are zero and no other is negative."""
    parts = graph.made_by(value, "Add")
    for kept, penalty in (parts, parts[::-1]) if parts else ():
        factors = graph.made_by(penalty, "Mul")
        less_one = factors and graph.made_by(factors[0], "Sub")
        if less_one and factors[1].array is not None and factors[1].array.min() > FAR and _not_negative(graph, kept):
            found: Value = kept
            return found if less_one[0].name in _masks_of(graph, found) else value
    return value


def _masks_of(graph: Graph, value: Any) -> Iterator[str]:
    """Yields the names of masks; wherever one of them is zero, the value is known to be zero."""
    yield from (factor.name for factor in graph.made_by(value, "Mul") if is_binary(graph, factor))
    if (pooled := graph.made_by(value, "MaxPool")) and _not_negative(graph, pooled[0]):
        for factor in graph.made_by(pooled[0], "Mul"):
            if is_binary(graph, factor):
                yield graph.again(value, factor).name


def _not_negative(graph: Graph, value: Any) -> bool:
    if graph.made_by(value, "Relu") or is_binary(graph, value):
        return True
    parts = graph.made_by(value, "Mul") or graph.made_by(value, "MaxPool")[:1]
    return bool(parts) and all(_not_negative(graph, part) for part in parts)
