"""What several commands share: options, the progress bar, and the console for results."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.files import from_json

Cache = Annotated[
    Path | None, typer.Option(help="Folder of the feature cache (default: $GENREZOO_CACHE or ~/.cache/genrezoo).")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Process this many files in parallel (default: one per core).")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Run the work on the workers of this Dask scheduler, e.g. tcp://10.0.0.1:8786 (default: this machine).",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first file that cannot be used.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change an option of the model or a setting of the procedure; may be repeated.",
    ),
]
TensorBoard = Annotated[
    Path | None,
    typer.Option(
        help="Log settings and the metrics of each epoch to this TensorBoard folder, one sub-folder per training."
    ),
]
MLflow = Annotated[
    str | None,
    typer.Option(
        metavar="URI", help="Log settings and metrics to this MLflow server (http://…) or file (sqlite:///FILE)."
    ),
]


def parse_changes(texts: list[str], option: str = "--set") -> dict[str, Any]:
    """``key=value`` texts as a dict; values are JSON where they can be, text otherwise.

    Raises:
        SettingsError: A text without ``=``, or a key given twice.

    Example:
        >>> parse_changes(["units=64", "pooling=average", "patience=null"])
        {'units': 64, 'pooling': 'average', 'patience': None}
    """
    changes: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise SettingsError(f"{option} must be KEY=VALUE, got {text!r}")
        if key in changes:
            raise SettingsError(f"{option} specifies {key!r} twice; pass it once")
        try:
            changes[key] = from_json(value)
        except ValueError as error:
            if "nested" in str(error):
                raise SettingsError(f"{option} {key}: {error}") from error
            changes[key] = value
    return changes


@contextlib.contextmanager
def options_of_songs(*data: str) -> Iterator[None]:
    """Says of an option that no recipe knows where it goes, if it is one of the songs.

    Raises:
        SettingsError: The unknown option is one of a loader.
        UnknownNameError: It is not.
    """
    from genrezoo.datasets import may_take  # here, so that --help does not wait for NumPy

    try:
        yield
    except UnknownNameError as error:
        source = next((one for one in data if error.kind == "option" and may_take(one, error.name)), None)
        if source is None:
            raise
        raise SettingsError(
            f"{error.name!r} is not an option of the recipe. To pass it to the loader, convert the songs first: "
            f"genrezoo data convert {source} songs --set {error.name}=…, then pass --data songs"
        ) from error


def results_console() -> Console:
    """The console for results; a file or pipe, which has no width of its own, gets 100 columns."""
    console = Console()
    return console if console.is_terminal else Console(width=100)


def shown_path(path: Path) -> str:
    """A path as text that can be printed: a name need not be UTF-8."""
    return shown_text(str(path))


def shown_text(text: str) -> str:
    """A text that can be printed: a part of it need not be UTF-8."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def interrupt(number: int, frame: object) -> None:
    """The handler of Ctrl-C."""
    _state["interrupted"] = True
    raise KeyboardInterrupt


def tell(console: Console, text: str) -> None:
    """Prints a line where no bar is seen because output goes to a file; not more than one in ten seconds.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, and what it raised was lost in a callback of the garbage collector.
    """
    if _state["interrupted"]:
        raise KeyboardInterrupt
    now = time.monotonic()
    if not console.is_terminal and now - _state["told"] > 10:
        _state["told"] = now
        console.print(escape(shown_text(text)), highlight=False, soft_wrap=True)


_state: dict[str, float] = {"told": time.monotonic(), "interrupted": False}


class FileProgress:
    """The progress of work on files: how many a second, and how many were rejected."""

    def __init__(self, progress: Progress, title: str):
        self._progress, self._bad = progress, 0
        self._task = progress.add_task(escape(title), total=None, state="")

    def start(self, number: int) -> None:
        """Says how many files there are."""
        self._progress.update(self._task, total=number)

    def advance(self, path: Path, reason: str | None) -> None:
        """One more file is finished, or was rejected for a reason."""
        self._bad += reason is not None
        self._progress.advance(self._task)
        task = next(task for task in self._progress.tasks if task.id == self._task)
        rate = task.completed / max(task.elapsed or 0, 1e-3)
        bad = f", {self._bad} rejected" if self._bad else ""
        self._progress.update(self._task, state=f"{rate:.1f} files/s{bad}")
        tell(self._progress.console, f"{task.description}: {task.completed:.0f} of {task.total or 0:.0f} files{bad}")


@contextlib.contextmanager
def file_progress(title: str) -> Iterator[FileProgress]:
    """A bar for work on files."""
    with progress_bar(TextColumn("{task.fields[state]}")) as progress:
        yield FileProgress(progress, title)


def progress_bar(*more: ProgressColumn) -> Progress:
    """A bar on standard error: what is done, how much of it, time so far and to go, and the columns given."""
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *times, *more, console=console)


def download_bar() -> Progress:
    """A bar on standard error for bytes that come."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
