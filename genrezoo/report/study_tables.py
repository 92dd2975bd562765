"""The tables that a suite asks for: values of its entrants on one set of songs, or of all of them together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from genrezoo.report.records import Board, Line, Plan
from genrezoo.report.study_lines import (
    KEPT,
    about_values,
    best_at,
    estimate,
    kind_of,
    labels_of,
    lines_of,
    order_of,
    short_axis,
    text_of,
)


@dataclass(frozen=True)
class Entry:
    """One entrant of a table.

    Attributes:
        label: What the table calls it.
        model: What the board calls it.
        data: Name of the songs.
        seeds: Number of training runs.
        figures: Mean, low and high of each value that was measured.
    """

    label: str
    model: str
    data: str
    seeds: int
    figures: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class StudyTable:
    """One table of a study.

    Attributes:
        name: Part of its file's name: lower-case letters, figures and hyphens.
        title: Heading.
        caption: What it shows and how to read it.
        corner: What its entrants are.
        values: What it shows of each.
        entries: Its entrants.
        transpose: Whether it has a row for each entrant in place of a column.
        data: Whether it says which songs an entrant was measured on.
        study: A suite asked for it: it stands before the leaderboard.
    """

    name: str
    title: str
    caption: str
    corner: str
    values: tuple[str, ...]
    entries: tuple[Entry, ...]
    transpose: bool
    data: bool = False
    study: bool = True

    @property
    def texts(self) -> int:
        """How many of its columns hold names."""
        return 1 + (self.data and self.transpose)

    def grid(self) -> list[list[tuple[str, str]]]:
        """Its cells, headings first: a text, and the interval that belongs to it or nothing."""
        titles = [(kind_of(value).title, "") for value in self.values]
        rows = [[(self.corner, ""), *[("Songs", "")] * self.data, *titles]]
        for entry in self.entries:
            songs = [(entry.data, "")] * self.data
            rows.append([(entry.label, ""), *songs, *(_cell(entry, value) for value in self.values)])
        return rows if self.transpose else [list(column) for column in zip(*rows, strict=True)]


def study_table(plan: Plan, lines: Sequence[Line], name: str) -> StudyTable | None:
    """The table of a plan on one board; None where no line has any of its values.

    Args:
        plan: What the suite asks for.
        lines: The lines that it names.
        name: Of the table.
    """
    several = False
    if plan.x:
        best, several = best_at([line for line in lines if plan.x in line.axes], (plan.x,))
        lines = sorted(best.values(), key=lambda line: order_of(line.axes[plan.x]))
        labels = [text_of(line.axes[plan.x]) for line in lines]
    else:
        labels = labels_of(lines)
    entries = [_entry(plan, line, label, "") for line, label in zip(lines, labels, strict=True)]
    more = "Where several recipes share a place, the best by validation accuracy stands there." if several else ""
    return _table(plan, lines, entries, name, short_axis(plan.x).capitalize() if plan.x else "Model", more)


def tables_together(boards: Sequence[Board], plans: Sequence[Plan]) -> list[StudyTable]:
    """The tables that are over all sets of songs, where there is more than one entrant to compare.

    Args:
        boards: All boards of a report.
        plans: What the suites ask for.
    """
    found: list[StudyTable] = []
    for plan in plans:
        if not plan.together:
            continue
        pairs = [(board, line) for board in boards for line in lines_of(board, plan)]
        if plan.entrants:
            pairs.sort(key=lambda pair: _place(plan, pair[1]))
        lines = [line for _, line in pairs]
        entries = [_entry(plan, line, line.label or line.name, board.data) for board, line in pairs]
        more = "Each is measured on songs of its own set: compare where the sets hold the same recordings."
        if table := _table(plan, lines, entries, f"0-study-{len(found) + 1}", "Model", more, data=True):
            found.append(table)
    return found


def _place(plan: Plan, line: Line) -> int:
    return next(number for number, name in enumerate(plan.entrants) if name in (line.recipe, line.study))


def _entry(plan: Plan, line: Line, label: str, data: str) -> Entry:
    figures = {value: estimate(line, value) for value in _values(plan)}
    known = {value: figure for value, figure in figures.items() if figure is not None}
    return Entry(label, line.name, data, len(line.seeds), known)


def _values(plan: Plan) -> list[str]:
    """The plan's values; those of a table belong to one set of weights, the weights kept."""
    return [KEPT if value == "valid_accuracy" else value for value in plan.values]


def _table(
    plan: Plan, lines: Sequence[Line], entries: list[Entry], name: str, corner: str, more: str, *, data: bool = False
) -> StudyTable | None:
    values = [value for value in _values(plan) if any(value in entry.figures for entry in entries)]
    if not values:
        return None
    caption = " ".join(filter(None, [plan.caption, about_values(lines, values), more]))
    return StudyTable(name, plan.title, caption, corner, tuple(values), tuple(entries), plan.transpose, data)


def _cell(entry: Entry, value: str) -> tuple[str, str]:
    """A figure as text, with its interval where several seeds or passes differ."""
    if value not in entry.figures:
        return "–", ""
    kind = kind_of(value)
    mean, low, high = (kind.scale * part for part in entry.figures[value])
    if low == high:
        return kind.write(mean), ""
    top = 100.0 if kind.scale == 100 else math.inf  # intervals of few seeds may reach beyond what there is
    return kind.write(mean), f"[{kind.write(max(low, 0))}, {kind.write(min(high, top))}]"
