"""Tables on the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text


def terminal_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: Collection[int] = (),
    whole: bool = False,
    styles: Sequence[str] = (),
) -> Table:
    """Makes a table that folds long texts and shows markup as it is.

    Args:
        heads: Headings.
        rows: Cells of each row.
        left: Positions of the columns of text, which are aligned left; numbers are aligned right.
        whole: Keep headings and numbers on one line.
        styles: Style of each row; none if left out.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for number, head in enumerate(heads):
        table.add_column(
            head, justify="left" if number in left else "right", overflow="fold", no_wrap=whole and number != 0,
            min_width=max(map(len, head.split())),
        )  # fmt: skip
    for number, row in enumerate(rows):
        table.add_row(*(Text(cell, style=styles[number] if styles else "") for cell in row))
    return table
