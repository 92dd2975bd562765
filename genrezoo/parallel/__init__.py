"""The one way to do several things at once: executors whose every call is a worker process of its own.

TensorFlow keeps the memory of every model that it ever built and cannot survive a fork once it has run, so a call gets
an interpreter of its own, a stated number of threads, and the operating system's promise that its memory ends with it.
What crosses the border is plain data: the function's import path and JSON, never pickled objects, so a script that
calls the package needs no main guard.

`ProcessExecutor` runs the calls on this machine, `ClusterExecutor` on the workers of a Dask cluster; `make_executor`
makes the one that a command's options ask for.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genrezoo.environment import cores
from genrezoo.errors import SettingsError
from genrezoo.parallel.chunks import in_chunks
from genrezoo.parallel.forkserver import THREAD_VARIABLES, call_order, started
from genrezoo.parallel.processes import CallExecutor, ChildError, ProcessExecutor

if TYPE_CHECKING:
    from genrezoo.parallel.cluster import ClusterExecutor

__all__ = [
    "THREAD_VARIABLES",
    "CallExecutor",
    "ChildError",
    "ClusterExecutor",
    "ProcessExecutor",
    "call_order",
    "check_place",
    "in_chunks",
    "make_executor",
    "started",
]


def check_place(workers: int | None, scheduler: str | None) -> None:
    """Refuses what `make_executor` would refuse, before any work.

    Args:
        workers: Calls at a time on this machine, if stated.
        scheduler: Address of a Dask scheduler, if stated.

    Raises:
        SettingsError: ``workers`` is below 1, or both are stated.

    Example:
        >>> check_place(2, "tcp://10.0.0.1:8786")
        Traceback (most recent call last):
            ...
        genrezoo.errors.SettingsError: pass workers or scheduler: a cluster makes as many calls at a time as ...
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise SettingsError(f"workers must be at least 1, got {workers!r}")
    if workers is not None and scheduler is not None:
        what = "a cluster makes as many calls at a time as its workers have threads"
        raise SettingsError(f"pass workers or scheduler: {what}")


def make_executor(
    workers: int | None,
    scheduler: str | None = None,
    *,
    threads: int = 1,
    seconds: float | None = None,
    preload: Sequence[str] = (),
) -> CallExecutor:
    """Makes the executor of a command: of this machine's processes, or of a cluster's.

    Args:
        workers: Calls at a time on this machine; the number of cores if left out.
        scheduler: Address of a Dask scheduler whose workers make the calls.
        threads: As of `ProcessExecutor`.
        seconds: As of `ProcessExecutor`.
        preload: As of `ProcessExecutor`.

    Raises:
        SettingsError: See `check_place`, or the cluster cannot be used (`ClusterExecutor`).
    """
    check_place(workers, scheduler)
    if scheduler is None:
        return ProcessExecutor(workers or cores(), threads=threads, seconds=seconds, preload=preload)
    cluster = importlib.import_module("genrezoo.parallel.cluster").ClusterExecutor
    executor: CallExecutor = cluster(scheduler, threads=threads, seconds=seconds, preload=preload)
    return executor


def __getattr__(name: str) -> Any:
    if name != "ClusterExecutor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # on first use: it loads NumPy, for which workers without need for it should not wait
    return importlib.import_module("genrezoo.parallel.cluster").ClusterExecutor
