"""``genrezoo predict``: from audio files to genres over time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from genrezoo.cli.bulk import write_table
from genrezoo.cli.options import Cache, Scheduler, Strict, Workers, progress_bar, results_console, shown_path
from genrezoo.cli.weights import fetch_shown
from genrezoo.errors import SettingsError
from genrezoo.files import csv_text
from genrezoo.lazy import load_keras
from genrezoo.weights import WEIGHTS

if TYPE_CHECKING:
    from genrezoo.predict import Prediction

MOST_GENRES = 12
"""Genres of a tagger that are plotted: those with the highest activations."""


def predict(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Run folder, exported model (.onnx), or the name of published weights."),
    ],
    audio: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Audio files, folders of them, or quoted shell patterns.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the predictions over time.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row per file.")] = False,
    timeline: Annotated[
        Path | None,
        typer.Option(
            help="Plot genres over time to this .png or .svg file; with several files, one plot each: NAME-FILE.png."
        ),
    ] = None,
    rule: Annotated[
        str | None,
        typer.Option(help="Combine the windows of a recording by mean or product (default: the run's own rule)."),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(help="Length of a window in seconds, for a model that takes songs of any length (default: 10)."),
    ] = None,
    hop: Annotated[
        float | None, typer.Option(help="Seconds from the start of one window to the start of the next.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write predictions to this .parquet or .csv table; the same command continues an unfinished table."
        ),
    ] = None,
    excerpt: Annotated[
        bool,
        typer.Option(
            "--excerpt", help="Read the same excerpt of each file as of the training songs (default: the whole file)."
        ),
    ] = False,
    workers: Workers = None,
    scheduler: Scheduler = None,
    data_cache: Cache = None,
    strict: Strict = False,
    top: Annotated[
        int, typer.Option(min=1, help="Print this many genres per file, and for a tagger as many other tags.")
    ] = 2,
) -> None:
    """Predict the genre of audio files, for the whole recording and over time.

    The command computes the features that the run was trained on. An exported model (see `genrezoo export`) predicts
    without TensorFlow. Published weights (see `genrezoo list --kind weights`) predict without any training and are
    fetched on first use. A file that cannot be predicted is reported with the reason; the others are still predicted.
    The exit code is 0 if at least one file was predicted.

    --out writes one row per file to a table, with the reason if the file could not be predicted. It takes any number of
    files: memory does not grow with their number and features are not cached. Run an interrupted command again to
    continue it.

    Example: genrezoo predict vgg_tagger.msd song.mp3 'albums/*.flac' --timeline timeline.png
    """
    if as_json and as_csv:
        raise SettingsError("--json and --csv cannot be combined; pass one of them")
    if timeline is not None and timeline.suffix.lower() not in (".png", ".svg"):
        raise SettingsError(f"--timeline must be a .png or .svg file, got {timeline.name!r}")
    if out is not None and (as_json or as_csv or timeline is not None or strict or data_cache is not None):
        what = "--out writes one row per file and does not cache features"
        raise SettingsError(f"{what}; leave out --json, --csv, --timeline, --strict and --data-cache")
    published = not run.exists() and str(run) in WEIGHTS.names()
    if published:
        fetch_shown(str(run))
    if published or run.is_dir():  # an exported model needs no Keras
        load_keras()
    if out is not None:
        write_table(run, audio, out, workers, scheduler, rule=rule, window=window, hop=hop, excerpt=excerpt)
        return
    from genrezoo.predict import open_model, predict_audio  # here, so that --help does not wait for them

    model = open_model(run)
    if workers is None and scheduler is None and len(audio) == 1 and Path(audio[0]).is_file():
        workers = 0  # a process of its own would protect nothing else, and takes a third of the time
    with progress_bar() as bar:
        task = bar.add_task("features", total=None)
        predictions = predict_audio(
            model, audio,
            rule=rule, window=window, hop=hop, excerpt=excerpt, cache=data_cache, workers=workers, scheduler=scheduler,
            strict=strict,
            on_start=lambda number: bar.update(task, total=number),
            on_file=lambda path, reason: bar.advance(task),
        )  # fmt: skip
    good = [prediction for prediction in predictions if prediction.reason is None]
    if as_json:
        files = [prediction.describe() for prediction in predictions]
        answer = {"run": str(run), "genres": predictions[0].genres, "files": files}
        text = json.dumps(answer, indent=2, ensure_ascii=False)
        typer.echo(text.encode(errors="replace").decode())  # a file's name need not be UTF-8
    elif as_csv:
        typer.echo(_csv(predictions[0].genres, good), nl=False)
    elif good:
        _show(good, top)
    errors = Console(stderr=True)
    if timeline is not None:
        for path, prediction in zip(_targets(timeline, good, several=len(predictions) > 1), good, strict=True):
            _draw(path, prediction)
            errors.print(f"plot: {escape(shown_path(path))}", highlight=False, soft_wrap=True)
    for prediction in predictions:
        if prediction.reason is not None:
            text = f"[bold red]not predicted:[/] {escape(f'{shown_path(prediction.path)}: {prediction.reason}')}"
            errors.print(text, highlight=False, soft_wrap=True)
    if not good:
        raise typer.Exit(2)


def _csv(genres: Sequence[str], predictions: Sequence[Prediction]) -> str:
    rows: list[list[object]] = [["file", "genre", *genres, "seconds", "warnings"]]
    for one in predictions:
        probabilities = [f"{value:.6f}" for value in one.probabilities]
        seconds, warnings = f"{one.seconds:.3f}", "; ".join(one.warnings)
        rows.append([shown_path(one.path), one.genre, *probabilities, seconds, warnings])
    return csv_text(rows)


def _show(predictions: Sequence[Prediction], top: int) -> None:
    console = results_console()
    first = predictions[0]
    others = ["other tags"] if first.other_tags else []
    table = Table("file", "genre", first.score, "then", *others, "seconds", "answer", box=None, header_style="bold")
    table.columns[0].overflow = "fold"  # the end of a path says more than its beginning
    table.columns[2].justify = table.columns[4 + len(others)].justify = "right"
    for column in table.columns[1:]:
        column.no_wrap = not others and top <= 2
    for prediction in predictions:
        (best, highest), *then = prediction.best(top)
        ranked = [then, *([prediction.best(top, other=True)] if others else [])]
        table.add_row(
            escape(shown_path(prediction.path)),
            f"[bold]{escape(best)}[/]",
            f"{highest:.3f}",
            *(escape(", ".join(f"{name} {value:.3f}" for name, value in part)) for part in ranked),
            f"{prediction.seconds:,.1f}",
            prediction.how,
        )
    console.print(table)
    for prediction in predictions:
        for warning in prediction.warnings:
            console.print(
                f"[yellow]{escape(f'{shown_path(prediction.path)}: {warning}')}[/]", highlight=False, soft_wrap=True
            )


def _targets(timeline: Path, predictions: Sequence[Prediction], *, several: bool) -> list[Path]:
    """One plot a file: the name given, or with several files, bad ones included, that name and each file's own."""
    if not several:
        return [timeline]
    targets: list[Path] = []
    for prediction in predictions:
        names = [f"{timeline.stem}-{prediction.path.stem}", f"{timeline.stem}-{prediction.path.name}"]
        names += [f"{names[1]}-{number}" for number in range(2, len(predictions) + 1)]
        free = (timeline.with_name(name + timeline.suffix) for name in names)
        targets.append(next(path for path in free if path not in targets))
    return targets


def _draw(path: Path, prediction: Prediction) -> None:
    from genrezoo import files
    from genrezoo.report.run.timeline import timeline_figure

    edges, probabilities = prediction.timeline()
    genres = prediction.probabilities[: len(prediction.genres) - prediction.other_tags]
    shown = np.sort(np.argsort(-genres)[: MOST_GENRES if prediction.other_tags else None])
    picture = timeline_figure(
        edges, probabilities[:, shown], [prediction.genres[number] for number in shown],
        answer=prediction.probabilities[shown], rule=prediction.how, title=shown_path(Path(prediction.path.name)),
        kind=path.suffix.lower(), score=prediction.score,
    )  # fmt: skip
    files.write_atomic(path, picture)
