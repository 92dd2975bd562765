"""Writing a report: the page, the tables and the figures."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from genrezoo.files import write_text
from genrezoo.report.benchmark import captions, columns, model_cards, repeats_view
from genrezoo.report.benchmark.figures import draw_board
from genrezoo.report.benchmark.leaderboard import leaderboard
from genrezoo.report.benchmark.rendering import comma_separated, markdown, repeats_csv, study_csv
from genrezoo.report.benchmark.repeats_view import differences_plot
from genrezoo.report.benchmark.results import Source, as_paths
from genrezoo.report.benchmark.song_tables import SongTable
from genrezoo.report.benchmark.study_figures import draw_studies
from genrezoo.report.benchmark.study_tables import StudyTable, tables_together
from genrezoo.report.style.drawing import Plot, on_white
from genrezoo.report.style.page import fill


def render(folders: str | Path | Iterable[str | Path], out: str | Path | None = None) -> Path:
    """Writes the report on one or several folders of results; the same folders give the same bytes.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``.
        out: Folder for ``report.html``, ``leaderboard.md``, ``leaderboard.csv``, ``figures/*.svg``, the suites' tables
            as ``tables/*.csv`` and, for repeated splits, ``repeats.csv``; ``report`` in the first of ``folders`` if
            left out.

    Returns:
        The path of ``report.html``, a page that needs no other file and no network.

    Raises:
        DataError: A folder has no rows, or a row is not what the benchmark writes.
    """
    sources = as_paths(folders)
    report = leaderboard(sources)
    target = Path(out) if out is not None else sources[0] / "report"
    together = tables_together(report.boards, report.plans)
    shown = [
        [*draw_studies(board, number, report.plans), *draw_board(board, number)]
        for number, board in enumerate(report.boards, 1)
    ]
    plots = [[one for one in part if isinstance(one, Plot)] for part in shown]
    tables: list[list[StudyTable | SongTable]] = [[*together]]
    tables += [[one for one in part if not isinstance(one, Plot)] for part in shown]
    paths = [[(plot.title, f"figures/{plot.name}.svg") for plot in part] for part in plots]
    repeated = [differences_plot(board, number) for number, board in enumerate(report.repeated, 1)]
    differences = [None if plot is None else f"figures/{plot.name}.svg" for plot in repeated]
    for plot in [*(one for part in plots for one in part), *(one for one in repeated if one is not None)]:
        write_text(target / "figures" / f"{plot.name}.svg", on_white(plot.svg))
    for table in (one for part in tables for one in part):
        write_text(target / "tables" / f"{table.name}.csv", study_csv(table))
    write_text(target / "leaderboard.md", markdown(report, paths, tables, differences))
    write_text(target / "leaderboard.csv", comma_separated(report))
    if report.repeated:
        write_text(target / "repeats.csv", repeats_csv(report))
    page = fill(
        "benchmark/benchmark.html.jinja",
        report=report,
        plots=shown,
        together=together,
        repeated=list(zip(report.repeated, repeated, strict=True)),
        repeats=repeats_view,
        columns=columns,
        model_cards=model_cards,
        captions=captions,
        command=_command,
    )
    return write_text(target / "report.html", page)


def _command(source: Source) -> str:
    """Returns the command that runs the suite of a folder again, from its ``suite.json``."""
    folder = Path(source.folder)
    return shlex.join(["genrezoo", "benchmark", str(folder / "suite.json"), "--out", f"{folder}-again"])
