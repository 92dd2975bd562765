"""The tables of a suite: values of its entrants on one set of songs, or on all sets of songs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from genrezoo.figures import FigurePlan
from genrezoo.report.benchmark.records import Board, Entry
from genrezoo.report.benchmark.study_values import (
    KEPT,
    about_values,
    best_at,
    entries_of,
    estimate,
    labels_of,
    quantity_of,
    short_axis,
)
from genrezoo.report.style.number_format import MISSING, order_of, text_of

Labelled = tuple[str, str, Entry]
"""One entrant of a table: its label, the name of its songs, and its entry."""


@dataclass(frozen=True)
class StudyTable:
    """One table of a study.

    Attributes:
        name: Part of its file's name: lower-case letters, digits and hyphens.
        title: Heading.
        caption: Description.
        corner: Heading of the entrants.
        values: Names of the values of each entrant.
        entries: Its entrants.
        transpose: Whether entrants are rows instead of columns.
        data: Whether it names the songs of each entrant.
        study: Whether it belongs to a study: then it is before the leaderboard.
    """

    name: str
    title: str
    caption: str
    corner: str
    values: tuple[str, ...]
    entries: tuple[Labelled, ...]
    transpose: bool
    data: bool = False
    study: bool = True

    @property
    def texts(self) -> int:
        """Number of its first columns that contain names."""
        return 1 + (self.data and self.transpose)

    def grid(self) -> list[list[tuple[str, str]]]:
        """Returns its rows, headings first; each cell is a text and an interval, which may be empty."""
        titles = [(quantity_of(value).title, "") for value in self.values]
        rows = [[(self.corner, ""), *[("Songs", "")] * self.data, *titles]]
        for label, songs, entry in self.entries:
            cells = [_cell(entry, value) for value in self.values]
            rows.append([(label, ""), *[(songs, "")] * self.data, *cells])
        return rows if self.transpose else [list(column) for column in zip(*rows, strict=True)]

    def lines(self) -> list[list[object]]:
        """Returns a row for each entrant in full precision, headings first."""
        numbers = [f"{value}{end}" for value in self.values for end in ("", "_low", "_high")]
        rows: list[list[object]] = [["label", "model", *["data"] * self.data, "seeds", *numbers]]
        for label, data, entry in self.entries:
            parts = [part for value in self.values for part in estimate(entry, value) or ("", "", "")]
            rows.append([label, entry.name, *[data] * self.data, len(entry.seeds), *parts])
        return rows


def study_table(plan: FigurePlan, entries: Sequence[Entry], name: str) -> StudyTable | None:
    """Makes the table of a plan on one board; None if no entry has any of its values.

    Args:
        plan: The plan.
        entries: Its entries.
        name: Name of the table.
    """
    if not plan.x:
        labelled = [(label, "", entry) for label, entry in zip(labels_of(entries), entries, strict=True)]
        return _table(plan, labelled, name, "Model", "")
    axis = plan.x
    best, several = best_at([entry for entry in entries if axis in entry.axes], (axis,))
    ordered = sorted(best.values(), key=lambda entry: order_of(entry.axes[axis]))
    more = "A position of several recipes shows the best by validation accuracy." if several else ""
    labelled = [(text_of(entry.axes[axis]), "", entry) for entry in ordered]
    return _table(plan, labelled, name, short_axis(axis).capitalize(), more)


def tables_together(boards: Sequence[Board], plans: Sequence[FigurePlan]) -> list[StudyTable]:
    """Makes the tables over all sets of songs.

    Args:
        boards: All boards of a report.
        plans: The plans of the suites.
    """
    found: list[StudyTable] = []
    for plan in plans:
        if plan.together:
            names = list(plan.entrants)
            labelled = [
                (entry.label or entry.name, board.data, entry) for board in boards for entry in entries_of(board, plan)
            ]
            if names:
                labelled.sort(key=lambda one: min(names.index(n) for n in (one[2].recipe, one[2].study) if n in names))
            more = (
                "Each entrant is measured on its own set of songs: compare them only if the sets hold the same "
                "recordings."
            )
            if table := _table(plan, labelled, f"0-study-{len(found) + 1}", "Model", more):
                found.append(table)
    return found


def _table(plan: FigurePlan, entries: Sequence[Labelled], name: str, corner: str, more: str) -> StudyTable | None:
    # The values of a table belong to one set of weights, the weights kept.
    asked = [KEPT if value == "valid_accuracy" else value for value in plan.values]
    values = tuple(value for value in asked if any(estimate(entry, value) for *_, entry in entries))
    if not values:
        return None
    caption = " ".join(filter(None, [plan.caption, about_values([entry for *_, entry in entries], values), more]))
    return StudyTable(name, plan.title, caption, corner, values, tuple(entries), plan.transpose, plan.together)


def _cell(entry: Entry, value: str) -> tuple[str, str]:
    """Returns a value as text, with its interval if seeds or passes differ."""
    found, quantity = estimate(entry, value), quantity_of(value)
    if found is None:
        return MISSING, ""
    mean, low, high = (quantity.scale * part for part in found)
    if low == high:
        return quantity.write(mean), ""
    top = 100.0 if quantity.scale == 100 else math.inf  # intervals of few seeds may exceed the range of the value
    return quantity.write(mean), f"[{quantity.write(max(low, 0))}, {quantity.write(min(high, top))}]"
