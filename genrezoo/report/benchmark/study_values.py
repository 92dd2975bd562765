"""The common part of a study's figures and tables: their entries, labels, values and formats."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from statistics import fmean

from genrezoo.evaluation import mean_interval
from genrezoo.figures import FigurePlan
from genrezoo.report.benchmark.records import Board, Entry
from genrezoo.report.style.number_format import Quantity, count, nats, order_of, plain, significant, tenths, text_of

KEPT = "valid_accuracy_kept"
"""Name of the validation accuracy of the weights kept; ``valid_accuracy`` is that of the best epoch."""

_SPLITS = {"train": "Training", "valid": "Validation", "test": "Test"}
_QUANTITIES = {
    "train_seconds": Quantity("Training (s)", 1, significant),
    "seconds_per_epoch": Quantity("Seconds per epoch", 1, significant),
    "evaluation_seconds": Quantity("Evaluation of the test songs (s)", 1, significant),
    "seconds_per_pass": Quantity("Seconds per pass", 1, significant),
    "epochs": Quantity("Epochs", 1, plain),
    "best_epoch": Quantity("Best epoch", 1, plain),
    "parameters": Quantity("Parameters", 1, count),
    "valid_accuracy": Quantity("Best validation accuracy (%)", 100, tenths),
}


def quantity_of(value: str) -> Quantity:
    """Returns the title and format of a value of a study.

    Example:
        >>> quantity_of("test_macro_f1").title, quantity_of("valid_log_loss").write(1.5)
        ('Test macro F1 (%)', '1.500')
    """
    if value in _QUANTITIES:
        return _QUANTITIES[value]
    if value.startswith("heads."):
        head = value.removeprefix("heads.").replace("_", " ")
        return Quantity(f"Validation accuracy of {head} alone (%)", 100, tenths)
    split, _, score = value.removesuffix("_kept").partition("_")
    title = f"{_SPLITS[split]} {score.replace('_', ' ').replace('f1', 'F1')}"
    return Quantity(f"{title} (nats)", 1, nats) if score == "log_loss" else Quantity(f"{title} (%)", 100, tenths)


def entries_of(board: Board, plan: FigurePlan) -> list[Entry]:
    """Returns the entries of a plan in its order; those of a study in the order of their axes."""
    ordered = sorted(board.entries, key=lambda entry: [order_of(value) for value in entry.axes.values()])
    if not plan.entrants:
        return ordered
    found = [entry for name in plan.entrants for entry in ordered if name in (entry.recipe, entry.study)]
    return list({entry.name: entry for entry in found}.values())


def label_of(entry: Entry) -> str:
    """Returns the label of an entry in figures: its own label, else its values on the study's axes, else its name."""
    places = ", ".join(f"{short_axis(axis)} {text_of(value)}" for axis, value in entry.axes.items())
    return entry.label or places or entry.name


def estimate(entry: Entry, value: str) -> tuple[float, float, float] | None:
    """Returns a value of an entry with its bounds: the 95 % interval over seeds, or the fastest and slowest pass.

    Returns:
        Mean, low and high, which are equal with one seed; None if it was not measured.
    """
    if value == "seconds_per_pass":
        mean, least, most = (entry.speed.get(f"pass_{part}") for part in ("mean", "min", "max"))
        return None if mean is None or least is None or most is None else (mean, least, most)
    values = entry.measured.get(value)
    if not values:
        return None
    if len(set(values)) == 1:
        return values[0], values[0], values[0]
    fraction = value.startswith("heads.") or value.endswith(("accuracy", "macro_f1", "calibration_error"))
    return mean_interval(values, least=0.0, most=1.0 if fraction else math.inf)


def labels_of(entries: Sequence[Entry]) -> list[str]:
    """Returns the labels of entries; their names if two labels are equal."""
    labels = [label_of(entry) for entry in entries]
    return labels if len(set(labels)) == len(labels) else [entry.name for entry in entries]


def shown_values(plan: FigurePlan, entries: Sequence[Entry]) -> list[str]:
    """Returns the values of a plan that at least one entry has."""
    return [value for value in plan.values if any(estimate(entry, value) for entry in entries)]


def best_at(entries: Sequence[Entry], axes: Sequence[str]) -> tuple[dict[tuple[str, ...], Entry], bool]:
    """Returns the best entry by validation accuracy for each position on axes, and whether a position has several.

    Positions are the values of the axes as JSON.
    """
    best: dict[tuple[str, ...], Entry] = {}
    for entry in entries:
        place = tuple(json.dumps(entry.axes[axis]) for axis in axes)
        if place not in best or peak_of(entry) > peak_of(best[place]):
            best[place] = entry
    return best, len(best) < len(entries)


def peak_of(entry: Entry) -> float:
    """Returns the best validation accuracy of an entry, mean over the seeds."""
    return fmean(entry.measured.get("valid_accuracy") or (entry.validation,))


def about_values(entries: Sequence[Entry], values: Sequence[str]) -> str:
    """Describes values in a few sentences."""
    sentences = []
    if any(len(entry.seeds) > 1 for entry in entries):
        sentences.append("Means over the seeds with 95 % intervals of Student's t.")
    if {"train_seconds", "seconds_per_epoch", "evaluation_seconds"} & set(values):
        sentences.append("Trainings may have run in parallel, so their times are comparable only with each other.")
    if "seconds_per_pass" in values:
        sentences.append(
            "A pass predicts all training and validation songs; lines extend from the fastest to the slowest."
        )
    return " ".join(sentences)


def short_axis(axis: str) -> str:
    """Returns the name of an axis: the option's name in words."""
    return axis.rpartition(".")[2].replace("_", " ")
