"""What an oracle of a search is, and what all of KerasTuner's need here: random points that nobody has asked for.

KerasTuner's oracles write files, print, count a seed of 0 as none and remember what they have seen. Here each question
is put to a fresh one, through the methods that do the choosing alone, so that the trials are the only state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import keras_tuner
from pydantic import BaseModel, ConfigDict

from genrezoo import seeds
from genrezoo.trials import Trial
from genrezoo.tuning.oracles.points import Points

Values: TypeAlias = dict[str, Any]
Taken: TypeAlias = Callable[[Values, int | None], bool]
ENUMERATED = 10_000  # spaces of up to so many points are searched one by one for the last free ones
DRAWS = 500  # random points that are tried for a free one before


class Suggestion(NamedTuple):
    """The next point of a search.

    Attributes:
        values: The active hyperparameters by name.
        by: Name of the tuner.
        epochs: Train until this epoch in all, then pause; None trains to the end.
        origin: Number of the trial whose training goes on.
    """

    values: Values
    by: str
    epochs: int | None = None
    origin: int | None = None


class Oracle(Protocol):
    """Whoever chooses the points of a search."""

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point.

        Two oracles that were made alike answer the same question alike, whatever they were asked before.

        Args:
            trials: All trials so far in order of number, running ones too.
            told: Number to score, to be made large, of every trial that has ended; all finite.
            taken: Whether ``(values, epochs)`` were asked for before; what is taken stays taken.

        Returns:
            A suggestion, ``"wait"`` when none can be made before a running trial ends, or ``"done"``.
        """


class Options(BaseModel):
    """Options of a tuner: this one has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Unseen:
    """Beside an oracle class of KerasTuner: its random values are points that nobody has asked for.

    Where random draws find none and the space has at most 10,000 points, these are tried one by one, so that ``None``
    means that every point is taken; in a larger space it means that 500 draws in a row were taken.
    """

    hyperparameters: Any
    seed: int
    points: Points | None  # all of the space's, None when they are without number
    excluded: Callable[[Values], bool]
    _max_collisions: int

    def set_apart(self, points: Points | None, excluded: Callable[[Values], bool]) -> None:
        """Says what the points are and which of them must not be given."""
        self.points, self.excluded, self._max_collisions = points, excluded, DRAWS

    def _duplicate(self, values: Values) -> bool:
        return self.excluded(values)

    def _random_values(self) -> Values | None:
        values: Values | None = super()._random_values()  # type: ignore[misc]  # the oracle's
        if values is not None or self.points is None or self.points.size > ENUMERATED:
            return values
        free = [values for values in map(self.points.at, range(self.points.size)) if not self.excluded(values)]
        return free[int(seeds.generator(self.seed, "free").integers(len(free)))] if free else None


def objective() -> Any:
    """What KerasTuner is told that it searches: scores to be made large."""
    return keras_tuner.Objective("score", "max")


def seed_of(seed: int, trials: Sequence[Trial]) -> int:
    """Seed of the next question; never 0, which KerasTuner takes for none."""
    return seeds.child_seed(seed, "ask", next_number(trials)) or 1


def next_number(trials: Sequence[Trial]) -> int:
    """Number of the trial that is asked for."""
    return trials[-1].number + 1 if trials else 0
