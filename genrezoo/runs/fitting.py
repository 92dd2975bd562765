"""One training in one run folder: opening it, fitting with trained members, and writing the result."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors.numpy

from genrezoo import files, seeds
from genrezoo.environment import environment
from genrezoo.errors import DataError, SettingsError, differences
from genrezoo.recipes import Recipe
from genrezoo.registry import PROCEDURES
from genrezoo.runs.building import answers, at_most_songs, build_model, check_members, check_songs, handles
from genrezoo.runs.calibration import fit_temperature
from genrezoo.runs.members import Obtained
from genrezoo.runs.predictions import FILE, OUT_OF_FOLD
from genrezoo.runs.preprocessing import Preprocessing
from genrezoo.runs.run import Card, Run, load_run
from genrezoo.songs import SongSet, check_genres, check_split
from genrezoo.training import Fitted
from genrezoo.training.callbacks import Callbacks
from genrezoo.training.checkpoint import weights_of


@contextlib.contextmanager
def open_training(
    recipe: Recipe, songs: SongSet, *, seed: int, out: str | Path, wait: bool = False, tested: bool = True
) -> Iterator[Training]:
    """Checks a training and locks its folder for this process until the block ends.

    Args:
        recipe: The recipe; runs of its members are opened.
        songs: Songs with splits ``train``, ``valid`` and ``test``.
        seed: Seed of weights, dropout and order of songs.
        out: The run folder; new, empty, or of the same training.
        wait: Wait for a process that uses the folder instead of raising an error.
        tested: Whether there must be test songs.

    Raises:
        DataError: As `genrezoo.train`.
        SettingsError: As `genrezoo.train`.
    """
    recipe.procedure_settings()
    check_members(recipe)
    seed = seeds.check_seed(seed)
    songs.validate()
    check_split(songs, tested=tested)
    recipe = at_most_songs(recipe, len(songs.splits["train"]))
    check_genres(songs)
    if songs.weights is not None and not PROCEDURES.get(recipe.procedure).by_gradient:
        raise SettingsError(f"{recipe.procedure!r} cannot use song weights: it does not learn by gradient descent")
    check_songs(recipe, songs)
    Preprocessing.plain(recipe, songs)  # refuses groups of features that the songs do not have
    plan = {"recipe": recipe.model_dump(mode="json"), "seed": seed, "checksum": songs.checksum()}
    plan |= {name: value for name, value in environment().items() if name in ("backend", "threads", "versions")}
    with files.lock_folder(out, wait=wait) as folder:
        files.drop_parts(folder)
        yield Training(recipe, songs, seed, folder, plan)


@dataclass(eq=False)
class Training:
    """A training in its locked folder.

    Attributes:
        recipe: The recipe.
        songs: The songs, split.
        seed: The seed.
        folder: The run folder.
        plan: Everything that the result depends on, bit by bit.
        run: The finished run; None until it exists.
        preprocessing: The preprocessing of the songs, if there is no finished run.
    """

    recipe: Recipe
    songs: SongSet
    seed: int
    folder: Path
    plan: dict[str, Any]
    run: Run | None = field(init=False)
    preprocessing: Preprocessing = field(init=False)

    def __post_init__(self) -> None:
        self.run = load_run(self.folder) if _already_done(self.folder, self.plan) else None
        if self.run is None:
            _check_float32()
            self.preprocessing = Preprocessing.fit(self.recipe, self.songs)
            _make_deterministic()
            self._network = self._build(Obtained())  # first, to refuse before anything is written
            files.write_json(self.folder / "plan.json", self.plan)

    def fit(
        self,
        obtained: Obtained | None = None,
        *,
        on_epoch: Callable[[dict[str, float]], None] | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> Run:
        """Trains, or continues after the last finished epoch, and writes the run; a finished one is returned.

        Args:
            obtained: The recipe's trained members.
            on_epoch: As `genrezoo.train`.
            callbacks: As `genrezoo.train`.
        """
        if self.run is not None:
            return self.run
        obtained = obtained or Obtained()
        network = self._build(obtained) if obtained.models else self._network
        settings, logits = self.recipe.procedure_settings(), obtained.logits
        given, owner = self.preprocessing.training_songs(self.songs)
        if owner is not None:
            logits = {name: value[owner] for name, value in logits.items()}
        watching = Callbacks(callbacks, network, getattr(settings, "epochs", 1), on_epoch) if callbacks else None
        fitted = PROCEDURES.get(self.recipe.procedure).call(
            network,
            given,
            settings,
            seed=self.seed,
            checkpoint_path=self.folder / "checkpoint.safetensors",
            on_epoch=watching or on_epoch,
            logits=logits,
        )
        if watching:
            watching.end(fitted.history[-1])
        self.run = self._write(fitted, obtained, self._out_of_fold(fitted, given, owner))
        return self.run

    def _out_of_fold(self, fitted: Fitted, given: SongSet, owner: np.ndarray | None) -> dict[str, np.ndarray]:
        """Returns outputs of members not trained on the song, by name, ``(n_songs, n_genres)``; NaN for test songs.

        Args:
            fitted: The fitted model; its outputs are empty if no member was trained on validation songs.
            given: The network's training input, songs or chunks.
            owner: Position of each chunk's song.
        """
        found: dict[str, np.ndarray] = {}
        for split, outputs in fitted.outputs.items():
            part = given.splits[split]
            whose, place = np.unique(part if owner is None else owner[part], return_inverse=True)
            order = np.argsort(place, kind="stable")  # as `Preprocessing.combine` takes them
            for name, value in outputs.items():
                if value.shape == outputs["logits"].shape:
                    into = found.setdefault(name, np.full((self.songs.n_songs, value.shape[1]), np.nan, np.float32))
                    into[whose] = self.preprocessing.combine(value[order], None if owner is None else place[order])
        return found

    def _build(self, obtained: Obtained) -> keras.Model:
        weights, shape = seeds.child_seed(self.seed, "model"), self.preprocessing.shape(self.songs)
        members = obtained.models or None
        groups = self.songs.feature_groups()
        return build_model(self.recipe, shape, self.songs.num_classes, members=members, seed=weights, groups=groups)

    def _write(self, fitted: Fitted, obtained: Obtained, out_of_fold: dict[str, np.ndarray]) -> Run:
        folder, preprocessing, songs = self.folder, self.preprocessing, self.songs
        arrays: dict[str, np.ndarray] = {}
        temperature = None
        for split in (side for side in ("valid", "test") if side in songs.splits):
            part = songs.split(split)
            stored = {name: value[songs.splits[split]] for name, value in out_of_fold.items()}
            outputs = stored if stored and split == "valid" else answers(fitted.model, preprocessing, part)
            if self.recipe.calibrate and split == "valid":
                temperature = fit_temperature(outputs["logits"], part.y, name=songs.name)
            arrays |= _predictions(split, part, outputs, temperature)
        if out_of_fold and obtained.knows_none(songs) and not fitted.model.trainable_weights:
            pool = np.sort(np.concatenate([songs.splits[split] for split in ("train", "valid")]))
            stored = {name: value[pool] for name, value in out_of_fold.items()}
            arrays |= _predictions(OUT_OF_FOLD, songs.take(pool), stored, temperature)
        predictions = files.write_npz(folder / FILE, arrays)
        history = files.write_text(folder / "history.csv", _as_csv(fitted.history))
        weights = files.write_atomic(folder / "weights.safetensors", safetensors.numpy.save(weights_of(fitted.model)))
        standardiser = preprocessing.standardiser
        card = Card(
            recipe=self.recipe.model_copy(update={"members": obtained.members}),
            seed=self.seed,
            input_shape=preprocessing.shape(songs),
            genres=songs.genres,
            mean=standardiser.mean.tolist(),
            scale=standardiser.scale.tolist(),
            clip=standardiser.clip,
            knots=None if standardiser.knots is None else standardiser.knots.tolist(),
            songs={**songs.describe(), "checksum": self.plan["checksum"]},
            epochs=len(fitted.history),
            best_epoch=fitted.best_epoch,
            train_seconds=fitted.seconds,
            members_seconds=obtained.seconds,
            parameters=int(fitted.model.count_params()),
            temperature=temperature,
            environment=environment(),
            weights_sha256=files.sha256_of(weights),
            predictions_sha256=files.sha256_of(predictions),
            history_sha256=files.sha256_of(history),
        )
        files.write_json(folder / "card.json", card.signed())  # last: it says that the run is finished
        for checkpoint in folder.glob("checkpoint*.safetensors"):
            checkpoint.unlink()
        run = load_run(folder)
        if self.recipe.chunks or not handles(self.recipe)[1]:
            fitted.model.compiled = False  # a composition copies it, and cannot copy losses that are functions
            run.__dict__["network"] = fitted.model  # it is there already; one for any length is built anew
        return run


def _predictions(
    split: str, songs: SongSet, outputs: Mapping[str, np.ndarray], temperature: float | None
) -> dict[str, np.ndarray]:
    """Returns the predictions of a split under their stored names."""
    found = {"ids": songs.ids, "y": songs.y, **outputs}
    if temperature is not None:
        found["logits"] = found["logits"] / np.float32(temperature)
    return {f"{split}_{name}": value for name, value in found.items()}


def _already_done(folder: Path, plan: dict[str, Any]) -> bool:
    """Whether the folder holds this training's result; raises an error for a folder of another training's work."""
    path = folder / "plan.json"
    if not path.exists():
        if unexpected := sorted(set(os.listdir(folder)) - {".lock"}):
            raise SettingsError(f"{folder} is not empty ({unexpected[0]}); use a new folder for the run")
        return False
    before = files.read_json(path)
    if not isinstance(before, dict):
        raise DataError("is not the plan of a training", path=path, remedy="restore it, or use a new folder")
    if different := differences(before, plan):
        if set(os.listdir(folder)) <= {".lock", path.name}:  # refused or killed before anything was trained
            return False
        remedy = "Use another folder or the previous settings"
        raise SettingsError(f"{folder} holds another training: {'; '.join(different)}. {remedy}")
    return (folder / "card.json").exists()


def _check_float32() -> None:
    """Refuses other types of floats: procedures do not scale the loss, and a run folder does not say its type."""
    for given, call in ((keras.config.floatx(), "set_floatx"), (keras.config.dtype_policy().name, "set_dtype_policy")):
        if given != "float32":
            raise SettingsError(
                f"Keras computes in {given}; recipes are trained in float32. Call keras.config.{call}('float32') first"
            )


def _make_deterministic() -> None:
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf  # only where it is the backend

        tf.config.experimental.enable_op_determinism()


def _as_csv(history: list[dict[str, float]]) -> str:
    rows: list[list[Any]] = [list(history[0]), *([record[name] for name in history[0]] for record in history)]
    return "".join(",".join(map(str, row)) + "\n" for row in rows)
