"""A cell of a benchmark: one recipe or baseline on one data set with one seed, measured in a separate process.

Accuracy, speed and passes are separate cells: trainings may run in parallel, the others run alone on the machine.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, pvariance
from typing import Any

import numpy as np
from pydantic import BaseModel

from genrezoo import files, parallel
from genrezoo.benchmarking.baselines import BASELINES, fit_baseline
from genrezoo.benchmarking.tuned_baselines import TUNED_BASELINES, Choice, fit_chosen, tune_baseline
from genrezoo.datasets.arrays import load_arrays
from genrezoo.environment import environment
from genrezoo.errors import ResourceError, SettingsError
from genrezoo.evaluation import bootstrap_intervals, evaluate
from genrezoo.exported import load_exported
from genrezoo.exported.model import songs_per_batch
from genrezoo.recipes import Recipe
from genrezoo.rows import (
    AccuracyRow,
    CellFacts,
    Engine,
    HeadScores,
    Latency,
    PassesRow,
    PassSeconds,
    SpeedRow,
    engine_part,
)
from genrezoo.runs.predictions import FILE, OUT_OF_FOLD, read_predictions, stored_splits
from genrezoo.songs import SongSet, repeated_split
from genrezoo.songs.chunks import chunk_starts

WARM_UP, CALLS, BULK = 20, 200, 256
MOST_SECONDS = 60.0
"""Time after which the latency of slow models is measured with fewer calls, and their bulk speed with fewer songs."""
EXPORT = "model.onnx"
"""File name of the export in its run folder."""
CHOICE = "chosen.json"
"""File name of a tuned baseline's chosen settings, in its run folder."""
Predict = Callable[[SongSet], np.ndarray]
"""A function from songs to logits."""


class Cell(BaseModel, frozen=True):
    """The task of a child process.

    Attributes:
        facts: Fields of its rows, whether it succeeds or fails.
        data: Folder of the songs with their split; for repeated splits, with the original split.
        run: Folder of the result.
        engine: Inference engine whose speed is measured.
        passes: Number of timed predictions of all training and validation songs.
        train_scores: Whether scores on the training songs are also measured.
        difficulty: Whether the difficulty of the training songs is measured.
        kernels: Shell pattern of the layers whose kernels get histograms; None for none.
    """

    facts: CellFacts
    data: str
    run: str
    engine: Engine = "keras"
    passes: int = 0
    train_scores: bool = False
    difficulty: bool = False
    kernels: str | None = None

    def identity(self, kind: str) -> tuple[str, str, str]:
        """Returns the identity of its row of a kind."""
        return kind, self.facts.key, "" if kind == "accuracy" else engine_part(self.engine)

    @property
    def recipe(self) -> Recipe:
        """Returns the recipe of a cell of the zoo."""
        return Recipe.model_validate(self.facts.settings)


def accuracy_cell(plain: dict[str, Any]) -> dict[str, Any]:
    """Trains, predicts valid and test, and returns the accuracy row (runs in the child process)."""
    cell, songs = _opened(plain)
    found, predict = _train_zoo(cell, songs) if cell.facts.family == "zoo" else _train_baseline(cell, songs)
    stored = {split: read_predictions(cell.run, split, songs.num_classes) for split in ("valid", "test")}
    valid, test = (evaluate(found["logits"], found["y"]) for found in stored.values())
    test["intervals"] = bootstrap_intervals(stored["test"]["logits"], stored["test"]["y"], seed=cell.facts.seed)
    heads = head_scores(stored)
    part = songs.split("test")
    predict(part)  # compiles, so that only prediction is timed, whether the model was just trained or reopened
    seconds = _seconds(predict, part)
    train = None
    if cell.train_scores:
        part = songs.split("train")
        train = evaluate(predict(part), part.y)
    measured = {"valid": valid, "test": test, "train": train, "heads": heads, "evaluation_seconds": seconds, **found}
    if OUT_OF_FOLD in stored_splits(cell.run):
        whole = read_predictions(cell.run, OUT_OF_FOLD, songs.num_classes)
        measured["out_of_fold"] = evaluate(whole["logits"], whole["y"])
    return AccuracyRow(**_facts(cell) | measured).to_plain()


