"""Many small tasks in few worker processes, where one task may kill its process."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from genrezoo.errors import ResourceError, SettingsError
from genrezoo.parallel.forkserver import call_order
from genrezoo.parallel.processes import CallExecutor, ChildError

Task = TypeVar("Task")

AHEAD = 2
"""Chunks that are submitted at a time for each worker, so that a worker need not wait for its next one."""


def in_chunks(
    executor: CallExecutor,
    fn: Callable[..., Any],
    chunks: Iterable[Sequence[Task]],
    *args: Any,
    look: float | None = None,
    reads: Sequence[Path] = (),
    writes: Sequence[Path] = (),
) -> Iterator[tuple[Sequence[Task], Any]]:
    """Calls ``fn(chunk, *args)`` for chunks of tasks; a chunk that fails is halved until the task at fault is alone.

    Chunks are drawn as the workers need them, so there may be any number. A single task whose process died is tried
    once more, because something else may have killed the process.

    Args:
        executor: The executor of the calls.
        fn: A function of plain data at the top level of a module.
        chunks: Lists of tasks, as plain data.
        *args: Further arguments of each call.
        look: Interval in seconds at which unfinished chunks are yielded as well; never if left out.
        reads: Folders that every call reads, absolute and existing; see `CallExecutor.send`.
        writes: Folders that every call writes to, absolute and existing.

    Yields:
        Each chunk with its result, with the `ChildError` of its only task, or with None if it is not finished.

    Raises:
        SettingsError: A worker reports an error that only the user can fix.
        ResourceError: A worker lacks a resource, such as room on the disk.
        GenrezooError: No worker remains, see `ClusterExecutor`.
    """
    running: dict[concurrent.futures.Future[Any], tuple[Sequence[Task], int]] = {}
    coming = iter(chunks)

    def start(chunk: Sequence[Task], deaths: int = 0) -> None:
        running[executor.send(call_order(fn, [list(chunk), *args], {}), reads, writes)] = (chunk, deaths)

    while True:
        while len(running) < AHEAD * executor.workers and (chunk := next(coming, None)) is not None:
            start(chunk)
        if not running:
            return
        ended, _ = concurrent.futures.wait(running, look, concurrent.futures.FIRST_COMPLETED)
        for future, (chunk, deaths) in list(running.items()):
            if future not in ended:
                if look is not None:
                    yield chunk, None
                continue
            del running[future]
            error = future.exception()
            if not isinstance(error, ChildError):
                yield chunk, future.result()  # raises errors of the executor itself
            elif error.user:
                raise SettingsError(str(error)) from error
            elif error.scarce:
                raise ResourceError(f"{error}. Remedy: fix that, then run the same command again.") from error
            elif len(chunk) > 1:
                start(chunk[: len(chunk) // 2])
                start(chunk[len(chunk) // 2 :])
            elif error.died and not deaths:
                start(chunk, 1)
            else:
                yield chunk, error
