"""The fork server of a `ProcessExecutor`, which imports modules once, and its worker processes.

The worker processes are those of `multiprocessing`, but not its fork server, which has four drawbacks. There is one per
program, so its first user decides on preloaded modules and environment variables. If it is killed, its workers
continue although their calls count as failed. Its workers import the main module again. Files of the working folder
shadow modules. The one here is a new interpreter for each executor, and its parent and its workers notice its end.

TensorFlow survives a fork if it has not run yet: importing it starts no thread. If the imports start threads, or the
system is not Linux, workers are spawned instead.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from genrezoo.errors import GenrezooError, is_scarce

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

LOOK_SECONDS = 0.2
"""Interval at which time limits are checked."""

# The folder of this package is last on the path, so that it shadows no module of Python.
FORK_SERVER = "import sys; sys.path.append(sys.argv[1]); from genrezoo.parallel import forkserver; forkserver.serve()"


def started() -> float:
    """Returns the start of this worker process in seconds since the epoch, for the time to the first prediction."""
    return float(os.environ.get("GENREZOO_STARTED", time.time()))


def serve() -> None:
    """Starts a worker process for every call that the parent sends, until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # sent by a terminal: the parent decides
    parent = Connection(int(sys.argv[2]))
    settings = json.loads(parent.recv_bytes())
    sys.path[:] = settings["path"]
    for name in settings["preload"]:
        try:
            importlib.import_module(name)
        except Exception:
            traceback.print_exc()  # a worker that needs it raises the same error
    gc.collect()
    gc.freeze()  # so that memory stays shared with the workers
    safe = sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1
    context = multiprocessing.get_context("fork" if safe else "spawn")
    waiting: list[dict[str, Any]] = []
    running: list[_Worker] = []
    with contextlib.suppress(EOFError, OSError):  # the parent has ended
        while True:
            while waiting and len(running) < settings["workers"]:
                _start(context, waiting.pop(0), running, parent)
            streams = [stream for worker in running for stream in (worker.answer, worker.output) if not stream.closed]
            ready = wait([parent, *streams], LOOK_SECONDS if running else None)
            while parent in ready and parent.poll():
                order = json.loads(parent.recv_bytes())
                if "stop" in order:
                    _stop(order["stop"], waiting, running, parent)
                else:
                    waiting.append(order)
            for worker in running.copy():
                if worker.output in ready:
                    worker.read_output()
                if worker.answer in ready:
                    running.remove(worker)
                    _tell(parent, worker.order, **worker.end())
                elif time.monotonic() > worker.deadline:
                    worker.late, worker.deadline = True, float("inf")
                    worker.process.kill()
    for worker in running:
        worker.process.kill()
        worker.process.join()
    os._exit(0)


def _start(context: Any, order: dict[str, Any], running: list[_Worker], parent: Connection) -> None:
    """Starts the process of a call."""
    answer, their_answer = context.Pipe(duplex=False)
    output, their_output = context.Pipe(duplex=False)
    order["environment"]["GENREZOO_STARTED"] = repr(time.time())
    with their_answer, their_output:
        process = context.Process(target=work, args=(json.dumps(order), their_answer, their_output))
        try:
            process.start()
            limit = time.monotonic() + (order["seconds"] or float("inf"))
            running.append(_Worker(order, process, answer, output, limit))
        except OSError as error:
            reply = {"error": f"no process could be started: {error}", "scarce": True}
            _tell(parent, order, code=0, answer=json.dumps(reply))


def _stop(call: int, waiting: list[dict[str, Any]], running: list[_Worker], parent: Connection) -> None:
    """Ends a running or waiting call."""
    for worker in running:
        if worker.order["call"] == call:
            worker.process.kill()
    for order in waiting.copy():
        if order["call"] == call:
            waiting.remove(order)
            _tell(parent, order, code=-signal.SIGKILL)


def _tell(parent: Connection, order: dict[str, Any], **about: Any) -> None:
    """Sends the outcome of a call to the parent."""
    reply = {"late": False, "answer": None, "noise": "", **about}
    parent.send_bytes(json.dumps({"call": order["call"], "seconds": order["seconds"], **reply}).encode())


@dataclass(eq=False)
class _Worker:
    """A running worker process in its fork server."""

    order: dict[str, Any]
    process: BaseProcess
    answer: Connection
    output: Connection
    deadline: float
    late: bool = False
    noise: bytes = b""

    def read_output(self) -> None:
        """Reads the output of the process and keeps the end of it."""
        if new := os.read(self.output.fileno(), 65536):
            self.noise = (self.noise + new)[-4000:]
        else:
            self.output.close()

    def end(self) -> dict[str, Any]:
        """Ends a process that has answered or died, and returns its outcome."""
        answer = None
        with contextlib.suppress(EOFError, OSError):  # OSError: it was killed in the middle of its answer
            answer = self.answer.recv_bytes().decode()
        self.process.join(10)
        self.process.kill()  # if it still runs after closing its files
        self.process.join()
        while not self.output.closed and self.output.poll():
            self.read_output()
        self.answer.close()
        self.output.close()
        noise = self.noise.decode(errors="replace")
        return {"code": self.process.exitcode, "late": self.late, "answer": answer, "noise": noise}


def work(text: str, answer: Connection, output: Connection) -> None:
    """Runs one call in a worker process, which ends as soon as its fork server ends.

    Args:
        text: The call as JSON.
        answer: Receives the result.
        output: Receives everything that the call prints.
    """
    threading.Thread(target=_end_with_server, daemon=True).start()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    order = json.loads(text)
    os.environ.clear()  # the variables of the fork server are older
    os.environ.update(order["environment"])
    if order["folder"] is not None:
        os.chdir(order["folder"])
    sys.path[:] = order["path"]
    importlib.invalidate_caches()
    if numpy := sys.modules.get("numpy"):  # a fork seeds only Python's own random numbers again
        numpy.random.seed(int.from_bytes(os.urandom(4)))
    try:
        fn: Any = importlib.import_module(order["module"])
        for part in order["name"].split("."):
            fn = getattr(fn, part)
        reply = json.dumps({"result": fn(*order["args"], **order["kwargs"])})
    except Exception as error:
        known = isinstance(error, GenrezooError)
        reply = json.dumps({
            "error": str(error) if known else f"{type(error).__name__}: {error}", "user": known,
            "scarce": is_scarce(error), "detail": traceback.format_exc()[-4000:],
        })  # fmt: skip
    sys.stdout.flush()
    sys.stderr.flush()
    answer.send_bytes(reply.encode())
    os._exit(0)  # without waiting for the numerical libraries' threads


def _end_with_server() -> None:
    server = multiprocessing.parent_process()
    assert server is not None  # for the type checker
    wait([server.sentinel])
    os._exit(1)


def call_order(fn: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """Returns a call as plain data."""
    return {"module": fn.__module__, "name": fn.__qualname__, "args": list(args), "kwargs": dict(kwargs)}
