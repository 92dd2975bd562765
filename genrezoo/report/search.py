"""The report on a search as files: the page, the tables, the figures, from the journal alone."""

from __future__ import annotations

import shlex
from pathlib import Path

from genrezoo.files import sha256_of, write_text
from genrezoo.report import search_words as words
from genrezoo.report.drawing import on_white
from genrezoo.report.page import fill
from genrezoo.report.search_figures import draw_search
from genrezoo.report.search_records import read_search
from genrezoo.report.search_tables import (
    failures,
    front_table,
    ordered,
    row_class,
    search_markdown,
    settings_table,
    trial_columns,
    trials_csv,
)
from genrezoo.trials import FILE


def render_search(folder: str | Path, out: str | Path | None = None) -> Path:
    """Writes the report on a search, finished or not; the same journal gives the same bytes.

    Args:
        folder: Folder written by ``genrezoo tune``.
        out: Where ``report.html``, ``search.md``, ``trials.csv`` and ``figures/*.svg`` go; ``report`` in the folder if
            left out.

    Returns:
        The path of ``report.html``, a page that needs no other file and no network.

    Raises:
        DataError: The folder holds no search, or its journal is damaged.
    """
    search = read_search(folder)
    target = Path(out) if out is not None else Path(folder) / "report"
    drawings, notes = draw_search(search)
    for drawing in drawings:
        write_text(target / "figures" / f"{drawing.name}.svg", on_white(drawing.svg))
    paths = [(drawing.title, f"figures/{drawing.name}.svg") for drawing in drawings]
    write_text(target / "search.md", search_markdown(search, paths))
    write_text(target / "trials.csv", trials_csv(search))
    page = fill(
        "search.html.jinja",
        search=search,
        words=words,
        drawings=drawings,
        notes=notes,
        settings=settings_table(search),
        columns=trial_columns(search),
        front=front_table(search),
        trials=ordered(search),
        failures=failures(search),
        row_class=row_class(search),
        again=shlex.join(["genrezoo", "train", str(Path(folder) / "best.json"), "--data", "SONGS", "--seed", "2"]),
        sha256=sha256_of(Path(folder) / FILE),
    )
    return write_text(target / "report.html", page)
