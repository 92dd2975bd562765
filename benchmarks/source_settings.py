"""What each recipe of a source document reaches at its source's settings, beside chance and the ceiling.

Every recipe is trained as it is, for all of its epochs, on 2,000 `synthetic` songs of 120 segments, whose ceilings are
known: of every classifier, and of those that know nothing of the order of segments. Recipes of audio get synthetic
audio of the kind that they read, which has no known ceiling. Members are trained once and shared.

A recipe that takes longer than ``--minutes`` is stopped and has a row that says so. Finished epochs are kept: a later
call with more minutes goes on from there. Each result is a line in ``OUT/rows.jsonl``; recipes that have one are left
out, so the same command continues where it was.

Usage: python benchmarks/source_settings.py OUT [--recipes NAME…] [--minutes 10] [--jobs 1] [--threads 1] [--songs 2000]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SECONDS = {"source": "synthetic_audio", "n_genres": 4, "n_train": 400, "n_valid": 200, "n_test": 400, "seconds": 1.0}
CLIPS = {"source": "synthetic_audio"}
AUDIO = {
    "mfcc_mlp": {**SECONDS, "features": "mfcc_statistics"},
    "mel_cnn": {**SECONDS, "features": "log_mel"},
    "feature_mlp": {**CLIPS, "features": {"kind": "feature_table", "window_seconds": 6.0}},
    "spectrogram_cnn": {**CLIPS, "features": "spectrogram_image"},
    "resnet50": {**CLIPS, "features": "spectrogram_image"},
}
"""Songs by model, as the suites of documents D and E have them; all other models read `synthetic`."""


def train(name: str, out: Path, n_songs: int) -> None:
    """Trains one recipe and prints its row."""
    import genrezoo as gz
    from genrezoo.datasets.synthetic import ceilings
    from genrezoo.files import json_text

    recipe = gz.get_recipe(name)
    options = AUDIO.get(recipe.model, {"source": "synthetic", "n_train": n_songs})
    songs = gz.load_songs(**options)
    run = gz.train(recipe, songs, seed=1, out=out / "runs" / name, store=out / "members", wait=True)
    known = ceilings(songs) if songs.about.get("synthetic") else {}
    row = {
        **facts(name, n_songs),
        "songs": songs.name,
        "epochs": run.card.epochs,
        "best_epoch": run.card.best_epoch,
        "seconds": run.card.train_seconds + run.card.members_seconds,
        **{f"{split}_accuracy": run.evaluate(split, songs)["accuracy"] for split in ("train", "valid", "test")},
        "chance": 1 / songs.num_classes,
        **{key: known[key] for key in ("order_free", "bayes") if known},
        "environment": run.card.environment,
    }
    print(json_text(row))


def facts(name: str, n_songs: int) -> dict[str, Any]:
    """What a row says first, and what it is found by."""
    return {"recipe": name, "n_train": n_songs}


def child(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One recipe in a process of its own, which is ended with all of its children when its time is over."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment |= {f"TF_NUM_{kind}_THREADS": str(options.threads) for kind in ("INTRAOP", "INTEROP")}
    command = [sys.executable, __file__, str(options.out), "--one", name, "--songs", str(options.songs)]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        answer, errors = process.communicate(timeout=60 * options.minutes)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return {**facts(name, options.songs), "over_minutes": options.minutes}
    if process.returncode:
        return {**facts(name, options.songs), "failed": errors.strip().splitlines()[-1:]}
    row: dict[str, Any] = json.loads(answer.strip().splitlines()[-1])
    return {**row, "clock_seconds": time.perf_counter() - start}


def recipes_of_documents() -> list[str]:
    """Recipes of a source document, those that others are made of first."""
    import genrezoo as gz

    found = [gz.get_recipe(name) for name in gz.list_recipes()]
    return [
        recipe.name for recipe in sorted(found, key=lambda one: one.depth) if recipe.reference.startswith("document")
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = [
        f"{'recipe':24s} {'epochs':>6s} {'seconds':>8s} {'train':>6s} {'valid':>6s} {'test':>6s}  "
        "chance, order-free, ceiling"
    ]
    for row in rows:
        if "test_accuracy" not in row:
            what = row.get("failed") or f"not done in {row['over_minutes']:g} minutes"
            lines.append(f"{row['recipe']:24s} {what}")
            continue
        scores = " ".join(f"{100 * row[f'{split}_accuracy']:6.1f}" for split in ("train", "valid", "test"))
        known = ", ".join(f"{100 * row[key]:.1f}" for key in ("chance", "order_free", "bayes") if key in row)
        lines.append(f"{row['recipe']:24s} {row['epochs']:6d} {row['seconds']:8.0f} {scores}  {known}")
    return "\n".join(lines)


def main() -> None:
    """Trains what has no row yet and prints all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for rows and runs")
    parser.add_argument("--recipes", nargs="+", help="all of the documents' if left out")
    parser.add_argument(
        "--minutes", type=float, default=10, help="for each recipe, members that are not there included"
    )
    parser.add_argument("--jobs", type=int, default=1, help="recipes at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each")
    parser.add_argument("--songs", type=int, default=2000, help="training songs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        train(options.one, options.out, options.songs)
        return
    from genrezoo.files import append_line, read_json_lines

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "rows.jsonl"
    rows = read_json_lines(path) if path.exists() else []
    done = {
        row["recipe"]
        for row in rows
        if row["n_train"] == options.songs and ("test_accuracy" in row or row.get("over_minutes", 0) >= options.minutes)
    }
    todo = [name for name in options.recipes or recipes_of_documents() if name not in done]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(child, name, options) for name in todo]
        for future in concurrent.futures.as_completed(waiting):
            rows.append(future.result())
            append_line(path, json.dumps(rows[-1]))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    latest = {row["recipe"]: row for row in rows if row["n_train"] == options.songs}
    print(table(list(latest.values())))


if __name__ == "__main__":
    main()
