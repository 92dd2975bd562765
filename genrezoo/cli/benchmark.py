"""``genrezoo benchmark``: a suite, its rows and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from genrezoo.cli.options import (
    Scheduler,
    Settings,
    options_of_songs,
    parse_changes,
    progress_bar,
    results_console,
    tell,
)
from genrezoo.lazy import load_keras


def benchmark(
    suite: Annotated[
        str | None,
        typer.Argument(help="Name of a suite, or a TOML file (default: 'quick', or 'standard' with --data)."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Use these songs instead of the suite's: a path or a data set's name; may be repeated."),
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option(help="Measure this recipe or baseline instead of the suite's; may be repeated.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Train each recipe with this many seeds (default: the suite's).")
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=2, help="Train on this many new splits of the pooled songs (default: the songs' own split)."),
    ] = None,
    changes: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for rows, runs and the report (default: benchmark-SUITE).")
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(help="Measure the speed of recipes with keras or onnx; may be repeated (default: both)."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Run this many trainings in parallel, one thread each (default: one per core)."),
    ] = None,
    scheduler: Scheduler = None,
) -> None:
    """Train and compare models on the same songs, together with scikit-learn baselines.

    The command prints a table and writes an HTML report to OUT/report. Run an interrupted command again to continue it.

    Example: genrezoo benchmark --data songs.npz --models lstm --models svm_rbf_stats --seeds 5 --out results
    """
    load_keras()
    from genrezoo import benchmarking, report  # here, so that --help does not wait for Keras

    plan = benchmarking.load_suite(suite or ("standard" if data else "quick"))
    folder = out or Path(f"benchmark-{plan.name}")
    sources = data or [str(part["source"]) for part in plan.data]
    with options_of_songs(*sources), progress_bar() as progress:
        task = progress.add_task("preparing songs", total=None)

        def advance(name: str, status: str, finished: int, total: int) -> None:
            progress.update(task, description=escape(f"{name}: {status}"), completed=finished, total=total)
            tell(progress.console, f"{finished} of {total}: {name}: {status}")
            if status in ("failed", "refused"):
                progress.console.print(f"{status}: {name}", style="yellow", markup=False)

        benchmarking.benchmark(
            plan,
            data=data,
            models=models,
            seeds=seeds,
            repeats=repeats,
            changes=parse_changes(changes or []),
            out=folder,
            workers=workers,
            engines=engine,
            scheduler=scheduler,
            on_cell=advance,
        )
    page = report.render([folder])
    report.print_leaderboard([folder], results_console())
    typer.echo(f"report: {page}")
