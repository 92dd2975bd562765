"""``genrezoo draw``: pictures of runs."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from genrezoo.cli.backend import load_keras
from genrezoo.cli.options import results_console

if TYPE_CHECKING:
    from genrezoo.runs import Run
    from genrezoo.songs import SongSet

app = typer.Typer(
    name="draw",
    help="Draw runs: learning curves, difficulty of songs, worth of features, weights, …",
)

RunFolder = Annotated[Path, typer.Argument(help="Run folder.")]
Out = Annotated[Path, typer.Option(help="SVG file to write.")]
Data = Annotated[str, typer.Option(help="The songs of the run: a file, a folder, or the name of a data set.")]


@app.command()
def curves(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, up to eight.")],
    out: Out = Path("curves.svg"),
) -> None:
    """Draw error and accuracy of several runs, epoch by epoch, in one figure.

    Example: genrezoo draw curves runs/lstm-1 runs/gru-1 --out curves.svg
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.errors import SettingsError
    from genrezoo.report import learning_curves

    if len(runs) > 8:
        raise SettingsError(f"at most eight runs fit into one figure, got {len(runs)}")
    opened = [gz.load_run(run) for run in runs]
    names = [run.card.recipe.name for run in opened]
    labels = [
        name if names.count(name) == 1 else f"{name} ({run.folder.name})"
        for name, run in zip(names, opened, strict=True)
    ]
    histories = {label: run.history() for label, run in zip(labels, opened, strict=True)}
    _write(out, learning_curves(histories))


@app.command()
def difficulty(
    run: RunFolder,
    data: Data,
    split: Annotated[str, typer.Option(help="Whose songs: train, valid or test.")] = "train",
    most: Annotated[int, typer.Option(min=1, help="How many of the easiest and hardest songs to name.")] = 10,
    out: Out = Path("difficulty.svg"),
) -> None:
    """Draw how hard each song is for a run: the cross entropy of its genre; a CSV beside the picture has all songs.

    Example: genrezoo draw difficulty runs/lstm-1 --data songs.npz --out difficulty.svg
    """
    load_keras()
    from genrezoo.report.pictures import difficulty_picture  # here, so that --help does not wait for Keras
    from genrezoo.training.curriculum import difficulty_rows, difficulty_table

    opened, songs = _open(run, data)
    part = songs.split(split)
    logits = opened.logits(part)
    table = difficulty_table(part.ids, logits, part.y, most=most)
    _write(out, difficulty_picture(table))
    _write_csv(out.with_suffix(".csv"), difficulty_rows(part.ids, logits, part.y))
    console = results_console()
    console.print(f"{table['songs']} songs: mean {table['mean']:.4f}, variance {table['variance']:.4f}")
    shown = Table("easiest", "difficulty", "hardest", "difficulty", box=None, header_style="bold")
    for easy, hard in zip(table["easiest"], table["hardest"], strict=True):
        shown.add_row(str(easy["id"]), f"{easy['difficulty']:.4f}", str(hard["id"]), f"{hard['difficulty']:.4f}")
    console.print(shown)


@app.command()
def importance(
    run: RunFolder,
    data: Data,
    split: Annotated[str, typer.Option(help="Whose songs: train, valid or test.")] = "test",
    repeats: Annotated[int, typer.Option(min=1, help="Permutations for each group.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the permutations.")] = 1,
    out: Out = Path("importance.svg"),
) -> None:
    """Draw what each group of features (chroma, timbre, loudness) is worth to a run, genre by genre.

    A group is taken from other songs, and what the run then gets wrong is counted; a CSV beside the picture has the
    figures. The songs must say what their groups are: songs from sound files and from the Million Song Dataset do.

    Example: genrezoo draw importance runs/lstm-1 --data songs --out importance.svg
    """
    load_keras()
    from genrezoo.report.pictures import importance_picture  # here, so that --help does not wait for Keras
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
    _write(out, importance_picture(found.genres, lost, recall=found.recall.tolist()))
    _write_csv(out.with_suffix(".csv"), rows)


@app.command()
def weights(
    run: RunFolder,
    layers: Annotated[str, typer.Option(help="Shell pattern of the layers, e.g. 'conv_*'.")] = "*",
    out: Out = Path("weights.svg"),
) -> None:
    """Draw how the weights of a run's kernels are spread, and say which share of them is exactly zero.

    Example: genrezoo draw weights runs/pruned-1 --layers 'conv_*' --out weights.svg
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.report.pictures import weights_picture
    from genrezoo.training.pruning import kernel_values, weight_histogram

    histogram = weight_histogram(kernel_values(gz.load_run(run).network, layers))
    _write(out, weights_picture(histogram))
    for name, zeros in histogram["zeros"].items():
        typer.echo(f"{name}: {100 * zeros:.1f} % of the weights are zero")


@app.command("trade-off")
def trade_off(
    run: Annotated[Path, typer.Argument(help="Run folder of a cascade.")],
    out: Out = Path("trade-off.svg"),
) -> None:
    """Draw what a cascade's accuracy is at each share of songs that the teacher is asked about.

    Example: genrezoo draw trade-off runs/cascade-1 --out trade-off.svg
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.composition.cascade import threshold_of
    from genrezoo.errors import DataError
    from genrezoo.evaluation import log_softmax
    from genrezoo.report.pictures import trade_off_picture
    from genrezoo.training.trade_off import normalised_entropy
    from genrezoo.training.trade_off import trade_off as trade

    opened = gz.load_run(run)
    if opened.card.recipe.model != "cascade":
        raise DataError(f"{opened.card.recipe.model} is no cascade", path=run, remedy="train the recipe `cascade`")
    threshold = threshold_of(opened.network)
    drawn, chosen, alone = {}, {}, {}
    for split in ("valid", "test"):
        stored = opened.predictions(split)
        curve = trade(stored["student"], stored["teacher"], stored["y"])
        drawn[split] = (curve.fraction.tolist(), curve.accuracy.tolist())
        share = float((normalised_entropy(log_softmax(stored["student"])) > threshold).mean())
        chosen[split] = (share, float((stored["logits"].argmax(1) == stored["y"]).mean()))
        alone = {name: float((stored[name].argmax(1) == stored["y"]).mean()) for name in ("student", "teacher")}
        typer.echo(
            f"{split}: accuracy {chosen[split][1]:.4f} with {100 * share:.1f} % asked at threshold {threshold:.4f}; "
            f"student {alone['student']:.4f}, teacher {alone['teacher']:.4f}"
        )
    _write(out, trade_off_picture(drawn, teacher=alone["teacher"], student=alone["student"], chosen=chosen))


def _open(run: Path, data: str) -> tuple[Run, SongSet]:
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.errors import DataError
    from genrezoo.songs import default_split

    opened, songs = gz.load_run(run), default_split(gz.load_songs(data))
    if songs.genres != opened.genres:
        raise DataError(
            f"genres are {list(songs.genres)}, the run knows {list(opened.genres)}", where=songs.name,
            remedy="name the songs that the run was trained on",
        )  # fmt: skip
    return opened, songs


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    from genrezoo import files

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_text(path, buffer.getvalue())


def _write(out: Path, svg: Any) -> None:
    from genrezoo import files
    from genrezoo.report.drawing import on_white

    files.write_text(out, on_white(svg))
    typer.echo(f"picture: {out}")
