"""``genrezoo train``: one recipe on one set of songs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from genrezoo.cli.options import (
    MLflow,
    Scheduler,
    Settings,
    TensorBoard,
    options_of_songs,
    parse_changes,
    progress_bar,
    tell,
)
from genrezoo.errors import SettingsError
from genrezoo.lazy import load_keras

if TYPE_CHECKING:
    from genrezoo.recipes import Recipe
    from genrezoo.runs import Run
    from genrezoo.songs import SongSet


def train(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a recipe (see `genrezoo list --kind recipes`), or a .json or .toml file with one, such as "
            "the card.json of a run."
        ),
    ],
    data: Annotated[str, typer.Option(help="Songs to train on: a file, a folder, or the name of a data set.")],
    out: Annotated[Path, typer.Option(help="Run folder to write; the same command continues an unfinished run.")],
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the initial weights, the dropout and the order of the songs.")
    ] = 1,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train for this many epochs (default: the recipe's).")
    ] = None,
    changes: Settings = None,
    members: Annotated[
        list[str] | None,
        typer.Option(
            "--member",
            metavar="NAME=RUN",
            help="Use a finished run for a member instead of training it; may be repeated.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2, help="Cross-validate over this many folds; each song gets logits from a model not trained on it."
        ),
    ] = None,
    bagged: Annotated[
        int | None,
        typer.Option(min=2, help="Train one model for each of this many folds and combine them into one model."),
    ] = None,
    test: Annotated[
        bool,
        typer.Option(
            "--test/--no-test",
            help="Hold back test songs, or train on all but the validation songs, for a model that is tested "
            "elsewhere; songs that have a split keep it.",
        ),
    ] = True,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Train this many folds in parallel (default: one per core with --folds, otherwise 1)."
        ),
    ] = None,
    scheduler: Scheduler = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Train on this device: cpu, gpu, or gpu:1. compare trains on the CPU (OUT/cpu) and on the GPU "
            "(OUT/gpu) and prints both times (default: the device that Keras chooses)."
        ),
    ] = None,
    tensorboard: TensorBoard = None,
    mlflow: MLflow = None,
) -> None:
    """Train a recipe on songs and write a run folder.

    Songs without a split are split with a fixed seed (70/15/15): by group if they have groups, otherwise stratified at
    random. The members of a recipe are trained first, in OUT/members.

    --bagged trains the recipe once for each fold of the training and validation songs and combines the models into one.
    --set and --epochs apply to each of these trainings.

    Example: genrezoo train lstm --data songs.npz --set units=64 --epochs 20 --out runs/lstm-1
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.runs.devices import on_device
    from genrezoo.songs import default_split

    if folds is None and scheduler is not None:
        raise SettingsError("--scheduler needs --folds: a single training runs on one machine")
    if folds is not None and device is not None:
        raise SettingsError("--device cannot be combined with --folds: each fold is trained in a separate process")
    if folds is not None and (tensorboard is not None or mlflow is not None):
        raise SettingsError("--tensorboard and --mlflow cannot be combined with --folds: they log a single training")
    if folds is not None and bagged is not None:
        raise SettingsError("--bagged cannot be combined with --folds: --bagged N already trains N folds")
    logs = {"tensorboard": tensorboard, "mlflow": mlflow}
    wanted = parse_changes(changes or []) | ({} if epochs is None else {"epochs": epochs})
    with options_of_songs(data):
        recipe = gz.get_recipe(name).changed(wanted)
    if "epochs" in wanted and any(member.recipe for member in recipe.members.values()):
        typer.echo("--epochs does not apply to the members; use --set members.epochs=N for them", err=True)
    recipe = recipe.with_runs(parse_changes(members or [], option="--member"))
    if bagged is not None:
        recipe = gz.bagged(recipe, folds=bagged)
    placed: AbstractContextManager[Any] = nullcontext() if device in (None, "compare") else on_device(str(device))
    with placed:  # before songs are read: a missing device is reported at once
        songs = default_split(gz.load_songs(data), tested=test)
        if folds is not None:
            _cross_validate(recipe, songs, folds, seed, out, workers, scheduler)
        elif device == "compare":
            _compare(recipe, songs, seed, out, workers, logs)
        else:
            _train(recipe, songs, seed, out, workers, logs)


