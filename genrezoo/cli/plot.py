"""``genrezoo plot``: figures of runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from genrezoo.cli.options import results_console
from genrezoo.errors import SettingsError
from genrezoo.lazy import load_keras

if TYPE_CHECKING:
    from genrezoo.runs import Run
    from genrezoo.songs import SongSet

app = typer.Typer(
    name="plot",
    help="Plot runs: learning curves, difficulty of songs, feature importance, weights, trade-offs of cascades.",
)

RunFolder = Annotated[Path, typer.Argument(help="Run folder.")]


def _svg(path: Path) -> Path:
    """Refuses another kind of file before anything is computed."""
    if path.suffix.lower() != ".svg":
        raise SettingsError(f"--out must be an .svg file, got {path.name!r}")
    return path


Out = Annotated[Path, typer.Option(help="SVG file to write.", callback=_svg)]
Data = Annotated[
    str, typer.Option(help="Songs that the run was trained on: a file, a folder, or the name of a data set.")
]


@app.command()
def curves(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, at most eight.")],
    show: Annotated[
        str,
        typer.Option(
            help="Plot the loss, the learning_rate, or the losses of all heads of a multi-task model (heads)."
        ),
    ] = "loss",
    out: Out = Path("curves.svg"),
) -> None:
    """Plot the loss and accuracy of several runs by epoch in one figure.

    Example: genrezoo plot curves runs/lstm-1 runs/gru-1 --out curves.svg
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.plot import labels
    from genrezoo.report.style.learning_curves import learning_curves

    if len(runs) > 8:
        raise SettingsError(f"a figure shows at most eight runs, got {len(runs)}")
    opened = [gz.load_run(run) for run in runs]
    histories = {label: run.history() for label, run in zip(labels(opened), opened, strict=True)}
    _write(out, learning_curves(histories, show=show))


@app.command()
def difficulty(
    run: RunFolder,
    data: Data,
    split: Annotated[str, typer.Option(help="Split to plot: train, valid or test.")] = "train",
    most: Annotated[int, typer.Option(min=1, help="Print this many of the easiest and of the hardest songs.")] = 10,
    out: Out = Path("difficulty.svg"),
) -> None:
    """Plot how difficult the songs are for a run, measured by cross entropy.

    A CSV file beside the figure lists all songs with their difficulty.

    Example: genrezoo plot difficulty runs/lstm-1 --data songs.npz --out difficulty.svg
    """
    load_keras()
    from genrezoo.report.style.histograms import difficulty_figure  # here, so that --help does not wait for Keras
    from genrezoo.training.curriculum import difficulty_rows, difficulty_table

    opened, songs = _open(run, data)
    part = songs.split(split)
    logits = opened.logits(part)
    table = difficulty_table(part.ids, logits, part.y, most=most)
    _write(out, difficulty_figure(table))
    _write_csv(out.with_suffix(".csv"), difficulty_rows(part.ids, logits, part.y))
    console = results_console()
    console.print(f"{table['songs']} songs: mean {table['mean']:.4f}, variance {table['variance']:.4f}")
    shown = Table("easiest", "difficulty", "hardest", "difficulty", box=None, header_style="bold")
    for easy, hard in zip(table["easiest"], table["hardest"], strict=True):
        pair = [(escape(str(song["id"])), f"{song['difficulty']:.4f}") for song in (easy, hard)]
        shown.add_row(*pair[0], *pair[1])
    console.print(shown)


@app.command()
def importance(
    run: RunFolder,
    data: Data,
    split: Annotated[str, typer.Option(help="Split to measure on: train, valid or test.")] = "test",
    repeats: Annotated[int, typer.Option(min=1, help="Permutations of each feature group.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the permutations.")] = 1,
    out: Out = Path("importance.svg"),
) -> None:
    """Plot the permutation importance of each feature group (chroma, timbre, loudness) for a run, by genre.

    The importance of a group is the recall that is lost when its values are permuted among the songs. A CSV file beside
    the figure has the numbers. Only songs with feature groups can be measured: songs from audio files and from the
    Million Song Dataset have them.

    Example: genrezoo plot importance runs/lstm-1 --data songs --out importance.svg
    """
    load_keras()
    from genrezoo.report.run.figures import importance_figure  # here, so that --help does not wait for Keras
    from genrezoo.runs.importance import permutation_importance

    opened, songs = _open(run, data)
    found = permutation_importance(opened, songs.split(split), repeats=repeats, seed=seed)
    rows: list[dict[str, Any]] = [
        {
            "group": group,
            "genre": genre,
            "songs": int(found.songs[place]),
            "recall": float(found.recall[place]),
            "lost": float(found.lost[number, place]),
            "low": float(found.low[number, place]),
            "high": float(found.high[number, place]),
        }
        for number, group in enumerate(found.groups)
        for place, genre in enumerate(found.genres)
    ]
    lost: dict[str, list[tuple[float, float, float]]] = {group: [] for group in found.groups}
    for row in rows:
        lost[row["group"]].append((row["lost"], row["low"], row["high"]))
        if row["genre"] == "all":
            bounds = f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
            typer.echo(f"{row['group']}: {100 * row['lost']:.1f} points lost {bounds} of {100 * row['recall']:.1f} %")
    _write(out, importance_figure(found.genres, lost, recall=found.recall.tolist()))
    _write_csv(out.with_suffix(".csv"), rows)


