"""Functions that the tests of executors call: worker processes import them from here."""

import errno
import os
import random
import re
import signal
import struct
import sys
import time
from pathlib import Path

import numpy as np

from genrezoo.errors import DataError


def refuse():
    raise DataError("bad songs", path="a.npz")


def noisy():
    print("this must not mix with the answer")
    return {"pid": os.getpid(), "parent": os.getppid()}


def kill_self(number=signal.SIGKILL):
    print("last words", flush=True)
    os.kill(os.getpid(), number)


def half_an_answer():
    """Sends the length of an answer and a part of it, and is killed."""
    answer = sys._getframe(1).f_locals["answer"]
    os.write(answer.fileno(), struct.pack("!i", 100) + b"{")
    kill_self()


def leave(code):
    sys.exit(code)


def wait_marked(path, seconds=60):
    """Says who and where it is, then waits."""
    partial = Path(f"{path}.part")
    partial.write_text(f"{os.getpid()} {os.getppid()}")
    partial.rename(path)
    time.sleep(seconds)
    return os.getpid()


def whereabouts():
    return [os.getcwd(), os.environ.get("SAID_LATER"), sys.path]


def draws():
    return [random.random(), float(np.random.rand())]  # noqa: NPY002


def train_toy(out):
    from toys import make_songs

    import genrezoo as gz

    recipe = gz.get_recipe("fully_connected").changed({"epochs": 2})
    return gz.train(recipe, make_songs(), seed=1, out=out).card.weights_sha256


def copy_text(suffix, *, source, target):
    """Writes what it has read, once more for every time that it was there before."""
    text = (Path(source) / "text").read_text()
    place = Path(target) / "text"
    place.write_text((place.read_text() if place.exists() else "") + text + suffix)
    return [source, target]


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def asleep(pid):
    """Whether the main thread of a process has begun to wait.

    Python notices a signal that comes between its last instruction and the system call that waits only when something
    wakes it, so that an interrupt in this moment would be lost.
    """

    def state():
        return re.findall(r"^State:\s+\w|ctxt_switches:\s+\d+", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)

    before = state()
    time.sleep(0.2)
    return before[0].endswith("S") and state() == before


def children(pid):
    """The processes whose parent is that one, zombies included."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    return "went on"


def fail_with(number):
    raise OSError(number, os.strerror(number))


def doubled(numbers, most):
    """Twice each number; one above ``most`` kills the process, a negative one is the user's fault."""
    if min(numbers) < 0:
        raise DataError("a negative number")
    if max(numbers) > most:
        os.kill(os.getpid(), signal.SIGKILL)
    return [2 * number for number in numbers]


def dies_once(paths):
    """Kills its process in the first call."""
    if not Path(paths[0]).exists():
        Path(paths[0]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"


def fill_disk(tasks):
    fail_with(errno.ENOSPC)
