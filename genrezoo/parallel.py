"""The one way to do several things at once: an executor whose every call is a child process of its own.

TensorFlow keeps the memory of every model that it ever built and cannot survive a fork, so a call gets a fresh
interpreter, a stated number of threads, and the operating system's promise that its memory ends with it. What crosses
the border is plain
data: the function's import path and JSON, never pickled objects, so a script that calls the package needs no main
    guard.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from genrezoo.errors import GenrezooError, SettingsError

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

# the package is found wherever this one is, last on the path so that it hides nothing of Python's own
CHILD = "import sys; sys.path.append(sys.argv[1]); from genrezoo import parallel; parallel._serve()"


class ChildError(Exception):
    """A call failed in its child process.

    Attributes:
        user: Whether a `GenrezooError` ended it, i.e. the user can mend it; its message is then this one's.
        detail: The child's traceback or last output, for a log.
    """

    def __init__(self, message: str, *, user: bool = False, detail: str = ""):
        super().__init__(message)
        self.user, self.detail = user, detail


class ProcessExecutor(concurrent.futures.Executor):
    """A `concurrent.futures.Executor` that runs each call in a child process of its own.

    Args:
        workers: How many children run at once, at least 1.
        threads: Threads that the numerical libraries of a child may use; None leaves them alone.
        seconds: A child that takes longer is ended and its call fails; None waits for ever.

    Raises:
        SettingsError: ``workers`` or ``threads`` is below 1.

    Example:
        >>> with ProcessExecutor(1) as executor:
        ...     executor.submit(divmod, 7, 3).result()
        [2, 1]
    """

    def __init__(self, workers: int, *, threads: int | None = None, seconds: float | None = None):
        if workers < 1 or (threads is not None and threads < 1):
            raise SettingsError(f"workers and threads must be at least 1, got {workers} and {threads}")
        self.workers, self.threads, self.seconds = workers, threads, seconds
        self._pool = concurrent.futures.ThreadPoolExecutor(workers)
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Runs ``fn(*args, **kwargs)`` in a child.

        Args:
            fn: A function at the top level of an importable module.
            args: Positional arguments, plain data (JSON).
            kwargs: Keyword arguments, plain data (JSON).

        Returns:
            A future of the result as plain data (tuples come back as lists); it raises `ChildError` if the call failed.
        """
        call = {"module": fn.__module__, "name": fn.__qualname__, "args": args, "kwargs": kwargs, "path": sys.path}
        return self._pool.submit(self._run, json.dumps(call))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the executor; with ``cancel_futures`` the running children are ended too."""
        if cancel_futures:
            with self._lock:
                self._closed = True
                for child in self._children:
                    child.kill()
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=kind is not None)

    def _run(self, call: str) -> Any:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
        if self.threads is not None:
            environment |= dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        with tempfile.TemporaryFile() as output:
            with self._lock:
                if self._closed:
                    raise ChildError("the executor was shut down")
                child = subprocess.Popen(
                    [sys.executable, "-c", CHILD, str(Path(__file__).resolve().parents[1])],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    env={**environment, "GENREZOO_STARTED": repr(time.time())},
                )
                self._children.add(child)
            assert child.stdin is not None  # for the type checker: both are pipes
            assert child.stdout is not None
            timer = threading.Timer(self.seconds, child.kill) if self.seconds else None
            try:
                if timer:
                    timer.start()
                try:
                    child.stdin.write(call.encode() + b"\n")
                    child.stdin.flush()  # and left open: its end tells the child that the parent is gone
                except BrokenPipeError:
                    pass  # it died at once; the exit code below says how
                answer = child.stdout.read()
                code = child.wait()
            finally:
                if timer:
                    timer.cancel()
                child.kill()
                child.wait()
                child.stdout.close()
                with contextlib.suppress(BrokenPipeError):  # what a dead child never read
                    child.stdin.close()
                with self._lock:
                    self._children.discard(child)
            output.seek(0)
            noise = output.read()[-4000:].decode(errors="replace")
        if code != 0 or not answer:
            took_too_long = (
                code == -signal.SIGKILL and timer is not None and timer.finished.is_set() and not self._closed
            )
            limit = f" (limit {self.seconds} s)" if took_too_long else ""
            raise ChildError(f"the child process ended with {_exit(code)}{limit}", detail=noise)
        reply = json.loads(answer)
        if "error" in reply:
            raise ChildError(reply["error"], user=reply["user"], detail=reply["detail"])
        return reply["result"]


def started() -> float:
    """When this process was asked for, in seconds since the epoch; for the first-prediction time of a cold process."""
    return float(os.environ.get("GENREZOO_STARTED", time.time()))


def _exit(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _serve() -> None:
    """The child's side: reads one call, answers it, and ends at once when the parent is gone."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the call prints must not mix with the answer
    call = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = call["path"]

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        fn = importlib.import_module(call["module"])
        for part in call["name"].split("."):
            fn = getattr(fn, part)
        reply = {"result": fn(*call["args"], **call["kwargs"])}  # type: ignore[operator]  # a function by its path
        text = json.dumps(reply)
    except Exception as error:
        message = str(error) if isinstance(error, GenrezooError) else f"{type(error).__name__}: {error}"
        reply = {"error": message, "user": isinstance(error, GenrezooError), "detail": traceback.format_exc()[-4000:]}
        text = json.dumps(reply)
    answer.write(text.encode())
    answer.flush()
    sys.stderr.flush()
    os._exit(0)  # without waiting for the numerical libraries' threads
