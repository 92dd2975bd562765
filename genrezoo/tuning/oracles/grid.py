"""Grid search over KerasTuner's grid, in an order that waits for no result."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.trials import Trial
from genrezoo.tuning.options import plain
from genrezoo.tuning.oracles.base import Suggestion, Taken
from genrezoo.tuning.space import Point, Space

LARGEST = 1_000


class GridOracle:
    """Every point of the grid once; of a grid larger than the budget, a seeded sample of its points.

    KerasTuner's own oracle suggests the next point when a trial ends, so that it keeps no more than two processes
    busy, and begins with a corner of a grid that it cannot finish.

    Raises:
        SettingsError: More than 1,000 points, and no budget.
    """

    def __init__(self, space: Space, *, seed: int, max_trials: int | None, **_: Any):
        size = grid_size(space)
        if max_trials is None and size > LARGEST:
            raise SettingsError(
                f"the grid has {size:,} points, more than {LARGEST:,}: pass max_trials for a sample of them, or "
                "restrict the space: fewer hyperparameters (only), fewer values, larger steps"
            )
        sampled = max_trials is not None and max_trials < size
        self._points = _sample(space, seed, size) if sampled else space.points(grid(space))
        self._next = next(self._points, None)

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point (see `Oracle`)."""
        while self._next is not None:  # what is taken stays taken: no point needs to be looked at again
            if not taken(self._next, None):
                return Suggestion(self._next, "grid")
            self._next = next(self._points, None)
        return "done"


def grid(space: Space) -> dict[str, list[Any]]:
    """The values of each hyperparameter in KerasTuner's grid, its default first.

    A range of real numbers, and one of whole numbers on a logarithmic scale, has ten values and its default.
    """
    found = {}
    for one in space.template.space:
        domain = next(each for each in space.hyperparameters if each.name == one.name)
        every = getattr(one, "step", 1) is not None
        values = plain(list(space.values[one.name] or ())) if every else sorted(one.values)
        found[one.name] = [domain.default, *(value for value in values if value != domain.default)]
    return found


def grid_size(space: Space) -> int:
    """Number of points of KerasTuner's grid over a space.

    Example:
        >>> from genrezoo.recipes import get_recipe
        >>> from genrezoo.tuning.search_space import search_space
        >>> narrow = {"units": [8, 16], "dropout": {"min": 0, "max": 1, "step": 0.25}}
        >>> grid_size(search_space(get_recipe("lstm"), space=narrow, only=["units", "dropout"]))
        10
    """
    return space.count(grid(space))


def _sample(space: Space, seed: int, size: int) -> Iterator[Point]:
    """Points of the grid at random, none twice."""
    draws, values, seen = random.Random(seeds.child_seed(seed, "grid")), grid(space), set()
    for _ in range(100 * size):  # enough to find all of a small grid; nobody comes to the end of a large one
        point: Point = {}
        for one in space.hyperparameters:
            if one.active(point):
                point[one.name] = draws.choice(values[one.name])
        text = json.dumps(point)
        if text not in seen:
            seen.add(text)
            yield point
