"""The content of a search's report: the journal, with each hyperparameter as an axis of a figure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

from genrezoo.errors import DataError
from genrezoo.evaluation import mean_interval
from genrezoo.report.style.number_format import MISSING, Estimate, Quantity, nats, order_of, plain, significant, tenths
from genrezoo.report.style.number_format import text_of as text_of_value
from genrezoo.trials import FILE, Journal, Trial, read_journal

_SCORES = {
    "accuracy": Quantity("Validation accuracy (%)", 100, tenths),
    "macro_f1": Quantity("Validation macro F1 (%)", 100, tenths),
    "loss": Quantity("Validation loss (nats)", 1, nats),
}

_FAR = 10  # outliers are this many times further from the best than the worst quarter


@dataclass(frozen=True)
class Hyperparameter:
    """A hyperparameter as an axis from 0 to 1.

    Attributes:
        name: Its name.
        label: Its label in figures.
        kind: ``"float"``, ``"int"``, ``"choice"`` or ``"boolean"``.
        values: All values of a choice in order; empty for a range.
        low: Lower end of a range.
        high: Upper end of a range.
        step: Step of a range; None without one.
        log: Whether the axis is logarithmic.
        conditions: Other hyperparameters, each with the values for which this one is active.
    """

    name: str
    label: str
    kind: str
    values: tuple[Any, ...]
    low: float
    high: float
    step: float | None
    log: bool
    conditions: tuple[tuple[str, tuple[Any, ...]], ...]

    @property
    def is_text(self) -> bool:
        """Whether it is a choice with values that are not numbers."""
        return any(isinstance(value, bool) or not isinstance(value, int | float) for value in self.values)

    def place(self, values: Mapping[str, Any]) -> float | None:
        """Returns the position of a trial's value on the axis, 0 to 1; None if the hyperparameter is not active."""
        value = values.get(self.name)
        if self.values:
            return self._place_of(self.values.index(value)) if self.name in values and value in self.values else None
        return self._place_of(value) if isinstance(value, int | float) and math.isfinite(value) else None

    def text(self, values: Mapping[str, Any]) -> str:
        """Returns a trial's value as text; a dash if the hyperparameter is not active."""
        if self.name not in values:
            return MISSING
        value = values[self.name]
        if self.values or isinstance(value, bool) or not isinstance(value, int | float):
            return text_of_value(value)
        return plain(value) if isinstance(value, int) else significant(value)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Returns about ``most`` positions with their labels; of many choices some are left out."""
        if self.values:
            shown = range(0, len(self.values), -(-len(self.values) // max(most, 1)))
            return [(self._place_of(number), text_of_value(self.values[number])) for number in shown]
        if self.log:
            wide = self.high / self.low >= 50
            found = LogLocator(subs=(1,) if wide else (1, 2, 5), numticks=most).tick_values(self.low, self.high)
        else:
            locator = MaxNLocator(max(most - 1, 1), integer=self.kind == "int", steps=[1, 2, 2.5, 5, 10])
            found = locator.tick_values(self.low, self.high)
        places = [
            (self._place_of(number), _tick_text(number)) for number in map(float, found) if number > 0 or not self.log
        ]
        inside = [(place, text) for place, text in places if -1e-9 <= place <= 1 + 1e-9]
        ends = {self.low, self.high}
        return (
            inside
            if len(inside) > 1 and self.low < self.high
            else [(self._place_of(number), _tick_text(number)) for number in sorted(ends)]
        )

    def range_text(self) -> str:
        """Returns the searched values as text, with the conditions."""
        if self.values:
            text = ", ".join(map(text_of_value, self.values))
        else:
            text = f"{_exact(self.low)} to {_exact(self.high)}{', logarithmic' if self.log else ''}"
            if self.step is not None:
                step = _exact(self.step)
                text += f", each {step} times the last" if self.log else f", steps of {step}"
        parts = [f"{name} is {' or '.join(map(text_of_value, values))}" for name, values in self.conditions]
        return f"{text}, only where {' and '.join(parts)}" if parts else text

    def end_of(self, values: Mapping[str, Any]) -> str:
        """Returns ``"lower"`` or ``"upper"`` if a value is at this end of its range, else ``""``; 0 is not an end."""
        place = self.place(values)
        if self.values or place is None or self.low == self.high:
            return ""
        if place <= 0.01 and self.low != 0:
            return "lower"
        return "upper" if place >= 0.99 else ""

    def _place_of(self, number: float) -> float:
        low, high = (0, len(self.values) - 1) if self.values else (self.low, self.high)
        if self.log:
            low, high, number = math.log(low), math.log(high), math.log(max(number, 1e-300))
        return (number - low) / (high - low) if high > low else 0.5


@dataclass(frozen=True)
class SearchRecord:
    """A search.

    Attributes:
        folder: Its path, as it was passed.
        journal: Its journal.
        space: The hyperparameters in order.
    """

    folder: str
    journal: Journal
    space: tuple[Hyperparameter, ...]

    @property
    def plan(self) -> dict[str, Any]:
        """The plan of the search."""
        return self.journal.plan

    @property
    def trials(self) -> list[Trial]:
        """All trials in the order of their numbers."""
        return self.journal.trials

    @property
    def score(self) -> Quantity:
        """Name and format of the score."""
        return _SCORES[self.plan["objective"]["metric"]]

    @property
    def sign(self) -> int:
        """1 if higher scores are better, -1 if lower ones are."""
        return -1 if self.journal.direction == "min" else 1

    @property
    def pareto(self) -> bool:
        """Whether it searches for a Pareto front instead of one best trial."""
        return bool(self.plan["objective"].get("pareto"))

    @cached_property
    def best(self) -> Trial | None:
        """The completed trial with the best score."""
        return self.journal.best

    @cached_property
    def own(self) -> Trial | None:
        """The completed trial of the recipe's own values."""
        return next((trial for trial in self.trials if trial.by == "recipe" and trial.ran), None)

    @cached_property
    def ended(self) -> list[Trial]:
        """The trials that have ended, in the order of their ends."""
        done = [trial for trial in self.trials if trial.status != "running"]
        return sorted(done, key=lambda trial: (trial.ended or 0.0, trial.number))

    @cached_property
    def leaves(self) -> list[Trial]:
        """The completed trials that no other completed one continues, the best first.

        A training that Hyperband has paused and continued counts once, by its last trial.
        """
        continued = {trial.origin for trial in self.journal.ranked}
        return [trial for trial in self.journal.ranked if trial.number not in continued]

    @cached_property
    def counts(self) -> Counter[str]:
        """Number of trials of each status."""
        return Counter(trial.status for trial in self.trials)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Worst and best score in figures, as stored; without outliers, which would hide the other differences."""
        scores = self.sign * np.array([trial.score for trial in self.trials if trial.score is not None], float)
        if not len(scores):
            return 0.0, 1.0
        best = scores.max()
        reach = _FAR * (best - np.quantile(scores, 0.25))  # 0 if most scores are the best one: then none is an outlier
        near = scores[scores >= best - reach] if reach else scores
        return self.sign * float(near.min()), self.sign * float(best)

    def estimate(self, trial: Trial) -> Estimate | float | None:
        """Returns a trial's score, with its interval if there are three or more folds or seeds."""
        if trial.score is None or len(trial.scores) < 3 or len(set(trial.scores)) < 2:
            return trial.score
        return Estimate(*mean_interval(trial.scores), over="seeds")

    def merit(self, score: float) -> float:
        """Returns the position of a score between the worst (0) and the best (1) in figures."""
        worst, best = self.limits
        return min(max((score - worst) / (best - worst), 0.0), 1.0) if best != worst else 1.0

    def bounded(self, score: float) -> float:
        """Returns a score, moved to the limits of the figures if it is beyond them."""
        low, high = sorted(self.limits)
        return min(max(score, low), high)

    def text(self, score: float | None) -> str:
        """Returns a score as text, without its unit."""
        return MISSING if score is None else self.score.write(self.score.scale * score)

    def measure(self, score: float | None) -> str:
        """Returns a score as text, with its unit."""
        return f"{self.text(score)}\u00a0{'%' if self.score.scale == 100 else 'nats'}"

    def named(self, trial: Trial) -> str:
        """Returns the values of a trial as text: ``units 64, dropout 0.2``."""
        active = [one for one in self.space if one.name in trial.values]
        return ", ".join(f"{one.label} {one.text(trial.values)}" for one in active)

    def tip(self, trial: Trial) -> str:
        """Returns the tooltip of a trial in figures."""
        score = "" if trial.score is None else f": {self.measure(trial.score)}"
        return f"Trial {trial.number}{score}. {self.named(trial)}".rstrip()


