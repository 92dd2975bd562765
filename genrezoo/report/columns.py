"""Columns of tables, defined once for every output (heading, unit, meaning, value, writing), and a leaderboard's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from genrezoo.evaluation import mean_interval
from genrezoo.report import numbers
from genrezoo.report.records import Estimate, Line
from genrezoo.report.words import interval

Value = Estimate | float | str | None
Of = TypeVar("Of")
"""What a table has a row for."""


@dataclass(frozen=True)
class Column(Generic[Of]):
    """One column.

    Attributes:
        key: Name in the CSV file.
        heading: Name in tables, with its unit.
        about: What it is, in one sentence.
        value: Takes the value out of a row's record; None where it was not measured.
        write: Writes a number as text.
        look: Classes of its cells: empty for numbers, ``"text"``, ``"text name"`` or ``"text prose"``, which breaks.
    """

    key: str
    heading: str
    about: str
    value: Callable[[Of], Value]
    write: Callable[[float | None], str] = numbers.plain
    look: str = ""

    @property
    def is_text(self) -> bool:
        """Whether it is a column of words, which stand on the left and are sorted by the alphabet."""
        return self.look.startswith("text")

    def main(self, line: Of) -> str:
        """The figure itself as text, without its interval."""
        value = self.value(line)
        if isinstance(value, str):
            return value or numbers.MISSING
        return self.write(value.mean if isinstance(value, Estimate) else value)

    def interval(self, line: Of) -> str:
        """The interval as text; empty where there is none."""
        value = self.value(line)
        if not isinstance(value, Estimate):
            return ""
        return interval(value, scale=1, digits=3) if self.write is numbers.nats else interval(value)

    def text(self, line: Of) -> str:
        """Figure and interval as text."""
        return f"{self.main(line)} {self.interval(line)}".rstrip()

    def order(self, line: Of) -> float | str | None:
        """What a table is sorted by."""
        value = self.value(line)
        return value.mean if isinstance(value, Estimate) else value


def _speed(name: str) -> Callable[[Line], Value]:
    return lambda line: line.speed.get(name)


def _over_seeds(values: Sequence[float]) -> Estimate | float:
    return Estimate(*mean_interval(values), over="seeds") if len(set(values)) > 1 else values[0]


NAME: Column[Line] = Column(
    "model", "Model", "Recipe; peers are models of other packages.", lambda line: line.name, look="text name"
)
FAMILY: Column[Line] = Column(
    "family", "Family", "zoo, or peer for models of other packages.", lambda line: line.family, look="text"
)
GROUP: Column[Line] = Column(
    "group", "Group", "Models that share a letter cannot be told apart.", lambda line: line.group, look="text"
)
SEEDS: Column[Line] = Column("seeds", "Seeds", "Number of training runs.", lambda line: float(len(line.seeds)))
ACCURACY: Column[Line] = Column(
    "accuracy", "Accuracy (%)", "Share of test songs that are right.", lambda line: line.accuracy, numbers.percent
)
QUALITY: tuple[Column[Line], ...] = (
    ACCURACY,
    Column("macro_f1", "Macro F1 (%)", "Mean F1 of the genres.", lambda line: line.macro_f1, numbers.percent),
    Column("log_loss", "Log loss (nats)", "Cross entropy; lower is better.", lambda line: line.log_loss, numbers.nats),
    Column(
        "calibration_error",
        "Calibration error (%)",
        "Gap between how sure the model is and how often it is right; 15 bins; lower is better.",
        lambda line: line.calibration_error,
        numbers.percent,
    ),
    Column(
        "valid_accuracy",
        "Valid. accuracy (%)",
        "Share of validation songs that are right.",
        lambda line: line.validation,
        numbers.percent,
    ),
    Column(
        "share_of_ceiling",
        "Of attainable (%)",
        "Test accuracy as a share of the best one attainable, where that is known.",
        lambda line: line.share,
        numbers.percent,
    ),
    Column(
        "average_of_seeds",
        "Average of the seeds (%)",
        "Accuracy of the mean log posterior of all seeds: as many times the cost.",
        lambda line: line.vote,
        numbers.percent,
    ),
    SEEDS,
)
PEAK: Column[Line] = Column(
    "peak_accuracy",
    "Best valid. accuracy (%)",
    "Share of validation songs that are right in the best epoch.",
    lambda line: _over_seeds(line.measured.get("valid_accuracy") or (line.validation,)),
    numbers.percent,
)
REPORTED: Column[Line] = Column(
    "reported",
    "Reported by its reference",
    "What the reference reports, on its own data; never measured here.",
    lambda line: "; ".join(f"{name} {figure}" for name, figure in line.reported.items()) or None,
    look="text prose",
)
COMPARISON = (NAME, PEAK, ACCURACY, SEEDS, REPORTED)
PARAMETERS: Column[Line] = Column(
    "parameters", "Parameters", "Numbers in the model.", lambda line: line.parameters, numbers.count
)
LATENCY: Column[Line] = Column(
    "latency_p50_ms", "Latency p50 (ms)", "Time for one song, median.", _speed("p50"), numbers.significant
)
BULK: Column[Line] = Column(
    "bulk_songs_per_second", "Bulk (songs/s)", "Songs a second in large batches.", _speed("bulk"), numbers.significant
)
COST: tuple[Column[Line], ...] = (
    PARAMETERS,
    Column(
        "multiply_adds",
        "Multiply-adds",
        "Multiplications and additions for one song.",
        lambda line: line.multiply_adds,
        numbers.count,
    ),
    Column(
        "train_seconds",
        "Training",
        "Mean time of one training run, validation included.",
        lambda line: line.train_seconds,
        numbers.duration,
    ),
    Column("epochs", "Epochs", "Mean number of epochs.", lambda line: line.epochs, numbers.plain),
    LATENCY,
    Column("latency_p90_ms", "p90 (ms)", "Nine of ten songs are faster.", _speed("p90"), numbers.significant),
    Column("latency_p99_ms", "p99 (ms)", "99 of 100 songs are faster.", _speed("p99"), numbers.significant),
    BULK,
    Column(
        "first_prediction_seconds",
        "First prediction",
        "From starting the process to the first answer.",
        _speed("first"),
        numbers.duration,
    ),
    Column("peak_memory_mb", "Peak memory (MB)", "Of the predicting process.", _speed("memory"), numbers.significant),
    Column(
        "pass_seconds", "Pass (s)", "All training and validation songs, mean.", _speed("pass_mean"), numbers.significant
    ),
    Column("pass_seconds_min", "Pass, min (s)", "The fastest pass.", _speed("pass_min"), numbers.significant),
    Column("pass_seconds_max", "Pass, max (s)", "The slowest pass.", _speed("pass_max"), numbers.significant),
    Column(
        "pass_seconds_variance", "Pass, variance (s²)", "Of the passes.", _speed("pass_variance"), numbers.significant
    ),
)
EVERY = (NAME, FAMILY, GROUP, *QUALITY, PEAK, *COST, REPORTED)


def family_of(line: Line) -> str:
    """The class of a line's row."""
    return "peer" if line.family == "peer" else "zoo"
