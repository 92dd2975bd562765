"""A cell of a benchmark: one recipe or peer on one data set with one seed, measured in a process of its own.

Accuracy, speed and passes are separate cells: trainings may share the machine, the others have it to themselves.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, pvariance
from typing import Any

import numpy as np

from genrezoo import files, parallel
from genrezoo.benchmarking.peers import PEERS, fit_peer
from genrezoo.datasets.arrays import load_arrays
from genrezoo.environment import environment
from genrezoo.evaluation import METRICS, bootstrap_intervals, evaluate
from genrezoo.recipes import Recipe
from genrezoo.songs import SongSet
from genrezoo.songs.chunks import chunk_starts

WARM_UP, CALLS, BULK = 20, 200, 256
SCORES = (*METRICS, "macro_precision", "macro_recall")
Measured = tuple[dict[str, Any], Callable[[SongSet], np.ndarray]]
"""What training came to, and what then turns songs into logits."""


@dataclass(frozen=True)
class Cell:
    """What a child process needs to know, as plain data.

    Attributes:
        key: Identifies the cell by everything that its result depends on.
        name: Name in tables.
        family: ``"zoo"`` or ``"peer"``.
        settings: The recipe, or the peer's settings.
        seed: The seed.
        data: Folder of the songs, split included.
        run: Folder of the result.
        facts: What the row says of the songs.
        place: What the row says of the cell's place in a study: ``study``, ``axes`` and ``label``.
        passes: Timed predictions of all training and validation songs.
        train_scores: Whether scores on the training songs are measured too.
    """

    key: str
    name: str
    family: str
    settings: dict[str, Any]
    seed: int
    data: str
    run: str
    facts: dict[str, Any]
    place: dict[str, Any] = field(default_factory=dict)
    passes: int = 0
    train_scores: bool = False

    def head(self, kind: str) -> dict[str, Any]:
        """The fields that rows of every outcome share."""
        return {
            "schema": 1,
            "kind": kind,
            "key": self.key,
            "recipe": self.name,
            "model": self.settings.get("model", self.name),
            "family": self.family,
            "seed": self.seed,
            "settings": self.settings,
            "run": f"runs/{Path(self.run).name}",
            **self.place,
            **self.facts,
        }


def accuracy_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """Trains, predicts valid and test, and returns the accuracy row (runs in the child)."""
    this = Cell(**cell)
    songs = load_arrays(this.data, verify=False)
    measured, predict = _train_zoo(this, songs) if this.family == "zoo" else _train_peer(this, songs)
    with np.load(Path(this.run) / "predictions.npz", allow_pickle=False) as stored:
        scores = {split: _scores(stored[f"{split}_logits"], stored[f"{split}_y"]) for split in ("valid", "test")}
        heads = _head_accuracies(stored)
        scores["test"]["intervals"] = bootstrap_intervals(stored["test_logits"], stored["test_y"], seed=this.seed)
    test = songs.split("test")
    predict(test)  # so that what is compiled on the way does not count, whether the model was just trained or reopened
    start = time.perf_counter()
    predict(test)
    measured["evaluation_seconds"] = time.perf_counter() - start
    if this.train_scores:
        train = songs.split("train")
        scores["train"] = _scores(predict(train), train.y)
    about = {"status": "ok", "reason": None, "environment": environment()}
    return {**this.head("accuracy"), **about, **scores, **({"heads": heads} if heads else {}), **measured}


def speed_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """Measures inference and returns the speed row (runs in the child, alone on the machine).

    From raw features to logits, standardisation included: the time from the process's start to its first prediction,
    the latency of one song, songs per second in bulk, and the peak memory of the process.
    """
    this = Cell(**cell)
    songs = load_arrays(this.data, verify=False)
    test = songs.take(songs.splits["test"][:1024])
    first: float | None = None
    predict = _predictor(this, songs)
    ones = [test.take([song]) for song in range(min(len(test), 50))]
    predict(ones[0])
    if this.family == "zoo":  # a peer has no file to be loaded from: its process was busy fitting
        first = time.time() - parallel.started()
    times = []
    for call in range(WARM_UP + CALLS):
        song = ones[call % len(ones)]
        start = time.perf_counter()
        predict(song)
        times.append(time.perf_counter() - start)
    latency = np.percentile(np.array(times[WARM_UP:]) * 1e3, [50, 90, 99])
    bulk = test.take(np.resize(np.arange(len(test)), 4 * BULK))
    predict(bulk)
    rates = []
    for _ in range(3):
        start = time.perf_counter()
        predict(bulk)
        rates.append(len(bulk) / (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)
    return {
        **this.head("speed"),
        "status": "ok",
        "reason": None,
        "latency_ms": {**dict(zip(("p50", "p90", "p99"), latency.tolist(), strict=True)), "calls": CALLS},
        "bulk_songs_per_second": float(np.median(rates)),
        "bulk_batch": BULK,
        "first_prediction_seconds": first,
        "peak_memory_mb": peak if this.family == "zoo" else None,
        "environment": environment(),
    }


def passes_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """Times the prediction of all training and validation songs, again and again (runs in the child, alone).

    A million songs are 20 passes over 50,000: what a model costs that is to label a whole collection.
    """
    this = Cell(**cell)
    songs = load_arrays(this.data, verify=False)
    whole = songs.take(np.concatenate([songs.splits["train"], songs.splits["valid"]]))
    predict = _predictor(this, songs)
    predict(whole.take(np.arange(min(len(whole), BULK))))
    seconds = []
    for _ in range(this.passes):
        start = time.perf_counter()
        predict(whole)
        seconds.append(time.perf_counter() - start)
    figures = {"mean": fmean(seconds), "min": min(seconds), "max": max(seconds), "variance": pvariance(seconds)}
    return {
        **this.head("passes"),
        "status": "ok",
        "reason": None,
        "songs": len(whole),
        "passes": this.passes,
        "seconds": figures,
        "environment": environment(),
    }


def failed_row(cell: Cell, kind: str, error: parallel.ChildError) -> dict[str, Any]:
    """The row of a cell that gave no figure: refused by the package, or failed."""
    status = "refused" if error.user else "failed"
    reason = str(error) if error.user else f"{error}\n{error.detail}".strip()
    return {**cell.head(kind), "status": status, "reason": reason, "environment": environment()}


def as_plain(cell: Cell) -> dict[str, Any]:
    """The cell as JSON data, to be sent to a child."""
    return asdict(cell)


def _predictor(cell: Cell, songs: SongSet) -> Callable[[SongSet], Any]:
    """What turns songs into logits: the stored run, or the peer fitted anew."""
    if cell.family == "zoo":
        from genrezoo.runs import load_run  # here, because peers do not need Keras in their process

        return load_run(cell.run).logits
    return fit_peer(PEERS[cell.name], songs, cell.seed).log_posterior


def _scores(logits: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """What a row says of predictions."""
    figures = evaluate(logits, y)
    return {name: figures[name] for name in SCORES}


def _head_accuracies(stored: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Accuracy of each auxiliary output that gives a logit to each genre, by itself."""
    found: dict[str, dict[str, float]] = {}
    for split in ("valid", "test"):
        y, shape = stored[f"{split}_y"], stored[f"{split}_logits"].shape
        for key in stored:
            side, _, head = key.partition("_")
            if side == split and head not in ("ids", "y", "logits") and stored[key].shape == shape:
                found.setdefault(head, {})[split] = float((stored[key].argmax(axis=1) == y).mean())
    return found


