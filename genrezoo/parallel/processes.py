"""The executor of processes on this machine."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import json
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.parallel.forkserver import FORK_SERVER, THREAD_VARIABLES, call_order

PACKAGE = str(Path(__file__).resolve().parents[2])
"""Folder of the package, for `sys.path`."""

QUIET = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Keras imports pandas, and pandas imports PyArrow if it is installed. Its allocator would start a thread, and then
worker processes could not be forked."""


class ChildError(Exception):
    """A call failed in its worker process.

    Attributes:
        user: Whether the call raised a `GenrezooError`, which the user can fix; the message is that of this error.
        died: Whether the process ended without an answer, by a signal or with an exit code.
        late: Whether the time limit ended it.
        scarce: Whether a resource was missing, such as room on the disk; the call itself is not at fault.
        detail: The traceback or the last output of the process, for a log.
    """

    def __init__(
        self,
        message: str,
        *,
        user: bool = False,
        died: bool = False,
        late: bool = False,
        scarce: bool = False,
        detail: str = "",
    ):
        super().__init__(message)
        self.user, self.died, self.late, self.scarce, self.detail = user, died, late, scarce, detail


class CallExecutor(concurrent.futures.Executor):
    """The base class of executors. They call functions by import path; an error in their block ends all calls."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of calls that run at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Runs ``fn(*args, **kwargs)`` in a worker process.

        Args:
            fn: A function at the top level of a module that is importable there.
            args: Positional arguments, plain data (JSON).
            kwargs: Keyword arguments, plain data (JSON).

        Returns:
            A future of the result as plain data (tuples come back as lists); it raises `ChildError` if the call failed.
        """
        return self.send(call_order(fn, args, kwargs))

    def call(
        self,
        fn: Callable[..., Any],
        kwargs: Mapping[str, Any],
        *,
        reads: Mapping[str, Path] = {},
        writes: Mapping[str, Path] = {},
    ) -> concurrent.futures.Future[Any]:
        """Runs a function of plain data and folders in a worker process.

        A worker of a cluster that does not see the folders, or cannot write to them, gets no further calls.

        Args:
            fn: A function at the top level of a module that is importable there.
            kwargs: Keyword arguments, plain data (JSON).
            reads: Folders that the call reads, by the name of the keyword argument for their path.
            writes: Folders that it reads and writes, likewise; they are made if missing.

        Returns:
            A future of the result, as in `submit`. The function gets the folders as absolute paths (text).
        """
        here, there = ({name: Path(path).resolve() for name, path in given.items()} for given in (reads, writes))
        for folder in there.values():
            folder.mkdir(parents=True, exist_ok=True)
        order = call_order(fn, (), {**kwargs, **{name: str(path) for name, path in {**here, **there}.items()}})
        return self.send(order, list(here.values()), list(there.values()))

    @abstractmethod
    def send(
        self, order: dict[str, Any], reads: Sequence[Path] = (), writes: Sequence[Path] = ()
    ) -> concurrent.futures.Future[Any]:
        """Runs a call.

        Args:
            order: The call, as `call_order` returns it.
            reads: Folders that it reads.
            writes: Folders that it writes to.
        """

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=kind is not None)


