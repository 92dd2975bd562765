"""Cross-validation: out-of-fold logits of each song."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo import files, parallel, seeds
from genrezoo.datasets.arrays import keep_songs, load_arrays
from genrezoo.environment import threads
from genrezoo.errors import DataError, SettingsError
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.runs.fitting import open_training
from genrezoo.runs.run import load_run
from genrezoo.songs import SongSet, fold_splits


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """The result of cross-validation.

    Attributes:
        ids: Ids of the songs, ``(n,)``.
        y: Labels of the songs, ``(n,)``.
        logits: Logits of each song from the fold that held it out, ``(n, n_genres)`` float32.
        fold: Number of that fold, from 0, ``(n,)``.
        accuracy: Best validation accuracy of each fold.
        seconds: Training time of all folds.
        weights_sha256: Checksums of each fold's weights.
    """

    ids: np.ndarray
    y: np.ndarray
    logits: np.ndarray
    fold: np.ndarray
    accuracy: tuple[float, ...]
    seconds: float
    weights_sha256: tuple[str, ...]

    def for_songs(self, songs: SongSet) -> np.ndarray:
        """Returns the logits in the order of the songs, NaN for songs in no fold."""
        place = {name: number for number, name in enumerate(songs.ids.tolist())}
        found = np.full((songs.n_songs, self.logits.shape[1]), np.nan, np.float32)
        found[[place[name] for name in self.ids.tolist()]] = self.logits
        return found


def out_of_fold(
    recipe: str | Recipe,
    songs: SongSet,
    *,
    n_folds: int = 10,
    seed: int,
    out: str | Path,
    splits: Sequence[str] = ("train", "valid"),
    workers: int | None = None,
    scheduler: str | None = None,
    on_fold: Callable[[int, float], None] | None = None,
) -> OutOfFold:
    """Trains a recipe once per fold of the training and validation songs and stores the held-out songs' logits.

    Folds are stratified, and consist of whole groups if the songs have groups. The held-out songs of a fold are its
    validation songs: the model is not trained on them, but they select its best epoch, from which their logits are
    taken. If the recipe is calibrated, they also select the temperature of their fold: this one number leaks from their
    labels into their log loss and calibration error, but not into their accuracy.

    Call it again after an interruption to continue: finished folds are kept, and the others resume after their last
    finished epoch.

    Args:
        recipe: A recipe without members, or its name.
        songs: Songs with splits ``train``, ``valid`` and ``test``; test songs are not used.
        n_folds: Number of folds, at least 2.
        seed: Seed of the folds and of every training.
        out: Folder for the folds' runs, and ``out_of_fold.npz`` with ids, y, logits and fold.
        splits: Splits whose songs are divided into folds. Leave validation songs out if you use them for a later
            choice: the logits of a training song come from models that were trained on the other songs.
        workers: Number of folds to train in parallel, each in a separate process; the default is the number of cores.
        scheduler: Address of a Dask scheduler whose workers train the folds, in place of this machine; they need to see
            ``out``.
        on_fold: Called with each finished fold's number (from 0) and its best validation accuracy.

    Returns:
        One logit vector per song.

    Raises:
        SettingsError: There are too few folds, the recipe has members, workers and a scheduler are passed together, or
            the cluster cannot be used.
        DataError: A genre has one song or a fold holds all of its songs, a fold's training failed, or the folder is in
            use.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=40, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> recipe = gz.get_recipe("fully_connected").changed({"epochs": 1})
        >>> result = out_of_fold(recipe, songs, n_folds=2, seed=1, out=tempfile.mkdtemp())
        >>> result.logits.shape
        (60, 10)

    Reference:
        G. Pligoropoulos, Million Song Dataset Classification Problem (2017): stratified 10-fold cross-validation.
    """
    recipe = get_recipe(recipe) if isinstance(recipe, str) else recipe
    if recipe.members:
        raise SettingsError(f"recipe {recipe.name!r} has members; cross-validate a recipe without members")
    seed = seeds.check_seed(seed)
    parallel.check_place(workers, scheduler)
    songs.validate()
    parts = fold_splits(songs, n_folds, seed=seed, splits=splits)
    with files.lock_folder(out, wait=True) as folder:
        where = folder / f"songs-{songs.checksum()[:12]}"
        keep_songs(songs, where)
        runs = [folder / f"fold-{number + 1:02d}" for number in range(len(parts))]
        with parallel.make_executor(workers, scheduler, threads=threads() if workers == 1 else 1) as executor:
            waiting = {}
            for number, (part, run) in enumerate(zip(parts, runs, strict=True)):
                order = {
                    "recipe": recipe.model_dump(mode="json"),
                    "held": part["valid"].tolist(),
                    "others": part["train"].tolist(),
                    "seed": seed,
                }
                waiting[executor.call(_train_fold, order, reads={"songs": where}, writes={"out": run})] = number
            for future in as_completed(waiting):
                try:
                    accuracy = future.result()
                except parallel.ChildError as error:
                    what, remedy = f"fold {waiting[future] + 1} failed: {error}", "fix the cause and repeat the command"
                    raise DataError(what, path=folder, remedy=remedy) from error
                if on_fold:
                    on_fold(waiting[future], accuracy)
        result = _gathered(runs)
        arrays = {name: getattr(result, name) for name in ("ids", "y", "logits", "fold")}
        files.write_npz(folder / "out_of_fold.npz", arrays)
        accuracy = {"accuracy": list(result.accuracy), "mean": float(np.mean(result.accuracy))}
        files.write_json(folder / "accuracy.json", accuracy)
        return result


def _train_fold(
    recipe: dict[str, Any], held: list[int], others: list[int], seed: int, *, songs: str, out: str
) -> float:
    """Trains one fold (runs in the child process) and returns its best validation accuracy."""
    stored = load_arrays(songs, verify=False)
    splits = {**stored.splits, "train": np.array(others), "valid": np.array(held)}
    split = stored.with_split(splits, str(stored.provenance))
    tested = "test" in split.splits
    with open_training(Recipe.model_validate(recipe), split, seed=seed, out=out, tested=tested) as training:
        run = training.fit()
    return float(run.evaluate("valid")["accuracy"])


def _gathered(runs: list[Path]) -> OutOfFold:
    opened = [load_run(path) for path in runs]
    parts = [run.predictions("valid") for run in opened]
    return OutOfFold(
        ids=np.concatenate([part["ids"] for part in parts]),
        y=np.concatenate([part["y"] for part in parts]),
        logits=np.concatenate([part["logits"] for part in parts]),
        fold=np.repeat(np.arange(len(parts)), [len(part["y"]) for part in parts]),
        accuracy=tuple(float((part["logits"].argmax(1) == part["y"]).mean()) for part in parts),
        seconds=sum(run.card.train_seconds for run in opened),
        weights_sha256=tuple(run.card.weights_sha256 for run in opened),
    )