def _train_zoo(cell: Cell, songs: SongSet) -> Measured:
    from genrezoo.benchmarking.cost import multiply_adds  # here, because peers do not need Keras in their process
    from genrezoo.runs import train

    # members lie beside it, where the cells of their own recipes leave theirs: each is trained once
    recipe, store = Recipe.model_validate(cell.settings), Path(cell.run).parent
    run = train(recipe, songs, seed=cell.seed, out=cell.run, store=store, wait=True)
    measured = {
        "parameters": run.card.parameters,
        "multiply_adds": multiply_adds(run.network, songs.n_segments) * _chunks(recipe, songs),
        "train_seconds": run.card.train_seconds + run.card.members_seconds,
        "seconds_per_epoch": run.card.train_seconds / run.card.epochs if run.card.epochs else None,
        "epochs": run.card.epochs,
        "best_epoch": run.card.best_epoch,
    }
    return measured, run.logits


def _chunks(recipe: Recipe, songs: SongSet) -> int:
    """How many times a model answers for one song, in the middle."""
    if recipe.chunks is None:
        return 1
    numbers = [len(chunk_starts(int(n), recipe.chunks.segments, recipe.chunks.hop)) for n in songs.lengths]
    return int(np.median(numbers))


def _train_peer(cell: Cell, songs: SongSet) -> Measured:
    start = time.perf_counter()
    fitted = fit_peer(PEERS[cell.name], songs, cell.seed)
    seconds = time.perf_counter() - start
    arrays: dict[str, np.ndarray] = {}
    for split in ("valid", "test"):
        part = songs.split(split)
        arrays |= {f"{split}_ids": part.ids, f"{split}_y": part.y, f"{split}_logits": fitted.log_posterior(part)}
    files.write_npz(Path(cell.run) / "predictions.npz", arrays)
    measured = {"parameters": None, "multiply_adds": None, "train_seconds": seconds, "epochs": None, "best_epoch": None}
    return measured, fitted.log_posterior
