"""Random search: KerasTuner's draws, each from its own seed and none twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from genrezoo.trials import Trial
from genrezoo.tuning.oracles.base import Suggestion, Taken, free_point, seed_of
from genrezoo.tuning.space import Space


class RandomOracle:
    """Points at random.

    Choose it as a baseline, or with so many processes that a search cannot learn between two trials.
    """

    def __init__(self, space: Space, *, seed: int, **_: Any):
        self._space, self._seed = space, seed

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point (see `Oracle`)."""
        free = free_point(self._space, seed_of(self._seed, trials), lambda point: taken(point, None))
        return "done" if free is None else Suggestion(free, "random")
