"""What an oracle of a search is, and the points that nobody has tried yet.

KerasTuner's oracles write files, print, take a seed of 0 for none and remember what they have suggested. Here a new one
is made for each question, and only the methods that choose a point are called: the trials are the only state.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import keras_tuner
from pydantic import BaseModel

from genrezoo import seeds
from genrezoo.trials import Trial
from genrezoo.tuning.space import Point, Space

Taken: TypeAlias = Callable[[Point, int | None], bool]
OBJECTIVE = keras_tuner.Objective("score", "max")
ENUMERATED = 10_000
"""Spaces of up to so many points are enumerated to find the last ones that nobody has tried."""
DRAWS = 500
"""Random points that are drawn before that, in a larger space than that."""


class Suggestion(NamedTuple):
    """The next point of a search.

    Attributes:
        values: The active hyperparameters by name.
        by: Name of the tuner.
        epochs: Train until this epoch in all, then pause; None trains to the end.
        origin: Number of the trial whose training continues.
    """

    values: Point
    by: str
    epochs: int | None = None
    origin: int | None = None


class Oracle(Protocol):
    """Chooses the points of a search."""

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point.

        Two oracles that were made alike answer the same question alike, whatever they were asked before.

        Args:
            trials: All trials so far in order of number, running ones too.
            told: By number the score of every trial that has ended; larger is better, all are finite.
            taken: Whether ``(values, epochs)`` were tried before; what is taken stays taken.

        Returns:
            A suggestion, ``"wait"`` if none can be made before a running trial ends, or ``"done"``.
        """


class Options(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Options of a tuner: this one has none."""


def random_points(space: Space, seed: int) -> Iterator[Point]:
    """KerasTuner's random points, without end."""
    oracle = keras_tuner.oracles.RandomSearchOracle(objective=OBJECTIVE, hyperparameters=space.template, seed=seed or 1)
    while True:
        yield space.point(oracle._random_values())


def free_point(space: Space, seed: int, taken: Callable[[Point], bool]) -> Point | None:
    """A random point that nobody has tried; None if all are taken, or 500 draws from a space of more than 10,000."""
    size = math.inf if space.size is None else space.size
    for point in itertools.islice(random_points(space, seed), DRAWS if size > DRAWS else 0):
        if not taken(point):
            return point
    if size > ENUMERATED:
        return None
    free = [point for point in space.points({n: v or () for n, v in space.values.items()}) if not taken(point)]
    return free[int(seeds.generator(seed, "free").integers(len(free)))] if free else None


def seed_of(seed: int, trials: Sequence[Trial]) -> int:
    """Seed of the next question; never 0, which KerasTuner takes for none."""
    return seeds.child_seed(seed, "ask", len(trials)) or 1