def read_search(folder: str | Path) -> SearchRecord:
    """Reads a search from its journal.

    Args:
        folder: Folder of the search.

    Raises:
        DataError: There is no journal, it is damaged, or its plan is not one of a search.
    """
    journal = read_journal(folder)
    try:
        if journal.plan["objective"]["metric"] not in _SCORES:
            raise ValueError(f"unknown metric {journal.plan['objective']['metric']!r}")
        if not all(isinstance(journal.plan[key]["name"], str) for key in ("recipe", "songs", "tuner")):
            raise ValueError("names are texts")
        searched = [one for one in journal.plan["space"] if one["kind"] != "fixed"]
        labels = _labels([one["name"] for one in searched])
        space = tuple(_hyperparameter(one, label) for one, label in zip(searched, labels, strict=True))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"is not the plan of a search ({error!r})", path=Path(folder) / FILE, where="line 1",
            remedy="restore the file",
        ) from error  # fmt: skip
    return SearchRecord(str(folder), journal, space)


def epochs_of(trial: Trial) -> int | None:
    """Returns the epochs of a trial's training, including those of the trials that it continues; None without any."""
    return max(map(len, trial.history.values()), default=0) or None


def _hyperparameter(described: Mapping[str, Any], label: str) -> Hyperparameter:
    kind, low, high = described["kind"], described.get("min"), described.get("max")
    values: Sequence[Any] = ()
    if low is None or high is None:
        values = (False, True) if kind == "boolean" else described.get("values") or ()
        if not values:
            raise ValueError(f"{described['name']} has no values")
        low = high = 0.0
    log = described.get("sampling") == "log" and low > 0
    conditions = tuple((one["name"], tuple(one["values"])) for one in described.get("conditions") or ())
    ordered = tuple(sorted(values, key=order_of))
    return Hyperparameter(described["name"], label, kind, ordered, low, high, described.get("step"), log, conditions)


def _labels(names: Sequence[str]) -> list[str]:
    """Returns names in words; only the part after the last dot if these parts are unique."""
    last = [name.rpartition(".")[2] for name in names]
    return [name.replace("_", " ") for name in (last if len(set(last)) == len(last) else names)]


def _exact(number: float) -> str:
    """Returns a number with six significant digits, without an exponent."""
    return np.format_float_positional(number, precision=6, fractional=False, trim="-")


def _tick_text(number: float) -> str:
    return f"{number:.3g}".replace("e-0", "e-").replace("e+0", "e")
