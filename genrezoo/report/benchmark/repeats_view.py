"""Sentences, columns and the figure of the report on repeated splits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from matplotlib.figure import Figure

from genrezoo.report.benchmark.captions import out_of_fold, repeated_songs, shapes
from genrezoo.report.benchmark.records import RepeatedBoard, RepeatedEntry
from genrezoo.report.style.captions import PROVENANCE, RANDOM_SPLIT, SYNTHETIC
from genrezoo.report.style.columns import Column
from genrezoo.report.style.drawing import (
    FAMILY_COLOURS,
    FAMILY_MARKERS,
    GROUND,
    INK,
    Plot,
    as_tipped_svg,
    short,
    write_beside,
)
from genrezoo.report.style.number_format import duration, interval, p_value, percent, plain, points, significant

METHOD = (
    "Each value is a mean over the splits; a split's value is the mean over its seeds. Intervals have 95 % confidence; "
    "they are corrected resampled t intervals (Nadeau and Bengio 2003), because the splits share songs and an ordinary "
    "t interval would be too narrow. Differences are to the baseline with the best mean validation accuracy, paired by "
    "split; p-values are from the corrected paired t-test, without and with Holm's correction over all models of the "
    "table."
)
COLUMNS: tuple[Column[RepeatedEntry], ...] = (
    Column("model", "Model", "Recipe; baselines are models of other packages.", lambda e: e.name, look="text name"),
    Column(
        "family",
        "Family",
        "zoo, baseline for models of other packages, or mixed for ensembles of both.",
        lambda e: e.family,
        look="text",
    ),
    Column(
        "accuracy",
        "Accuracy (%)",
        "Fraction of test songs that are classified correctly.",
        lambda e: e.accuracy,
        percent,
    ),
    Column("macro_f1", "Macro F1 (%)", "Mean F1 over the genres.", lambda e: e.macro_f1, percent),
    Column(
        "difference",
        "Difference (points)",
        "Accuracy minus that of the reference on the same splits.",
        lambda e: e.difference,
        points,
    ),
    Column(
        "p",
        "p",
        "P-value of the corrected paired t-test, without correction for the number of models.",
        lambda e: e.p,
        p_value,
    ),
    Column(
        "p_holm",
        "p after Holm",
        "P-value with Holm's correction for the number of models.",
        lambda e: e.adjusted,
        p_value,
    ),
    Column(
        "valid_accuracy",
        "Valid. accuracy (%)",
        "Fraction of validation songs that are classified correctly.",
        lambda e: e.validation,
        percent,
    ),
    Column("train_seconds", "Training", "Mean time of one training run.", lambda e: e.train_seconds, duration),
    Column(
        "latency_p50_ms", "Latency p50 (ms)", "Median latency for one song.", lambda e: e.speed.get("p50"), significant
    ),
    Column(
        "onnx_latency_p50_ms",
        "ONNX p50 (ms)",
        "Median latency for one song with the exported model and ONNX Runtime.",
        lambda e: e.speed.get("onnx_p50"),
        significant,
    ),
    Column("splits", "Splits", "Number of splits with measurements.", lambda e: float(len(e.splits))),
)


def facts(board: RepeatedBoard) -> list[str]:
    """Describes the data of a board, one fact per item."""
    sides = ", ".join(f"{plain(round(size))} {side}" for side, size in board.sizes.items())
    return [
        f"{board.splits} splits, {PROVENANCE.get(board.provenance, board.provenance)}",
        f"songs of a split: {sides}",
        f"{len(board.genres)} genres: {', '.join(board.genres)}",
        f"checksum of the songs: {board.pooled}",
    ]


def cautions(board: RepeatedBoard) -> list[str]:
    """Returns cautions about the results."""
    found = [RANDOM_SPLIT] if board.provenance == "repeated, stratified" else []
    if board.duplicates:
        found.append(f"On average {repeated_songs(board.duplicates)}")
    found += out_of_fold(board.entries)
    found += [SYNTHETIC.format("models")] if board.synthetic else []
    for name, text in board.pretrained.items():
        found.append(f"Some models use the weights {name}, which were trained on other songs. {text}")
    return found


def summary(board: RepeatedBoard) -> str:
    """Summarises which differences to the reference are significant, and how many are not."""
    if not board.entries:
        return "No recipe was measured."
    if board.reference is None:
        return f"No baseline was measured on these {board.splits} splits: so there is nothing to compare with."
    reference = next(entry for entry in board.entries if entry.name == board.reference)
    compared = [entry for entry in board.entries if entry.difference is not None]
    sides = [
        ("more", [entry for entry in compared if entry.real and entry.difference and entry.difference.mean > 0]),
        ("less", [entry for entry in compared if entry.real and entry.difference and entry.difference.mean < 0]),
    ]
    beside = f"the baseline with the best validation accuracy, {reference.name} ({percent(reference.mean)}\u00a0%)"
    said = [f"{_listed(part)} {'is' if len(part) == 1 else 'are'} {word} accurate" for word, part in sides if part]
    where = f"Over {board.splits} splits of {board.data},"
    open_ones = len(compared) - sum(len(part) for _, part in sides)
    if not said:
        return f"{where} no model differs significantly from {beside}; {open_ones} were compared."
    rest = f" The other models ({open_ones}) do not differ significantly from it." if open_ones else ""
    return f"{where} {' and '.join(said)} than {beside}.{rest}"


def _listed(entries: Sequence[RepeatedEntry]) -> str:
    """Lists entries with their differences in a sentence."""
    texts = [
        f"{entry.name} ({points(entry.difference.mean)} points {interval(entry.difference)})"
        for entry in entries
        if entry.difference is not None
    ]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def differences_plot(board: RepeatedBoard, number: int) -> Plot | None:
    """Draws the differences to the reference with their intervals; None if nothing was compared.

    Args:
        board: The board.
        number: Position of the board in the report, from 1; part of the figure's name.
    """
    shown = [entry for entry in board.entries if entry.difference is not None]
    if not shown:
        return None
    stem = re.sub(r"[^a-z0-9]+", "-", board.data.lower())[:40].strip("-")
    name = "-".join(filter(None, ("repeats", str(number), stem)))
    caption = (
        f"Mean accuracy minus that of {board.reference} on the same splits, with the 95 % interval of each model, "
        f"uncorrected for their number. Filled marks are differences that are significant after Holm's correction (5 "
        f"%). "
        f"{shapes(entry.family for entry in shown)}"
    )

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        axes = figure.subplots()
        for place, entry in enumerate(shown):
            estimate, colour = entry.difference, FAMILY_COLOURS[entry.family]
            if estimate is None:
                continue
            axes.plot([100 * estimate.low, 100 * estimate.high], [place, place], color=colour, linewidth=1.8)
            face = colour if entry.real else GROUND
            mark, gid = FAMILY_MARKERS[entry.family], f"tip-{place}"
            axes.plot(100 * estimate.mean, place, mark, color=colour, markerfacecolor=face, markersize=6, gid=gid)
            tips[gid] = f"{entry.name}\n{points(estimate.mean)} points {interval(estimate)}"
            write_beside(axes, place, (f"{points(estimate.mean)}  {interval(estimate)}", p_value(entry.adjusted)))
        write_beside(axes, -1, ("Difference (points)", "p after Holm"), "bold")
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_yticks(range(len(shown)), [short(entry.name) for entry in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set_xlabel(f"Test accuracy minus that of {short(str(board.reference))} (points)")
        axes.grid(visible=False, axis="y")

    svg = as_tipped_svg(name, draw, height=1.0 + 0.29 * len(shown))
    return Plot(name, "Differences to the best baseline", caption, svg)
