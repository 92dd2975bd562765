"""A trial in a child process: one point of the space, trained and scored."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from genrezoo import seeds
from genrezoo.datasets.arrays import load_arrays
from genrezoo.errors import DataError, GenrezooError, ResourceError
from genrezoo.recipes import Recipe
from genrezoo.runs import train
from genrezoo.runs.building import build_model, logits_of
from genrezoo.runs.loggers import loggers
from genrezoo.runs.preprocessing import Preprocessing
from genrezoo.songs import SongSet
from genrezoo.songs.splits import folds
from genrezoo.training import checkpoint
from genrezoo.tuning.objective import Objective

COLUMNS = ("loss", "accuracy", "valid_loss", "valid_accuracy", "valid_macro_f1")
CALLS = 50
"""Predictions of one song whose median processor time is the latency."""


class Order(BaseModel, frozen=True, extra="forbid"):
    """What a trial's process is asked to do.

    Attributes:
        recipe: The point as a recipe.
        seed: Seed of the training; further repeats have seeds derived from it.
        objective: How it is scored.
        until: Pause after so many epochs in all; None trains to the end.
        medians: What the best epoch so far must not fall behind, epoch by epoch.
        values: The searched values, for loggers.
        name: What loggers call the trial.
        tensorboard: Folder of TensorBoard's logs.
        mlflow: Address of MLflow's store.
    """

    recipe: Recipe
    seed: int
    objective: Objective
    until: int | None = None
    medians: list[float] = []
    values: dict[str, Any] = {}
    name: str = ""
    tensorboard: str | None = None
    mlflow: str | None = None


class _EnoughError(Exception):
    """Ends a training early; its checkpoint stays, so that it can go on."""

    def __init__(self, behind: bool):
        super().__init__()
        self.behind = behind


def run_trial(order: dict[str, Any], *, songs: str, folder: str, members: str | None = None) -> dict[str, Any]:
    """Trains and scores one point (runs in the child).

    Args:
        order: An `Order` as plain data.
        songs: Folder of the songs.
        folder: Folder of the trial; a half-done training in it is continued.
        members: Folder of the runs of the recipe's members, which trials share.

    Returns:
        The fields of an ``end`` event but those that only the parent knows.

    Raises:
        DataError: The point cannot be trained, or its score is not finite.
    """
    this, start = Order.model_validate(order), time.perf_counter()
    given = load_arrays(songs, verify=False)
    latency = parameters = None
    if this.objective.needs_latency:
        latency, parameters = measure_latency(this.recipe, given)
        limit = this.objective.latency_limit_ms
        if limit is not None and latency > limit:
            return _result("infeasible", [], {}, this, start, latency_ms=latency, parameters=parameters)
    scores: list[float] = []
    first: dict[str, list[float]] = {}
    status, digest = "completed", None
    for number, (split, seed) in enumerate(_parts(given, this)):
        where = part_folder(folder, this.objective, number)
        history, digest_of, size, behind = _train(this, split, seed, where, members, number)
        scores.append(this.objective.score(history))
        if not number:
            first, digest, parameters = history, digest_of, size or parameters
        if behind:
            status = "stopped"
            break
    if not all(map(math.isfinite, [*scores, *(value for name in COLUMNS for value in first.get(name, ()))])):
        raise DataError(f"a score is not finite ({scores})", where=this.name, remedy="lower the learning rate")
    return _result(status, scores, first, this, start, latency_ms=latency, parameters=parameters, weights_sha256=digest)


def finish_trial(order: dict[str, Any], *, songs: str, folder: str, members: str | None = None) -> str:
    """Trains a point on the songs' own split to its end, or goes on with it (runs in the child).

    Returns:
        The sha256 of the weights.
    """
    this = Order.model_validate(order)
    run = train(
        this.recipe, load_arrays(songs, verify=False), seed=this.seed, out=folder, store=members, wait=True, verbose=0
    )
    return run.card.weights_sha256


def part_folder(folder: str | Path, objective: Objective, number: int = 0) -> Path:
    """Where the run of one fold or repeat lies; a trial of one training is a run folder itself."""
    alone = objective.folds == 0 and objective.repeats == 1
    return Path(folder) if alone else Path(folder) / f"part{number}"


def measure_latency(recipe: Recipe, songs: SongSet) -> tuple[float, int]:
    """Processor time of a new model's answer to one song, in ms, and its number of parameters.

    Time on the wall would hold what other trials do on the same machine. The weights do not matter to it.
    """
    plain = Preprocessing.plain(recipe, songs)
    model = build_model(recipe, plain.shape(songs), songs.num_classes, seed=1, groups=songs.feature_groups())
    song = songs.take(songs.splits["valid"][:1])
    for _ in range(5):
        logits_of(model, recipe, plain, song)
    times = []
    for _ in range(CALLS):
        start = time.process_time()
        logits_of(model, recipe, plain, song)
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times)), int(model.count_params())


def fold_splits(songs: SongSet, number: int, *, seed: int) -> list[SongSet]:
    """The songs once for each fold of their training and validation songs, which is held out for validation.

    Raises:
        DataError: There are not enough songs or groups for so many folds.
    """
    pool = np.sort(np.concatenate([songs.splits["train"], songs.splits["valid"]]))
    held = [pool[part] for part in folds(songs.take(pool), number, seed=seed)]
    return [
        songs.with_split({**songs.splits, "train": np.setdiff1d(pool, valid), "valid": valid}, str(songs.provenance))
        for valid in held
    ]


def _parts(songs: SongSet, order: Order) -> list[tuple[SongSet, int]]:
    """The trainings of a trial: each fold or the songs' own split, once a seed."""
    splits = fold_splits(songs, order.objective.folds, seed=order.seed) if order.objective.folds else [songs]
    repeats = [order.seed] + [seeds.child_seed(order.seed, "repeat", n) for n in range(1, order.objective.repeats)]
    return [(split, seed) for seed in repeats for split in splits]


