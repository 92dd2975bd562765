"""``genrezoo predict --out``: the progress of a table of answers, and what it holds in the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.progress import TextColumn

from genrezoo.cli.options import progress_bar, shown_path, tell


def write_table(
    model: Path, paths: Sequence[str], out: Path, workers: int | None, scheduler: str | None, **options: Any
) -> None:
    """Writes the table; exit code 2 if no file was answered.

    Args:
        model: Run folder, exported file, or name of published weights.
        paths: Files, folders and shell patterns.
        out: The table.
        workers: Processes.
        scheduler: Address of a Dask scheduler.
        **options: Of `genrezoo.predict_table`: how a recording is read.
    """
    import genrezoo as gz  # here, so that --help does not wait for NumPy

    with progress_bar(TextColumn("{task.fields[state]}")) as progress:
        task = progress.add_task("listing files", total=None, state="")
        begin: list[tuple[float, int]] = []

        def advance(done: int, total: int, rejected: int) -> None:
            if not begin:
                begin.append((time.monotonic(), done))
                progress.reset(task, total=total, completed=done, description="answers", state="")
                return
            seconds = max(time.monotonic() - begin[0][0], 1e-3)
            rate = (done - begin[0][1]) / seconds
            state = f"{rate:,.1f} files/s{f', {rejected:,} rejected' if rejected else ''}"
            progress.update(task, completed=done, state=state)
            tell(
                progress.console,
                f"{done:,} of {total:,} files, {state}, {(total - done) / max(rate, 1e-9):,.0f} s to go",
            )

        found = gz.predict_table(
            model, paths, out=out, workers=workers, scheduler=scheduler, on_files=advance, **options
        )
    rejected = f", {found.rejected:,} without an answer (see the column reason)" if found.rejected else ""
    typer.echo(f"{found.files:,} files, {found.seconds / 3600:,.2f} hours of audio{rejected} -> {shown_path(out)}")
    if found.rejected == found.files:
        raise typer.Exit(2)
