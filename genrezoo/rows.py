"""The rows of a benchmark: one JSON object per line and cell, which the report reads.

The kind of a row is ``accuracy``, ``speed`` or ``passes``; a cell without a result has a `NotMeasured` row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from genrezoo.errors import DataError, checked
from genrezoo.files import from_json, read_bytes

FILE = "rows.jsonl"
SCHEMA = 2
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bounds = tuple[Number, Number]
Engine = Literal["keras", "onnx", "scikit-learn"]
"""Engines that compute predictions; scikit-learn only for baselines."""


class _Record(BaseModel, frozen=True, extra="ignore"):
    """A part of a row; later versions may add fields."""


class Scores(_Record):
    """Metrics of the predictions of one split."""

    accuracy: Number
    macro_f1: Number
    log_loss: Number
    calibration_error: Number
    macro_precision: Number | None = None
    macro_recall: Number | None = None


SCORES = tuple(Scores.model_fields)


class Intervals(_Record):
    """Bootstrap intervals over the test songs, at 95 % confidence."""

    accuracy: Bounds
    macro_f1: Bounds
    log_loss: Bounds
    calibration_error: Bounds


class ScoresAndIntervals(Scores):
    """Metrics of the test songs, with their intervals."""

    intervals: Intervals


class HeadScores(_Record):
    """Accuracy of one auxiliary output."""

    valid: Number
    test: Number | None = None


class Latency(_Record):
    """Latency for one song in milliseconds: percentiles over a number of calls."""

    p50: Positive
    p90: Positive
    p99: Positive
    calls: int | None = None


class PassSeconds(_Record):
    """Seconds of repeated passes over all training and validation songs."""

    mean: Number
    min: Number
    max: Number
    variance: Number


class SongDifficulty(_Record):
    """Cross-entropy of one song's genre, in nats."""

    id: str
    difficulty: Number


class Histogram(_Record):
    """A histogram, with one more edge than counts."""

    edges: tuple[Number, ...]
    counts: tuple[int, ...]


class Difficulty(_Record):
    """Difficulty of the training songs for a model."""

    songs: int
    mean: Number
    variance: Number
    easiest: tuple[SongDifficulty, ...]
    hardest: tuple[SongDifficulty, ...]
    histogram: Histogram


class WeightHistograms(_Record):
    """Histograms of a model's kernels, all with the same edges."""

    edges: tuple[Number, ...]
    counts: dict[str, tuple[int, ...]]
    zeros: dict[str, Number] = Field(description="Fraction of weights that are exactly zero, by kernel.")


class DataFacts(_Record):
    """Fields of every row about its songs."""

    data: str = Field(description="Name of the songs.")
    checksum: str = Field(description="Checksum of songs, labels and split.")
    provenance: str = Field(description="Provenance of the split; no result is reported without it.")
    sizes: dict[str, int] = Field({}, description="Number of songs in each split.")
    duplicates: int | None = Field(None, description="Number of songs that occur in more than one split.")
    segments: int | None = None
    features: int | None = None
    shape: tuple[int, int, int] | None = Field(None, description="Height, width and channels of images.")
    genres: tuple[str, ...] = ()
    synthetic: bool = False
    ceilings: dict[str, Number] | None = Field(None, description="Best attainable accuracies, if known.")


class CellFacts(DataFacts):
    """Fields of every row about its cell, whether or not it has a result."""

    key: str = Field(description="Digest of everything that the cell's result depends on.")
    recipe: str = Field(description="Name of the recipe or baseline.")
    model: str = Field("", description="Name of the model.")
    family: Literal["zoo", "baseline", "mixed"] = Field(
        description="Family; `mixed` is an ensemble selected from models of the zoo and baselines."
    )
    seed: int
    repeat: int | None = Field(None, description="Number of the split among repeated splits of the same songs, from 1.")
    pooled: str | None = Field(
        None, description="Checksum of the songs without a split: the same in all repeated splits of them."
    )
    settings: dict[str, Any] = Field({}, description="The recipe, or the baseline's settings.")
    run: str = Field("", description="Folder of the run, relative to the folder of results.")
    folds: int | None = Field(None, description="For a bagged recipe: number of folds and models.")
    study: str | None = Field(None, description="Name of the study that it belongs to.")
    axes: dict[str, Any] | None = Field(None, description="Values on the study's axes.")
    label: str | None = Field(None, description="Label in the study's figures.")
    pretrained: dict[str, str] = Field(
        {}, description="Pretrained weights that it depends on, by name, with information on songs in common."
    )


