"""What the tests of executors call: functions that children import from here."""

import os
import random
import signal
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


def die(number=signal.SIGKILL):
    print("last words", flush=True)
    os.kill(os.getpid(), number)


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
    import keras

    return [random.random(), float(np.random.rand()), keras.random.normal((1,)).numpy().tolist()]  # noqa: NPY002


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
        time.sleep(0.05)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


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


def stumble(*, folder):
    """Dies after half of its work; goes on with it when it finds it."""
    half = Path(folder) / "half"
    if half.exists():
        (Path(folder) / "whole").write_text(half.read_text() + " and whole")
        half.unlink()
        return True
    half.write_text("half")
    return die()


def use_up(*, folder, inner):
    """Leaves what a training leaves: files made in an order, one removed, one in a folder below."""
    here = Path(folder)
    before = sorted(path.name for path in here.iterdir())
    (here / "old").unlink(missing_ok=True)
    (here / "first").write_bytes(b"1" * 9_000_000)  # more than travels at once
    (Path(inner) / "run").mkdir(exist_ok=True)
    (Path(inner) / "run" / "card").write_text("a card")
    return before


def refuse_in(*, folder):
    (Path(folder) / "spoilt").write_text("")
    raise DataError("spoilt", path=folder)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    return "went on"


def fail_with(number):
    raise OSError(number, os.strerror(number))


def leave_half(text, *, folder):
    """Finds what another call has left, or leaves something and waits to be ended."""
    here = Path(folder)
    found = sorted(path.name for path in here.iterdir())
    (here / text).write_text("")
    if text == "first":
        die()
    return found