def _train(
    order: Order, songs: SongSet, seed: int, where: Path, members: str | None, number: int
) -> tuple[dict[str, list[float]], str | None, int | None, bool]:
    """One training: its history, the sha256 of its weights, its parameters, and whether it fell behind the medians."""
    last = getattr(order.recipe.procedure_settings(), "epochs", None)
    until = order.until if order.until is not None and order.until != last else None
    column, saved = f"valid_{order.objective.metric}", where / "checkpoint.safetensors"
    before = checkpoint.read_history(saved) if saved.exists() else []
    course = [record[column] for record in before]
    if until is not None and len(before) >= until:  # it was paused here, and the pause was not heard of
        return _columns(before), None, None, False

    def watch(record: dict[str, float]) -> None:
        epoch = int(record["epoch"])
        course.append(record[column])
        if number == 0 and epoch <= len(order.medians) and epoch != last:  # at the end nothing is saved any more
            best = max(course) if order.objective.direction == "max" else min(course)
            if order.objective.better(order.medians[epoch - 1], _rounded(best)):  # as medians are of rounded ones
                raise _EnoughError(behind=True)
        if until is not None and epoch >= until:
            raise _EnoughError(behind=False)

    name = f"{order.name}-part{number}" if where.name.startswith("part") else order.name
    logs = loggers(tensorboard=order.tensorboard, mlflow=order.mlflow, name=name, values=order.values)
    with _reached(logs) as callbacks:  # it hears of an error as a failure, so that enough is caught inside
        try:
            run = train(
                order.recipe,
                songs,
                seed=seed,
                out=where,
                store=members,
                wait=True,
                verbose=0,
                on_epoch=watch,
                callbacks=callbacks,
            )
        except _EnoughError as enough:
            return _columns(checkpoint.read_history(saved)), None, None, enough.behind
    history = run.history()
    if until is not None:  # it was the best of a search that had ended, was trained to its end, and now goes on
        return {name: values[:until] for name, values in history.items()}, None, run.card.parameters, False
    return history, run.card.weights_sha256, run.card.parameters, False


def _rounded(value: float) -> float:
    """A figure as the journal holds it."""
    return float(f"{value:.6g}")


@contextlib.contextmanager
def _reached(logs: AbstractContextManager[list[Any]]) -> Iterator[list[Any]]:
    """The loggers' callbacks; that a logger cannot be reached is no fault of the trial."""
    with contextlib.ExitStack() as stack:
        try:
            callbacks = stack.enter_context(logs)
        except (GenrezooError, OSError) as error:
            raise ResourceError(str(error)) from error
        yield callbacks


def _columns(records: list[dict[str, float]]) -> dict[str, list[float]]:
    return {name: [record[name] for record in records] for name in records[0]}


def _result(
    status: str, scores: list[float], history: dict[str, list[float]], order: Order, start: float, **more: Any
) -> dict[str, Any]:
    kept = {name: list(map(_rounded, history[name])) for name in COLUMNS if name in history}
    return {
        "status": status,
        "score": math.fsum(scores) / len(scores) if scores else None,
        "scores": scores,
        "history": kept,
        "seconds": time.perf_counter() - start,
        "error": None,
        "detail": None,
        "weights_sha256": None,
        **more,
    }
