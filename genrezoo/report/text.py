"""Leaderboards as Markdown, as CSV, and on the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from genrezoo.report import words
from genrezoo.report.columns import (
    ACCURACY,
    BULK,
    COMPARISON,
    COST,
    EVERY,
    FAMILY,
    GROUP,
    LATENCY,
    NAME,
    PARAMETERS,
    PEAK,
    QUALITY,
)
from genrezoo.report.markup import bullets, column_table, escaped, harmless, pipe_table
from genrezoo.report.records import Board, Estimate, Leaderboard, Line, Unmeasured
from genrezoo.report.study_lines import lines_of
from genrezoo.report.study_tables import StudyTable, study_table, tables_together
from genrezoo.report.tables import leaderboard

_TERMINAL = (NAME, GROUP, *QUALITY[:2], PARAMETERS, LATENCY, BULK)


def print_leaderboard(folders: str | Path | Iterable[str | Path], console: Console | None = None) -> None:
    """Prints the leaderboards of folders of results as tables that fit 100 columns; files hold the other columns.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``.
        console: Where to print; the terminal if left out.

    Raises:
        DataError: As `genrezoo.report.leaderboard`.
    """
    console = console or Console()
    board_list = leaderboard(folders)
    for board in board_list.boards:
        _print_board(board, console)
        for plan in board_list.plans:
            if plan.kind == "table" and not plan.together and (table := study_table(plan, lines_of(board, plan), "")):
                _print_study(table, console)
        if board_list.compares and (lines := words.compared(board)):
            _print_comparison(lines, console)
    for table in tables_together(board_list.boards, board_list.plans):
        _print_study(table, console)
    for note in board_list.notes:
        console.print(Text(f"Note: {note}"))


def markdown(
    board_list: Leaderboard,
    figures: Sequence[Sequence[tuple[str, str]]] = (),
    tables: Sequence[Sequence[StudyTable]] = (),
) -> str:
    """All boards as one Markdown document.

    Args:
        board_list: The boards.
        figures: For each board the title and path of its figures, to be shown below its tables.
        tables: Tables that suites ask for: first those over all boards, then for each board its own.
    """
    together, *tables = tables or [[]]
    blocks = ["# Leaderboard", *(block for table in together for block in _study(table))]
    for number, board in enumerate(board_list.boards):
        blocks.append(f"## {escaped(board.data)}")
        if board.summary:
            blocks.append(escaped(board.summary))
        blocks.append(bullets(words.facts(board)))
        if board.cautions:
            blocks.append("**Caution**\n\n" + bullets(board.cautions))
        if board.lines:
            blocks += [
                column_table((NAME, FAMILY, GROUP, *QUALITY), board.lines),
                column_table((NAME, *COST), board.lines),
            ]
            blocks.append(f"{words.INTERVALS} {words.GROUPS}")
        if board_list.compares and (lines := words.compared(board)):
            blocks += ["### Measured and reported", words.COMPARISON, column_table(COMPARISON, lines)]
        blocks += [block for table in (tables[number] if tables else ()) for block in _study(table)]
        blocks += [f"![{escaped(title)}]({path})" for title, path in (figures[number] if figures else ())]
        if board.unmeasured:
            blocks.append("### Not measured")
            cells = [(cell.name, _seed(cell.seed), cell.what, cell.status, _brief(cell)) for cell in board.unmeasured]
            rows = [list(map(escaped, row)) for row in cells]
            blocks.append(pipe_table(["Model", "Seed", "What", "Status", "Reason"], rows, texts=5))
        if board.notes:
            blocks.append("### Notes\n\n" + bullets(board.notes))
    if board_list.notes:
        blocks.append("## Notes on the rows\n\n" + bullets(board_list.notes))
    return "\n\n".join(blocks) + "\n"


def comma_separated(board_list: Leaderboard) -> str:
    """All boards as one CSV table in full precision: one row a line, and one for each cell without a figure.

    An estimate fills four columns: mean, ``_low``, ``_high`` and ``_over`` (seeds or songs).
    """
    heads = ["data", "checksum", "provenance", "status", "reason", "seed"]
    for column in EVERY:
        heads.append(column.key)
        if column in (*QUALITY[:4], PEAK):
            heads += [f"{column.key}_low", f"{column.key}_high", f"{column.key}_over"]
    file = io.StringIO()
    writer = csv.DictWriter(file, heads, restval="", lineterminator="\n")
    writer.writeheader()
    for board in board_list.boards:
        place = {"data": board.data, "checksum": board.checksum, "provenance": board.provenance}
        for line in board.lines:
            cells: dict[str, object] = {**place, "status": "ok", "seed": " ".join(map(str, line.seeds))}
            for column in EVERY:
                value = column.value(line)
                if isinstance(value, Estimate):
                    cells[column.key] = value.mean
                    for part in ("low", "high", "over"):
                        cells[f"{column.key}_{part}"] = getattr(value, part)
                else:
                    cells[column.key] = "" if value is None else value
            writer.writerow({key: harmless(value) for key, value in cells.items()})
        for cell in board.unmeasured:
            facts = {
                "model": cell.name,
                "status": f"{cell.what} {cell.status}",
                "reason": cell.reason,
                "seed": cell.seed,
            }
            writer.writerow({key: harmless(value) for key, value in {**place, **facts}.items()})
    return file.getvalue()


def study_csv(table: StudyTable) -> str:
    """A study's table as CSV in full precision: a row for each entrant, whichever way the table itself stands."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    numbers = [f"{value}{end}" for value in table.values for end in ("", "_low", "_high")]
    writer.writerow(["label", "model", *["data"] * table.data, "seeds", *numbers])
    for entry in table.entries:
        names = [entry.label, entry.model, *[entry.data] * table.data]
        parts = [part for value in table.values for part in entry.figures.get(value, ("", "", ""))]
        writer.writerow([*map(harmless, names), entry.seeds, *parts])
    return file.getvalue()


