"""What a search is after: a score of each trial, and what of it the oracle is told."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genrezoo import seeds
from genrezoo.errors import SettingsError, first_problem
from genrezoo.trials import Trial


class Objective(BaseModel):
    """How a trial is scored, always on validation songs.

    Example:
        >>> Objective(over="best_tenth").score({"valid_accuracy": [0.1, 0.5, 0.4] * 7})
        0.5
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: Literal["accuracy", "macro_f1", "loss"] = Field("accuracy", description="Validation score of an epoch.")
    over: Literal["best", "best_tenth", "last"] = Field(
        "best", description="The best epoch, the mean of the best tenth of the epochs (at least one), or the last."
    )
    folds: int = Field(
        0, ge=0, le=100, description="From 2: mean over so many folds of the training and validation songs, by group."
    )
    repeats: int = Field(1, ge=1, le=100, description="Mean over so many seeds.")
    latency_limit_ms: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Trials whose answer to one song takes more processor time are not trained.",
    )
    pareto: bool = Field(False, description="Search for the front of score and latency in place of one best trial.")

    @model_validator(mode="after")
    def _sound(self) -> Objective:
        if self.folds == 1:
            raise ValueError("folds must be 0 or at least 2")
        return self

    @property
    def direction(self) -> str:
        """``"min"`` for a loss, else ``"max"``."""
        return "min" if self.metric == "loss" else "max"

    @property
    def times(self) -> bool:
        """Whether the latency of a trial is measured."""
        return self.pareto or self.latency_limit_ms is not None

    def score(self, history: Mapping[str, Sequence[float]]) -> float:
        """The score of one training from its history."""
        course = sorted(history[f"valid_{self.metric}"], reverse=self.direction == "max")
        if self.over == "last":
            return float(history[f"valid_{self.metric}"][-1])
        best = course[: max(1, len(course) // 10)] if self.over == "best_tenth" else course[:1]
        return math.fsum(best) / len(best)

    def better(self, score: float, than: float) -> bool:
        """Whether one score is better than another."""
        return score > than if self.direction == "max" else score < than

    def medians(self, trials: Sequence[Trial]) -> list[float]:
        """For the median rule: of each epoch the median over completed trials of their best so far.

        Too few trials (five) say nothing, and so does an epoch that fewer have reached.
        """
        courses = [t.history[f"valid_{self.metric}"] for t in trials if t.status == "completed" and t.history]
        best = max if self.direction == "max" else min
        medians: list[float] = []
        for epoch in range(1, max(map(len, courses), default=0) + 1):
            reached = sorted(best(course[:epoch]) for course in courses if len(course) >= epoch)
            if len(reached) < 5:
                break
            middle = len(reached) // 2
            medians.append(reached[middle] if len(reached) % 2 else (reached[middle - 1] + reached[middle]) / 2)
        return medians

    def told(self, trials: Sequence[Trial], *, num_classes: int, seed: int) -> dict[int, float]:
        """What the oracle is told of each ended trial: a finite number to be made large.

        A trial over the limit of latency was not trained: it counts as chance, the less the slower it is, so that the
        way back is downhill. A failed one counts as the worst of the others: never an attraction. In a search for the
        front the two aims become one by weights that are drawn anew for each question (Knowles 2006).

        Args:
            trials: All trials so far.
            num_classes: Number of genres, which says what chance is.
            seed: Seed of the weights.
        """
        sign = 1.0 if self.direction == "max" else -1.0
        chance = 1 / num_classes if self.direction == "max" else -math.log(num_classes)
        told: dict[int, float] = {}
        for trial in trials:
            if trial.status in ("completed", "stopped") and trial.score is not None:
                told[trial.number] = sign * trial.score
            elif trial.status == "infeasible":
                over = float(trial.latency_ms or 1.0) / float(self.latency_limit_ms or 1.0)
                told[trial.number] = chance / over if chance > 0 else chance * over
        if self.pareto:
            told = _scalarised(told, {t.number: float(t.latency_ms) for t in trials if t.latency_ms}, seed)
        worst = min(told.values(), default=chance)
        return told | {trial.number: worst for trial in trials if trial.status == "failed"}


def read_objective(given: str | Mapping[str, Any] | Objective) -> Objective:
    """An objective from what a caller gives: the name of a metric, a table of fields, or itself.

    Raises:
        SettingsError: An unknown field or a value out of range.
    """
    if isinstance(given, Objective):
        return given
    try:
        return Objective(**({"metric": given} if isinstance(given, str) else dict(given)))
    except (ValidationError, TypeError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise SettingsError(f"objective: {problem}") from error


def _scalarised(quality: dict[int, float], latency: dict[int, float], seed: int) -> dict[int, float]:
    """The augmented Chebyshev value of quality and the logarithm of latency, both brought to [0, 1]."""
    weight = float(seeds.generator(seed, "weight").uniform())
    both = sorted(quality.keys() & latency.keys())
    loss = _scaled({number: -quality[number] for number in both})
    cost = _scaled({number: math.log(latency[number]) for number in both})
    value = {}
    for number in both:
        parts = (weight * loss[number], (1 - weight) * cost[number])
        value[number] = -(max(parts) + 0.05 * sum(parts))
    return value


def _scaled(values: dict[int, float]) -> dict[int, float]:
    low, high = min(values.values(), default=0.0), max(values.values(), default=0.0)
    return {number: (value - low) / (high - low) if high > low else 0.0 for number, value in values.items()}
