"""Folders of results as the benchmark writes them, made up from known skills."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.evaluation import METRICS, bootstrap_intervals, evaluate

Rows = list[dict[str, Any]]
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def add_results(
    folder: Path,
    *,
    data: str = "mfcc4",
    provenance: str = "official",
    zoo: dict[str, float],
    baselines: dict[str, float],
    seeds: Sequence[int] = (1, 2, 3),
    genres: Sequence[str] = GENRES[:4],
    songs: int = 200,
    ceilings: dict[str, float] | None = None,
    duplicates: int = 0,
    resamples: int = 50,
) -> None:
    """Adds rows and run folders; ``zoo`` and ``baselines`` give each skill (0: chance, 3: nearly always right)."""
    draw = np.random.default_rng(sum(data.encode()))
    sides: dict[str, Any] = {}
    for side, number in (("valid", songs // 2), ("test", songs)):
        y = draw.integers(0, len(genres), number)
        sides[side] = (np.array([f"{side}-{i}" for i in range(number)]), y, draw.normal(size=(number, len(genres))))
    head = {
        "schema": 2, "data": data, "checksum": hashlib.sha256(data.encode()).hexdigest(), "provenance": provenance,
        "sizes": {"train": 4 * songs, "valid": songs // 2, "test": songs}, "duplicates": duplicates, "segments": 120,
        "features": 25, "genres": list(genres), "ceilings": ceilings,
    }  # fmt: skip
    environment = {
        "python": "3.11.7", "platform": "Linux", "processor": "Some CPU 3000", "cores": 2, "threads": 1, "parallel": 2,
        "backend": "tensorflow", "versions": {"genrezoo": "0.1.0", "keras": "3.15.1"}, "git_revision": "abc1234",
        "created": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    for place, (name, skill) in enumerate([*zoo.items(), *baselines.items()]):
        family = "zoo" if name in zoo else "baseline"
        for seed in seeds:
            key = hashlib.sha256(f"{name}{data}{seed}".encode()).hexdigest()[:16]
            run = folder / "runs" / f"{place}-{seed}-{key}"
            run.mkdir(parents=True)
            arrays, figures = {}, {}
            for side, (ids, y, hard) in sides.items():
                noise = draw.normal(size=hard.shape)
                signal = skill * np.eye(len(genres))[y] * (0.7 + 0.6 * y[:, None] / len(genres))
                logits = 1.5 * (signal + 0.6 * hard + 0.4 * noise)
                arrays |= {f"{side}_ids": ids, f"{side}_y": y, f"{side}_logits": logits.astype(np.float32)}
                figures[side] = {metric: evaluate(logits, y)[metric] for metric in METRICS}
                if side == "test":
                    figures[side]["intervals"] = bootstrap_intervals(logits, y, resamples=resamples, seed=seed)
            np.savez(run / "predictions.npz", **arrays)
            if family == "zoo":
                write_history(run / "history.csv", figures["valid"]["accuracy"], epochs=8 + 3 * seed)
            latency = 0.3 * (1 + 1.7 * place % 11)
            row = {
                **head, "kind": "accuracy", "key": key, "recipe": name, "model": name, "family": family, "seed": seed,
                "status": "ok", "reason": None, "settings": {"model": name, "arguments": {"units": 10 * place}},
                **figures, "parameters": 1000 * 3**(place % 8) if family == "zoo" else None,
                "multiply_adds": 25_000 * 2**(place % 9) if family == "zoo" else None,
                "train_seconds": 7.5 * 1.6**place,
                "epochs": 8 + 3 * seed if family == "zoo" else None, "best_epoch": 7 if family == "zoo" else None,
                "environment": environment, "run": str(run.relative_to(folder)),
            }  # fmt: skip
            append(folder, row)
            if seed == seeds[0]:
                speed = {
                    **head, "kind": "speed", "key": key, "recipe": name, "family": family, "seed": seed, "status": "ok",
                    "latency_ms": {"p50": latency, "p90": 1.2 * latency, "p99": 1.9 * latency, "calls": 300},
                    "bulk_songs_per_second": 20_000 / latency, "bulk_batch": 256,
                    "first_prediction_seconds": 3.1 + place, "peak_memory_mb": 612.0 + place,
                    "environment": environment,
                }  # fmt: skip
                append(folder, speed)


def add_blank(
    folder: Path, name: str, status: str, reason: str, *, data: str = "mfcc4", kind: str = "accuracy"
) -> None:
    """Adds a row of a recipe that was refused or that failed."""
    row = {
        "schema": 2, "kind": "accuracy", "key": hashlib.sha256(f"{name}{data}{status}".encode()).hexdigest()[:16],
        "recipe": name, "model": name, "family": "zoo", "data": data,
        "checksum": hashlib.sha256(data.encode()).hexdigest(), "provenance": "official", "seed": 1, "status": status,
        "reason": reason, "settings": {}, "environment": {},
    }  # fmt: skip
    append(folder, row)


def append(folder: Path, row: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "rows.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_history(path: Path, accuracy: float, *, epochs: int) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["epoch", "seconds", "learning_rate", "loss", "accuracy", "valid_loss", "valid_accuracy", "valid_macro_f1"]
        )
        for epoch in range(1, epochs + 1):
            risen = 1 - np.exp(-epoch / (epochs / 4))
            row = [
                2.2 - 2.0 * risen,
                0.1 + 0.9 * risen,
                2.2 - 1.2 * risen + 0.02 * epoch,
                accuracy * risen,
                accuracy * risen,
            ]
            writer.writerow([epoch, 1.5, 0.001, *row])
