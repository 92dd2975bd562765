"""What a report shows, as plain records: every output draws from these and computes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genrezoo.report.rows import Source


@dataclass(frozen=True)
class Estimate:
    """A test figure with its 95 % interval.

    Attributes:
        mean: Mean over the seeds.
        low: Lower bound.
        high: Upper bound.
        over: What the interval is over: ``"seeds"`` (Student t: another training run on the same songs) or ``"songs"``
            (bootstrap: the same run on other songs), used with one seed and where all seeds give the same figure.
    """

    mean: float
    low: float
    high: float
    over: str


@dataclass(frozen=True)
class Line:
    """One recipe on one board.

    Attributes:
        name: The recipe's name; where a board holds it with several settings, with what differs in brackets.
        recipe: The recipe's name alone.
        model: Name of the model.
        family: ``"zoo"`` or ``"peer"``.
        seeds: Seeds that were measured.
        accuracy: On the test songs, [0, 1].
        macro_f1: On the test songs, [0, 1].
        log_loss: On the test songs, nats.
        calibration_error: On the test songs, [0, 1].
        accuracies: Test accuracy of each seed.
        validation: Mean accuracy on the validation songs.
        share: Test accuracy as a share of the best attainable one, where that is known.
        representative: Seed with the median validation accuracy, which stands for the recipe in McNemar's test.
        parameters: Numbers that the model holds.
        multiply_adds: For one song.
        train_seconds: Mean over the seeds.
        epochs: Mean over the seeds.
        speed: ``p50``, ``p90``, ``p99`` (ms for one song), ``bulk`` (songs a second), ``first`` (seconds to the first
            prediction), ``memory`` (peak, MB), ``pass_mean``, ``pass_min``, ``pass_max``, ``pass_variance`` (seconds to
            predict all training and validation songs); what was not measured is missing.
        settings: The recipe as JSON.
        group: Letters; lines that share one cannot be told apart. Empty without predictions.
        vote: Accuracy of the seeds' mean log posterior: what averaging all of them gives, at that many times the cost.
        f1: Mean F1 of each genre over the seeds.
        confusion: Of the representative run; songs by truth (rows) and prediction.
        history: Of the representative run, one list a column.
        histories: Of every seed's run that has one.
        label: What the figures of a study call it.
        study: Name of the study that it belongs to; empty for none.
        axes: Where it stands on the study's axes.
        measured: What a study's figures show, one value a seed: scores as ``test_macro_f1``, costs as
            ``seconds_per_epoch``, and ``heads.NAME`` for auxiliary outputs; ``valid_accuracy`` is of the best epoch,
            ``valid_accuracy_kept`` of the weights kept.
        reported: What its reference reports; never ours.
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
    share: float | None
    representative: int
    parameters: float | None
    multiply_adds: float | None
    train_seconds: float | None
    epochs: float | None
    speed: Mapping[str, float]
    settings: Mapping[str, Any]
    group: str = ""
    vote: float | None = None
    f1: tuple[float, ...] | None = None
    confusion: tuple[tuple[int, ...], ...] | None = None
    history: Mapping[str, Sequence[float]] | None = None
    histories: tuple[Mapping[str, Sequence[float]], ...] = ()
    label: str = ""
    study: str = ""
    axes: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reported: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Unmeasured:
    """A cell without a figure: what was asked for, and why there is none."""

    name: str
    seed: int | None
    what: str
    status: str
    reason: str


@dataclass(frozen=True)
class Difference:
    """Two lines compared.

    Attributes:
        upper: Name of the line that stands higher on the board.
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
        sizes: Songs of each side.
        duplicates: Songs that occur on more than one side to the bit, or None if not counted.
        segments: Segments a song.
        features: Features a segment.
        shape: Of pictures height, width and channels; None for songs in segments.
        genres: Names of the classes.
        bayes: Best accuracy attainable at all, where the songs' origin is known exactly.
        order_free: Best accuracy attainable without using the order of segments.
        lines: The most accurate first.
        unmeasured: Every cell that was refused or failed.
        differences: Every pair of lines with predictions, in the order of the lines.
        cautions: What a reader must know before believing the figures.
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
    lines: tuple[Line, ...]
    unmeasured: tuple[Unmeasured, ...]
    differences: tuple[Difference, ...]
    cautions: tuple[str, ...]
    notes: tuple[str, ...]
    summary: str
    synthetic: bool = False


@dataclass(frozen=True)
class Plan:
    """A figure that a suite asks for, in its words.

    Attributes:
        kind: ``"heatmap"``, ``"bars"``, ``"curves"`` or ``"table"``.
        title: Heading.
        caption: What the reference shows in the same place.
        entrants: Names of recipes and studies; every line if empty.
        x: Axis across; empty for none.
        y: Axis upwards; empty for none.
        values: Keys of `Line.measured`, a picture or a row for each, or ``"seconds_per_pass"``; of curves
            ``"learning_rate"`` or nothing.
        best: Number of curves.
        transpose: Whether a table has a row for each line.
        together: Whether a table is one over all boards.
    """

    kind: str
    title: str
    caption: str
    entrants: tuple[str, ...]
    x: str
    y: str
    values: tuple[str, ...]
    best: int
    transpose: bool = False
    together: bool = False


@dataclass(frozen=True)
class Environment:
    """Where rows were measured: the facts, how many rows, and the first and last time."""

    facts: Mapping[str, Any]
    rows: int
    first: str
    last: str


@dataclass(frozen=True)
class Leaderboard:
    """Everything that a report shows, as plain data (``dataclasses.asdict`` gives JSON).

    Attributes:
        boards: One for each data set and split, in the order in which the rows mention them.
        sources: The folders.
        environments: Machines and versions that the rows were measured with.
        notes: What was passed over while reading.
        plans: Figures that the suites ask for.
        compares: Whether a suite asks for the measured beside what the references report.
    """

    boards: tuple[Board, ...]
    sources: tuple[Source, ...]
    environments: tuple[Environment, ...]
    notes: tuple[str, ...]
    plans: tuple[Plan, ...] = ()
    compares: bool = False
