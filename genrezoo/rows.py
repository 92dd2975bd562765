"""The rows of a benchmark: what it writes of each of its cells, one JSON object a line, and what the report reads.

A row is of the kind ``accuracy``, ``speed`` or ``passes``; a cell without a result leaves a `NotMeasured` row.
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
"""What computes predictions; scikit-learn those of baselines alone."""


class _Record(BaseModel, frozen=True, extra="ignore"):
    """A part of a row; a later version may say more."""


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
    """Accuracy of one auxiliary output by itself."""

    valid: Number
    test: Number | None = None


class Latency(_Record):
    """Milliseconds for one song: percentiles of so many calls."""

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
    """Cross entropy of one song's genre, in nats."""

    id: str
    difficulty: Number


class Histogram(_Record):
    """Counts between edges, of which there is one more."""

    edges: tuple[Number, ...]
    counts: tuple[int, ...]


class Difficulty(_Record):
    """How difficult the training songs are for a model."""

    songs: int
    mean: Number
    variance: Number
    easiest: tuple[SongDifficulty, ...]
    hardest: tuple[SongDifficulty, ...]
    histogram: Histogram


class WeightHistograms(_Record):
    """How the kernels of a model are spread, all between the same edges."""

    edges: tuple[Number, ...]
    counts: dict[str, tuple[int, ...]]
    zeros: dict[str, Number] = Field(description="By kernel the fraction of weights that are exactly zero.")


class DataFacts(_Record):
    """What every row says of its songs."""

    data: str = Field(description="Name of the songs.")
    checksum: str = Field(description="Of songs, labels and split.")
    provenance: str = Field(description="Where the split comes from; no result is reported without it.")
    sizes: dict[str, int] = Field({}, description="Songs of each split.")
    duplicates: int | None = Field(None, description="Songs that occur in more than one split.")
    segments: int | None = None
    features: int | None = None
    shape: tuple[int, int, int] | None = Field(None, description="Height, width and channels of images.")
    genres: tuple[str, ...] = ()
    synthetic: bool = False
    ceilings: dict[str, Number] | None = Field(None, description="Best accuracies attainable, where they are known.")


class CellFacts(DataFacts):
    """What every row says of its cell, whatever became of it."""

    key: str = Field(description="Identifies the cell by everything that its result depends on.")
    recipe: str = Field(description="Name of the recipe or baseline.")
    model: str = Field("", description="Name of the model.")
    family: Literal["zoo", "baseline", "mixed"] = Field(
        description="`mixed` is an ensemble that was selected from models of the zoo and baselines."
    )
    seed: int
    repeat: int | None = Field(None, description="Number of the split among repeated splits of the same songs, from 1.")
    pooled: str | None = Field(
        None, description="Checksum of the songs without a split: the same in all repeated splits of them."
    )
    settings: dict[str, Any] = Field({}, description="The recipe, or the baseline's settings.")
    run: str = Field("", description="Folder of the run, relative to that of the results.")
    folds: int | None = Field(None, description="Of a bagged recipe: number of folds, and of models.")
    study: str | None = Field(None, description="Name of the study that it belongs to.")
    axes: dict[str, Any] | None = Field(None, description="Its values on the study's axes.")
    label: str | None = Field(None, description="What the study's figures call it.")
    pretrained: dict[str, str] = Field(
        {}, description="Weights trained elsewhere that it rests on, by name, and what is known of the songs in common."
    )


class _Row(CellFacts):
    kind: str
    version: Literal[2] = Field(2, alias="schema")
    environment: dict[str, Any] = {}

    @property
    def identity(self) -> tuple[str, str, str]:
        """Of rows with the same the last one counts: the kind, the key, and the engine if it is not the model's own."""
        return self.kind, self.key, ""

    def to_plain(self) -> dict[str, Any]:
        """The row as JSON data."""
        return self.model_dump(mode="json", by_alias=True)


class AccuracyRow(_Row):
    """How good one training is, and what it cost."""

    kind: Literal["accuracy"] = "accuracy"
    status: Literal["ok"] = "ok"
    valid: Scores
    test: ScoresAndIntervals
    train: Scores | None = None
    out_of_fold: Scores | None = Field(
        None,
        description="Training and validation songs, each predicted by a model that never saw it; of some.",
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
    engine: Engine = Field("keras", description="What computed the predictions.")

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind, self.key, engine_part(self.engine)


class SpeedRow(_Timed):
    """How fast one recipe predicts with one engine."""

    kind: Literal["speed"] = "speed"
    status: Literal["ok"] = "ok"
    latency_ms: Latency
    bulk_songs_per_second: Number | None = None
    bulk_batch: int | None = None
    first_prediction_seconds: Number | None = None
    peak_memory_mb: Number | None = None


class PassesRow(_Timed):
    """How long one recipe takes to predict all training and validation songs."""

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
        rows: In the order of the file, replaced ones included.
        torn: Number of lines that are not JSON objects: a crash leaves at most one.
        unknown: Number of rows of kinds that this version does not know.
    """

    rows: list[Row]
    torn: int
    unknown: int


def read_row_file(path: Path) -> Rows:
    """Reads a file of rows; those of schema 1 are read as rows of schema 2.

    Args:
        path: The file; a missing one has no rows.

    Raises:
        DataError: A row is not what a benchmark writes.
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
    """A row as a record, whether of this or of an earlier schema.

    Raises:
        ValidationError: It is not what a benchmark writes.
    """
    return (_MEASURED[value["kind"]] if value.get("status") == "ok" else NotMeasured)(**upgrade(value))


def upgrade(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of schema 1 in the words of schema 2, any other row as it is.

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
