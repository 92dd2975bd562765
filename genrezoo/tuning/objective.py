"""What a search optimises: the score of a trial, and the scores that are reported to the oracle."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from genrezoo import seeds
from genrezoo.errors import SettingsError, check_type, checked
from genrezoo.trials import Trial


class Objective(BaseModel, frozen=True, extra="forbid"):
    """How a trial is scored, always on validation songs.

    Example:
        >>> Objective(over="best_tenth").score({"valid_accuracy": [0.1, 0.5, 0.4] * 7})
        0.5
    """

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
        description="Trials that need more processor time to predict one song are not trained.",
    )
    pareto: bool = Field(False, description="Search for the Pareto front of score and latency, not one best trial.")

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
    def needs_latency(self) -> bool:
        """Whether the latency of a trial is measured."""
        return self.pareto or self.latency_limit_ms is not None

    def score(self, history: Mapping[str, Sequence[float]]) -> float:
        """The score of one training from its history."""
        epochs = history[f"valid_{self.metric}"]
        if self.over == "last":
            return float(epochs[-1])
        count = max(1, len(epochs) // 10) if self.over == "best_tenth" else 1
        return math.fsum(sorted(epochs, reverse=self.direction == "max")[:count]) / count

    def better(self, score: float, than: float) -> bool:
        """Whether one score is better than another."""
        return score > than if self.direction == "max" else score < than

    def medians(self, trials: Sequence[Trial]) -> list[float]:
        """For the median rule: of each epoch, the median over completed trials of their best score so far.

        The list ends before the first epoch that fewer than five trials have reached.
        """
        histories = [t.history[f"valid_{self.metric}"] for t in trials if t.status == "completed" and t.history]
        best = max if self.direction == "max" else min
        medians: list[float] = []
        for epoch in range(1, max(map(len, histories), default=0) + 1):
            reached = [best(history[:epoch]) for history in histories if len(history) >= epoch]
            if len(reached) < 5:
                break
            medians.append(statistics.median(reached))
        return medians

    def reported(self, trials: Sequence[Trial], *, num_classes: int, seed: int) -> dict[int, float]:
        """The score of each ended trial as the oracle sees it: finite, and larger is better.

        A trial over the latency limit was not trained: it counts as chance, and the less the slower it is, so that the
        oracle finds the way back. A failed one counts as the worst of the others, so that it never attracts. In a
        search for the Pareto front, score and latency become one number by weights that are drawn anew for each
        question (Knowles 2006).

        Args:
            trials: All trials so far.
            num_classes: Number of genres, which says what chance is.
            seed: Seed of the weights.
        """
        sign = 1.0 if self.direction == "max" else -1.0
        chance = 1 / num_classes if self.direction == "max" else -math.log(num_classes)
        found: dict[int, float] = {}
        for trial in trials:
            if trial.status in ("completed", "stopped") and trial.score is not None:
                found[trial.number] = sign * trial.score
            elif trial.status == "infeasible":
                over = float(trial.latency_ms or 1.0) / float(self.latency_limit_ms or 1.0)
                found[trial.number] = chance / over if chance > 0 else chance * over
        if self.pareto:
            found = _scalarised(found, {t.number: float(t.latency_ms) for t in trials if t.latency_ms}, seed)
        worst = min(found.values(), default=chance)
        return found | {trial.number: worst for trial in trials if trial.status == "failed"}


def read_objective(given: str | Mapping[str, Any] | Objective) -> Objective:
    """The objective that a caller passes: the name of a metric, a table of fields, or an objective.

    Raises:
        SettingsError: An unknown field or a value out of range.
    """
    if isinstance(given, Objective):
        return given
    check_type("objective", given, (str, Mapping), "the name of a metric, a table of fields, or an Objective")
    fields = {"metric": given} if isinstance(given, str) else given
    return checked(lambda: Objective.model_validate(fields), lambda what: SettingsError(f"objective: {what}"))


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
