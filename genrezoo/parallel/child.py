"""The child's side of a call."""

from __future__ import annotations

import importlib
import json
import os
import select
import sys
import threading
import time
import traceback

from genrezoo.errors import GenrezooError, is_scarce

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

# the package is found wherever this one is, last on the path so that it hides nothing of Python's own
CHILD = "import sys; sys.path.append(sys.argv[1]); from genrezoo.parallel import child; child.serve()"


def started() -> float:
    """When this process was asked for, in seconds since the epoch; for the first-prediction time of a cold process."""
    return float(os.environ.get("GENREZOO_STARTED", time.time()))


def serve(nursery: int | None = None) -> None:
    """Reads where it is and one call, a line each, answers, and ends at once when the parent is gone.

    Args:
        nursery: Handle of the process that has forked this one, which ends with it too.
    """
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the call prints must not mix with the answer
    place, call = (json.loads(sys.stdin.buffer.readline()) for _ in range(2))
    os.environ.clear()  # a forked child has its nursery's
    os.environ.update(place["environment"])
    if place["folder"] is not None:
        os.chdir(place["folder"])
    sys.path[:] = place["path"]

    def watch() -> None:
        handles = [sys.stdin.fileno()] + ([] if nursery is None else [nursery])
        while True:
            ready, _, _ = select.select(handles, [], [])
            if nursery in ready or not os.read(sys.stdin.fileno(), 1):
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
        reply = {
            "error": message,
            "user": isinstance(error, GenrezooError),
            "scarce": is_scarce(error),
            "detail": traceback.format_exc()[-4000:],
        }
        text = json.dumps(reply)
    answer.write(text.encode())
    answer.flush()
    sys.stderr.flush()
    os._exit(0)  # without waiting for the numerical libraries' threads