class ProcessExecutor(CallExecutor):
    """A `concurrent.futures.Executor` that runs each call in a worker process of its own.

    Args:
        workers: Number of processes that run at once, at least 1.
        threads: Threads that the numerical libraries of a process may use; None does not limit them.
        seconds: Time limit: a process that takes longer is killed and its call fails; None for no limit.
        preload: Modules that the calls need. On Linux the executor's fork server imports them once, in the background,
            with the current environment variables, and forks a process for every call, which need not import them
            again. If a fork is not safe (the imports start threads, as numerical libraries do unless ``threads`` is
            1), every process imports what it needs.

    Raises:
        SettingsError: ``workers`` or ``threads`` is below 1.

    Example:
        >>> with ProcessExecutor(1) as executor:
        ...     executor.submit(divmod, 7, 3).result()
        [2, 1]
    """

    def __init__(
        self,
        workers: int,
        *,
        threads: int | None = None,
        seconds: float | None = None,
        preload: Sequence[str] = (),
    ):
        if workers < 1 or (threads is not None and threads < 1):
            raise SettingsError(f"workers and threads must be at least 1, got {workers} and {threads}")
        self._workers, self.threads, self.seconds, self.preload = workers, threads, seconds, tuple(preload)
        self._lock = threading.Lock()
        self._server = self._start()

    @property
    def workers(self) -> int:
        """Number of processes that run at once."""
        return self._workers

    def send(
        self, order: dict[str, Any], reads: Sequence[Path] = (), writes: Sequence[Path] = ()
    ) -> concurrent.futures.Future[Any]:
        """Runs a call, see `CallExecutor.send`."""
        return self.begin(order, self.seconds)

    def begin(self, order: Mapping[str, Any], seconds: float | None) -> concurrent.futures.Future[Any]:
        """Runs a call that `stop` can end.

        Args:
            order: The call, as `call_order` returns it.
            seconds: Time limit of the process; None for no limit.

        Returns:
            A future of the result, as in `submit`.
        """
        where = {"environment": self._environment(), "folder": _here(), "path": sys.path.copy(), "seconds": seconds}
        plain = json.loads(json.dumps({**order, **where}))  # now, because the caller may change the arguments later
        with self._lock:
            if self._server.ending:
                raise RuntimeError("cannot make calls after shutdown")
            while (future := self._server.call(plain)) is None:
                self._server = self._start()
            return future

    def stop(self, future: concurrent.futures.Future[Any]) -> None:
        """Kills the process of a call, which then fails."""
        self._server.stop(future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the executor; with ``cancel_futures`` the running processes are killed."""
        with self._lock:
            self._server.end(now=cancel_futures)
        if wait:
            self._server.listener.join()

    def _start(self) -> _ForkServer:
        return _ForkServer(
            {"workers": self.workers, "path": sys.path, "preload": list(self.preload)}, self._environment()
        )

    def _environment(self) -> dict[str, str]:
        environment = {**QUIET, **os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
        return environment | ({} if self.threads is None else dict.fromkeys(THREAD_VARIABLES, str(self.threads)))


class _ForkServer:
    """The process of a fork server and its unfinished calls.

    One thread sends to it and another receives from it, so that submitting a call does not wait for its imports.
    """

    def __init__(self, settings: dict[str, Any], environment: dict[str, str]):
        self.connection, theirs = multiprocessing.Pipe()
        self.output = tempfile.TemporaryFile()  # noqa: SIM115  # open as long as the process
        with theirs:
            self.process = subprocess.Popen(  # -P: files of the working folder shadow no module
                [sys.executable, "-P", "-c", FORK_SERVER, PACKAGE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=self.output,
                env=environment,
                pass_fds=[theirs.fileno()],
            )
        self.calls: dict[int, concurrent.futures.Future[Any]] = {}
        self.numbers, self.lock = itertools.count(), threading.Lock()
        self.ending = self.ended = False
        self.orders: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.orders.put(settings)
        threading.Thread(target=self.send, daemon=True).start()
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def call(self, order: dict[str, Any]) -> concurrent.futures.Future[Any] | None:
        """Submits a call; returns None if the process has ended."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        number = next(self.numbers)
        with self.lock:
            if self.ended:
                return None
            self.calls[number] = future
        self.orders.put({**order, "call": number})
        return future

    def stop(self, future: concurrent.futures.Future[Any]) -> None:
        """Ends a call."""
        for number, one in list(self.calls.items()):
            if one is future:
                self.orders.put({"stop": number})

    def end(self, *, now: bool) -> None:
        """Ends the process and its worker processes, now or after the last call."""
        self.ending = True
        if now or not self.calls:
            self.process.kill()

    def send(self) -> None:
        """Sends the orders, in a thread."""
        with contextlib.suppress(OSError):  # the process has ended: `listen` reports it
            while (order := self.orders.get()) is not None:
                self.connection.send_bytes(json.dumps(order).encode())

    def listen(self) -> None:
        """Receives the results of calls, in a thread, until the process and its workers have ended."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                reply = json.loads(self.connection.recv_bytes())
                _settle(self.calls.pop(reply["call"]), _outcome(reply))
                if self.ending and not self.calls:
                    self.process.kill()
        code = self.process.wait()
        with self.lock:
            self.ended = True
        size = os.fstat(self.output.fileno()).st_size
        noise = os.pread(self.output.fileno(), 4000, max(0, size - 4000)).decode(errors="replace")
        crashed = ChildError(f"the fork server ended with {_exit(code)}", died=True, detail=noise)
        for future in self.calls.values():
            _settle(future, ChildError("the executor was shut down") if self.ending else crashed)
        self.connection.close()
        self.output.close()
        self.orders.put(None)


def _settle(future: concurrent.futures.Future[Any], outcome: Any) -> None:
    """Sets the result of a call, or the `ChildError` that it failed with."""
    if future.set_running_or_notify_cancel():
        (future.set_exception if isinstance(outcome, ChildError) else future.set_result)(outcome)


def _outcome(reply: dict[str, Any]) -> Any:
    """Returns the result of a call, or the `ChildError` that it failed with."""
    code, late = reply["code"], reply["late"]
    if code != 0 or reply["answer"] is None:
        limit = f" (limit {reply['seconds']} s)" if late else ""
        message = f"the worker process ended with {_exit(code)}{limit}"
        return ChildError(message, died=not late, late=late, detail=reply["noise"])
    answer = json.loads(reply["answer"])
    return ChildError(answer.pop("error"), **answer) if "error" in answer else answer["result"]


def _here() -> str | None:
    """Returns the working folder; None if it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    known = -code in set(signal.Signals)  # of the real-time signals only the first and the last have names
    return f"signal {signal.Signals(-code).name if known else -code}"
