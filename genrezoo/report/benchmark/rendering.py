"""Leaderboards as Markdown and as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from genrezoo.files import csv_text
from genrezoo.report.benchmark import captions, repeats_view
from genrezoo.report.benchmark.columns import COMPARISON, COST, EVERY, EXPORTED, FAMILY, GROUP, NAME, PEAK, QUALITY
from genrezoo.report.benchmark.records import Leaderboard, RepeatedBoard
from genrezoo.report.benchmark.song_tables import SongTable
from genrezoo.report.benchmark.study_tables import StudyTable
from genrezoo.report.style.markup import bullets, column_table, escaped, harmless, pipe_table
from genrezoo.report.style.number_format import Estimate
from genrezoo.rows import NotMeasured


def markdown(
    report: Leaderboard,
    figures: Sequence[Sequence[tuple[str, str]]] = (),
    tables: Sequence[Sequence[StudyTable | SongTable]] = (),
    differences: Sequence[str | None] = (),
) -> str:
    """Returns all boards as one Markdown document.

    Args:
        report: The boards.
        figures: Title and path of the figures of each board, which follow its tables.
        tables: Tables of the suites: first those over all boards, then those of each board.
        differences: Path of the figure of each set of repeated splits, or None.
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
            blocks += ["### Not measured", _unmeasured(board.unmeasured)]
        if board.notes:
            blocks.append("### Notes\n\n" + bullets(board.notes))
    for number, repeated in enumerate(report.repeated):
        blocks += _repeated(repeated, differences[number] if differences else None)
    if report.notes:
        blocks.append("## Notes on the rows\n\n" + bullets(report.notes))
    return "\n\n".join(blocks) + "\n"


def comma_separated(report: Leaderboard) -> str:
    """Returns all boards as one CSV table in full precision, with a row for each entry and each cell without a result.

    An estimate has four columns: the mean, ``_low``, ``_high`` and ``_over`` (seeds, songs or both).
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


def repeats_csv(report: Leaderboard) -> str:
    """Returns the results over repeated splits as one CSV table in full precision; an estimate has three columns."""
    bounds = ("accuracy", "macro_f1", "difference")
    heads = ["data", "checksum", "provenance", "reference"]
    for column in repeats_view.COLUMNS:
        heads += [column.key, *(f"{column.key}_{end}" for end in ("low", "high") if column.key in bounds)]
    lines: list[list[object]] = []
    for board in report.repeated:
        for entry in board.entries:
            line: list[object] = [board.data, board.pooled, board.provenance, board.reference]
            for column in repeats_view.COLUMNS:
                value = column.value(entry)
                ends = [value.low, value.high] if isinstance(value, Estimate) else [None, None]
                line += [column.order(entry), *(ends if column.key in bounds else ())]
            lines.append([harmless(cell) for cell in line])
    return csv_text([heads, *lines])


def _repeated(board: RepeatedBoard, figure: str | None) -> list[str]:
    """The Markdown blocks of a set of repeated splits."""
    blocks = [f"## {escaped(board.data)}: repeated splits", escaped(repeats_view.summary(board))]
    blocks.append(bullets(repeats_view.facts(board)))
    if cautions := repeats_view.cautions(board):
        blocks.append("**Caution**\n\n" + bullets(cautions))
    if board.entries:
        blocks += [column_table(repeats_view.COLUMNS, board.entries), repeats_view.METHOD]
    if figure:
        blocks.append(f"![Differences to the best baseline]({figure})")
    if board.unmeasured:
        blocks += ["### Not measured", _unmeasured(board.unmeasured)]
    return blocks


def _unmeasured(cells: Sequence[NotMeasured]) -> str:
    rows = [[cell.recipe, cell.seed, cell.kind, cell.status, cell.reason.partition("\n")[0]] for cell in cells]
    heads = ["Model", "Seed", "What", "Status", "Reason"]
    return pipe_table(heads, [list(map(escaped, row)) for row in rows], texts=5)


def study_csv(table: StudyTable | SongTable) -> str:
    """Returns a study's table as CSV in full precision, with a row for each entrant even if the table is transposed."""
    return csv_text(map(harmless, row) for row in table.lines())


def _study(table: StudyTable | SongTable) -> list[str]:
    heads, *rows = [[escaped(" ".join(filter(None, cell))) for cell in row] for row in table.grid()]
    grid = pipe_table(heads, rows, texts=table.texts)
    return [f"### {escaped(table.title)}", escaped(table.caption), grid, f"[All digits](tables/{table.name}.csv)"]
