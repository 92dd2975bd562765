"""What a study's figures and tables share: which lines they show, what these are called, and how values are written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from genrezoo.evaluation import mean_interval
from genrezoo.report.numbers import count, nats, plain, significant
from genrezoo.report.records import Board, Line, Plan

KEPT = "valid_accuracy_kept"
"""Validation accuracy of the weights kept, where ``valid_accuracy`` is that of the best epoch."""

SIDES = {"train": "Training", "valid": "Validation", "test": "Test"}


@dataclass(frozen=True)
class Kind:
    """How one kind of figure of a line is named and written.

    Attributes:
        title: Heading of its picture or row, with the unit.
        scale: Factor from the stored figure to the shown one.
        write: Writes the shown figure.
    """

    title: str
    scale: float
    write: Callable[[float], str]


def kind_of(value: str) -> Kind:
    """How a value that a study can show is named and written.

    Example:
        >>> kind_of("test_macro_f1").title, kind_of("valid_log_loss").write(1.5)
        ('Test macro F1 (%)', '1.500')
    """
    seconds = {
        "train_seconds": "Training (s)",
        "seconds_per_epoch": "Seconds per epoch",
        "evaluation_seconds": "Evaluation of the test songs (s)",
        "seconds_per_pass": "Seconds per pass",
    }
    numbers = {"epochs": ("Epochs", plain), "best_epoch": ("Best epoch", plain), "parameters": ("Parameters", count)}
    side, _, score = value.removesuffix("_kept").partition("_")
    title = f"{SIDES.get(side, side)} {score.replace('_', ' ').replace('f1', 'F1')}"
    if value in seconds:
        return Kind(seconds[value], 1, significant)
    if value in numbers:
        return Kind(numbers[value][0], 1, numbers[value][1])
    if value == "valid_accuracy":
        title = "Best validation accuracy"
    elif value.startswith("heads."):
        title = f"Validation accuracy of {value.removeprefix('heads.').replace('_', ' ')} alone"
    elif score == "log_loss":
        return Kind(f"{title} (nats)", 1, nats)
    return Kind(f"{title} (%)", 100, _tenths)


def _tenths(shown: float) -> str:
    return f"{shown:.1f}"


def lines_of(board: Board, plan: Plan) -> list[Line]:
    """The lines that a plan names, in its order; those of a study in the order of their axes."""
    ordered = sorted(board.lines, key=lambda line: [order_of(value) for value in line.axes.values()])
    if not plan.entrants:
        return ordered
    found = [line for name in plan.entrants for line in ordered if name in (line.recipe, line.study)]
    return list({line.name: line for line in found}.values())


def label_of(line: Line) -> str:
    """What a figure calls a line: its label, else its place on the study's axes, else its name."""
    places = ", ".join(f"{short_axis(axis)} {text_of(value)}" for axis, value in line.axes.items())
    return line.label or places or line.name


def estimate(line: Line, value: str) -> tuple[float, float, float] | None:
    """A figure of a line with its bounds: the 95 % interval over seeds, or the fastest and slowest pass.

    Returns:
        Mean, low, high, all the same where there is one seed; None where it was not measured.
    """
    if value == "seconds_per_pass":
        mean, least, most = (line.speed.get(f"pass_{part}") for part in ("mean", "min", "max"))
        return None if mean is None or least is None or most is None else (mean, least, most)
    values = line.measured.get(value)
    if not values:
        return None
    return mean_interval(values) if len(set(values)) > 1 else (values[0], values[0], values[0])


def labels_of(lines: Sequence[Line]) -> list[str]:
    """What to call the lines; the names in tables where two would be called alike."""
    labels = [label_of(line) for line in lines]
    return labels if len(set(labels)) == len(labels) else [line.name for line in lines]


def shown_values(plan: Plan, lines: Sequence[Line]) -> list[str]:
    """The values of a plan that at least one line has."""
    return [value for value in plan.values if any(estimate(line, value) for line in lines)]


def best_at(lines: Sequence[Line], axes: Sequence[str]) -> tuple[dict[tuple[str, ...], Line], bool]:
    """For each place on some axes (values as JSON) its best line by validation accuracy; whether any had several."""
    best: dict[tuple[str, ...], Line] = {}
    for line in lines:
        place = tuple(json.dumps(line.axes[axis]) for axis in axes)
        if place not in best or peak_of(line) > peak_of(best[place]):
            best[place] = line
    return best, len(best) < len(lines)


def peak_of(line: Line) -> float:
    """Its best validation accuracy, mean over the seeds."""
    return fmean(line.measured.get("valid_accuracy") or (line.validation,))


def about_values(lines: Sequence[Line], values: Sequence[str]) -> str:
    """What the figures are, in a sentence or two."""
    sentences = []
    if any(len(line.seeds) > 1 for line in lines):
        sentences.append("Means over the seeds with 95 % intervals of Student's t.")
    if {"train_seconds", "seconds_per_epoch", "evaluation_seconds"} & set(values):
        sentences.append("Trainings may have shared the machine: their seconds compare with each other alone.")
    if "seconds_per_pass" in values:
        sentences.append("A pass predicts all training and validation songs; lines reach from fastest to slowest.")
    return " ".join(sentences)


def short_axis(axis: str) -> str:
    """What to call an axis: the option's name in words."""
    return axis.rpartition(".")[2].replace("_", " ")


def text_of(value: Any) -> str:
    """A value on an axis as text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def order_of(value: Any) -> tuple[int, float, str]:
    """Numbers by size, everything else by name."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return (0, float(value), "") if number else (1, 0.0, text_of(value))
