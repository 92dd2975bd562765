"""Learning curves: loss and accuracy of several runs, or of several recipes over their seeds, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from genrezoo.errors import DataError, check_known
from genrezoo.report.style.drawing import CURVE_COLOURS, as_tipped_svg, short, spread
from genrezoo.report.style.number_format import nats, percent

History = Mapping[str, Sequence[float]]
COLUMNS = ("epoch", "loss", "accuracy", "valid_loss", "valid_accuracy")
DASHES = (0, (4, 2))
TITLES = {
    "loss": "Loss (cross-entropy, nats)",
    "learning_rate": "Learning rate at the end of the epoch",
    "accuracy": "Accuracy (%)",
    "logits_loss": "Loss of the genre",
}
"""Titles of the panels by the column of a history; other columns are losses of heads."""
MOST_TIPS = 60
"""Largest number of tooltips in a panel, evenly spread over a longer training."""
SHOWN = ("loss", "learning_rate", "heads")
"""What `learning_curves` can show."""


def learning_curves(
    histories: Mapping[str, History],
    name: str = "learning",
    bands: Mapping[str, tuple[History, History]] | None = None,
    *,
    show: str = "loss",
) -> str:
    """Draws loss and accuracy of several runs, epoch by epoch, in one figure.

    Args:
        histories: The columns of the ``history.csv`` of each run: ``epoch``, ``loss``, ``accuracy``, ``valid_loss`` and
            ``valid_accuracy``. Eight runs have different colours; further ones repeat them.
        name: Part of the ids inside the figure.
        bands: Lowest and highest values of runs that are means of several, drawn behind the validation curves.
        show: ``loss``; ``learning_rate``, the rate at the end of each epoch, instead of the loss; or ``heads``, the
            losses of all heads instead of loss and accuracy.

    Returns:
        The SVG element.

    Raises:
        UnknownNameError: ``show`` is none of these.
        DataError: A run lacks these columns.
    """
    check_known("kind of learning curves", [show], SHOWN)
    check_shown(histories, show)
    seconds = dict.fromkeys(key for history in histories.values() for key in second_heads(history))
    keys = [*seconds, "logits_loss"] if show == "heads" else [show, "accuracy"]

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        panels = dict(zip(keys, figure.subplots(1, len(keys)), strict=True))
        draw_curves(panels, histories, bands)
        for key, axes in panels.items():
            _tell_epochs(axes, key, histories, tips)

    return as_tipped_svg(name, draw, height=3.6)


def draw_curves(
    panels: Mapping[str, Axes],
    histories: Mapping[str, History],
    bands: Mapping[str, tuple[History, History]] | None = None,
) -> None:
    """Draws columns of several histories on empty axes; the last axes have the names of the runs.

    Args:
        panels: Axes by the column that they show: ``loss``, ``learning_rate``, ``accuracy`` or ``HEAD_loss``.
        histories: As in `learning_curves`.
        bands: As in `learning_curves`.
    """
    right = list(panels.values())[-1]
    ends = []
    for number, (label, history) in enumerate(histories.items()):
        colour = CURVE_COLOURS[number % len(CURVE_COLOURS)]
        best = int(np.argmax(history["valid_accuracy"]))
        for key, axes in panels.items():
            if key not in history:
                continue  # a head of another run
            scale, solid = 100 if key == "accuracy" else 1, key if key == "learning_rate" else f"valid_{key}"
            values = {side: [scale * value for value in history[side]] for side in (key, solid)}
            if solid != key:
                axes.plot(history["epoch"], values[key], color=colour, linewidth=0.9, linestyle=DASHES, alpha=0.7)
            axes.plot(history["epoch"], values[solid], color=colour, linewidth=1.6)
            axes.plot(history["epoch"][best], values[solid][best], "o", color=colour, markersize=4.5)
            if bands and label in bands and solid != key:
                low, high = ([scale * value for value in edge[solid]] for edge in bands[label])
                axes.fill_between(history["epoch"], low, high, color=colour, alpha=0.15, linewidth=0)
        ends.append((history["epoch"][-1], values[solid][-1]))
    longest = max(len(history["epoch"]) for history in histories.values())
    for key, axes in panels.items():
        axes.set_title(TITLES.get(key, f"Loss of head {key.removesuffix('_loss')}"))
        axes.set_xlabel("Epoch")
        axes.xaxis.set_major_locator(MaxNLocator(min(6, longest), integer=True, min_n_ticks=1))
    if "learning_rate" in panels:
        panels["learning_rate"].set_ylim(bottom=0)
        panels["learning_rate"].yaxis.set_major_formatter(FuncFormatter(_as_rate))
    if "loss" in panels:
        edges = [edge for pair in (bands or {}).values() for edge in pair]
        _bound_losses(panels["loss"], [*histories.values(), *edges])
    bottom, top = right.get_ylim()
    edge = right.get_xlim()[1]
    heights = spread([y for _, y in ends], gap=(top - bottom) * 0.06)
    for number, (label, end, height) in enumerate(zip(histories, ends, heights, strict=True)):
        colour = CURVE_COLOURS[number % len(CURVE_COLOURS)]
        # dotted: it leads to the name of a run, whose training may have ended long before
        way: dict[str, Any] = {"linewidth": 0.7, "linestyle": (0, (1, 3)), "clip_on": False}
        right.plot(*zip(end, (edge, height), strict=True), color=colour, **way)
        right.plot(edge, height, "s", color=colour, markersize=6, clip_on=False)
        right.annotate(
            short(label), (edge, height), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8.5,
            annotation_clip=False,
        )  # fmt: skip
    right.set_xlim(right.get_xlim()[0], edge)
    right.set_ylim(bottom, top)


def _tell_epochs(axes: Axes, key: str, histories: Mapping[str, History], tips: dict[str, str]) -> None:
    """Draws invisible bands over the epochs of a panel, with the values of all runs as tooltips."""
    shown = {label: history for label, history in histories.items() if key in history}
    epochs = sorted({epoch for history in shown.values() for epoch in history["epoch"]})
    step = math.ceil(len(epochs) / MOST_TIPS)
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for epoch in epochs[::step]:
        left, right = max(low, epoch - step / 2), min(high, epoch + step / 2)
        gid = f"tip-{len(tips)}"
        axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, alpha=0, linewidth=0, gid=gid))
        there = {label: history for label, history in shown.items() if epoch in history["epoch"]}
        tips[gid] = "\n".join([f"epoch {epoch:g}", *(_values_at(epoch, key, *one) for one in there.items())])


def _values_at(epoch: float, key: str, label: str, history: History) -> str:
    place = list(history["epoch"]).index(epoch)
    if key == "learning_rate":
        return f"{short(label)}: {_as_rate(history[key][place])}"
    valid, train = (
        f"{percent(value)} %" if key == "accuracy" else nats(value)
        for value in (history[f"valid_{key}"][place], history[key][place])
    )
    return f"{short(label)}: {valid} (training {train})"


def check_shown(histories: Mapping[str, History], show: str) -> None:
    """Refuses histories that lack what is to be shown.

    Raises:
        DataError: There is one; its label is named.
    """
    for label, history in histories.items():
        if not can_show(history, show):
            remedy = "several outputs of a model must be trained" if show == "heads" else "train it again"
            raise DataError(f"its history has no {show}", where=label, remedy=remedy)


def can_show(history: History, show: str) -> bool:
    """Whether a history has what `learning_curves` shows under that name.

    Example:
        >>> can_show({"loss": [1.0], "learning_rate": [0.1]}, "learning_rate"), can_show({"loss": [1.0]}, "heads")
        (True, False)
    """
    if show == "heads":
        return "logits_loss" in history and bool(second_heads(history))
    return show == "loss" or bool(np.isfinite(history.get(show, [np.nan])).all())


def second_heads(history: History) -> list[str]:
    """Returns the columns of a history with the losses of heads other than that of the genre.

    Example:
        >>> second_heads({"loss": [3.0], "logits_loss": [2.0], "binary_loss": [1.0], "valid_binary_loss": [1.0]})
        ['binary_loss']
    """
    names = [name for name in history if name.endswith("_loss") and f"valid_{name}" in history]
    return [name for name in names if name != "logits_loss"]


def over_seeds(histories: Sequence[History]) -> tuple[History, tuple[History, History]]:
    """Returns the mean of several seeds' histories, and their lowest and highest values, up to the shortest one.

    Example:
        >>> runs = [dict.fromkeys(COLUMNS, [1.0, 2.0]), dict.fromkeys(COLUMNS, [3.0])]
        >>> mean, (low, high) = over_seeds(runs)
        >>> mean["loss"], low["loss"], high["loss"]
        ([2.0], [1.0], [3.0])
    """
    epochs = min(len(history["epoch"]) for history in histories)
    columns = [key for key in histories[0] if all(key in history for history in histories)]
    tables = {key: np.array([history[key][:epochs] for history in histories]) for key in columns}  # (seeds, epochs)
    mean, low, high = (
        {key: reduce(table, axis=0).tolist() for key, table in tables.items()} for reduce in (np.mean, np.min, np.max)
    )
    return mean, (low, high)


def _as_rate(value: float, _: object = None) -> str:
    """Returns three significant digits without an exponent, so that rates can be compared by their length."""
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def _bound_losses(axes: Axes, histories: Sequence[History]) -> None:
    """Limits the axis of losses, because a training loss with penalties may be far above all other curves."""
    columns = ([value for history in histories for value in history[key]] for key in ("valid_loss", "loss"))
    valid, train = ([value for value in column if np.isfinite(value)] for column in columns)
    if valid and train:
        low, high = min(valid + train), min(max(valid + train), 1.5 * max(valid))
        margin = 0.05 * (high - low) or 0.1
        axes.set_ylim(low - margin, high + margin)
