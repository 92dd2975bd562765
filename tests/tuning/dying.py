"""Searches that die at a named step, each in a process of its own.

The server imports the package and runs nothing, so that it can fork. It reads requests, a JSON line each, and answers
with the exit code of the process that it forked for it. Trials are real, unless the request names a run: then they are
answered at once, by a function of their values and with a copy of that run.
"""

import concurrent.futures
import contextlib
import json
import math
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import genrezoo as gz
from genrezoo import files
from genrezoo.tuning import search as searching

SONGS = gz.load_songs("synthetic", n_train=36, n_valid=12, n_test=12, n_segments=6, n_genres=3, seed=1)


class Answering:
    """An executor whose trials take no time."""

    workers = 1

    def __init__(self, run):
        self.run = run

    def call(self, fn, kwargs, *, reads, writes, key):
        order, folder = kwargs["order"], writes["folder"]
        score = 1 - abs(math.log10(order["recipe"]["settings"]["learning_rate"]) + 2) / 4
        shutil.copytree(self.run, folder, dirs_exist_ok=True)
        future = concurrent.futures.Future()
        future.set_result({
            "status": "completed", "score": score, "scores": [score], "history": {"valid_accuracy": [score]},
            "latency_ms": None, "parameters": 9, "seconds": 0.1, "weights_sha256": None, "error": None, "detail": None,
        })  # fmt: skip
        return future


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_line(when, kind, number):
    """Before, in the middle of or after an event of that kind, and of that trial if it is of one."""
    write = files.append_line

    def append_line(path, line):
        event = json.loads(line)
        if event["event"] != kind or event.get("trial", number) != number:
            return write(path, line)
        if when == "after":
            write(path, line)
        elif when == "half of":
            with open(path, "ab") as file:
                file.write(line.encode()[: len(line) // 2])
        return die()

    files.append_line = append_line


def die_at_file(when, name, number):
    """Before or after a file of that name is moved into place for the n-th time."""
    replace, left = os.replace, [number]

    def replacing(source, target):
        left[0] -= Path(target).name == name
        now = left[0] == 0 and Path(target).name == name
        if now and when == "before":
            die()
        replace(source, target)
        if now:
            die()

    os.replace = replacing


def die_at_cleaning(number):
    """With the content of the n-th folder deleted, but not the folder."""
    delete, left = shutil.rmtree, [number]

    def rmtree(path, *more, **named):
        left[0] -= 1
        if left[0] == 0:
            for file in Path(path).iterdir():
                file.unlink()
            die()
        delete(path, *more, **named)

    shutil.rmtree = rmtree


def die_in_training(number):
    """While the n-th trial trains, after its first epoch."""
    wait = concurrent.futures.wait

    def waiting(futures, **more):
        (trial,) = futures.values()
        path = Path(sys.argv[1]) / "trials" / f"{trial.number:04d}" / "checkpoint.safetensors"
        while trial.number == number and not all(future.done() for future in futures):
            if path.exists():
                die()
            time.sleep(0.001)
        return wait(futures, **more)

    concurrent.futures.wait = waiting


def search(out, *, step=None, number=0, run=None, max_trials=4):
    """The search that all requests are about."""
    sys.argv[1:] = [out]
    if step in ("cleaning", "training"):
        {"cleaning": die_at_cleaning, "training": die_in_training}[step](number)
    elif step:
        when, _, what = step.rpartition(" ")
        (die_at_file if "." in what or what == "best" else die_at_line)(when, what, number)
    if run:
        searching._executor = lambda *_: contextlib.nullcontext(Answering(run))
        searching._check = lambda plan, songs, seed: plan.tuned  # which would build a model
    gz.tune(
        "statistics_mlp", SONGS, out=out, tuner="random", max_trials=max_trials, only=["learning_rate"], seed=1,
        changes={"units": [8], "epochs": 1 if run else 20, "patience": None}, parallel=1,
    )  # fmt: skip


def serve():
    print("ready", flush=True)
    for line in sys.stdin:
        request, code = json.loads(line), 1
        pid = os.fork()
        if pid == 0:
            try:
                search(**request)
                code = 0
            except gz.GenrezooError as error:
                Path(request["out"] + ".said").write_text(str(error))
                code = 2
            finally:
                os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    os._exit(0)  # at once


if __name__ == "__main__":
    serve()
