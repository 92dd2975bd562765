"""What a report shows, as plain records: every output draws from these and computes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genrezoo.figures import FigurePlan
from genrezoo.report.benchmark.results import Source
from genrezoo.report.style.number_format import Estimate
from genrezoo.rows import Difficulty, NotMeasured, WeightHistograms

ALPHA = 0.05  # rate of false alarms over all comparisons of a table


@dataclass(frozen=True)
class Entry:
    """One recipe on one board.

    Attributes:
        name: The recipe's name; where a board holds it with several settings, with what differs in brackets.
        recipe: The recipe's name alone.
        model: Name of the model.
        family: ``"zoo"``, ``"baseline"``, or ``"mixed"`` for ensembles of both.
        seeds: Seeds that were measured.
        accuracy: On the test songs, [0, 1].
        macro_f1: On the test songs, [0, 1].
        log_loss: On the test songs, nats.
        calibration_error: On the test songs, [0, 1].
        accuracies: Test accuracy of each seed.
        validation: Mean accuracy on the validation songs.
        cross_validated: Whether that is out of fold: its models have learnt from the other folds' validation songs.
        fraction_of_ceiling: Test accuracy divided by the best attainable one, where that is known.
        representative: Seed with the median validation accuracy, which stands for the recipe in McNemar's test.
        parameters: Numbers that the model holds.
        multiply_adds: For one song.
        train_seconds: Mean over the seeds.
        epochs: Mean over the seeds.
        speed: ``p50``, ``p90``, ``p99`` (ms for one song), ``bulk`` (songs a second), ``first`` (seconds to the first
            prediction), ``memory`` (peak, MB), with Keras or scikit-learn, and the same with ``onnx_`` before it of the
            exported model; ``pass_mean``, ``pass_min``, ``pass_max``, ``pass_variance`` (seconds to predict all
            training and validation songs); what was not measured is missing.
        settings: The recipe as JSON.
        summary: What it is, in a line; empty if its rows do not say.
        reference: Its document or paper; empty if its rows do not say.
        group: Letters; entries that share one cannot be told apart. Empty without predictions.
        vote: Accuracy of the seeds' mean log posterior: what averaging all of them gives, at that many times the cost.
        f1: Mean F1 of each genre over the seeds.
        confusion: Of the representative run; songs by truth (rows) and prediction.
        histories: Of every seed's run, one list a column; empty if one of them has none.
        label: What the figures of a study call it.
        study: Name of the study that it belongs to; empty for none.
        axes: Where it stands on the study's axes.
        measured: What a study's figures show, one value a seed: scores as ``test_macro_f1``, costs as
            ``seconds_per_epoch``, and ``heads.NAME`` for auxiliary outputs; ``valid_accuracy`` is of the best epoch,
            ``valid_accuracy_kept`` of the weights kept.
        reported: What its reference reports; never ours.
        pretrained: Weights from elsewhere that it rests on, by name: what is known of them.
        difficulty: Of the training songs for the representative run; None if it was not measured.
        weights: Histograms of its kernels, of the representative run; None if they were not measured.
    """

    name: str
    recipe: str
    model: str
    family: str
    seeds: tuple[int, ...]
    accuracy: Estimate
    macro_f1: Estimate
    log_loss: Estimate
    calibration_error: Estimate
    accuracies: tuple[float, ...]
    validation: float
    fraction_of_ceiling: float | None
    representative: int
    parameters: float | None
    multiply_adds: float | None
    train_seconds: float | None
    epochs: float | None
    speed: Mapping[str, float]
    settings: Mapping[str, Any]
    cross_validated: bool = False
    summary: str = ""
    reference: str = ""
    group: str = ""
    vote: float | None = None
    f1: tuple[float, ...] | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None
    histories: tuple[Mapping[str, Sequence[float]], ...] = ()
    label: str = ""
    study: str = ""
    axes: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reported: Mapping[str, str] = field(default_factory=dict)
    pretrained: Mapping[str, str] = field(default_factory=dict)
    difficulty: Difficulty | None = None
    weights: WeightHistograms | None = None

    @property
    def history(self) -> Mapping[str, Sequence[float]] | None:
        """The history of the representative run; None without histories."""
        return self.histories[self.seeds.index(self.representative)] if self.histories else None


@dataclass(frozen=True)
class Difference:
    """Two entries compared.

    Attributes:
        upper: Name of the entry that stands higher on the board.
        lower: Name of the other.
        mean: Mean accuracy of ``upper`` over its seeds minus that of ``lower``.
        low: Lower bound of the 95 % interval of ``mean`` over songs and seeds.
        high: Upper bound.
        p: McNemar's p-value for the two representative runs.
        adjusted: The same after Holm's correction over all pairs of the board.
    """

    upper: str
    lower: str
    mean: float
    low: float
    high: float
    p: float
    adjusted: float


@dataclass(frozen=True)
class Board:
    """All recipes on one data set under one split.

    Attributes:
        data: Name of the data set.
        checksum: Of songs, labels and split.
        provenance: Where the split comes from.
        sizes: Songs of each split.
        duplicates: Songs that occur bit-identical in more than one split, or None if not counted.
        segments: Segments a song.
        features: Features a segment.
        shape: Of images height, width and channels; None for songs in segments.
        genres: Names of the classes.
        bayes: Best accuracy attainable at all, where the songs' origin is known exactly.
        order_free: Best accuracy attainable without using the order of segments.
        entries: The most accurate first.
        unmeasured: Every cell that was refused or failed.
        differences: Every pair of entries with predictions, in the order of the entries.
        cautions: What a reader must know before believing the results.
        notes: What was left out and why.
        summary: The board in two or three sentences.
        synthetic: Whether the songs were made by a program.
    """

    data: str
    checksum: str
    provenance: str
    sizes: Mapping[str, int]
    duplicates: int | None
    segments: int | None
    features: int | None
    shape: tuple[int, ...] | None
    genres: tuple[str, ...]
    bayes: float | None
    order_free: float | None
    entries: tuple[Entry, ...]
    unmeasured: tuple[NotMeasured, ...]
    differences: tuple[Difference, ...]
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    summary: str
    synthetic: bool = False


@dataclass(frozen=True)
class RepeatedEntry:
    """One recipe or baseline over repeated splits.

    Attributes:
        name: As on a leaderboard.
        family: ``"zoo"``, ``"baseline"``, or ``"mixed"`` for ensembles of both.
        splits: Numbers of the splits that it was measured on.
        accuracy: Mean test accuracy of the splits, each the mean of its seeds; with one split its interval is missing.
        macro_f1: The same of the mean F1 of the genres.
        validation: Mean accuracy on the validation songs.
        train_seconds: Mean time of one training; None if it was not measured.
        speed: As of an `Entry`, measured on the first split.
        accuracies: Test accuracy of each split.
        settings: As of an `Entry`.
        summary: As of an `Entry`.
        reference: As of an `Entry`.
        difference: Mean accuracy minus that of the reference on the same splits; None for the reference itself, and
            where they have fewer than two splits in common.
        p: P-value of the corrected paired t-test.
        adjusted: The same after Holm's correction over all entries that are compared.
    """

    name: str
    family: str
    splits: tuple[int, ...]
    accuracy: Estimate | float
    macro_f1: Estimate | float
    validation: float
    train_seconds: float | None
    speed: Mapping[str, float]
    accuracies: Mapping[int, float]
    settings: Mapping[str, Any]
    summary: str = ""
    reference: str = ""
    difference: Estimate | None = None
    p: float | None = None
    adjusted: float | None = None

    @property
    def real(self) -> bool:
        """Whether its difference to the reference holds after Holm's correction."""
        return self.adjusted is not None and self.adjusted <= ALPHA

    @property
    def mean(self) -> float:
        """Mean test accuracy."""
        return self.accuracy.mean if isinstance(self.accuracy, Estimate) else self.accuracy


