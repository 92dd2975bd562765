"""Baselines as a benchmark leaves them, with predictions that are made up."""

import json

import numpy as np

from genrezoo.evaluation import bootstrap_intervals, evaluate
from genrezoo.rows import AccuracyRow

GENRES = ("genre0", "genre1", "genre2")


def labels(split, songs=24):
    return np.random.default_rng(len(split)).integers(0, len(GENRES), songs)


def add_baseline(folder, name, *, seed=1, skill=1.0, checksum="c" * 64, splits=("valid", "test"), **changes):
    """Adds a row and its predictions; ``skill`` is what the right genre's logit has more, in the noise's deviations."""
    run, stored = folder / "runs" / f"{name}-{seed}", {}
    draw = np.random.default_rng([*map(ord, name), seed])
    for split in splits:
        y = labels(split)
        logits = draw.normal(size=(len(y), len(GENRES))) + skill * np.eye(len(GENRES))[y]
        order = draw.permutation(len(y))  # another order of the songs in every file
        ids = np.array([f"{split}-{number:02}" for number in range(len(y))])
        parts = {"ids": ids[order], "y": y[order], "logits": logits[order].astype(np.float32)}
        stored |= {f"{split}_{part}": value for part, value in parts.items()}
    run.mkdir(parents=True)
    np.savez(run / "predictions.npz", **stored)
    scores = {split: evaluate(stored[f"{split}_logits"], stored[f"{split}_y"]) for split in ("valid", "test")}
    scores["test"]["intervals"] = bootstrap_intervals(stored["test_logits"], stored["test_y"], resamples=20, seed=seed)
    about = {
        "key": f"{name}-{seed}", "recipe": name, "model": name, "family": "baseline", "seed": seed, "data": "toy",
        "checksum": checksum, "provenance": "random", "genres": GENRES, "train_seconds": 2.0, "run": f"runs/{run.name}",
    }  # fmt: skip
    row = AccuracyRow(**{**about, **scores, **changes})
    with open(folder / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row.to_plain()) + "\n")
