"""Points of a space as vectors, as KerasTuner embeds them: each hyperparameter in [0, 1], values in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from genrezoo.tuning.oracles.points import distinct_values, hyperparameters, is_active

Array = npt.NDArray[np.float64]
LARGEST = 10_000  # a range of more integers is as good as continuous


class Embedding:
    """The way from values to vectors, and from any vector to the one that its values have.

    A model that sees the latter alone knows what KerasTuner's does not: between two neighbouring values of an integer
    there is nothing to find, and an inactive hyperparameter has no influence.

    Args:
        template: ``keras_tuner.HyperParameters`` with all hyperparameters registered.
    """

    def __init__(self, template: Any):
        self.axes = [_Axis(one) for one in template.space if not isinstance(one, hyperparameters.Fixed)]
        self._fixed = {one.name: one.value for one in template.space if isinstance(one, hyperparameters.Fixed)}

    def vector(self, values: Mapping[str, Any]) -> Array:
        """Where the active values of a point stand; (dimensions,)."""
        return np.array([axis.place(values) for axis in self.axes])

    def snap(self, x: Array) -> Array:
        """Vectors of the points that ``x`` stands for; (points, dimensions)."""
        x = np.array(x, dtype=np.float64)
        active: list[npt.NDArray[np.bool_]] = []
        chosen: list[npt.NDArray[np.int64] | None] = []
        for column, axis in enumerate(self.axes):
            on = np.ones(len(x), dtype=bool)
            for condition in axis.one.conditions:
                met = np.full(len(x), self._fixed.get(condition.name) in condition.values)
                for parent, is_on, which in zip(self.axes, active, chosen, strict=False):
                    if parent.one.name == condition.name and which is not None:
                        met |= is_on & np.isin(which, parent.indices(tuple(condition.values)))
                on &= met
            which = axis.index(x[:, column])
            if which is not None:
                x[:, column] = axis.centres[which]
            x[~on, column] = axis.default
            active.append(on)
            chosen.append(which)
        return x


class _Axis:
    """One hyperparameter: its buckets in [0, 1], or none if it is continuous."""

    def __init__(self, one: Any):
        self.one = one
        values = distinct_values(one)
        self.values = list(values) if values is not None and len(values) <= LARGEST else None
        if self.values is None:
            self.edges, self.centres = np.empty(0), np.empty(0)
        elif isinstance(one, hyperparameters.Int) and one.step is None:
            edges = [one._numerical_to_prob(value, one.max_value + 1) for value in self.values]
            self.edges, self.centres = np.array(edges[1:]), np.array([one.value_to_prob(v) for v in self.values])
        else:
            count = len(self.values)
            self.edges, self.centres = np.arange(1, count) / count, (np.arange(count) + 0.5) / count
            if isinstance(one, hyperparameters.Boolean):
                self.values = [False, True]  # in the order of their probabilities
        self.default = self._of(one.default)
        self._indices: dict[tuple[Any, ...], list[int]] = {}

    def place(self, values: Mapping[str, Any]) -> float:
        """Where the value of a point stands, the default's place where it has none."""
        if self.one.name in values and is_active(self.one, values):
            return self._of(values[self.one.name])
        return self.default

    def index(self, column: Array) -> npt.NDArray[np.int64] | None:
        """Number of the bucket of each place."""
        return None if self.values is None else np.searchsorted(self.edges, column, side="right")

    def indices(self, values: tuple[Any, ...]) -> list[int]:
        """Numbers of the buckets of some values."""
        if values not in self._indices:
            self._indices[values] = [which for which, value in enumerate(self.values or []) if value in values]
        return self._indices[values]

    def _of(self, value: Any) -> float:
        if self.values is None:
            return float(np.clip(self.one.value_to_prob(value), 0.0, 1.0))
        if value in self.values:
            return float(self.centres[self.values.index(value)])
        # KerasTuner finds the place of a float on a grid by a division that rounds down into the neighbour's
        return float(self.centres[int(np.argmin(np.abs(np.array(self.values, dtype=float) - value)))])