@dataclass(frozen=True)
class RepeatedBoard:
    """All recipes and baselines over repeated splits of one set of songs.

    Attributes:
        data: Name of the data set.
        pooled: Checksum of the songs without a split.
        provenance: How the splits were drawn.
        sizes: Songs of each side, the mean over the splits.
        duplicates: Songs that occur bit-identical in more than one side, the mean over the splits.
        genres: Names of the classes.
        synthetic: Whether the songs were made by a program.
        pretrained: Weights from elsewhere that results rest on, by name: what is known of them.
        splits: Number of splits.
        reference: Name of the baseline with the best mean validation accuracy; None without a baseline.
        entries: The most accurate first.
        unmeasured: Every cell that was refused or failed.
    """

    data: str
    pooled: str
    provenance: str
    sizes: Mapping[str, float]
    duplicates: float
    genres: tuple[str, ...]
    synthetic: bool
    pretrained: Mapping[str, str]
    splits: int
    reference: str | None
    entries: tuple[RepeatedEntry, ...]
    unmeasured: tuple[NotMeasured, ...]


@dataclass(frozen=True)
class Environment:
    """Where rows were measured: the facts, how many rows, and the first and last time."""

    facts: Mapping[str, Any]
    rows: int
    first: str
    last: str


@dataclass(frozen=True)
class Leaderboard:
    """Everything that a report shows.

    Attributes:
        boards: One for each data set and split, in the order in which the rows mention them.
        sources: The folders.
        environments: Machines and versions that the rows were measured with.
        notes: What was passed over while reading.
        plans: Figures that the suites ask for.
        compares: Whether a suite asks for the measured beside what the references report.
        repeated: One for each set of songs that was split again and again; their rows are on no other board.
    """

    boards: tuple[Board, ...]
    sources: tuple[Source, ...]
    environments: tuple[Environment, ...]
    notes: tuple[str, ...]
    plans: tuple[FigurePlan, ...] = ()
    compares: bool = False
    repeated: tuple[RepeatedBoard, ...] = ()
