"""Many small tasks in few worker processes, where one task may kill its process."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from genrezoo.errors import SettingsError
from genrezoo.parallel.processes import ChildError, ProcessExecutor

Task = TypeVar("Task")


def in_chunks(
    executor: ProcessExecutor,
    fn: Callable[..., Any],
    chunks: Iterable[Sequence[Task]],
    *args: Any,
    look: float | None = None,
) -> Iterator[tuple[Sequence[Task], Any]]:
    """Calls ``fn(chunk, *args)`` for chunks of tasks; one whose worker fails is halved until the guilty task is alone.

    Args:
        executor: Where the calls run.
        fn: A module's function of plain data.
        chunks: Lists of tasks, as plain data.
        *args: Further arguments of each call.
        look: Seconds after which chunks that are still running are yielded as well, again and again.

    Yields:
        Each chunk with its result, with the `ChildError` of the one task in it, or with None while it is running.

    Raises:
        SettingsError: A worker reports an error that only the user can fix.
    """
    running: dict[concurrent.futures.Future[Any], Sequence[Task]] = {}

    def start(chunk: Sequence[Task]) -> None:
        running[executor.submit(fn, list(chunk), *args)] = chunk

    for chunk in chunks:
        start(chunk)
    while running:
        ended, _ = concurrent.futures.wait(running, look, concurrent.futures.FIRST_COMPLETED)
        for future, chunk in list(running.items()):
            if future not in ended:
                if future.running():
                    yield chunk, None
                continue
            del running[future]
            error = future.exception()
            if isinstance(error, ChildError) and error.user:
                raise SettingsError(str(error)) from error
            if isinstance(error, ChildError) and len(chunk) > 1:
                start(chunk[: len(chunk) // 2])
                start(chunk[len(chunk) // 2 :])
            else:
                yield chunk, error or future.result()