def _study(table: StudyTable) -> list[str]:
    heads, *rows = [[escaped(" ".join(filter(None, cell))) for cell in row] for row in table.grid()]
    grid = pipe_table(heads, rows, texts=table.texts)
    return [f"### {escaped(table.title)}", escaped(table.caption), grid, f"[All digits](tables/{table.name}.csv)"]


def _brief(cell: Unmeasured) -> str:
    """The first line of a reason; the rest, a failure's traceback, is in the page and the CSV file."""
    return cell.reason.partition("\n")[0]


def _seed(seed: int | None) -> str:
    return "" if seed is None else str(seed)


def _print_board(board: Board, console: Console) -> None:
    console.print(Text(board.data, style="bold"))
    for item in words.facts(board):
        if not item.startswith(("checksum", f"{len(board.genres)} genres")):  # long, and in the files
            console.print(Text(f"  {item}", style="dim"))
    for item in board.cautions:
        console.print(Text(f"  Caution: {item}", style="yellow"))
    if board.lines:
        console.print(_terminal_table(board))
        console.print(Text(f"{words.INTERVALS} {words.GROUPS}", style="dim"))
    alike: dict[tuple[str, ...], list[str]] = {}
    for cell in board.unmeasured:  # one line for all seeds with the same fate
        alike.setdefault((cell.name, cell.what, cell.status, _brief(cell)), []).append(str(cell.seed))
    for (name, what, status, reason), seeds in alike.items():
        number = "seed" if len(seeds) == 1 else "seeds"
        console.print(Text(f"Not measured: {name}, {number} {', '.join(seeds)} ({what}), {status}: {reason}"))
    for note in board.notes:
        console.print(Text(f"Note: {note}"))
    console.print(Text(f"\n{board.summary}\n"))


def _print_comparison(lines: Sequence[Line], console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in COMPARISON:
        side: Literal["left", "right"] = "left" if column.is_text else "right"
        table.add_column(column.heading, justify=side, overflow="fold", no_wrap=False)
    for line in lines:
        table.add_row(*(Text(column.main(line)) for column in COMPARISON))
    console.print(Text("Measured and reported", style="bold"))
    console.print(table)
    console.print(Text(f"{words.COMPARISON}\n", style="dim"))


def _print_study(study: StudyTable, console: Console) -> None:
    """A study's table with a row for each entrant, which is the way that fits."""
    upright = replace(study, transpose=True)
    heads, *rows = upright.grid()
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for number, (head, _) in enumerate(heads):
        side: Literal["left", "right"] = "left" if number < upright.texts else "right"
        table.add_column(head, justify=side, overflow="fold", min_width=max(map(len, head.split())))
    for row in rows:
        table.add_row(*(Text(figure) for figure, _ in row))
    console.print(Text(study.title, style="bold"))
    console.print(table)
    console.print(Text(f"{study.caption}\n", style="dim"))


def _terminal_table(board: Board) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    short = {QUALITY[1]: "F1 (%)", PARAMETERS: "Params", LATENCY: "p50 (ms)", BULK: "Songs/s"}
    for column in _TERMINAL:
        side: Literal["left", "right"] = "left" if column in (NAME, GROUP) else "right"
        wraps = column is NAME
        table.add_column(short.get(column, column.heading), justify=side, overflow="fold", no_wrap=not wraps)
    for line in board.lines:
        style = "" if line.family == "zoo" else "yellow"
        cells = [column.text(line) if column is ACCURACY else column.main(line) for column in _TERMINAL]
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table
