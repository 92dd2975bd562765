"""A report as files: the page, the tables, the figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from genrezoo.files import write_text
from genrezoo.report.drawing import on_white
from genrezoo.report.figures import Drawing, draw_board
from genrezoo.report.page import page
from genrezoo.report.rows import as_paths
from genrezoo.report.studies import draw_studies
from genrezoo.report.study_tables import StudyTable, tables_together
from genrezoo.report.tables import leaderboard
from genrezoo.report.text import comma_separated, markdown, study_csv


def render(folders: str | Path | Iterable[str | Path], out: str | Path | None = None) -> Path:
    """Writes the report on one or several folders of results; the same folders give the same bytes.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``.
        out: Where ``report.html``, ``leaderboard.md``, ``leaderboard.csv``, ``figures/*.svg`` and the suites' tables as
            ``tables/*.csv`` go; the folder ``report`` in the first of ``folders`` if left out.

    Returns:
        The path of ``report.html``, a page that needs no other file and no network.

    Raises:
        DataError: A folder has no rows, or a row is not what the benchmark writes.
    """
    sources = as_paths(folders)
    board_list = leaderboard(sources)
    target = Path(out) if out is not None else sources[0] / "report"
    together = tables_together(board_list.boards, board_list.plans)
    shown = [
        [*draw_studies(board, number, board_list.plans), *draw_board(board, number)]
        for number, board in enumerate(board_list.boards, 1)
    ]
    drawings = [[one for one in part if isinstance(one, Drawing)] for part in shown]
    tables = [together, *([one for one in part if isinstance(one, StudyTable)] for part in shown)]
    paths = [[(drawing.title, f"figures/{drawing.name}.svg") for drawing in part] for part in drawings]
    for drawing in (one for part in drawings for one in part):
        write_text(target / "figures" / f"{drawing.name}.svg", on_white(drawing.svg))
    for table in (one for part in tables for one in part):
        write_text(target / "tables" / f"{table.name}.csv", study_csv(table))
    write_text(target / "leaderboard.md", markdown(board_list, paths, tables))
    write_text(target / "leaderboard.csv", comma_separated(board_list))
    return write_text(target / "report.html", page(board_list, shown, together))
