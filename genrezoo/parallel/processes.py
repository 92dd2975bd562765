"""The executor on this machine."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from genrezoo.errors import SettingsError
from genrezoo.parallel.child import CHILD, THREAD_VARIABLES
from genrezoo.parallel.nursery import PACKAGE, Forked, NotForkedError, Nursery, last_words


class ChildError(Exception):
    """A call failed in its child process.

    Attributes:
        user: Whether a `GenrezooError` ended it, i.e. the user can mend it; its message is then this one's.
        died: Whether the child ended without an answer, by a signal or an exit code.
        late: Whether the time limit ended it.
        scarce: Whether something was not to be had, such as room on the disk: no fault of the call.
        detail: The child's traceback or last output, for a log.
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

    @property
    def about(self) -> dict[str, Any]:
        """What it says beside its message, as arguments for another one."""
        names = ("user", "died", "late", "scarce", "detail")
        return {name: getattr(self, name) for name in names}


@dataclass(eq=False)
class Call:
    """One call on its way.

    Attributes:
        text: Function and arguments as JSON.
        path: Where modules are found.
        seconds: Time limit of the child.
        child: The child while it runs.
        stopped: Whether nobody wants the answer any more.
        late: Whether the time limit ended the child.
    """

    text: str
    path: list[str]
    seconds: float | None
    child: subprocess.Popen[bytes] | Forked | None = None
    stopped: bool = False
    late: bool = False

    def kill(self) -> None:
        """Ends the child, if it has one."""
        if self.child:
            self.child.kill()

    def end_late(self) -> None:
        """What the time limit does."""
        self.late = True
        self.kill()


