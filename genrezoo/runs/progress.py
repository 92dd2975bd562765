"""The progress bar of a training, whether it is started from Python or from the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from genrezoo.recipes import Recipe

Watcher = Callable[..., None]
"""Callback with an epoch's history record; for members, preceded by the member's name."""


def epoch_scores(record: dict[str, Any]) -> str:
    """What is shown of an epoch."""
    return f"loss {record['loss']:.3f}  valid {record['valid_accuracy']:.3f}"


def member_scores(name: str, record: dict[str, Any]) -> str:
    """What is shown of an epoch of a member."""
    return f"member {name}: epoch {record['epoch']:.0f}, {record['valid_accuracy']:.3f}"


@contextlib.contextmanager
def training_progress(
    recipe: Recipe, seed: int, *, verbose: int, on_epoch: Watcher | None, on_member: Watcher | None
) -> Iterator[tuple[Watcher | None, Watcher | None]]:
    """Shows a progress bar on standard error while a recipe is trained, if it is a terminal or a notebook.

    Args:
        recipe: The recipe.
        seed: Seed of the training.
        verbose: 0 for no bar.
        on_epoch: Also called with each epoch's record.
        on_member: Also called with a member's name and its epoch's record.

    Yields:
        The two callbacks to use instead; the original ones if nothing is shown.
    """
    console = Console(stderr=True)
    if not (verbose and (console.is_terminal or console.is_jupyter)):
        yield on_epoch, on_member
        return
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, TextColumn("{task.fields[scores]}"), console=console) as bar:
        epochs = getattr(recipe.procedure_settings(), "epochs", 1)
        task = bar.add_task(f"{recipe.name}, seed {seed}", total=epochs, scores="")

        def epoch(record: dict[str, Any]) -> None:
            bar.update(task, completed=record["epoch"], scores=epoch_scores(record))
            if on_epoch:
                on_epoch(record)

        def member(name: str, record: dict[str, Any]) -> None:
            bar.update(task, scores=escape(member_scores(name, record)))
            if on_member:
                on_member(name, record)

        yield epoch, member
