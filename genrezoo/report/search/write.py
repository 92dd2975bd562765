"""Writing the report on a search: the page, the tables and the figures, from the journal alone."""

from __future__ import annotations

import shlex
from pathlib import Path

from genrezoo.files import sha256_of, write_text
from genrezoo.report.search import captions, tables
from genrezoo.report.search.importance import Importance, importance
from genrezoo.report.search.progress import convergence_plot, curves_plot, front_plot, rungs_plot
from genrezoo.report.search.records import SearchRecord, read_search
from genrezoo.report.search.space import importance_plot, parallel_plot, slices_plot
from genrezoo.report.style.drawing import Plot, on_white
from genrezoo.report.style.page import fill
from genrezoo.trials import FILE


def render_search(folder: str | Path, out: str | Path | None = None) -> Path:
    """Writes the report on a search, finished or not; the same journal gives the same bytes.

    Args:
        folder: Folder written by ``genrezoo tune``.
        out: Folder for ``report.html``, ``search.md``, ``trials.csv`` and ``figures/*.svg``; ``report`` in the search's
            folder if left out.

    Returns:
        The path of ``report.html``, a page that needs no other file and no network.

    Raises:
        DataError: The folder holds no search, or its journal is damaged.
    """
    search = read_search(folder)
    target = Path(out) if out is not None else Path(folder) / "report"
    plots, notes = draw_search(search)
    for plot in plots:
        write_text(target / "figures" / f"{plot.name}.svg", on_white(plot.svg))
    write_text(target / "search.md", tables.search_markdown(search, plots))
    write_text(target / "trials.csv", tables.trials_csv(search))
    page = fill(
        "search/search.html.jinja",
        search=search,
        captions=captions,
        tables=tables,
        plots=plots,
        notes=notes,
        again=shlex.join(["genrezoo", "train", str(Path(folder) / "best.json"), "--data", "SONGS", "--seed", "2"]),
        sha256=sha256_of(Path(folder) / FILE),
    )
    return write_text(target / "report.html", page)


def draw_search(search: SearchRecord) -> tuple[list[Plot], list[str]]:
    """Draws all figures for which there are enough trials; returns them with notes on missing figures.

    Args:
        search: The search.
    """
    found = importance(search)
    judged = importance_plot(search, found) if isinstance(found, Importance) else None
    notes = [f"Importance of hyperparameters: {found}"] if isinstance(found, str) and search.trials else []
    plots = [convergence_plot(search), front_plot(search), rungs_plot(search), parallel_plot(search), judged]
    plots += [slices_plot(search), curves_plot(search)]
    return [plot for plot in plots if plot is not None], notes