def speed_cell(plain: dict[str, Any]) -> dict[str, Any]:
    """Measures inference and returns the speed row (runs in the child process, alone on the machine).

    It measures from raw features to logits, including standardisation: the time from the process's start to its first
    prediction, the latency for one song, songs per second in bulk, and the peak memory of the process. The export is
    made by another process beforehand and not timed.
    """
    cell, songs = _opened(plain)
    _check_run(cell)
    start = time.time()
    if cell.engine == "onnx":
        _export(cell)
    exporting = time.time() - start
    test = songs.take(songs.splits["test"][:1024])
    predict, most = _predictor(cell, songs)
    ones = [test.take([song]) for song in range(min(len(test), 50))]
    predict(ones[0])
    first, peak = None, None
    if cell.facts.family == "zoo":  # a baseline has no file to be loaded from: its process was busy fitting
        first = time.time() - parallel.started() - exporting
    times = latencies(predict, ones)
    p50, p90, p99 = np.percentile(times * 1e3, [50, 90, 99]).tolist()
    number = min(4 * BULK, max(8, int(MOST_SECONDS * 1e3 / p50)))
    bulk = test.take(np.resize(np.arange(len(test)), number))
    predict(bulk)
    rates = [len(bulk) / _seconds(predict, bulk) for _ in range(3)]
    if cell.facts.family == "zoo":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
    return SpeedRow(
        **_facts(cell),
        engine=cell.engine,
        latency_ms=Latency(p50=p50, p90=p90, p99=p99, calls=len(times)),
        bulk_songs_per_second=float(np.median(rates)),
        bulk_batch=min(most, number),
        first_prediction_seconds=first,
        peak_memory_mb=peak,
    ).to_plain()


def latencies(predict: Predict, ones: Sequence[SongSet]) -> np.ndarray:
    """Returns the times of `CALLS` predictions of one song after `WARM_UP` others, in seconds.

    After `MOST_SECONDS` it stops, with `WARM_UP` measured calls or more.
    """
    times: list[float] = []
    while len(times) < WARM_UP + CALLS and (len(times) < 2 * WARM_UP or sum(times) < MOST_SECONDS):
        times.append(_seconds(predict, ones[len(times) % len(ones)]))
    return np.array(times[WARM_UP:])


def passes_cell(plain: dict[str, Any]) -> dict[str, Any]:
    """Times repeated predictions of all training and validation songs (runs in the child process, alone).

    A million songs are 20 passes over 50,000: the cost of labelling a whole collection.
    """
    cell, songs = _opened(plain)
    _check_run(cell)
    whole = songs.take(np.concatenate([songs.splits["train"], songs.splits["valid"]]))
    predict, _ = _predictor(cell, songs)
    predict(whole.take(np.arange(min(len(whole), BULK))))
    seconds = [_seconds(predict, whole) for _ in range(cell.passes)]
    spent = PassSeconds(mean=fmean(seconds), min=min(seconds), max=max(seconds), variance=pvariance(seconds))
    return PassesRow(**_facts(cell), engine=cell.engine, songs=len(whole), passes=cell.passes, seconds=spent).to_plain()


def head_scores(stored: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, HeadScores]:
    """Returns the accuracy of each auxiliary output with one logit per genre, from the predictions by split."""
    found: dict[str, dict[str, float]] = {}
    for split, arrays in stored.items():
        for head, values in arrays.items():
            if head not in ("ids", "y", "logits") and values.shape == arrays["logits"].shape:
                found.setdefault(head, {})[split] = float((values.argmax(axis=1) == arrays["y"]).mean())
    return {head: HeadScores(**scores) for head, scores in found.items()}


def _opened(plain: dict[str, Any]) -> tuple[Cell, SongSet]:
    cell = Cell.model_validate(plain)
    songs = load_arrays(cell.data, verify=False)
    if cell.facts.repeat is not None:  # the songs are stored once, and each child deals them as its parent did
        songs = repeated_split(songs, cell.facts.repeat).named(songs.name)
        if songs.checksum() != cell.facts.checksum:
            what = f"split {cell.facts.repeat} differs from that of the process that started the benchmark"
            raise songs.error(what, remedy="use the same versions of the packages on all machines")
    return cell, songs


def _check_run(cell: Cell) -> None:
    """Refuses to measure a run that is no longer there, such as one whose row alone was copied."""
    needed = "card.json" if cell.facts.family == "zoo" else CHOICE if cell.facts.recipe in TUNED_BASELINES else None
    if needed and not (Path(cell.run) / needed).exists():
        raise ResourceError(
            f"{Path(cell.run) / needed} is missing. Remedy: restore the run, or delete the accuracy row of "
            f"{cell.facts.recipe} with seed {cell.facts.seed} to train it again; then run the same command again."
        )


def _facts(cell: Cell) -> dict[str, Any]:
    return {**cell.facts.model_dump(), "environment": environment()}


def _seconds(predict: Predict, songs: SongSet) -> float:
    start = time.perf_counter()
    predict(songs)
    return time.perf_counter() - start


