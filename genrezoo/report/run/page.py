"""The page of one run: its results, learning curves, confusion, genres, mistakes, recipe and environment."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from genrezoo.files import write_text
from genrezoo.report.run import tables
from genrezoo.report.run.results import cautions_of, results_of, stored_split
from genrezoo.report.run.song_facts import song_facts
from genrezoo.report.style.captions import CELLS, LEARNING, PROVENANCE
from genrezoo.report.style.drawing import WIDTH, Plot, as_tipped_svg, on_white
from genrezoo.report.style.heatmap import draw_confusion
from genrezoo.report.style.learning_curves import learning_curves
from genrezoo.report.style.number_format import count, duration, plain
from genrezoo.report.style.page import fill

if TYPE_CHECKING:
    from genrezoo.runs import Run

MOST_MISTAKES = 30
"""Mistakes that the page shows; the CSV file holds all songs."""


def render_run(run: Run, out: str | Path | None = None) -> Path:
    """Writes the page of a run, from its card, history and stored predictions; the same run gives the same bytes.

    Args:
        run: The run.
        out: Folder for ``report.html``, ``genres.csv``, ``songs.csv`` and ``figures/*.svg``; ``report`` in the run's
            folder if left out.

    Returns:
        The path of ``report.html``, a page that needs no other file and no network.

    Raises:
        DataError: A file of the run is damaged.
    """
    target = Path(out) if out is not None else run.folder / "report"
    split, stored = stored_split(run)
    metrics = run.evaluate(split)
    genres, songs = tables.genre_rows(run.genres, metrics), tables.song_rows(run.genres, stored)
    wrong = tables.mistakes(songs)
    plots = _plots(run, metrics, split)
    for plot in plots:
        write_text(target / "figures" / f"{plot.name}.svg", on_white(plot.svg))
    write_text(target / "genres.csv", tables.as_csv(tables.GENRES, genres))
    write_text(target / "songs.csv", tables.as_csv(tables.SONGS, songs))
    page = fill(
        "run/run.html.jinja",
        title=f"Run: {run.card.recipe.name} on {song_facts(run).name}",
        split=split,
        results=results_of(metrics, stored),
        facts=_facts(run),
        cautions=cautions_of(run, split),
        plots=plots,
        tables=tables,
        genres=genres,
        mistakes=wrong[:MOST_MISTAKES],
        n_mistakes=len(wrong),
        n_songs=len(songs),
        recipe=run.card.recipe.model_dump(mode="json", exclude_defaults=True),
        environment=run.card.environment,
        weights_sha256=run.card.weights_sha256,
        command=shlex.join(["genrezoo", "evaluate", str(run.folder), "--split", split]),
    )
    return write_text(target / "report.html", page)


def _plots(run: Run, metrics: dict[str, Any], split: str) -> list[Plot]:
    name, genres = run.card.recipe.name, run.genres
    plots = []
    history = run.history()
    if len(history["epoch"]) > 1:
        drawn = learning_curves({name: history}, "learning")
        plots.append(Plot("learning", "Learning curves", LEARNING, drawn))

    def draw(figure: Figure, tips: dict[str, str]) -> None:
        draw_confusion(figure.subplots(), metrics["confusion"], genres, inches=WIDTH * 0.85, tips=tips)

    caption = f"Percentage of each genre's {split} songs (rows) predicted as each genre (columns). {CELLS}"
    drawn = as_tipped_svg("confusion", draw, height=1.6 + 0.27 * len(genres))
    plots.append(Plot("confusion", "Confusion", caption, drawn))
    return plots


def _facts(run: Run) -> list[str]:
    card, songs = run.card, song_facts(run)
    provenance = songs.provenance
    found = [
        f"{card.recipe.summary} ({card.recipe.reference})",
        f"model {card.recipe.model}, procedure {card.recipe.procedure}, seed {card.seed}",
        f"{count(card.parameters)} parameters; input {' x '.join(map(str, card.input_shape))}",
        f"{plain(card.epochs)} epochs in {duration(card.train_seconds)}, weights of epoch {plain(card.best_epoch)}",
        "songs: " + ", ".join(f"{name} {plain(size)}" for name, size in songs.splits.items()),
    ]
    return [*found, PROVENANCE[provenance]] if provenance in PROVENANCE else found
