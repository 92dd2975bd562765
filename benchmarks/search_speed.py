"""What a search costs beside its trainings: two trials at a time, the overhead of a trial, the memory of 200.

Everything that is compared runs in a process of its own with one thread for each training, in turns, several times;
medians count. Beside the seconds on the wall stand those of the processor, children included, which other work on the
machine hardly touches.

``parallel``: the same trials one and two at a time, and what two processes of bare fits gain, which is the machine's
limit. ``overhead``: a trial of a search (a process, a folder, checkpoints of all epochs) against building and fitting
the same models one after another in one process, with Keras's session cleared in between and without, and against
KerasTuner's ``RandomSearch``. ``memory``: what the searching process holds after so many trials.

Usage: python benchmarks/search_speed.py [parallel] [overhead] [memory] [--trials 12] [--epochs 10] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from genrezoo import parallel

RECIPE = "statistics_mlp"
ONLY = ("learning_rate", "dropout", "size", "batch_size")
"""What is searched: nothing that changes songs, so that Keras's own ``fit`` can train the same points."""
FIXED: dict[str, Any] = {"optimizer": "adam", "weight_decay": None, "schedule": None, "patience": None}


def load(options: dict[str, Any]) -> Any:
    """The songs."""
    import genrezoo as gz

    n = options["songs"]
    return gz.load_songs("synthetic", n_train=n, n_valid=n // 3, n_test=n // 6, n_segments=20, n_genres=5, seed=1)


def tune(options: dict[str, Any], workers: int, on_trial: Callable[..., None] | None = None) -> dict[str, Any]:
    """A random search."""
    import genrezoo as gz

    songs, folder = load(options), Path(tempfile.mkdtemp(dir=options["place"])) / "search"
    change = {**FIXED, "epochs": options["epochs"]}
    start, used = time.perf_counter(), processor_seconds()
    search = gz.tune(
        options["recipe"], songs, out=folder, tuner="random", max_trials=options["trials"], changes=change, only=ONLY,
        parallel=workers, seed=1, from_recipe=False, on_trial=on_trial,
    )  # fmt: skip
    whole, used = time.perf_counter() - start, processor_seconds() - used
    begun = min(trial.started for trial in search.trials if trial.started)
    first = min(trial.ended for trial in search.trials if trial.ended)
    last = max(trial.ended for trial in search.trials if trial.ended)
    return {
        "whole": whole,
        "span": last - begun,
        # the first trial waits for the imports of the process that forks the others, once a search
        "trial": (last - first) / max(1, len(search.trials) - workers) * workers,
        "inside": median(float(trial.seconds or 0.0) for trial in search.trials),
        "processor": used,
        "points": [recipe.model_dump(mode="json") for recipe in map(search.recipe, search.trials)],
        "scores": [trial.score for trial in search.trials],
    }


def processor_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def prepared(options: dict[str, Any]) -> tuple[Any, Any]:
    """Training and validation songs, standardised."""
    from genrezoo.songs import Standardiser

    songs = load(options)
    ready = Standardiser.fit(songs.split("train")).standardised(songs)
    return ready.split("train"), ready.split("valid")


def fit_bare(options: dict[str, Any], *, clear: bool) -> dict[str, Any]:
    """Builds, compiles and fits the points in this process, as a loop over ``keras.Model.fit`` does it."""
    import keras

    from genrezoo.models import create_model
    from genrezoo.recipes import Recipe
    from genrezoo.training.optimisation import build_optimizer

    train, valid = prepared(options)
    ends = []
    for point in options["points"]:
        if clear:
            keras.utils.clear_session()
        recipe = Recipe.model_validate(point)
        settings = recipe.procedure_settings()
        model = create_model(recipe.model, train.x.shape[1:], train.num_classes, **recipe.arguments)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(build_optimizer(settings, 1), loss, metrics=["accuracy"])
        model.fit(
            train.x, train.y, batch_size=settings.batch_size, epochs=settings.epochs,
            validation_data=(valid.x, valid.y), verbose=0,
        )  # fmt: skip
        ends.append((time.perf_counter(), processor_seconds()))
    return after_the_first(ends)


def after_the_first(ends: list[tuple[float, float]]) -> dict[str, Any]:
    """Seconds a trial, on the wall and of the processor, without the first one, which warms up."""
    trial, processor = (np.array(ends[-1]) - np.array(ends[0])) / (len(ends) - 1)
    return {"trial": float(trial), "processor": float(processor)}


def tune_with_keras(options: dict[str, Any], on_trial: Callable[[], None] | None = None) -> dict[str, Any]:
    """KerasTuner's own random search on the same space."""
    import keras_tuner

    import genrezoo as gz

    class Tuner(keras_tuner.RandomSearch):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            ends.append((time.perf_counter(), processor_seconds()))
            if on_trial:
                on_trial()

    train, valid = prepared(options)
    hypermodel = gz.hypermodel(
        options["recipe"], train.x.shape[1:], train.num_classes, only=ONLY, **FIXED, epochs=options["epochs"]
    )
    ends: list[tuple[float, float]] = []
    tuner = Tuner(hypermodel, "val_accuracy", max_trials=options["trials"], seed=1, directory=options["place"],
                  project_name=f"keras-{os.getpid()}")  # fmt: skip
    tuner.search(train.x, train.y, validation_data=(valid.x, valid.y), verbose=0)
    return after_the_first(ends)


def resident() -> float:
    """Memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def watch_memory(options: dict[str, Any], kind: str) -> dict[str, Any]:
    """Memory of the searching process after each trial."""
    course: list[float] = []
    if kind == "genrezoo":
        tune(options, 2, lambda *_: course.append(resident()))
    else:
        tune_with_keras(options, lambda: course.append(resident()))
    return {"course": course}


KINDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "one at a time": lambda options: tune(options, 1),
    "two at a time": lambda options: tune(options, 2),
    "bare fit": lambda options: fit_bare(options, clear=False),
    "bare fit, cleared": lambda options: fit_bare(options, clear=True),
    "KerasTuner": tune_with_keras,
    "memory of genrezoo": lambda options: watch_memory(options, "genrezoo"),
    "memory of KerasTuner": lambda options: watch_memory(options, "KerasTuner"),
}


def run(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """One measurement in a new process."""
    threads = dict.fromkeys(parallel.THREAD_VARIABLES, "1")
    done = subprocess.run(
        [sys.executable, __file__, "--run", kind, json.dumps(options)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def compare_parallel(options: dict[str, Any], repeats: int) -> None:
    """The same trials one and two at a time, in turns."""
    spans: dict[str, list[dict[str, Any]]] = {"one at a time": [], "two at a time": []}
    for repeat in range(repeats):
        for kind in list(spans)[:: 1 if repeat % 2 == 0 else -1]:
            spans[kind].append(run(kind, options))
            print(f"  {kind}: {spans[kind][-1]['span']:.1f} s of trials, {spans[kind][-1]['whole']:.1f} s", flush=True)
    one, two = spans.values()
    found = [sorted(zip(map(json.dumps, each["points"]), each["scores"], strict=True)) for each in one + two]
    assert all(each == found[0] for each in found), "not the same trials"
    for each in two:
        each["trial"] /= 2  # two end in that time
    names = {"trial": "a trial, after the first ones", "span": "all trials", "whole": "with start and end"}
    for what, name in names.items():
        ratios = [a[what] / b[what] for a, b in zip(one, two, strict=True)]
        seconds = [median(each[what] for each in both) for both in (one, two)]
        print(f"{name}: {seconds[0]:.2f} s and {seconds[1]:.2f} s, {median(ratios):.2f} times as fast "
              f"({', '.join(f'{ratio:.2f}' for ratio in ratios)})")  # fmt: skip
    options = {**options, "points": one[0]["points"]}
    ratios = [gain_of_two(options) for _ in range(repeats)]
    print(f"two bare fits at a time, which have nothing to do with each other: {median(ratios):.2f} times as fast "
          f"({', '.join(f'{ratio:.2f}' for ratio in ratios)})", flush=True)  # fmt: skip


def gain_of_two(options: dict[str, Any]) -> float:
    """How much faster two processes of bare fits at a time are than one after the other: what the machine gives."""
    alone = run("bare fit", options)["trial"]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(run, ["bare fit"] * 2, [options] * 2))
    return float(2 * alone / np.mean([each["trial"] for each in both]))


def compare_overhead(options: dict[str, Any], repeats: int) -> None:
    """A trial against a bare fit of the same model, and KerasTuner's, in turns."""
    kinds = ["one at a time", "bare fit", "bare fit, cleared", "KerasTuner"]
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    for _ in range(repeats):
        for kind in kinds:
            got = run(kind, options)
            if kind == kinds[0]:
                options = {**options, "points": got["points"]}
                alone = run(kind, {**options, "trials": 1})["processor"]  # imports and all that is there once
                got["processor"] = (got["processor"] - alone) / (options["trials"] - 1)
            found[kind].append(got)
            print(f"  {kind:18s} {got['trial']:.3f} s a trial, processor {got['processor']:.3f} s", flush=True)
    print("                    s a trial  over bare  ratio  processor s a trial")
    bare = median(each["trial"] for each in found["bare fit"])
    for kind in kinds:
        trial, processor = (median(each[what] for each in found[kind]) for what in ("trial", "processor"))
        name = "genrezoo" if kind == kinds[0] else kind
        print(f"{name:18s}  {trial:9.3f}  {trial - bare:+9.3f}  {trial / bare:5.2f}  {processor:19.3f}")
    whole = median(each["whole"] / options["trials"] for each in found[kinds[0]])
    print(f"genrezoo with its start and end, divided by the trials: {whole:.3f} s; inside the trial's process: "
          f"{median(each['inside'] for each in found[kinds[0]]):.3f} s")  # fmt: skip


def compare_memory(options: dict[str, Any]) -> None:
    """Growth of the searching process."""
    for name, trials in (("genrezoo", 200), ("KerasTuner", 50)):
        course = run(f"memory of {name}", {**options, "trials": trials, "epochs": 1, "songs": 60})["course"]
        steps = [n for n in (20, 50, 100, 200) if n <= trials]
        told = ", ".join(f"{course[n - 1] - course[0]:+.1f} after {n}" for n in steps)
        rate = (course[-1] - course[19]) / (trials - 20)
        print(
            f"{name}: {course[0]:.0f} MB after the first trial, {told}; {rate:.2f} MB a trial from the 20th on",
            flush=True,
        )
        if trials < 200:
            print(f"{name}: {course[-1] - course[0] + rate * (200 - trials):+.0f} MB after 200 if it goes on so")


def main() -> int:
    """Runs the comparisons."""
    if sys.argv[1:2] == ["--run"]:
        result = KINDS[sys.argv[2]](json.loads(sys.argv[3]))
        print(json.dumps(result))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = ("parallel", "overhead", "memory")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(every)}; all if left out")
    parser.add_argument("--recipe", default=RECIPE)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--songs", type=int, default=600, help="for training; half as many more for the other splits")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if unknown := set(given.parts) - set(every):
        parser.error(f"unknown: {sorted(unknown)}")
    with tempfile.TemporaryDirectory() as place:
        options = {key: getattr(given, key) for key in ("recipe", "trials", "epochs", "songs")} | {"place": place}
        for part in given.parts or every:
            print(f"\n{part}:", flush=True)
            if part == "parallel":
                compare_parallel(options, given.repeats)
            elif part == "overhead":
                compare_overhead(options, given.repeats)
            else:
                compare_memory(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
