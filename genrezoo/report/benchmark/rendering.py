"""Leaderboards as Markdown and as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from genrezoo.files import csv_text
from genrezoo.report.benchmark import captions
from genrezoo.report.benchmark.columns import COMPARISON, COST, EVERY, EXPORTED, FAMILY, GROUP, NAME, PEAK, QUALITY
from genrezoo.report.benchmark.records import Leaderboard
from genrezoo.report.benchmark.song_tables import SongTable
from genrezoo.report.benchmark.study_tables import StudyTable
from genrezoo.report.style.markup import bullets, column_table, escaped, harmless, pipe_table
from genrezoo.report.style.number_format import Estimate


def markdown(
    report: Leaderboard,
    figures: Sequence[Sequence[tuple[str, str]]] = (),
    tables: Sequence[Sequence[StudyTable | SongTable]] = (),
) -> str:
    """All boards as one Markdown document.

    Args:
        report: The boards.
        figures: For each board the title and path of its figures, to be shown below its tables.
        tables: Tables that suites ask for: first those over all boards, then for each board its own.
    """
    together, *tables = tables or [[]]
    blocks = ["# Leaderboard", *(block for table in together for block in _study(table))]
    for number, board in enumerate(report.boards):
        blocks.append(f"## {escaped(board.data)}")
        if board.summary:
            blocks.append(escaped(board.summary))
        blocks.append(bullets(captions.facts(board)))
        if board.cautions:
            blocks.append("**Caution**\n\n" + bullets(board.cautions))
        if board.entries:
            blocks += [
                column_table((NAME, FAMILY, GROUP, *QUALITY), board.entries),
                column_table((NAME, *COST), board.entries),
            ]
            blocks.append(f"{captions.INTERVALS} {captions.GROUPS}")
        if entries := captions.exported(board):
            blocks += ["### Exported models", captions.EXPORTED, column_table((NAME, *EXPORTED), entries)]
        if report.compares and (entries := captions.compared(board)):
            blocks += ["### Measured and reported", captions.COMPARISON, column_table(COMPARISON, entries)]
        blocks += [block for table in (tables[number] if tables else ()) for block in _study(table)]
        blocks += [f"![{escaped(title)}]({path})" for title, path in (figures[number] if figures else ())]
        if board.unmeasured:
            blocks.append("### Not measured")
            cells = [
                (one.recipe, one.seed, one.kind, one.status, one.reason.partition("\n")[0]) for one in board.unmeasured
            ]
            rows = [list(map(escaped, cell)) for cell in cells]
            blocks.append(pipe_table(["Model", "Seed", "What", "Status", "Reason"], rows, texts=5))
        if board.notes:
            blocks.append("### Notes\n\n" + bullets(board.notes))
    if report.notes:
        blocks.append("## Notes on the rows\n\n" + bullets(report.notes))
    return "\n\n".join(blocks) + "\n"


def comma_separated(report: Leaderboard) -> str:
    """All boards as one CSV table in full precision: one row an entry, and one for each cell without a result.

    An estimate fills four columns: mean, ``_low``, ``_high`` and ``_over`` (seeds or songs).
    """
    heads = ["data", "checksum", "provenance", "status", "reason", "seed"]
    for column in EVERY:
        heads.append(column.key)
        if column in (*QUALITY[:4], PEAK):
            heads += [f"{column.key}_low", f"{column.key}_high", f"{column.key}_over"]
    rows: list[dict[str, object]] = []
    for board in report.boards:
        place = {"data": board.data, "checksum": board.checksum, "provenance": board.provenance}
        for entry in board.entries:
            cells: dict[str, object] = {**place, "status": "ok", "seed": " ".join(map(str, entry.seeds))}
            for column in EVERY:
                value = column.value(entry)
                if isinstance(value, Estimate):
                    cells[column.key] = value.mean
                    cells |= {f"{column.key}_{part}": getattr(value, part) for part in ("low", "high", "over")}
                else:
                    cells[column.key] = value
            rows.append(cells)
        for cell in board.unmeasured:
            status = {"status": f"{cell.kind} {cell.status}", "reason": cell.reason, "seed": cell.seed}
            rows.append({**place, "model": cell.recipe, **status})
    return csv_text([heads, *([harmless(row.get(head)) for head in heads] for row in rows)])


def study_csv(table: StudyTable | SongTable) -> str:
    """A study's table as CSV in full precision, whichever way the table itself stands."""
    return csv_text(map(harmless, row) for row in table.lines())


def _study(table: StudyTable | SongTable) -> list[str]:
    heads, *rows = [[escaped(" ".join(filter(None, cell))) for cell in row] for row in table.grid()]
    grid = pipe_table(heads, rows, texts=table.texts)
    return [f"### {escaped(table.title)}", escaped(table.caption), grid, f"[All digits](tables/{table.name}.csv)"]
