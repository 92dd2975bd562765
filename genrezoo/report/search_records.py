"""A search as its report shows it: the journal, with each searched setting as an axis that values lie on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from genrezoo.errors import DataError
from genrezoo.evaluation import mean_interval
from genrezoo.report.lines import number_of
from genrezoo.report.numbers import nats, plain, significant
from genrezoo.report.records import Estimate
from genrezoo.report.study_lines import Kind, order_of, text_of
from genrezoo.trials import FILE, Journal, Trial, read_journal

_SCORES = {
    "accuracy": Kind("Validation accuracy (%)", 100, lambda shown: f"{shown:.1f}"),
    "macro_f1": Kind("Validation macro F1 (%)", 100, lambda shown: f"{shown:.1f}"),
    "loss": Kind("Validation loss (nats)", 1, nats),
}

_FAR = 10  # times the distance of the best from the worst quarter


@dataclass(frozen=True)
class Setting:
    """A searched setting as an axis from 0 to 1.

    Attributes:
        name: Its name.
        label: What figures call it.
        kind: ``"float"``, ``"int"``, ``"choice"`` or ``"boolean"``.
        values: Of choices all values in order; empty for a range.
        low: Least number of a range.
        high: Greatest number of a range.
        step: Distance of two numbers of a range, where it has one.
        log: Whether the axis is logarithmic.
        conditions: Names of other settings, each with the values of it that this one counts for.
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

    def place(self, values: Mapping[str, Any]) -> float | None:
        """Where a trial's value lies; None where the setting does not count."""
        value = values.get(self.name)
        if self.values:
            return self._place_of(self.values.index(value)) if value in self.values else None
        number = number_of(value)
        return None if number is None else self._place_of(number)

    def text(self, value: Any) -> str:
        """A value of it as text."""
        if value is None or self.values or isinstance(value, str | bool):
            return "–" if value is None else text_of(value)
        return plain(value) if isinstance(value, int) else significant(value)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Places with their texts, some ``most`` of them; of many choices every second one or fewer."""
        if self.values:
            every = -(-len(self.values) // max(most, 1))
            shown = range(0, len(self.values), every)
            return [(self._place_of(number), text_of(self.values[number])) for number in shown]
        found = _log_places(self.low, self.high, most) if self.log else self._round_places(most)
        return [(self._place_of(number), _tick_text(number)) for number in found]

    def range_text(self) -> str:
        """What was searched, in words."""
        if self.values:
            return ", ".join(map(text_of, self.values))
        step = "" if self.step is None else f", steps of {_exact(self.step)}"
        if self.step is not None and self.log:
            step = f", each {_exact(self.step)} times the last"
        return f"{_exact(self.low)} to {_exact(self.high)}{', logarithmic' if self.log else ''}{step}"

    def condition_text(self) -> str:
        """When it counts, in words; empty for always."""
        parts = [f"{name} is {' or '.join(map(text_of, values))}" for name, values in self.conditions]
        return f"only where {' and '.join(parts)}" if parts else ""

    def end_of(self, value: Any) -> str:
        """Which end of its range a value lies at, if that is no natural one: ``"lower"``, ``"upper"`` or nothing."""
        number = number_of(value)
        if self.values or number is None or self.low == self.high:
            return ""
        place, near = self._place_of(number), 0.01
        if place <= near and self.low != 0:
            return "lower"
        return "upper" if place >= 1 - near else ""

    def _place_of(self, number: float) -> float:
        low, high = (0, len(self.values) - 1) if self.values else (self.low, self.high)
        if self.log:
            low, high, number = math.log(low), math.log(high), math.log(max(number, 1e-300))
        return (number - low) / (high - low) if high > low else 0.5

    def _round_places(self, most: int) -> list[float]:
        locator = MaxNLocator(max(most - 1, 1), integer=self.kind == "int", steps=[1, 2, 2.5, 5, 10])
        slack = 1e-9 * (self.high - self.low)
        return [
            number
            for number in map(float, locator.tick_values(self.low, self.high))
            if self.low - slack <= number <= self.high + slack
        ] or [self.low]


@dataclass(frozen=True)
class Searched:
    """A search.

    Attributes:
        folder: As it was given.
        journal: What its journal says.
        settings: The searched settings in order.
    """

    folder: str
    journal: Journal
    settings: tuple[Setting, ...]

    @property
    def plan(self) -> dict[str, Any]:
        """Everything that the search was asked for."""
        return self.journal.plan

    @property
    def trials(self) -> list[Trial]:
        """All trials in the order of asking."""
        return self.journal.trials

    @property
    def score(self) -> Kind:
        """What the score is called and how it is written."""
        return _SCORES[self.plan["objective"]["metric"]]

    @property
    def sign(self) -> int:
        """1 where a high score is good, -1 where a low one is."""
        return -1 if self.journal.direction == "min" else 1

    @property
    def pareto(self) -> bool:
        """Whether it looks for a front in place of one best trial."""
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
        """The completed trials that no other completed one goes on from, the best first.

        One training that Hyperband has paused and continued is one point, and its last trial stands for it.
        """
        left = {trial.origin for trial in self.journal.ranked}
        return [trial for trial in self.journal.ranked if trial.number not in left]

    @cached_property
    def counts(self) -> Counter[str]:
        """How many trials have each status."""
        return Counter(trial.status for trial in self.trials)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Worst and best score that figures show, as stored: what is far off would flatten all others."""
        scores = self.sign * np.array([trial.score for trial in self.trials if trial.score is not None], float)
        if not len(scores):
            return 0.0, 1.0
        best = scores.max()
        edge = best - _FAR * (best - np.quantile(scores, 0.25))
        near = scores[scores >= edge]  # the worst that is shown is one of these, not what is far off
        worst = near.min() if edge < best else scores.min()
        return self.sign * float(worst), self.sign * float(best)

    def estimate(self, trial: Trial) -> Estimate | float | None:
        """A trial's score, with its interval over folds or seeds where they differ; of two it would say nothing."""
        if trial.score is None or len(trial.scores) < 3 or len(set(trial.scores)) < 2:
            return trial.score
        return Estimate(*mean_interval(trial.scores), over="seeds")

    def merit(self, score: float) -> float:
        """Where a score lies between the worst (0) and the best (1) that figures show."""
        worst, best = self.limits
        return min(max((score - worst) / (best - worst), 0.0), 1.0) if best != worst else 1.0

    def bounded(self, score: float) -> float:
        """A score, or the limit of the figures that it lies beyond."""
        low, high = sorted(self.limits)
        return min(max(score, low), high)

    def figure(self, score: float) -> str:
        """A score as text, without its unit."""
        return self.score.write(self.score.scale * score)

    def measure(self, score: float) -> str:
        """A score as text, with its unit."""
        return f"{self.figure(score)}\u00a0{'%' if self.score.scale == 100 else 'nats'}"

    def named(self, trial: Trial) -> str:
        """A trial by its values: ``units 64, dropout 0.2``."""
        parts = [
            f"{setting.label} {setting.text(trial.values[setting.name])}"
            for setting in self.settings
            if trial.values.get(setting.name) is not None
        ]
        return ", ".join(parts)

    def tip(self, trial: Trial) -> str:
        """What a figure says of a trial that is pointed at."""
        score = "" if trial.score is None else f": {self.measure(trial.score)}"
        return f"Trial {trial.number}{score}. {self.named(trial)}".rstrip()


