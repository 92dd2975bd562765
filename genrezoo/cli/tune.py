"""``genrezoo tune``: a search over the settings of a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import TextColumn

from genrezoo.cli.options import (
    MLflow,
    Scheduler,
    Settings,
    TensorBoard,
    options_of_songs,
    parse_changes,
    progress_bar,
    results_console,
    tell,
)
from genrezoo.errors import SettingsError
from genrezoo.files import from_json
from genrezoo.lazy import load_keras

if TYPE_CHECKING:
    from genrezoo.trials import Trial


def tune(
    name: Annotated[
        str, typer.Argument(help="Name of a recipe or search plan, or a .toml or .json file that holds one.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the search; the same command continues an unfinished search.")],
    data: Annotated[
        str | None,
        typer.Option(help="Songs to train on: a file, a folder, or the name of a data set (default: the plan's)."),
    ] = None,
    tuner: Annotated[
        str | None, typer.Option(help="Tuner: bayesian, random, hyperband or grid (default: the plan's, or bayesian).")
    ] = None,
    max_trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Stop after this many trials, failed ones included (default: the plan's, or 25, or all of a grid).",
        ),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="Score to optimise on the validation songs: accuracy (default), macro_f1 or loss."),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(help="Epochs that the score is taken from: best, best_tenth (mean of the best 10 %) or last."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Score each trial by the mean over this many folds, split by group.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Score each trial by the mean over this many seeds.")
    ] = None,
    latency_limit: Annotated[
        float | None,
        typer.Option(metavar="MS", help="Accept only models that predict a song within this many milliseconds."),
    ] = None,
    pareto: Annotated[bool, typer.Option("--pareto", help="Search for the Pareto front of score and latency.")] = False,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Train each trial for this many epochs (default: the recipe's).")
    ] = None,
    changes: Settings = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            metavar="KEY=RANGE",
            help="Search KEY in this range: 16,32,64; 0..0.5; 20..200:10 (steps); or 1e-4..1e-2:log. May be repeated.",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Search only this option and keep the recipe's values of all others; may be repeated."),
    ] = None,
    tuner_options: Annotated[
        list[str] | None,
        typer.Option(
            "--tuner-option", metavar="KEY=VALUE", help="Change an option of the tuner, e.g. beta=1.9; may be repeated."
        ),
    ] = None,
    from_recipe: Annotated[
        bool | None, typer.Option(help="Try the recipe's own values in the first trial.", show_default=False)
    ] = None,
    median_rule: Annotated[
        bool, typer.Option("--median-rule", help="Stop trials whose score falls behind the median of the others.")
    ] = False,
    seconds: Annotated[float | None, typer.Option(help="Time limit of a trial, in seconds.")] = None,
    warm_start: Annotated[
        list[Path] | None,
        typer.Option(help="Learn from an earlier search on similar songs, given its folder; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the tuner and of every training.")] = 1,
    parallel: Annotated[
        int | None,
        typer.Option(min=1, help="Run this many trials in parallel, one thread each (default: one per core)."),
    ] = None,
    scheduler: Scheduler = None,
    tensorboard: TensorBoard = None,
    mlflow: MLflow = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the best trial as JSON.")] = False,
) -> None:
    """Search for the options and settings of a recipe that score best on the validation songs.

    The command prints a table and writes the best trial's run to OUT/best, its recipe to OUT/best.json, and an HTML
    report to OUT/report. Run an interrupted or killed command again to continue it.

    Example: genrezoo tune statistics_mlp --data songs.npz --max-trials 25 --out searches/a
    """
    load_keras()
    import genrezoo as gz  # here, so that --help does not wait for Keras
    from genrezoo import report
    from genrezoo.tuning import as_plan

    wanted = parse_changes(changes or []) | ({} if epochs is None else {"epochs": epochs})
    fields = {"metric": objective, "over": over, "folds": folds, "repeats": repeats, "latency_limit_ms": latency_limit}
    plan = as_plan(name, {})
    given = {key: value for key, value in fields.items() if value is not None} | ({"pareto": True} if pareto else {})
    if data is not None:
        songs = gz.load_songs(data)
    elif plan.data is not None:
        songs = gz.load_songs(plan.data.source, **plan.data.options)
    else:
        raise SettingsError(f"{name!r} specifies no songs; pass them with --data")
    with options_of_songs(*filter(None, [data])), progress_bar(TextColumn("{task.fields[best]}")) as progress:
        task = progress.add_task(escape(f"{plan.name}: preparing"), total=None, best="")
        best: list[float] = []
        smaller = (objective or plan.objective.metric) == "loss"

        def show_size(size: int | None, budget: int | None) -> None:
            of = "an infinite space" if size is None else f"a space of {size:,} points"
            shown = f"{plan.name}: {budget if budget else 'all'} trials of {of}"
            progress.console.print(shown, highlight=False, markup=False)
            progress.update(task, description=escape(f"{plan.name}: searching"), total=budget)

        def advance(trial: Trial, ended: int, budget: int | None) -> None:
            if trial.ran and trial.score is not None:
                best[:] = [(min if smaller else max)([*best, trial.score])]
            shown = f"best {best[0]:.4f}" if best else ""
            progress.update(task, completed=ended, best=shown)
            tell(progress.console, f"{ended} of {budget or 'all'} trials, {shown}")
            if trial.status == "failed":
                progress.console.print(f"trial {trial.number} failed: {trial.error}", style="yellow", markup=False)

        search = gz.tune(
            plan,
            songs,
            out=out,
            tuner=tuner,
            max_trials=max_trials,
            objective={**plan.objective.model_dump(), **given} if given else None,
            seed=seed,
            parallel=parallel,
            scheduler=scheduler,
            changes=wanted or None,
            space=parse_space(space or []) or None,
            only=only,
            tuner_options=parse_changes(tuner_options or [], option="--tuner-option") or None,
            from_recipe=from_recipe,
            median_rule=median_rule or None,
            seconds=seconds,
            warm_start=warm_start or (),
            tensorboard=tensorboard,
            mlflow=mlflow,
            on_trial=advance,
            on_size=show_size,
        )
    page = report.render_search(out)
    if as_json:
        found = search.best
        assert found is not None  # a search without one has raised
        typer.echo(json.dumps({"trial": found.number, "score": found.score, "values": found.values}, allow_nan=False))
        return
    report.print_search(out, results_console())
    typer.echo(f"best run: {out / 'best'}, its recipe: {out / 'best.json'}\nreport: {page}")


def parse_space(texts: list[str]) -> dict[str, Any]:
    """``key=range`` texts as the restrictions of a search space.

    Raises:
        SettingsError: A text that is none of the forms, or a key given twice.

    Example:
        >>> parse_space(["units=[16],[16,16]", "dropout=0..0.5", "cell=gru,lstm"])
        {'units': [[16], [16, 16]], 'dropout': {'min': 0, 'max': 0.5}, 'cell': ['gru', 'lstm']}
    """
    space: dict[str, Any] = {}
    for key, value in parse_changes(texts, option="--space").items():
        space[key] = _parse_range(key, value) if isinstance(value, str) else value
    return space


def _parse_range(key: str, text: str) -> Any:
    low, dots, rest = text.partition("..")
    if not dots:
        try:
            parts = from_json(f"[{text}]")  # a part may be a list itself, which commas would divide
        except ValueError:
            parts = [list(parse_changes([f"{key}={part}"]).values())[0] for part in text.split(",")]
        return parts if len(parts) > 1 else parts[0]
    high, _, form = rest.partition(":")
    try:
        bounds = {"min": from_json(low), "max": from_json(high)}
        more = {"sampling": "log"} if form == "log" else {"step": from_json(form)} if form else {}
    except ValueError as error:
        raise SettingsError(
            f"--space {key}={text}: a range must be MIN..MAX, MIN..MAX:STEP or MIN..MAX:log, with numbers"
        ) from error
    return bounds | more