class _Row(CellFacts):
    kind: str
    version: Literal[2] = Field(2, alias="schema")
    environment: dict[str, Any] = {}

    @property
    def identity(self) -> tuple[str, str, str]:
        """Identity of the row (kind, key, and the engine if it is not the model's own); the last row with it counts."""
        return self.kind, self.key, ""

    def to_plain(self) -> dict[str, Any]:
        """Returns the row as JSON data."""
        return self.model_dump(mode="json", by_alias=True)


class AccuracyRow(_Row):
    """Accuracy and cost of one training."""

    kind: Literal["accuracy"] = "accuracy"
    status: Literal["ok"] = "ok"
    valid: Scores
    test: ScoresAndIntervals
    train: Scores | None = None
    out_of_fold: Scores | None = Field(
        None,
        description="Metrics of out-of-fold predictions for training and validation songs, if there are any.",
    )
    heads: dict[str, HeadScores] = {}
    parameters: Number | None = None
    multiply_adds: Number | None = None
    train_seconds: Number | None = None
    seconds_per_epoch: Number | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    evaluation_seconds: Number | None = None
    difficulty: Difficulty | None = None
    weights: WeightHistograms | None = None


def engine_part(engine: Engine) -> str:
    """The engine in a row's identity: empty for the model's own."""
    return "onnx" if engine == "onnx" else ""


class _Timed(_Row):
    engine: Engine = Field("keras", description="Engine that computed the predictions.")

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind, self.key, engine_part(self.engine)


class SpeedRow(_Timed):
    """Inference speed of one recipe with one engine."""

    kind: Literal["speed"] = "speed"
    status: Literal["ok"] = "ok"
    latency_ms: Latency
    bulk_songs_per_second: Number | None = None
    bulk_batch: int | None = Field(None, description="Most songs, or chunks of them, that are predicted together.")
    first_prediction_seconds: Number | None = None
    peak_memory_mb: Number | None = None


class PassesRow(_Timed):
    """Time that one recipe takes to predict all training and validation songs."""

    kind: Literal["passes"] = "passes"
    status: Literal["ok"] = "ok"
    songs: int | None = None
    passes: int | None = None
    seconds: PassSeconds


class NotMeasured(_Timed):
    """A cell without a result: refused by the package, or failed."""

    kind: Literal["accuracy", "speed", "passes"]
    status: Literal["refused", "failed"]
    reason: str = "no reason was recorded"


Row = AccuracyRow | SpeedRow | PassesRow | NotMeasured
_MEASURED: dict[str, type[Row]] = {"accuracy": AccuracyRow, "speed": SpeedRow, "passes": PassesRow}


@dataclass(frozen=True)
class Rows:
    """The rows of one file.

    Attributes:
        rows: All rows in the order of the file, including replaced ones.
        torn: Number of lines that are not JSON objects; a crash leaves at most one.
        unknown: Number of rows with kinds that this version does not know.
    """

    rows: list[Row]
    torn: int
    unknown: int


def read_row_file(path: Path) -> Rows:
    """Reads a file of rows; those of schema 1 are read as rows of schema 2.

    Args:
        path: The file; if it is missing, there are no rows.

    Raises:
        DataError: A row has not the form that a benchmark writes.
    """
    text = read_bytes(path, most=2**30, empty=True).decode(errors="replace") if path.exists() else ""
    rows: list[Row] = []
    torn = unknown = 0
    for number, line in enumerate(text.split("\n"), 1):
        try:
            value = from_json(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            torn += bool(line.strip())
        elif str(value.get("kind")) not in _MEASURED:
            unknown += 1
        else:
            remedy = "remove the line or run its cell again"
            refuse = partial(DataError, path=path, where=f"line {number}", remedy=remedy)
            rows.append(checked(partial(parse_row, value), refuse))
    return Rows(rows, torn, unknown)


def parse_row(value: Mapping[str, Any]) -> Row:
    """Parses a row of this or an earlier schema.

    Raises:
        ValidationError: It has not the form that a benchmark writes.
    """
    return (_MEASURED[value["kind"]] if value.get("status") == "ok" else NotMeasured)(**upgrade(value))


def upgrade(row: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a row of schema 1 to schema 2; returns any other row unchanged.

    Example:
        >>> upgrade({"schema": 1, "family": "peer", "reason": None})
        {'schema': 2, 'family': 'baseline', 'engine': 'scikit-learn'}
    """
    if row.get("schema") != 1:
        own = {"engine": "scikit-learn"} if row.get("family") == "baseline" else {}  # before there were several engines
        return {**own, **row}
    words: dict[str, Any] = {"family": "baseline", "engine": "scikit-learn"} if row.get("family") == "peer" else {}
    if "pieces" in (settings := row.get("settings") or {}):
        words["settings"] = {"chunks" if key == "pieces" else key: value for key, value in settings.items()}
    return {**{key: value for key, value in row.items() if value is not None}, "schema": SCHEMA, **words}
