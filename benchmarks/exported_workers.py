"""Songs a second of an exported model: one process with one thread, one with several, and several of one thread each.

    python benchmarks/exported_workers.py [--songs 40000] [--workers 2] [--repeats 3] [--recipes lstm snippet_lstm …]

Each recipe is trained for an epoch on synthetic songs and exported. The ways to answer random songs of the same shape
take turns; the table shows the median songs a second, the start of the workers included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import genrezoo as gz
from genrezoo.environment import cores, environment

CHANGES: dict[str, dict[str, Any]] = {"lstm": {"units": 100}, "fully_connected": {"units": [1784]}}


def exported(recipe: str, folder: Path) -> Path:
    """The exported model of a recipe."""
    songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=20, seed=1)
    run = gz.train(
        gz.get_recipe(recipe).changed({**CHANGES.get(recipe, {}), "epochs": 1}), songs, seed=1, out=folder / recipe
    )
    gz.export(run, "onnx", folder / f"{recipe}.onnx")
    return folder / f"{recipe}.onnx"


def main() -> None:
    """Prints a Markdown table and the environment."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--songs", type=int, default=40_000)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--recipes", nargs="+", default=["lstm", "snippet_lstm", "conv_in_time", "fully_connected"])
    given = parser.parse_args()
    ways = {
        "1 thread": (1, 1),
        f"{given.workers} threads": (given.workers, 1),
        f"{given.workers} workers": (1, given.workers),
    }
    x = np.random.default_rng(0).standard_normal((given.songs, 120, 25), dtype=np.float32)
    print(f"| recipe | {' | '.join(ways)} | workers / 1 thread |\n| --- |{' --- |' * (len(ways) + 1)}")
    with tempfile.TemporaryDirectory() as place:
        for recipe in given.recipes:
            path = exported(recipe, Path(place))
            models = {threads: gz.load_exported(path, threads=threads) for threads, _ in ways.values()}
            songs = gz.SongSet(x=x, y=np.zeros(len(x), int), genres=models[1].genres)
            rates: dict[str, list[float]] = {way: [] for way in ways}
            for model in models.values():
                model.logits(songs.take(range(64)))
            for _ in range(given.repeats):
                for way, (threads, workers) in ways.items():
                    begin = time.perf_counter()
                    models[threads].logits(songs, workers=workers)
                    rates[way].append(len(songs) / (time.perf_counter() - begin))
            median = [statistics.median(rates[way]) for way in ways]
            print(
                f"| {recipe} | {' | '.join(f'{rate:,.0f}' for rate in median)} | {median[-1] / median[0]:.2f} |",
                flush=True,
            )
    print(json.dumps({**environment(), "load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