class ProcessExecutor(concurrent.futures.Executor):
    """A `concurrent.futures.Executor` that runs each call in a child process of its own.

    Args:
        workers: How many children run at once, at least 1.
        threads: Threads that the numerical libraries of a child may use; None leaves them alone.
        seconds: A child that takes longer is ended and its call fails; None waits for ever.
        preload: Modules that children need. On Linux a process imports them once, in the background, and forks a child
            for every call, which then need not wait for its imports; of the environment variables the modules see
            those of now. Where that is not safe (the imports start threads, as numerical libraries do unless
            ``threads`` is 1) children are fresh processes as without it.

    Attributes:
        preload_refused: Why children are fresh processes in spite of ``preload``, as far as is known; None if they are
            not.

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
        self.workers, self.threads, self.seconds, self.preload = workers, threads, seconds, tuple(preload)
        self.preload_refused: str | None = None
        self._pool = concurrent.futures.ThreadPoolExecutor(workers)
        self._running: set[Call] = set()
        self._lock = threading.Lock()
        self._nursery: Nursery | None = None
        self._open_calls = 0
        self._ending = self._closed = False
        if self.preload and sys.platform != "linux":
            self.preload_refused = f"there is no safe fork on {sys.platform}"
        with self._lock:
            self._hold_nursery()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Runs ``fn(*args, **kwargs)`` in a child.

        Args:
            fn: A function at the top level of an importable module.
            args: Positional arguments, plain data (JSON).
            kwargs: Keyword arguments, plain data (JSON).

        Returns:
            A future of the result as plain data (tuples come back as lists); it raises `ChildError` if the call failed.
        """
        return self.begin(Call(call_text(fn, args, kwargs), sys.path.copy(), self.seconds))

    def call(
        self,
        fn: Callable[..., Any],
        kwargs: Mapping[str, Any],
        *,
        reads: Mapping[str, Path] | None = None,
        writes: Mapping[str, Path] | None = None,
        key: str = "",
    ) -> concurrent.futures.Future[Any]:
        """Runs a function of plain data and folders in a child; `ClusterExecutor` has the same method.

        Args:
            fn: A function at the top level of an importable module.
            kwargs: Keyword arguments, plain data (JSON).
            reads: Folders that the call reads: the name of a further argument -> the folder.
            writes: Folders that it reads and writes; they are made if missing.
            key: Of no use here; see `ClusterExecutor`.

        Returns:
            A future of the result, as of `submit`. The folders arrive in the function as absolute paths, text.
        """
        folders = {name: str(Path(path).absolute()) for name, path in {**(reads or {}), **(writes or {})}.items()}
        for path in (writes or {}).values():
            Path(path).mkdir(parents=True, exist_ok=True)
        return self.submit(fn, **kwargs, **folders)

    def begin(self, call: Call) -> concurrent.futures.Future[Any]:
        """Makes a call that `stop` can end."""
        with self._lock:
            self._open_calls += 1
        try:
            future = self._pool.submit(self._run, call)
        except BaseException:
            self._end_call()
            raise
        future.add_done_callback(lambda _: self._end_call())
        return future

    def stop(self, call: Call) -> None:
        """Ends a call, which then fails."""
        with self._lock:
            call.stopped = True
            call.kill()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the executor; with ``cancel_futures`` the running children are ended too."""
        with self._lock:
            self._ending = True
            if cancel_futures:
                self._closed = True
                for call in self._running:
                    call.kill()
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        with self._lock:
            self._close_nursery()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.shutdown(wait=True, cancel_futures=kind is not None)

    def _end_call(self) -> None:
        with self._lock:
            self._open_calls -= 1
            self._close_nursery()

    def _close_nursery(self) -> None:
        """Ends the nursery of an executor that is shut down and has made its last call."""
        if self._ending and not self._open_calls and self._nursery:
            self._nursery.close()
            self._nursery = None

    def _hold_nursery(self) -> Nursery | None:
        """The nursery, a new one in place of one that has ended; None if children are to be fresh processes."""
        if self._nursery and not self._nursery.alive:
            if not self._nursery.ready:
                self.preload_refused = f"the process that imports ended: {self._nursery.noise}"
            self._nursery.close()
            self._nursery = None
        if self.preload and self.preload_refused is None and self._nursery is None:
            self._nursery = Nursery(self.preload, self._environment())
        return self._nursery

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}
        if self.threads is not None:
            environment |= dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        return {**environment, "GENREZOO_STARTED": repr(time.time())}

    def _run(self, call: Call) -> Any:
        with contextlib.suppress(NotForkedError):
            return self._attempt(call, fork=True)
        return self._attempt(call, fork=False)

    def _start(self, output: IO[bytes], environment: dict[str, str], *, fork: bool) -> subprocess.Popen[bytes] | Forked:
        """A new child that prints to ``output``."""
        nursery = self._hold_nursery() if fork else None
        if nursery:
            return nursery.fork(output)
        return subprocess.Popen(
            [sys.executable, "-P", "-c", CHILD, PACKAGE],  # -P: a file of the working folder hides no module
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment,
        )

    def _attempt(self, call: Call, *, fork: bool) -> Any:
        """Makes the call in one child.

        Raises:
            NotForkedError: There was no child, for a reason other than that it was not wanted any more.
        """
        environment = self._environment()
        place = json.dumps({"environment": environment, "folder": _here(), "path": call.path})
        with tempfile.TemporaryFile() as output:
            with self._lock:
                if self._closed or call.stopped:
                    raise ChildError("the executor was shut down")
                child = call.child = self._start(output, environment, fork=fork)
                self._running.add(call)
            assert child.stdin is not None  # for the type checker: both are pipes
            assert child.stdout is not None
            timer = threading.Timer(call.seconds, call.end_late) if call.seconds else None
            try:
                if timer:
                    timer.start()
                try:
                    child.stdin.write(f"{place}\n{call.text}\n".encode())
                    child.stdin.flush()  # and left open: its end tells the child that the parent is gone
                except BrokenPipeError:
                    pass  # it died at once; the exit code below says how
                answer = child.stdout.read()
                code = child.wait()
            except NotForkedError as error:
                if not (call.late or call.stopped or self._closed):
                    if error.refused:
                        self.preload_refused = str(error)
                    raise
                answer, code = b"", -signal.SIGKILL
            finally:
                if timer:
                    timer.cancel()
                with self._lock:
                    self._running.discard(call)
                _leave(child)
            noise = last_words(output)
        if code != 0 or not answer:
            limit = f" (limit {call.seconds} s)" if call.late else ""
            raise ChildError(
                f"the child process ended with {_exit(code)}{limit}", died=not call.late, late=call.late, detail=noise
            )
        reply = json.loads(answer)
        if "error" in reply:
            raise ChildError(reply.pop("error"), **reply)
        return reply["result"]


def call_text(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """A call as plain data."""
    return json.dumps({"module": fn.__module__, "name": fn.__qualname__, "args": args, "kwargs": kwargs})


def _leave(child: subprocess.Popen[bytes] | Forked) -> None:
    """Ends a child, if it has not ended, and closes what led to it."""
    child.kill()
    with contextlib.suppress(NotForkedError):
        child.wait()
    for stream in (child.stdout, child.stdin):
        with contextlib.suppress(BrokenPipeError):  # what a dead child never read
            if stream:
                stream.close()
    if isinstance(child, Forked):
        child.close()


def _here() -> str | None:
    """The working folder; None if it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _exit(code: int | None) -> str:
    if code is None:
        return "the nursery that had forked it"
    if code >= 0:
        return f"exit code {code}"
    known = -code in set(signal.Signals)  # those for real time have no names but the first and the last
    return f"signal {signal.Signals(-code).name if known else -code}"
