"""The part of a `ClusterExecutor` that runs in the workers of a Dask cluster.

A worker runs each call in a process of its own with a `ProcessExecutor`, and survives a crash of that process.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
import threading
from pathlib import Path
from typing import Any

from genrezoo.environment import keras_backend, versions
from genrezoo.parallel.processes import ChildError, ProcessExecutor

LEAVING = ("closing", "closing_gracefully", "closed", "failed")
"""States of a worker that its scheduler has dropped, or that has lost its scheduler."""

_executors: dict[tuple[int, tuple[str, ...]], ProcessExecutor] = {}
_lock = threading.Lock()


@functools.lru_cache(maxsize=1)
def installed() -> dict[str, str]:
    """Returns the versions that must be equal on all workers, so that a training that moves stays bit-identical."""
    backend = keras_backend()
    return {**versions(("keras", backend, "numpy")), "keras backend": backend}


def run_call(order: dict[str, Any]) -> dict[str, Any]:
    """Runs one call in a process of its own, as a Dask task.

    Args:
        order: The call of a `ClusterExecutor`, plain data.

    Returns:
        Plain data: ``result``; or ``error`` with the attributes of a `ChildError`; or ``versions`` that differ; or
        ``unfit``, the reason why this worker cannot run the call.
    """
    from distributed import get_worker  # here, because the package works without Dask too

    worker = get_worker()
    reply: dict[str, Any] = {"worker": worker.address}
    if installed() != order["versions"]:
        return {**reply, "versions": installed()}
    if missing := _missing(order):
        return {**reply, "unfit": missing}
    executor, key = _executor(order, worker.state.nthreads), worker.get_current_task()
    future = executor.begin(order["call"], order["seconds"])
    while not concurrent.futures.wait([future], timeout=0.5).done:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled" or worker.status.name in LEAVING:
            executor.stop(future)  # its result is no longer needed
    try:
        return {**reply, "result": future.result()}
    except ChildError as error:
        about = {"unfit": str(error)} if error.scarce else {"error": str(error), "about": vars(error)}
        return {**reply, **about}


def _executor(order: dict[str, Any], threads: int) -> ProcessExecutor:
    """Returns the executor of this worker, whose fork server serves all tasks."""
    key = (order["threads"], tuple(order["preload"]))
    with _lock:
        if key not in _executors:
            _executors[key] = ProcessExecutor(threads, threads=key[0], preload=key[1])
        return _executors[key]


def _missing(order: dict[str, Any]) -> str | None:
    """Returns the reason why this worker cannot use a folder of a call; None if it can use all."""
    seen = [(folder, Path(folder)) for folder in order["reads"]]
    seen += [(folder, Path(folder).parent / order["mark"]) for folder in order["writes"]]
    for folder, path in seen:
        if not os.path.exists(path):
            return f"it does not see {folder}; use a folder that all machines see"
    for folder in order["writes"]:
        if not os.access(folder, os.W_OK):
            return f"it cannot write to {folder}"
    return None
