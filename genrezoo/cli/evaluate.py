"""``genrezoo evaluate``: the metrics of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from genrezoo.cli.options import results_console
from genrezoo.lazy import load_keras


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    data: Annotated[
        str | None, typer.Option(help="Evaluate on these songs (default: use the predictions stored in the run).")
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="Split to evaluate on: train, valid or test; a bagged run also has out_of_fold; 'all' takes every "
            "song of --data, for songs that took no part in training."
        ),
    ] = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate a run: accuracy, macro F1, log loss, calibration error, scores per genre, and the confusion matrix.

    For a correcting model, the accuracies of the original and of the correcting part alone are printed too.

    Example: genrezoo evaluate runs/lstm-1 --split valid
    """
    if data is not None:
        load_keras()
    import genrezoo as gz  # here, so that --help does not wait for it

    opened = gz.load_run(run)
    songs = None if data is None else gz.load_songs(data)
    metrics = opened.evaluate(split, songs)
    provenance = opened.card.songs.get("provenance") if songs is None else songs.provenance
    which = f"all songs of {data}" if split == "all" else f"{split} ({provenance} split)"
    if as_json:
        typer.echo(json.dumps({"run": str(run), "split": split, "provenance": provenance, **metrics}, indent=2))
        return
    console = results_console()
    before = {name: f" ({value:.4f} uncalibrated)" for name, value in metrics.get("uncalibrated", {}).items()}
    console.print(
        f"[bold]{opened.card.recipe.name}[/] on {escape(which)}: "
        f"accuracy {metrics['accuracy']:.4f}, "
        f"macro F1 {metrics['macro_f1']:.4f}, log loss {metrics['log_loss']:.4f}{before.get('log_loss', '')}, "
        f"calibration error {metrics['calibration_error']:.4f}{before.get('calibration_error', '')}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("genre", "precision", "recall", "F1", "songs", "most often taken for", box=None, header_style="bold")
    for number, genre in enumerate(opened.genres):
        row = list(metrics["confusion"][number])
        row[number] = 0
        other = f"{escape(opened.genres[row.index(max(row))])} ({max(row)})" if max(row) else ""
        scores = [f"{metrics['per_class'][name][number]:.3f}" for name in ("precision", "recall", "f1")]
        table.add_row(escape(genre), *scores, str(metrics["per_class"]["support"][number]), other)
    console.print(table)
    _print_confusion(console, opened.genres, metrics["confusion"])
    if songs is None and {"original", "correcting"} <= set(stored := opened.predictions(split)):
        from genrezoo.composition.diagnosis import diagnose

        found = diagnose(stored["original"], stored["correcting"], stored["y"], seed=opened.card.seed)
        parts = ", ".join(f"{name} {a.value:.4f} [{a.low:.4f}, {a.high:.4f}]" for name, a in found.accuracies.items())
        console.print(
            f"apart: {parts}; chance {found.chance:.4f}; {len(found.fixed)} songs fixed, {len(found.broken)} broken "
            f"(p = {found.p:.3g})",
            highlight=False,
        )


def _print_confusion(console: Console, genres: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
    """The confusion matrix; its columns are numbered, so that many genres fit beside each other."""
    numbers = [str(number) for number in range(1, len(genres) + 1)]
    title = "Confusion matrix: answers in columns"
    table = Table("songs of", box=None, header_style="bold", title=title, padding=(0, 0, 0, 1))
    for number in numbers:
        table.add_column(number, justify="right")
    for number, genre, row in zip(numbers, genres, counts, strict=True):
        table.add_row(escape(f"{number} {genre}"), *map(str, row))
    usual, console.width = console.width, 10_000  # it is as wide as it must be: no number may be cut off
    console.print(table)
    console.width = usual