def read_search(folder: str | Path) -> Searched:
    """Reads a search from its journal.

    Raises:
        DataError: There is no journal, it is damaged, or its plan is not one of a search.
    """
    journal = read_journal(folder)
    try:
        if journal.plan["objective"]["metric"] not in _SCORES:
            raise ValueError(f"unknown metric {journal.plan['objective']['metric']!r}")
        recipe, songs, tuner = (journal.plan[key]["name"] for key in ("recipe", "songs", "tuner"))
        if not all(isinstance(name, str) for name in (recipe, songs, tuner)):
            raise ValueError("names are texts")
        described = [one for one in journal.plan["space"] if one["kind"] != "fixed"]
        labels = _labels([one["name"] for one in described])
        settings = tuple(_setting(one, label) for one, label in zip(described, labels, strict=True))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"is not the plan of a search ({error!r})",
            path=Path(folder) / FILE,
            where="line 1",
            remedy="restore the file",
        ) from error
    return Searched(str(folder), journal, settings)


def epochs_of(trial: Trial) -> int | None:
    """How many epochs a trial's training has reached, those of the trials that it goes on from included."""
    return max(map(len, trial.history.values()), default=0) or None


def _setting(described: Mapping[str, Any], label: str) -> Setting:
    kind, low, high = described["kind"], described.get("min"), described.get("max")
    values: Sequence[Any] = (False, True) if kind == "boolean" else described.get("values") or ()
    if low is None or high is None:
        if not values:
            raise ValueError(f"{described['name']} has no values")
        low = high = 0.0
    else:
        values = ()
    log = described.get("sampling") == "log" and not values and low > 0
    conditions = tuple((one["name"], tuple(one["values"])) for one in described.get("conditions") or ())
    ordered = tuple(sorted(values, key=order_of))
    return Setting(described["name"], label, kind, ordered, low, high, described.get("step"), log, conditions)


def _labels(names: Sequence[str]) -> list[str]:
    """Names in words; without what stands before their last dot where that leaves them apart."""
    last = [name.rpartition(".")[2] for name in names]
    some = last if len(set(last)) == len(last) else list(names)
    return [name.replace("_", " ") for name in some]


def _log_places(low: float, high: float, most: int) -> list[float]:
    """Powers of ten in a range, with twice and five times them if there is room; its ends where there are none."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [step * 10.0**power for power in powers for step in steps]
        found = [number for number in found if low * (1 - 1e-9) <= number <= high * (1 + 1e-9)]
        if len(found) <= most:
            break
    found = found[:: -(-len(found) // max(most, 1))] if found else found
    return found if len(found) > 1 else [low, high]


def _exact(number: float) -> str:
    """A number with all its digits that count, never in powers of ten."""
    return np.format_float_positional(number, precision=6, fractional=False, trim="-")


def _tick_text(number: float) -> str:
    """As short as can be: powers of ten where there would be many zeros."""
    text = f"{float(f'{number:.3g}'):g}"
    return text.replace("e-0", "e-").replace("e+0", "e")
