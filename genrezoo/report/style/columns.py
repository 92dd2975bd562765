"""Columns of tables, defined once for every output: heading, unit, meaning, value and format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from genrezoo.report.style import number_format
from genrezoo.report.style.number_format import Estimate, interval

Value = Estimate | float | str | None
Of = TypeVar("Of")
"""The record of a row."""


@dataclass(frozen=True)
class Column(Generic[Of]):
    """One column.

    Attributes:
        key: Name in the CSV file.
        heading: Name in tables, with its unit.
        about: Its meaning, in one sentence.
        value: Returns the value of a record; None if it was not measured.
        write: Formats a number.
        look: CSS classes: empty for numbers, ``"text"``, ``"text name"``, or ``"text prose"`` for long texts.
    """

    key: str
    heading: str
    about: str
    value: Callable[[Of], Value]
    write: Callable[[float | None], str] = number_format.plain
    look: str = ""

    @property
    def is_text(self) -> bool:
        """Whether it is a column of texts, which are aligned left and sorted alphabetically."""
        return self.look.startswith("text")

    def main(self, line: Of) -> str:
        """Returns the value as text, without its interval."""
        value = self.value(line)
        if isinstance(value, str):
            return value or number_format.MISSING
        return self.write(value.mean if isinstance(value, Estimate) else value)

    def interval(self, line: Of) -> str:
        """Returns the interval as text; empty without one."""
        value = self.value(line)
        if not isinstance(value, Estimate):
            return ""
        return interval(value, scale=1, digits=3) if self.write is number_format.nats else interval(value)

    def text(self, line: Of) -> str:
        """Returns value and interval as text."""
        return f"{self.main(line)} {self.interval(line)}".rstrip()

    def order(self, line: Of) -> float | str | None:
        """Returns the key for sorting."""
        value = self.value(line)
        return value.mean if isinstance(value, Estimate) else value


def used_columns(columns: Sequence[Column[Of]], rows: Sequence[Of]) -> list[Column[Of]]:
    """Returns the columns for which at least one row has a value."""
    return [column for column in columns if any(column.order(row) is not None for row in rows)]