def _train(
    recipe: Recipe, songs: SongSet, seed: int, out: Path, workers: int | None, logs: dict[str, Any], where: str = ""
) -> Run:
    """One training: a bar on a terminal, lines elsewhere, and a last line."""
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo.runs.loggers import loggers
    from genrezoo.runs.predictions import OUT_OF_FOLD, stored_splits
    from genrezoo.runs.progress import epoch_scores, member_scores

    settings = recipe.procedure_settings()
    total = getattr(settings, "epochs", 1)
    values = {"recipe": recipe.name, "seed": seed, **recipe.arguments, **settings.model_dump(mode="json")}
    name = recipe.run_name(songs.name, seed, songs.checksum()) + where.replace(" ", "-")
    console = Console(stderr=True)
    with loggers(name=name, values=values, **logs) as callbacks:
        run = gz.train(
            recipe,
            songs,
            seed=seed,
            out=out,
            on_epoch=lambda record: tell(console, f"epoch {record['epoch']:.0f} of {total}: {epoch_scores(record)}"),
            on_member=lambda member, record: tell(console, member_scores(member, record)),
            workers=workers or 1,
            callbacks=callbacks,
            tested="test" in songs.splits,
        )
    split = "test" if "test" in songs.splits else "valid"
    metrics = run.evaluate(split)
    side = {"test": "test", "valid": "validation"}[split]
    typer.echo(
        f"{recipe.name}{where}: {side} accuracy {metrics['accuracy']:.4f}, macro F1 {metrics['macro_f1']:.4f} "
        f"({run.card.songs['provenance']} split, {len(songs.splits[split])} songs, epoch {run.card.best_epoch} of "
        f"{run.card.epochs}) -> {out}"
    )
    if OUT_OF_FOLD in stored_splits(run.folder):
        whole = run.evaluate(OUT_OF_FOLD)
        number = sum(whole["per_class"]["support"])
        typer.echo(f"out of fold: accuracy {whole['accuracy']:.4f}, macro F1 {whole['macro_f1']:.4f} ({number} songs)")
    return run


def _compare(recipe: Recipe, songs: SongSet, seed: int, out: Path, workers: int | None, logs: dict[str, Any]) -> None:
    """Trains once on each kind of device and prints what it took there, members included."""
    from genrezoo.runs.devices import device_kinds, on_device  # here, so that --help does not wait for Keras

    runs = {}
    for kind in device_kinds():
        with on_device(kind):
            runs[kind] = _train(recipe, songs, seed, out / kind, workers, logs, f" on the {kind}")
    times = {kind: run.card.train_seconds + run.card.members_seconds for kind, run in runs.items()}
    for kind, run in runs.items():
        later = run.history()["seconds"][1:]
        each = f", {median(later):.3g} s an epoch after the first" if later else ""
        typer.echo(f"{kind}: {times[kind]:.3g} s for {run.card.epochs} epochs{each}")
    (first, least), *others = sorted(times.items(), key=lambda pair: pair[1])
    if not others:
        typer.echo(f"only a {first.upper()}: nothing to compare with")
    for kind, seconds in others:
        factor = f" ({seconds / least:.3g} times as fast)" if least else ""
        typer.echo(f"the {first} took {seconds - least:.3g} s less than the {kind}{factor}")


def _cross_validate(
    recipe: Recipe, songs: SongSet, folds: int, seed: int, out: Path, workers: int | None, scheduler: str | None
) -> None:
    import genrezoo as gz  # here, so that --help does not wait for Keras

    with progress_bar() as progress:
        task = progress.add_task(f"{recipe.name}, {folds} folds", total=folds)
        result = gz.out_of_fold(
            recipe,
            songs,
            n_folds=folds,
            seed=seed,
            out=out,
            workers=workers,
            scheduler=scheduler,
            on_fold=lambda number, accuracy: progress.advance(task),
        )
    accuracies = result.accuracy
    typer.echo(
        f"{recipe.name}: validation accuracy {min(accuracies):.4f} to {max(accuracies):.4f}, mean "
        f"{sum(accuracies) / folds:.4f} over {folds} folds; logits of {len(result.ids)} songs -> {out}/out_of_fold.npz"
    )
