"""The points of a space by number: how many there are, and any of them without those before."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras_tuner

hyperparameters = keras_tuner.engine.hyperparameters


class Points:
    """All combinations of values that the conditions allow, as KerasTuner's grid search counts them.

    Args:
        space: Hyperparameters in their order, parents before their children.
        values: Of each the values it may take.
    """

    def __init__(self, space: Sequence[Any], values: Sequence[Sequence[Any]]):
        self._space, self._values = list(space), list(values)
        self._needed = [  # names that conditions from here on ask for
            {condition.name for later in self._space[place:] for condition in later.conditions}
            for place in range(len(self._space) + 1)
        ]
        self._runs = [_runs(values, self._space[place].name, self._space) for place, values in enumerate(self._values)]
        self._counts: dict[tuple[Any, ...], int] = {}
        self.size = self._count(0, {})

    def at(self, number: int) -> dict[str, Any]:
        """The point of that number, from 0; the last hyperparameters change fastest."""
        chosen: dict[str, Any] = {}
        for place, (one, values) in enumerate(zip(self._space, self._values, strict=True)):
            if one.name in chosen or not is_active(one, chosen):
                continue
            for run in self._runs[place]:
                each = self._count(place + 1, chosen | {one.name: values[run.start]})
                if number < len(run) * each:
                    which, number = divmod(number, each)
                    chosen[one.name] = values[run[which]]
                    break
                number -= len(run) * each
        return chosen

    def _count(self, place: int, chosen: dict[str, Any]) -> int:
        """Number of ways to go on from a place of the space."""
        if place == len(self._space):
            return 1
        key = (place, *sorted((name, repr(chosen[name])) for name in self._needed[place] & chosen.keys()))
        if key not in self._counts:
            one, values = self._space[place], self._values[place]
            if one.name in chosen or not is_active(one, chosen):
                count = self._count(place + 1, chosen)
            else:
                count = sum(
                    len(run) * self._count(place + 1, chosen | {one.name: values[run.start]})
                    for run in self._runs[place]
                )
            self._counts[key] = count
        return self._counts[key]


def _runs(values: Sequence[Any], name: str, space: Sequence[Any]) -> list[range]:
    """The values' places in stretches that no condition tells apart."""
    named = {
        value for one in space for condition in one.conditions if condition.name == name for value in condition.values
    }
    alone = sorted(values.index(value) for value in named if value in values)
    edges = sorted({0, len(values), *alone, *(place + 1 for place in alone)})
    return [range(start, stop) for start, stop in itertools.pairwise(edges)]


def all_points(template: Any) -> Points | None:
    """Every point of a space, or None when there is no end of them."""
    values = [distinct_values(one) for one in template.space]
    return Points(template.space, [some for some in values if some is not None]) if None not in values else None


def grid_points(template: Any) -> Points:
    """Every point of KerasTuner's grid over a space."""
    return Points(template.space, [_grid_values(one) for one in template.space])


def grid_size(template: Any) -> int:
    """Number of points of KerasTuner's grid over a space.

    A float without a step, and an integer on a logarithmic scale without one, stand there with ten values and their
    default.

    Args:
        template: ``keras_tuner.HyperParameters`` with all hyperparameters registered.

    Example:
        >>> import keras_tuner
        >>> template = keras_tuner.HyperParameters()
        >>> _ = template.Boolean("shuffle"), template.Float("dropout", 0, 1, step=0.25)
        >>> grid_size(template)
        10
    """
    return grid_points(template).size


def distinct_values(one: Any) -> Sequence[Any] | None:
    """All values of a hyperparameter, or None when they are without number."""
    if isinstance(one, hyperparameters.Int):
        if one.step is None or one.sampling == "linear":
            return range(one.min_value, one.max_value + 1, one.step or 1)
        return [int(value) for value in one.values]  # KerasTuner's logarithmic ones are floats
    if isinstance(one, hyperparameters.Float) and one.step is None:
        return None if one.min_value < one.max_value else [one.min_value]
    return list(dict.fromkeys(one.values))


def _grid_values(one: Any) -> list[Any]:
    """KerasTuner's grid on one axis: the default first, and not again as its neighbour by a rounding."""
    if isinstance(one, hyperparameters.Int | hyperparameters.Float) and one.step is None:
        values = sorted(one.values)
    else:
        values = list(distinct_values(one) or [])
    return [one.default, *(value for value in values if not _same(value, one.default))]


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, float) and isinstance(other, float):
        return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(value == other)


def is_active(one: Any, values: Mapping[str, Any]) -> bool:
    """Whether the conditions of a hyperparameter are met."""
    return all(condition.is_active(values) for condition in one.conditions)