def _predictor(cell: Cell, songs: SongSet) -> tuple[Predict, int]:
    """Returns the stored run, its export, or the refitted baseline, and how many songs (or chunks) it takes at once."""
    if cell.engine == "onnx":
        model = load_exported(Path(cell.run) / EXPORT)
        chunks = model.metadata.chunks
        shape = (chunks.segments, songs.n_features) if chunks else songs.song_shape
        return model.logits, songs_per_batch(shape)
    if cell.facts.family == "zoo":
        from genrezoo.runs import load_run  # here, because baselines do not need Keras in their process
        from genrezoo.training import fitted

        run = load_run(cell.run)
        return run.logits, fitted.songs_per_batch(run.preprocessing.shape(songs))
    name, seed = cell.facts.recipe, cell.facts.seed
    if name in TUNED_BASELINES:  # its accuracy was measured before, and the search left what it chose
        choice = Choice.model_validate(files.read_json(Path(cell.run) / CHOICE))
        return fit_chosen(TUNED_BASELINES[name], choice, songs, seed).log_posterior, songs.n_songs
    return fit_baseline(BASELINES[name], songs, seed).log_posterior, songs.n_songs


def _export(cell: Cell) -> None:
    """Exports the run in a separate process, so that the measuring process does not load Keras."""
    with parallel.ProcessExecutor(1, threads=1) as executor:
        try:
            executor.submit(export_run, cell.model_dump(mode="json")).result()
        except parallel.ChildError as error:
            if error.scarce:
                raise ResourceError(str(error)) from error
            if error.user:
                raise SettingsError(str(error)) from error
            raise


def export_run(plain: dict[str, Any]) -> None:
    """Exports a run into its folder and compares predictions on some test songs and random ones (runs in a child)."""
    from genrezoo.exporting import export  # here, because it imports Keras

    cell, songs = _opened(plain)
    export(cell.run, "onnx", Path(cell.run) / EXPORT, songs=songs.take(songs.splits["test"][:64]), overwrite=True)


def _train_zoo(cell: Cell, songs: SongSet) -> tuple[dict[str, Any], Predict]:
    from genrezoo.benchmarking.cost import multiply_adds  # here, because baselines do not need Keras in their process
    from genrezoo.runs import train
    from genrezoo.training.curriculum import difficulty_table
    from genrezoo.training.pruning import kernel_values, weight_histogram

    # members lie beside it, where the cells of their own recipes leave theirs: each is trained once
    recipe, store = cell.recipe, Path(cell.run).parent
    run = train(recipe, songs, seed=cell.facts.seed, out=cell.run, store=store, wait=True, verbose=0)
    measured: dict[str, Any] = {}
    if cell.difficulty:
        part = songs.split("train")
        measured["difficulty"] = difficulty_table(part.ids, run.logits(part), part.y)
    if cell.kernels is not None:
        measured["weights"] = weight_histogram(kernel_values(run.network, cell.kernels))
    measured |= {
        "parameters": run.card.parameters,
        "multiply_adds": multiply_adds(run.network, songs.n_segments) * chunks_of(recipe, songs),
        "train_seconds": run.card.train_seconds + run.card.members_seconds,
        "seconds_per_epoch": run.card.train_seconds / run.card.epochs if run.card.epochs else None,
        "epochs": run.card.epochs,
        "best_epoch": run.card.best_epoch,
    }
    return measured, run.logits


def chunks_of(recipe: Recipe, songs: SongSet) -> int:
    """Median number of predictions that a model makes per song."""
    if recipe.chunks is None:
        return 1
    numbers = [len(chunk_starts(int(n), recipe.chunks.segments, recipe.chunks.hop)) for n in songs.lengths]
    return int(np.median(numbers))


def _train_baseline(cell: Cell, songs: SongSet) -> tuple[dict[str, Any], Predict]:
    start, name = time.perf_counter(), cell.facts.recipe
    measured: dict[str, Any] = {}
    if name in TUNED_BASELINES:
        tuned = tune_baseline(TUNED_BASELINES[name], songs, cell.facts.seed)
        measured["settings"] = {**cell.facts.settings, "chosen": tuned.choice.model_dump(mode="json")}
        files.write_json(Path(cell.run) / CHOICE, measured["settings"]["chosen"])
        fitted, stored = tuned.fitted, {"valid": tuned.of(songs.split("valid")), "out_of_fold": tuned.out_of_fold}
    else:
        fitted = fit_baseline(BASELINES[name], songs, cell.facts.seed)
        stored = {"valid": answered(fitted.log_posterior, songs.split("valid"))}
    measured["train_seconds"] = time.perf_counter() - start
    stored["test"] = answered(fitted.log_posterior, songs.split("test"))
    arrays = {f"{split}_{name}": value for split, part in stored.items() for name, value in part.items()}
    files.write_npz(Path(cell.run) / FILE, arrays)
    return measured, fitted.log_posterior


def answered(predict: Predict, songs: SongSet) -> dict[str, np.ndarray]:
    """The stored fields of predictions: ids, labels and logits."""
    return {"ids": songs.ids, "y": songs.y, "logits": predict(songs)}
