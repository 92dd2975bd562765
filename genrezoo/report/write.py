"""A report as files: the page, the tables, the figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from genrezoo.files import write_text
from genrezoo.report.drawing import on_white
from genrezoo.report.figures import draw_board
from genrezoo.report.page import page
from genrezoo.report.rows import as_paths
from genrezoo.report.studies import draw_studies
from genrezoo.report.tables import leaderboard
from genrezoo.report.text import comma_separated, markdown


def render(folders: str | Path | Iterable[str | Path], out: str | Path | None = None) -> Path:
    """Writes the report on one or several folders of results; the same folders give the same bytes.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``.
        out: Where ``report.html``, ``leaderboard.md``, ``leaderboard.csv`` and ``figures/*.svg`` go; the folder
            ``report`` in the first of ``folders`` if left out.

    Returns:
        The path of ``report.html``, a page that needs no other file and no network.

    Raises:
        DataError: A folder has no rows, or a row is not what the benchmark writes.
    """
    sources = as_paths(folders)
    board_list = leaderboard(sources)
    target = Path(out) if out is not None else sources[0] / "report"
    drawings = [
        draw_studies(board, number, board_list.plans) + draw_board(board, number)
        for number, board in enumerate(board_list.boards, 1)
    ]
    paths = [[(drawing.title, f"figures/{drawing.name}.svg") for drawing in part] for part in drawings]
    for part in drawings:
        for drawing in part:
            write_text(target / "figures" / f"{drawing.name}.svg", on_white(drawing.svg))
    write_text(target / "leaderboard.md", markdown(board_list, paths))
    write_text(target / "leaderboard.csv", comma_separated(board_list))
    return write_text(target / "report.html", page(board_list, drawings))
