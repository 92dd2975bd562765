"""The content of a report as plain records; the outputs only format them."""

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
        name: The recipe's name, with the settings that differ in brackets if the board has several.
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
        cross_validated: Whether ``validation`` is out of fold: its models were also trained on validation songs.
        fraction_of_ceiling: Test accuracy divided by the best attainable one; None if that is unknown.
        representative: Seed with the median validation accuracy, which represents the recipe in McNemar's test.
        parameters: Number of parameters of the model.
        multiply_adds: Multiply-add operations for one song.
        train_seconds: Seconds of a training, mean over the seeds.
        epochs: Number of epochs, mean over the seeds.
        speed: ``p50``, ``p90``, ``p99`` (ms for one song), ``bulk`` (songs a second), ``first`` (seconds to the first
            prediction), ``memory`` (peak, MB), with Keras or scikit-learn, and the same with ``onnx_`` before it of the
            exported model; ``pass_mean``, ``pass_min``, ``pass_max``, ``pass_variance`` (seconds to predict all
            training and validation songs); values that were not measured are missing.
        settings: The recipe as JSON.
        summary: Description in one line; empty if its rows have none.
        reference: Document or paper; empty if its rows have none.
        group: Letters; entries that share a letter do not differ significantly. Empty without predictions.
        vote: Accuracy of the mean log posterior of all seeds, at a multiple of the cost; None with one seed.
        f1: Mean F1 of each genre over the seeds.
        confusion: Confusion matrix of the representative run; songs by truth (rows) and prediction.
        histories: History of each seed's run, one list per column; empty if one is missing.
        label: Label in the figures of a study.
        study: Name of its study; empty without one.
        axes: Values on the study's axes.
        measured: Values for the figures of a study, one per seed: scores such as ``test_macro_f1``, costs such as
            ``seconds_per_epoch``, and ``heads.NAME`` for auxiliary outputs; ``valid_accuracy`` is that of the best
            epoch, ``valid_accuracy_kept`` that of the weights kept.
        reported: Results that its reference reports; not measured here.
        pretrained: Pretrained weights that it depends on, by name, with information on songs in common.
        difficulty: Difficulty of the training songs for the representative run; None if it was not measured.
        weights: Histograms of the kernels of the representative run; None if they were not measured.
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
        upper: Name of the entry with the higher rank on the board.
        lower: Name of the other entry.
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
    """All recipes on one data set with one split.

    Attributes:
        data: Name of the data set.
        checksum: Of songs, labels and split.
        provenance: Provenance of the split.
        sizes: Number of songs of each split.
        duplicates: Songs that occur bit-identical in more than one split; None if not counted.
        segments: Segments per song.
        features: Features per segment.
        shape: Height, width and channels of images; None for songs in segments.
        genres: Names of the classes.
        bayes: Best attainable accuracy, if the process that generated the songs is known.
        order_free: Best accuracy attainable without using the order of segments.
        entries: The most accurate first.
        unmeasured: Every cell that was refused or failed.
        differences: Every pair of entries with predictions, in the order of the entries.
        cautions: Cautions about the results.
        notes: Results that were left out, and why.
        summary: Summary in two or three sentences.
        synthetic: Whether the songs are synthetic.
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
        cross_validated: As of an `Entry`.
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
    cross_validated: bool = False
    summary: str = ""
    reference: str = ""
    difference: Estimate | None = None
    p: float | None = None
    adjusted: float | None = None

    @property
    def real(self) -> bool:
        """Whether its difference to the reference is significant after Holm's correction."""
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
        provenance: Provenance of the splits.
        sizes: Number of songs of each side, mean over the splits.
        duplicates: Number of songs that occur bit-identical in more than one side, mean over the splits.
        genres: Names of the classes.
        synthetic: Whether the songs are synthetic.
        pretrained: Pretrained weights that results depend on, by name, with information on songs in common.
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
    """The machine and versions of rows, with their number and the first and last time."""

    facts: Mapping[str, Any]
    rows: int
    first: str
    last: str


@dataclass(frozen=True)
class Leaderboard:
    """The content of a report.

    Attributes:
        boards: One for each data set and split, in the order of the rows.
        sources: The folders.
        environments: Machines and versions of the rows.
        notes: Rows that were skipped or replaced.
        plans: The figures of the suites.
        compares: Whether a suite compares measured with reported results.
        repeated: One for each set of songs with repeated splits; their rows are on no other board.
    """

    boards: tuple[Board, ...]
    sources: tuple[Source, ...]
    environments: tuple[Environment, ...]
    notes: tuple[str, ...]
    plans: tuple[FigurePlan, ...] = ()
    compares: bool = False
    repeated: tuple[RepeatedBoard, ...] = ()
