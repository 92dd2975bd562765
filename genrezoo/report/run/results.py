"""The results of a run with their intervals, and cautions about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genrezoo.evaluation import bootstrap_intervals
from genrezoo.report.run.song_facts import song_facts
from genrezoo.report.style.captions import RANDOM_SPLIT, SYNTHETIC
from genrezoo.report.style.number_format import Quantity, nats, tenths

if TYPE_CHECKING:
    from genrezoo.runs import Run

METRICS = {
    "accuracy": Quantity("Accuracy (%)", 100, tenths),
    "macro_f1": Quantity("Macro F1 (%)", 100, tenths),
    "log_loss": Quantity("Log loss (nats)", 1, nats),
    "calibration_error": Quantity("Calibration error (%)", 100, tenths),
}
"""Metrics of a run's page and card in their order, with their formats."""


@dataclass(frozen=True)
class Result:
    """A metric of a run with its 95 % bootstrap interval over songs.

    Attributes:
        metric: One of `METRICS`.
        value: The metric of the stored predictions.
        low: Lower bound.
        high: Upper bound.
    """

    metric: str
    value: float
    low: float
    high: float

    @property
    def title(self) -> str:
        """Name of the metric with its unit."""
        return METRICS[self.metric].title

    @property
    def shown(self) -> str:
        """The value as text."""
        return self._write(self.value)

    @property
    def bounds(self) -> str:
        """The interval as text."""
        return f"{self._write(self.low)} to {self._write(self.high)}"

    def _write(self, value: float) -> str:
        quantity = METRICS[self.metric]
        return quantity.write(quantity.scale * value)


def stored_split(run: Run) -> tuple[str, dict[str, Any]]:
    """Returns the test split and its predictions, or the validation split if there are no test songs.

    Args:
        run: The run.

    Raises:
        DataError: The card or the predictions are damaged.
    """
    split = "test" if "test" in song_facts(run).splits else "valid"
    return split, run.predictions(split)


def results_of(metrics: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Result]:
    """Returns all metrics with their intervals.

    Args:
        metrics: The result of `genrezoo.evaluation.evaluate`.
        stored: ``y`` and ``logits`` of the songs.
    """
    bounds = bootstrap_intervals(stored["logits"], stored["y"], seed=0)
    return [Result(name, metrics[name], *bounds[name]) for name in METRICS]


def cautions_of(run: Run, split: str) -> list[str]:
    """Returns cautions about the results of a run on a split.

    Args:
        run: The run.
        split: The split, as `stored_split` returns it.
    """
    songs = song_facts(run)
    found = []
    if split == "valid":
        found.append(
            "There are no test songs, and the validation songs selected the epoch, so the results are optimistic."
        )
    if songs.provenance == "random":
        found.append(RANDOM_SPLIT)
    if "synthetic" in songs.name:
        found.append(SYNTHETIC.format("models"))
    return found
