"""Markdown and CSV of untrusted texts, which are never interpreted as markup or formulas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from genrezoo.report.style.columns import Column, Of, used_columns


def escaped(text: object) -> str:
    """Escapes a text for Markdown and HTML, on one line."""
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "\\|`*[]":
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def harmless(value: object) -> object:
    """Returns a cell of a CSV file; a quotation mark keeps a spreadsheet from reading a text as a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


def bullets(items: Iterable[str]) -> str:
    """Returns a Markdown list."""
    return "\n".join(f"- {escaped(item)}" for item in items)


def pipe_table(heads: list[str], rows: list[list[str]], texts: int) -> str:
    """Returns a Markdown table; the first ``texts`` columns are aligned left, the others right."""
    marks = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, marks, *rows])


def column_table(columns: Sequence[Column[Of]], lines: Sequence[Of]) -> str:
    """Returns a Markdown table of records, without columns for which no record has a value."""
    used = used_columns(columns, lines)
    rows = [[escaped(part.text(line)) if part.is_text else part.text(line) for part in used] for line in lines]
    texts = sum(column.is_text for column in used[:-1])
    return pipe_table([escaped(column.heading) for column in used], rows, texts)
