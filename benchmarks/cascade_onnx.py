"""A cascade as one ONNX file against its teacher alone: how much faster at the teacher's accuracy.

    python benchmarks/cascade_onnx.py [--student NAME] [--teacher NAME] [--epochs N] [--songs N] [--out FOLDER]

Student and teacher are trained on synthetic songs. The threshold is the one that asks least among those that reach, on
validation songs, the lower bound of the teacher's 95 % interval there; the test songs, which have no part in that, tell
what it keeps and how fast it is. All three files answer on one thread and alternate; the ratio is taken within each
round, by the clock and by the processor's time. Finished trainings are kept in the folder. Ends with one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError


def seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of a call: of the clock and of the processors."""
    clock, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - clock, time.process_time() - processor


def train(options: argparse.Namespace, out: Path) -> tuple[dict[str, Any], Any, float]:
    """Runs of the student, the teacher and the cascade, the songs, and the accuracy that was asked for."""
    import genrezoo as gz
    from genrezoo.evaluation import bootstrap_intervals
    from genrezoo.recipes.recipe import Member

    sizes = {"n_train": options.songs, "n_valid": options.songs // 3, "n_test": options.songs // 2}
    songs = gz.load_songs("synthetic", **sizes, seed=1)
    recipes = {"student": gz.get_recipe(options.student), "teacher": gz.get_recipe(options.teacher)}
    if options.epochs:
        recipes = {
            name: recipe.changed({"epochs": options.epochs}, everywhere=True) for name, recipe in recipes.items()
        }
    members = {name: Member(recipe=recipe) for name, recipe in recipes.items()}
    cascade = gz.get_recipe("cascade").model_copy(update={"members": members})
    store = out / "members"
    runs: dict[str, Any] = {}
    for name, recipe in recipes.items():
        print(f"training the {name}, {recipe.name}", flush=True)
        folder = store / recipe.run_name(songs.name, 1, songs.checksum())
        runs[name] = gz.train(recipe, songs, seed=1, out=folder, store=store)
    known = runs["teacher"].predictions("valid")
    bound = bootstrap_intervals(known["logits"], known["y"], seed=1)["accuracy"][0]
    runs["cascade"] = gz.train(cascade.changed({"accuracy": bound}), songs, seed=1, out=out / "cascade", store=store)
    return runs, songs, bound


def main() -> int:
    """Trains, exports, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--student", default="conv_in_time", help="recipe of the student")
    parser.add_argument("--teacher", default="lstm_ensemble", help="recipe of the teacher")
    parser.add_argument("--epochs", type=int, help="of both; the recipes' own if left out")
    parser.add_argument("--songs", type=int, default=3000, help="training songs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="folder of the trainings; a temporary one if left out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            found = measure(options, options.out or Path(temporary))
        except SettingsError as error:  # no threshold keeps the teacher's accuracy
            print(error)
            return 1
        print(json.dumps(found, indent=2))
    return 0


def measure(options: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Accuracies, the difference with its interval, and how much faster the cascade is."""
    import genrezoo as gz
    from genrezoo.evaluation import difference_intervals
    from genrezoo.layers.cascade import uncertainty

    runs, songs, bound = train(options, out)
    test = songs.split("test")
    files, logits = {}, {}
    for name, run in runs.items():
        path = out / f"{name}.onnx"
        gz.export(run, "onnx", path, songs=test.take(np.arange(64)), overwrite=True)
        files[name] = gz.load_exported(path)
        logits[name] = files[name].logits(test)
    right = {name: np.array([values.argmax(axis=1) == test.y]) for name, values in logits.items()}
    threshold = files["cascade"].metadata.cascade.threshold
    asked = float((np.asarray(uncertainty(logits["student"])) > threshold).mean())
    ones = [test.padded()[number : number + 1] for number in range(64)]
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        for name, exported in files.items():
            singly = seconds(lambda exported=exported: [exported.answers(one) for one in ones])  # type: ignore[misc]
            times.setdefault((name, "one song"), []).append(singly)
            bulk = seconds(lambda exported=exported: exported.logits(test))  # type: ignore[misc]
            times.setdefault((name, "bulk"), []).append(bulk)
    found: dict[str, Any] = {
        "student": options.student,
        "teacher": options.teacher,
        "threshold": round(threshold, 4),
        "fraction_asked": round(asked, 4),
        "accuracy_asked_for_on_validation_songs": round(bound, 4),
        "test_accuracy": {name: round(float(values.mean()), 4) for name, values in right.items()},
    }
    for pair, (mean, low, high) in difference_intervals({name: right[name] for name in ("cascade", "teacher")}).items():
        found[f"{pair[0]} minus {pair[1]}"] = [round(value, 4) for value in (mean, low, high)]
    for kind, songs_timed in (("one song", len(ones)), ("bulk", len(test))):
        teacher, cascade = times["teacher", kind], times["cascade", kind]
        found[kind] = {
            "times_teacher": round(statistics.median(t[0] / c[0] for t, c in zip(teacher, cascade, strict=True)), 2),
            "times_teacher_processor": round(
                statistics.median(t[1] / c[1] for t, c in zip(teacher, cascade, strict=True)), 2
            ),
            "songs_per_second": {
                name: round(songs_timed / statistics.median(one[0] for one in times[name, kind]), 1) for name in files
            },
        }
    return found


if __name__ == "__main__":
    sys.exit(main())
