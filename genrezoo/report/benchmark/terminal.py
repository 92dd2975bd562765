"""Leaderboards on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genrezoo.report.benchmark import captions, repeats_view
from genrezoo.report.benchmark.columns import (
    ACCURACY,
    BULK,
    COMPARISON,
    GROUP,
    LATENCY,
    NAME,
    ONNX_LATENCY,
    PARAMETERS,
    QUALITY,
)
from genrezoo.report.benchmark.leaderboard import leaderboard
from genrezoo.report.benchmark.records import Board, RepeatedBoard
from genrezoo.report.benchmark.study_tables import StudyTable, study_table, tables_together
from genrezoo.report.benchmark.study_values import entries_of
from genrezoo.report.style.terminal import terminal_table
from genrezoo.rows import NotMeasured

_COLUMNS = (NAME, GROUP, *QUALITY[:2], PARAMETERS, LATENCY, ONNX_LATENCY, BULK)
_REPEATED = ("model", "accuracy", "difference", "p_holm", "splits")
_SHORT = {
    QUALITY[1]: "F1 (%)",
    PARAMETERS: "Params",
    LATENCY: "p50 (ms)",
    ONNX_LATENCY: "ONNX (ms)",
    BULK: "Songs/s",
}


def print_leaderboard(folders: str | Path | Iterable[str | Path], console: Console | None = None) -> None:
    """Prints the leaderboards of folders of results as tables of at most 100 letters; `render` writes all columns.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``.
        console: The console; the terminal if left out.

    Raises:
        DataError: As `genrezoo.report.leaderboard`.
    """
    console = console or Console()
    report = leaderboard(folders)
    for board in report.boards:
        _print_board(board, console)
        for plan in report.plans:
            if plan.kind == "table" and not plan.together and (table := study_table(plan, entries_of(board, plan), "")):
                _print_study(table, console)
        if report.compares and (entries := captions.compared(board)):
            rows = [[column.main(entry) for column in COMPARISON] for entry in entries]
            left = [number for number, column in enumerate(COMPARISON) if column.is_text]
            heads = [column.heading for column in COMPARISON]
            _print_titled("Measured and reported", terminal_table(heads, rows, left=left), captions.COMPARISON, console)
    for table in tables_together(report.boards, report.plans):
        _print_study(table, console)
    for repeated in report.repeated:
        _print_repeated(repeated, console)
    for note in report.notes:
        console.print(Text(f"Note: {note}"))


def _print_board(board: Board, console: Console) -> None:
    console.print(Text(board.data, style="bold"))
    for item in captions.facts(board):
        if not item.startswith(("checksum", f"{len(board.genres)} genres")):  # long, and in the files
            console.print(Text(f"  {item}", style="dim"))
    for item in board.cautions:
        console.print(Text(f"  Caution: {item}", style="yellow"))
    if board.entries:
        left_out = QUALITY[1] if captions.exported(board) else ONNX_LATENCY  # both do not fit
        columns = [column for column in _COLUMNS if column is not left_out]
        heads = [_SHORT.get(column, column.heading) for column in columns]
        rows = [
            [column.text(entry) if column is ACCURACY else column.main(entry) for column in columns]
            for entry in board.entries
        ]
        styles = ["" if entry.family == "zoo" else "yellow" for entry in board.entries]
        console.print(terminal_table(heads, rows, left=(0, 1), whole=True, styles=styles))
        console.print(Text(f"{captions.INTERVALS} {captions.GROUPS}", style="dim"))
    _print_unmeasured(board.unmeasured, console)
    for note in board.notes:
        console.print(Text(f"Note: {note}"))
    console.print(Text(f"\n{board.summary}\n"))


def _print_repeated(board: RepeatedBoard, console: Console) -> None:
    console.print(Text(f"{board.data}: repeated splits", style="bold"))
    for item in repeats_view.facts(board)[:2]:  # the others are long, and in the files
        console.print(Text(f"  {item}", style="dim"))
    for item in repeats_view.cautions(board):
        console.print(Text(f"  Caution: {item}", style="yellow"))
    if board.entries:
        columns = [column for column in repeats_view.COLUMNS if column.key in _REPEATED]
        rows = [[column.text(entry) for column in columns] for entry in board.entries]
        styles = ["" if entry.family == "zoo" else "yellow" for entry in board.entries]
        heads = [column.heading for column in columns]
        console.print(terminal_table(heads, rows, left=(0,), whole=True, styles=styles))
        console.print(Text(repeats_view.METHOD, style="dim"))
    _print_unmeasured(board.unmeasured, console)
    console.print(Text(f"\n{repeats_view.summary(board)}\n"))


def _print_unmeasured(cells: Sequence[NotMeasured], console: Console) -> None:
    alike: dict[tuple[str, ...], list[str]] = {}
    for cell in cells:  # one line for all seeds with the same outcome
        reason = cell.reason.partition("\n")[0]
        alike.setdefault((cell.recipe, cell.kind, cell.status, reason), []).append(str(cell.seed))
    for (name, kind, status, reason), seeds in alike.items():
        number = "seed" if len(seeds) == 1 else "seeds"
        console.print(Text(f"Not measured: {name}, {number} {', '.join(seeds)} ({kind}), {status}: {reason}"))


def _print_study(study: StudyTable, console: Console) -> None:
    upright = replace(study, transpose=True)  # a row for each entrant fits the terminal
    heads, *rows = [[text for text, _ in row] for row in upright.grid()]
    _print_titled(study.title, terminal_table(heads, rows, left=range(upright.texts)), study.caption, console)


def _print_titled(title: str, table: Table, caption: str, console: Console) -> None:
    console.print(Text(title, style="bold"))
    console.print(table)
    console.print(Text(f"{caption}\n", style="dim"))
