"""``genrezoo train``: one recipe on one set of songs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import TextColumn

from genrezoo.cli.backend import load_keras
from genrezoo.cli.options import parse_changes, progress_bar


def train(
    name: Annotated[str, typer.Argument(help="Name of a recipe (`genrezoo list --kind recipes`).")],
    data: Annotated[str, typer.Option(help="Songs: a file, a folder, or the name of a data set.")],
    out: Annotated[Path, typer.Option(help="Run folder; the same command goes on with an unfinished one.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, dropout and order.")] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs in place of the recipe's.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another argument or setting; may be repeated."),
    ] = None,
) -> None:
    """Train a recipe on songs and write a run folder.

    Songs without a split get a seeded one (70/15/15): by group where they have groups, stratified at random otherwise.

    Example: genrezoo train lstm --data songs.npz --set units=64 --epochs 20 --out runs/lstm-1
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.songs import default_split

    wanted = parse_changes(changes or []) | ({} if epochs is None else {"epochs": epochs})
    recipe = gz.get_recipe(name).changed(wanted)
    songs = default_split(gz.load_songs(data))
    total = recipe.procedure_settings().epochs
    with progress_bar(TextColumn("{task.fields[scores]}")) as progress:
        task = progress.add_task(f"{name}, seed {seed}", total=total, scores="")

        def advance(record: dict[str, float]) -> None:
            scores = f"loss {record['loss']:.3f}  valid {record['valid_accuracy']:.3f}"
            progress.update(task, completed=record["epoch"], scores=scores)

        run = gz.train(recipe, songs, seed=seed, out=out, on_epoch=advance)
    figures = run.evaluate("test")
    typer.echo(
        f"{name}: test accuracy {figures['accuracy']:.4f}, macro F1 {figures['macro_f1']:.4f} "
        f"({run.card.songs['provenance']} split, {len(songs.splits['test'])} songs, epoch {run.card.best_epoch} of "
        f"{run.card.epochs}) -> {out}"
    )
