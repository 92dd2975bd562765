"""Markdown and CSV out of text that others wrote: nothing in it is taken for markup or for a formula."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from genrezoo.report.style.columns import Column, Of, used_columns


def escaped(text: object) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "\\|`*[]":
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def harmless(value: object) -> object:
    """A cell of a CSV file: a spreadsheet takes a text that begins like a formula for one, but for a quotation mark."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


def bullets(items: Iterable[str]) -> str:
    """A Markdown list."""
    return "\n".join(f"- {escaped(item)}" for item in items)


def pipe_table(heads: list[str], rows: list[list[str]], texts: int) -> str:
    """A Markdown table; the first ``texts`` columns stand on the left, numbers on the right."""
    marks = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, marks, *rows])


def column_table(columns: Sequence[Column[Of]], lines: Sequence[Of]) -> str:
    """A Markdown table of records; columns that none of them fills are left out."""
    used = used_columns(columns, lines)
    rows = [[escaped(part.text(line)) if part.is_text else part.text(line) for part in used] for line in lines]
    texts = sum(column.is_text for column in used[:-1])
    return pipe_table([escaped(column.heading) for column in used], rows, texts)