@app.command()
def weights(
    run: RunFolder,
    layers: Annotated[str, typer.Option(help="Plot only layers that match this shell pattern, e.g. 'conv_*'.")] = "*",
    out: Out = Path("weights.svg"),
) -> None:
    """Plot histograms of the kernels of a run and print the fraction of weights that are exactly zero.

    Example: genrezoo plot weights runs/pruned-1 --layers 'conv_*' --out weights.svg
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.report.style.histograms import weights_figure
    from genrezoo.training.pruning import kernel_values, weight_histogram

    histogram = weight_histogram(kernel_values(gz.load_run(run).network, layers))
    _write(out, weights_figure({str(run): histogram}))
    for name, zeros in histogram["zeros"].items():
        typer.echo(f"{name}: {100 * zeros:.1f} % of the weights are zero")


@app.command("trade-off")
def trade_off(
    run: Annotated[Path, typer.Argument(help="Run folder of a cascade.")],
    out: Out = Path("trade-off.svg"),
) -> None:
    """Plot a cascade's accuracy against the fraction of songs that it defers to the teacher.

    Example: genrezoo plot trade-off runs/cascade-1 --out trade-off.svg
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.composition.cascade import threshold_of
    from genrezoo.errors import DataError
    from genrezoo.evaluation import log_softmax
    from genrezoo.report.run.figures import trade_off_figure
    from genrezoo.training.trade_off import normalised_entropy
    from genrezoo.training.trade_off import trade_off as trade

    opened = gz.load_run(run)
    if opened.card.recipe.model != "cascade":
        raise DataError(
            f"model {opened.card.recipe.model!r} is not a cascade", path=run, remedy="train the recipe `cascade`"
        )
    threshold = threshold_of(opened.network)
    drawn, chosen, by_split = {}, {}, {}
    for split in ("valid", "test"):
        stored = opened.predictions(split)
        curve = trade(stored["student"], stored["teacher"], stored["y"])
        drawn[split] = (curve.fraction.tolist(), curve.accuracy.tolist())
        fraction = float((normalised_entropy(log_softmax(stored["student"])) > threshold).mean())
        chosen[split] = (fraction, float((stored["logits"].argmax(1) == stored["y"]).mean()))
        alone = {name: float((stored[name].argmax(1) == stored["y"]).mean()) for name in ("student", "teacher")}
        by_split[split] = alone
        typer.echo(
            f"{split}: accuracy {chosen[split][1]:.4f} with {100 * fraction:.1f} % deferred at threshold "
            f"{threshold:.4f}; student {alone['student']:.4f}, teacher {alone['teacher']:.4f}"
        )
    _write(out, trade_off_figure(drawn, alone=by_split, chosen=chosen))


def _open(run: Path, data: str) -> tuple[Run, SongSet]:
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.errors import DataError
    from genrezoo.songs import default_split

    opened, songs = gz.load_run(run), default_split(gz.load_songs(data))
    if songs.genres != opened.genres:
        raise DataError(
            f"the songs have genres {list(songs.genres)}, but the run has {list(opened.genres)}", where=songs.name,
            remedy="pass the songs that the run was trained on",
        )  # fmt: skip
    return opened, songs


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    from genrezoo import files

    files.write_text(path, files.csv_text([rows[0], *(row.values() for row in rows)]))


def _write(out: Path, svg: Any) -> None:
    from genrezoo import files
    from genrezoo.report.style.drawing import on_white

    files.write_text(out, on_white(svg))
    typer.echo(f"figure: {out}")
