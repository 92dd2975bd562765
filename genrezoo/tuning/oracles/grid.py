"""Grid search over KerasTuner's grid, in an order that waits for no result."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.trials import Trial
from genrezoo.tuning.oracles.base import Options, Suggestion, Taken
from genrezoo.tuning.oracles.points import grid_points

LARGEST = 1_000


class GridOptions(Options):
    """Grid search has no options: the space says what the grid is."""


class GridOracle:
    """Every point of the grid once; of a grid larger than the budget, a seeded sample of its points.

    KerasTuner's own oracle hands out the next point when a trial ends, so that it keeps no more than two processes
    busy, and begins with a corner of a grid that it cannot finish.

    Raises:
        SettingsError: More than 1,000 points, and no budget.
    """

    def __init__(self, template: Any, *, seed: int, max_trials: int | None, **_: Any):
        self._points = grid_points(template)
        if max_trials is None and self._points.size > LARGEST:
            raise SettingsError(
                f"the grid has {self._points.size:,} points, more than {LARGEST:,}: give max_trials for a sample of "
                "them, or restrict the space: fewer hyperparameters (only), fewer values, larger steps"
            )
        sampled = max_trials is not None and max_trials < self._points.size
        self._order = _shuffled(self._points.size, seed) if sampled else iter(range(self._points.size))
        self._next = next(self._order, None)

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point (see `Oracle`)."""
        while self._next is not None:  # what is taken stays taken: the way behind need not be gone again
            values = self._points.at(self._next)
            if not taken(values, None):
                return Suggestion(values, "grid")
            self._next = next(self._order, None)
        return "done"


def _shuffled(size: int, seed: int) -> Iterator[int]:
    """The numbers below a size in random order, drawn one at a time, for the size may be astronomical."""
    draws, moved = random.Random(seeds.child_seed(seed, "grid")), dict[int, int]()
    for place in range(size):
        other = draws.randrange(place, size)
        yield moved.get(other, other)
        moved[other] = moved.pop(place, place)
