"""Journals of searches as `genrezoo tune` writes them, made up by a seeded generator."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

STEPS = [2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 40, 60]
ERROR = "DataError: trial-0003: the score is not finite ([nan]). Remedy: lower the learning rate."
DETAIL = 'Traceback (most recent call last):\n  File "trial.py", line 83, in run_trial\nValueError: <nan> & more'


def float_of(name: str, low: float, high: float, *, log: bool = False, **more: Any) -> dict[str, Any]:
    sampling = "log" if log else "linear"
    return dimension(name, "float", min=low, max=high, sampling=sampling, default=low, **more)


def int_of(name: str, low: int, high: int, **more: Any) -> dict[str, Any]:
    return dimension(name, "int", **{"min": low, "max": high, "sampling": "linear", "default": low, **more})


def choice_of(name: str, values: Sequence[Any], **more: Any) -> dict[str, Any]:
    return dimension(name, "choice", values=list(values), default=values[0], **more)


def dimension(name: str, kind: str, **more: Any) -> dict[str, Any]:
    empty = {"min": None, "max": None, "step": None, "sampling": None, "values": None, "default": None}
    return {"name": name, "kind": kind, **empty, "conditions": [], **more}


SPACE = (
    int_of("units", 20, 500),
    float_of("dropout", 0.0, 0.6),
    float_of("learning_rate", 1e-4, 1e-1, log=True),
    choice_of("optimizer", ["adam", "adamw"]),
    float_of("weight_decay", 1e-5, 1e-1, log=True, conditions=[{"name": "optimizer", "values": ["adamw"]}]),
)


class MadeSearch:
    """A search that writes its journal event by event; scores follow from the values."""

    def __init__(self, folder: Path, space: Sequence[dict[str, Any]] = SPACE, *, seed: int = 1, **plan: Any):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.space, self.draw, self.now = folder, list(space), np.random.default_rng(seed), 1.8e9
        self.objective = {
            "metric": "accuracy", "over": "best", "folds": 0, "repeats": 1, "latency_limit_ms": None, "pareto": False,
            **plan.pop("objective", {}),
        }  # fmt: skip
        self.number, self.values = 0, dict[int, dict[str, Any]]()
        genres = dict.fromkeys(["blues", "jazz", "rock"], 400)
        songs = {
            "name": "mfcc4", "kind": "segments", "songs": 1200, "segments": 1, "features": 26, "genres": genres,
            "splits": {"train": 800, "valid": 200, "test": 200}, "provenance": "official", "checksum": "c0ffee" * 10,
        }  # fmt: skip
        recipe = {"name": "lstm", "model": "lstm", "procedure": "supervised", "arguments": {"units": 100}}
        machine = {"python": "3.11.7", "processor": "Some CPU 3000", "versions": {"genrezoo": "0.1.0"}}
        self.plan = {
            "name": "lstm", "recipe": recipe, "songs": songs, "given": {"space": None, "only": None},
            "space": self.space, "tuner": {"name": "bayesian", "beta": 2.6, "initial_points": None}, "max_trials": 25,
            "objective": self.objective, "from_recipe": True, "seed": 1, "median_rule": False, "seconds": None,
            "warm_start": [], "environment": machine, **plan,
        }  # fmt: skip
        self.write(event="search", schema=1, plan=self.plan)

    def write(self, **event: Any) -> None:
        self.now += 1.0
        with (self.folder / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**event, "time": self.now}) + "\n")

    def point(self) -> dict[str, Any]:
        """A random point of the space, without what does not count."""
        values: dict[str, Any] = {}
        for one in self.space:
            share = float(self.draw.random())
            if not all(values.get(part["name"]) in part["values"] for part in one["conditions"]):
                continue
            if one["min"] is None:
                among = [False, True] if one["kind"] == "boolean" else one["values"]
                values[one["name"]] = among[int(share * len(among))]
            elif one["sampling"] == "log":
                values[one["name"]] = one["min"] * (one["max"] / one["min"]) ** share
            else:
                values[one["name"]] = one["min"] + share * (one["max"] - one["min"])
            if one["kind"] == "int":
                values[one["name"]] = round(values[one["name"]])
        return values

    def quality(self, values: dict[str, Any]) -> float:
        """Validation accuracy that a point comes to: one wide peak along each numeric axis, less of it on the later."""
        lost, weight = 0.0, 0.25
        for one in self.space:
            value = values.get(one["name"])
            if isinstance(value, int | float) and not isinstance(value, bool) and one["min"] is not None:
                low, high, at = one["min"], one["max"], value
                if one["sampling"] == "log":
                    low, high, at = math.log(low), math.log(high), math.log(value)
                lost += weight * ((at - low) / (high - low) - 0.6) ** 2
            elif value is not None:
                among = one["values"] or [False, True]
                lost += 0.2 * weight * abs(among.index(value) / max(len(among) - 1, 1) - 0.4)
            weight *= 0.7
        return 0.72 - 2 * lost + 0.01 * float(self.draw.normal())

    def course(self, quality: float, epochs: int) -> dict[str, list[float]]:
        steps = np.arange(1, epochs + 1)
        valid = quality * (1 - np.exp(-steps / 4)) + 0.008 * self.draw.normal(size=epochs)
        train = np.minimum(quality * 1.3 * (1 - np.exp(-steps / 8)), 0.99)
        columns = {
            "loss": 2.3 * (1 - train) ** 0.7 + 0.05, "accuracy": train, "valid_loss": 2.2 * (1 - valid) + 0.004 * steps,
            "valid_accuracy": valid, "valid_macro_f1": valid - 0.01,
        }  # fmt: skip
        return {name: [float(f"{value:.6g}") for value in column] for name, column in columns.items()}

    def ask(self, values: dict[str, Any] | None = None, *, by: str = "bayesian", **more: Any) -> int:
        number, self.number = self.number, self.number + 1
        self.values[number] = self.point() if values is None else values
        self.write(event="ask", trial=number, values=self.values[number], point=f"{number:016x}", by=by,
                   **{"epochs": None, "origin": None, **more})  # fmt: skip
        self.write(event="start", trial=number, attempt=1)
        return number

    def end(self, number: int, *, status: str = "completed", epochs: int = 20, **more: Any) -> None:
        self.now += 2.5
        quality = more.pop("quality", None)
        history = self.course(self.quality(self.values[number]) if quality is None else quality, epochs)
        metric = self.objective["metric"]
        best = min if metric == "loss" else max
        score = best(history[f"valid_{metric}"])
        told = {
            "score": score, "scores": [score], "history": history, "latency_ms": None, "parameters": 12_345,
            "seconds": 2.5, "weights_sha256": "ab" * 32, "error": None, "detail": None,
        }  # fmt: skip
        if status in ("failed", "infeasible"):
            told |= {"score": None, "scores": [], "history": {}, "parameters": None, "weights_sha256": None}
        if status == "failed":
            told |= {"error": ERROR, "detail": DETAIL}
        self.write(event="end", trial=number, status=status, **{**told, **more})

    def run(self, count: int, *, change: Callable[[int], dict[str, Any]] = lambda number: {}) -> None:
        """Asks for and ends some trials, the first few at random; ``change`` says what is special about each."""
        for _ in range(count):
            special = change(self.number)
            values, by = special.pop("values", None), special.pop("by", "random" if self.number < 6 else "bayesian")
            self.end(self.ask(values, by=by), **special)

    def finish(self, reason: str = "budget") -> Path:
        self.write(event="finish", reason=reason)
        return self.folder


def usual(folder: Path, trials: int = 25) -> Path:
    """A finished Bayesian search: the recipe's own values first, two failures, two stopped trials."""
    search = MadeSearch(folder, max_trials=trials)
    own = {"units": 100, "dropout": 0.3, "learning_rate": 0.0005, "optimizer": "adam"}

    def change(number: int) -> dict[str, Any]:
        if number == 0:
            return {"values": own, "by": "recipe"}
        if number in (3, 11):
            return {"status": "failed"}
        return {"status": "stopped", "epochs": 6} if number in (8, 14) else {}

    search.run(trials, change=change)
    return search.finish()


