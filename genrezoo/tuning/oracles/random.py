"""Random search: KerasTuner's draws, each from its own seed and none twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras_tuner

from genrezoo.trials import Trial
from genrezoo.tuning.oracles.base import Options, Suggestion, Taken, Unseen, objective, seed_of
from genrezoo.tuning.oracles.points import all_points


class RandomOptions(Options):
    """Random search has no options."""


class _Draws(Unseen, keras_tuner.oracles.RandomSearchOracle):
    pass


class RandomOracle:
    """Points at random; choose it as the yardstick, or with so many processes that nothing can be learnt in between."""

    def __init__(self, template: Any, *, seed: int, **_: Any):
        self._template, self._seed, self._points = template, seed, all_points(template)

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point (see `Oracle`)."""
        oracle = _Draws(objective=objective(), hyperparameters=self._template, seed=seed_of(self._seed, trials))
        oracle.set_apart(self._points, lambda values: taken(values, None))
        values = oracle.populate_space(None)["values"]
        return "done" if values is None else Suggestion(values, "random")
