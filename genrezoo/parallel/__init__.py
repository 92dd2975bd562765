"""Concurrency: executors that run each call in a worker process of its own.

TensorFlow keeps the memory of all models that it has built, and does not survive a fork once it has run. Therefore each
call has its own process with a fixed number of threads, and its memory is freed when it ends. Processes exchange plain
data only: the import path of a function and JSON, never pickled objects. So a script that calls the package needs no
main guard.

`ProcessExecutor` runs the calls on this machine, `ClusterExecutor` on the workers of a Dask cluster; `make_executor`
chooses by the options of a command.
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
    """Refuses the arguments that `make_executor` refuses, before any work.

    Args:
        workers: Concurrent calls on this machine, or None.
        scheduler: Address of a Dask scheduler, or None.

    Raises:
        SettingsError: ``workers`` is below 1, or both are passed.

    Example:
        >>> check_place(2, "tcp://10.0.0.1:8786")
        Traceback (most recent call last):
            ...
        genrezoo.errors.SettingsError: pass either workers or scheduler: a cluster runs as many calls at once as ...
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise SettingsError(f"workers must be at least 1, got {workers!r}")
    if workers is not None and scheduler is not None:
        what = "a cluster runs as many calls at once as its workers have threads"
        raise SettingsError(f"pass either workers or scheduler: {what}")


def make_executor(
    workers: int | None,
    scheduler: str | None = None,
    *,
    threads: int = 1,
    seconds: float | None = None,
    preload: Sequence[str] = (),
) -> CallExecutor:
    """Makes the executor of a command: one of processes on this machine, or of a cluster.

    Args:
        workers: Concurrent calls on this machine; the number of cores if left out.
        scheduler: Address of a Dask scheduler whose workers run the calls.
        threads: As in `ProcessExecutor`.
        seconds: As in `ProcessExecutor`.
        preload: As in `ProcessExecutor`.

    Returns:
        The executor, a context manager.

    Raises:
        SettingsError: As `check_place`, or the cluster cannot be used (see `ClusterExecutor`).
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
    # imported at its first use: it loads NumPy, which not all workers need
    return importlib.import_module("genrezoo.parallel.cluster").ClusterExecutor