def grid(folder: Path, steps: Sequence[int] = STEPS) -> Path:
    """A finished grid over one choice of fourteen numbers; the seventh is the best."""
    search = MadeSearch(folder, [choice_of("num_steps", steps)], tuner={"name": "grid"}, max_trials=None)
    for value in steps:
        quality = 0.37 - 0.03 * abs(math.log(value / 9))
        search.end(search.ask({"num_steps": value}, by="grid"), quality=quality, epochs=35)
    return search.finish("exhausted")


def hyperband(folder: Path) -> Path:
    """One pass of Hyperband: nine points for 3 epochs, the best three for 9, the best for 27, and a second bracket."""
    search = MadeSearch(folder, tuner={"name": "hyperband", "factor": 3, "iterations": 1}, max_trials=None)
    for first, epochs in ((9, 3), (5, 9), (3, 27)):
        alive = []
        for _ in range(first):
            number = search.ask(by="hyperband", epochs=epochs)
            alive.append((search.quality(search.values[number]), number))
            search.end(number, quality=alive[-1][0], epochs=epochs)
        while epochs < 27:
            epochs *= 3
            alive = sorted(alive, reverse=True)[: max(1, len(alive) // 3)]
            promoted = []
            for quality, number in alive:
                later = search.ask(search.values[number], by="hyperband", epochs=epochs, origin=number)
                search.end(later, quality=quality, epochs=epochs)
                promoted.append((quality, later))
            alive = promoted
    return search.finish("exhausted")


def pareto(folder: Path, trials: int = 40) -> Path:
    """A search for the front of loss and latency with a limit that some models exceed."""
    objective = {"metric": "loss", "pareto": True, "latency_limit_ms": 6.0}
    search = MadeSearch(folder, max_trials=trials, objective=objective)
    for _ in range(trials):
        number = search.ask()
        latency = 0.4 + 0.016 * search.values[number]["units"] * (0.9 + 0.2 * search.draw.random())
        search.end(number, latency_ms=latency, status="infeasible" if latency > 6 else "completed")
    return search.finish()
