"""The one way to do several things at once: executors whose every call is a worker process of its own.

TensorFlow keeps the memory of every model that it ever built and cannot survive a fork once it has run, so a call gets
an interpreter of its own, a stated number of threads, and the operating system's promise that its memory ends with it.
What crosses the border is plain data: the function's import path and JSON, never pickled objects, so a script that
calls the package needs no main guard.

`ProcessExecutor` runs the calls on this machine, `ClusterExecutor` on the workers of a Dask cluster.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from genrezoo.parallel.chunks import in_chunks
from genrezoo.parallel.forkserver import THREAD_VARIABLES, started
from genrezoo.parallel.processes import ChildError, ProcessExecutor

if TYPE_CHECKING:
    from genrezoo.parallel.cluster import ClusterExecutor

__all__ = ["THREAD_VARIABLES", "ChildError", "ClusterExecutor", "ProcessExecutor", "in_chunks", "started"]


def __getattr__(name: str) -> Any:
    if name != "ClusterExecutor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # on first use: it loads NumPy, for which workers without need for it should not wait
    return importlib.import_module("genrezoo.parallel.cluster").ClusterExecutor
