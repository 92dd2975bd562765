"""Runs: a recipe trained on songs with a seed, kept in a folder that holds everything needed to use it again.

A run folder has ``weights.safetensors`` (arrays only), ``card.json`` (what the run depends on and came to),
``history.csv`` and ``predictions.npz`` (valid and test). The card is written last: a folder without one is a training
to be continued. Loading builds the model by name from the validated card and never deserialises code.
"""

from __future__ import annotations

import csv
import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genrezoo import files, seeds
from genrezoo.environment import environment
from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import evaluate, softmax
from genrezoo.models import create_model
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.registry import MODELS, PROCEDURES
from genrezoo.songs import SongSet, Standardiser
from genrezoo.songs.splits import check_split
from genrezoo.training import Fitted, forward
from genrezoo.training.checkpoint import assign_weights, weights_of
from genrezoo.training.fitted import HISTORY

MOST_WEIGHTS = 2**30  # of one layer: a card cannot make the process allocate more than 4 GiB for it


class Card(BaseModel):
    """What ``card.json`` holds; everything in it is checked before anything is built from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    recipe: Recipe
    seed: int = Field(ge=0, lt=2**32)
    input_shape: tuple[int, int] = Field(description="Segments and features of the songs trained on.")
    genres: tuple[str, ...] = Field(min_length=2, max_length=10_000)
    mean: list[float] = Field(description="Per feature; subtracted from the input.")
    scale: list[float] = Field(description="Per feature; the input is divided by it.")
    clip: float | None = Field(None, gt=0)
    songs: dict[str, Any] = Field(description="Description of the songs, their checksum and their split's provenance.")
    epochs: int = Field(ge=0)
    best_epoch: int = Field(ge=0)
    train_seconds: float = Field(ge=0)
    parameters: int = Field(ge=0)
    environment: dict[str, Any]
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Run:
    """A trained model with everything that belongs to it.

    Attributes:
        folder: The run folder.
        card: What the run depends on and came to.
    """

    def __init__(self, folder: str | Path, card: Card):
        self.folder, self.card = Path(folder), card
        self.standardiser = Standardiser(np.array(card.mean, np.float32), np.array(card.scale, np.float32), card.clip)

    def __repr__(self) -> str:
        return f"Run({self.card.recipe.name!r}, seed {self.card.seed}, {str(self.folder)!r})"

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.card.genres

    @functools.cached_property
    def model(self) -> keras.Model:
        """The model, built from the card by name and given the checked weights when first asked for."""
        path = self.folder / "weights.safetensors"
        if not path.is_file():
            raise DataError("no weights", path=path, remedy="train again")
        if files.sha256_of(path) != self.card.weights_sha256:
            raise DataError(
                "weights do not have the sha256 on the card", path=path, remedy="restore the file or train again"
            )
        _check_size(self.card, self.folder / "card.json")
        recipe = self.card.recipe
        model = create_model(recipe.model, self.card.input_shape, len(self.genres), **recipe.arguments)
        try:
            arrays = safetensors.numpy.load_file(path)
        except safetensors.SafetensorError as error:
            raise DataError(
                f"damaged weights ({error})", path=path, remedy="restore the file or train again"
            ) from error
        assign_weights(model, arrays, path)
        return model

    def logits(self, songs: SongSet) -> np.ndarray:
        """Logits of songs, ``(n_songs, n_genres)`` float32; the songs' features are standardised as in training.

        Raises:
            DataError: The songs have other features, or a length that the model cannot take.
        """
        entry = MODELS.get(self.card.recipe.model)
        segments = self.card.input_shape[0]
        if songs.n_segments != segments and not entry.any_length:
            raise DataError(
                f"songs have {songs.n_segments} segments, {entry.name} was trained on {segments}",
                where=songs.name,
                remedy="cut or pad the songs (with `lengths`) to that many",
            )
        _check_padding(entry.name, entry.masks_padding, songs)
        return forward(self.model, self.standardiser.apply(songs))["logits"]

    def predict(self, x: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        """Probabilities of each genre.

        Args:
            x: Features as in the songs trained on, not standardised: ``(n_songs, n_segments, n_features)``, or one song
                as ``(n_segments, n_features)``.
            lengths: Real segments of each song; all of them if left out.

        Returns:
            ``(n_songs, n_genres)`` float32, rows sum to 1.

        Raises:
            DataError: Wrong shape, or NaN or infinite features outside padding.
        """
        x = np.asarray(x)
        if x.ndim == 2:
            x = x[None]
        whole = np.full(len(x), x.shape[1] if x.ndim == 3 else 0) if lengths is None else lengths
        songs = SongSet(x=x, y=np.zeros(len(x), np.int64), genres=self.genres, lengths=whole, name="input")
        for part, block in songs.blocks():
            real = np.arange(songs.n_segments) < songs.lengths[part, None]
            if not np.isfinite(block[real]).all():
                raise DataError(
                    "NaN or infinite features", where="x", remedy="mend them, or give `lengths` for padding"
                )
        return softmax(self.logits(songs)).astype(np.float32)

    def predictions(self, split: str = "test") -> dict[str, np.ndarray]:
        """Stored predictions of a split: ``ids``, ``y``, ``logits`` and the outputs of auxiliary heads.

        Raises:
            DataError: No predictions of that split are stored.
        """
        path = self.folder / "predictions.npz"
        try:
            with np.load(path, allow_pickle=False) as archive:
                found = {
                    name.removeprefix(f"{split}_"): archive[name]
                    for name in archive.files
                    if name.startswith(f"{split}_")
                }
        except (OSError, ValueError) as error:
            raise DataError(f"unreadable predictions ({error})", path=path, remedy="train again") from error
        if not found:
            raise DataError(f"no predictions of split {split!r}", path=path, remedy="use valid or test, or give songs")
        return found

    def evaluate(self, split: str = "test", songs: SongSet | None = None) -> dict[str, Any]:
        """All metrics of `genrezoo.evaluation.evaluate`.

        Args:
            split: Split to evaluate on.
            songs: Songs with that split; None takes the predictions stored when the run was trained.

        Raises:
            DataError: There is no such split, or the songs have other genres or features.
        """
        if songs is None:
            stored = self.predictions(split)
            return evaluate(stored["logits"], stored["y"])
        if songs.genres != self.genres:
            raise DataError(
                f"genres are {list(songs.genres)}, the run knows {list(self.genres)}",
                where=songs.name,
                remedy="label the songs with the run's genres, in its order",
            )
        part = songs.validate().split(split)
        return evaluate(self.logits(part), part.y)


def train(
    recipe: str | Recipe,
    songs: SongSet,
    *,
    seed: int,
    out: str | Path,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Run:
    """Trains a recipe on songs and writes the run folder.

    Killed at any instant and called again with the same arguments it continues after the last finished epoch and ends
    with weights that are the same to the bit as those of an uninterrupted run, on one machine with the same versions,
    backend and number of threads. Called again after it is done, it returns the finished run. On TensorFlow it turns op
    determinism on for the process.

    Args:
        recipe: A recipe or its name.
        songs: Songs with splits ``train``, ``valid`` and ``test``; test labels are used once, for the metrics at the
            end.
        seed: Seed of weights, dropout and order.
        out: The run folder; new, empty, or of the same training.
        on_epoch: Called with each finished epoch's history record.

    Returns:
        The run.

    Raises:
        DataError: Songs that cannot be trained on, a split that leaks, songs that the model cannot take, or a folder in
            use.
        SettingsError: A recipe with unknown or impossible settings, or a folder of another training.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> recipe = gz.get_recipe("fully_connected").changed({"epochs": 1})
        >>> run = gz.train(recipe, songs, seed=1, out=tempfile.mkdtemp())
        >>> run.predict(songs.split("test").x).shape
        (20, 10)
    """
    recipe = get_recipe(recipe) if isinstance(recipe, str) else recipe
    settings = recipe.procedure_settings()
    entry = MODELS.get(recipe.model)
    seeds.check_seed(seed)
    songs.validate()
    check_split(songs)
    _check_padding(entry.name, entry.masks_padding, songs)
    plan = _plan(recipe, songs, seed)
    with files.lock_folder(out) as folder:
        if _already_done(folder, plan):
            return load_run(folder)
        train_songs = songs.split("train")
        standardiser = Standardiser.fit(train_songs, clip=recipe.clip)
        if not recipe.standardise:
            standardiser = Standardiser.none(songs.n_features)
        _make_deterministic()
        shape = (songs.n_segments, songs.n_features)
        model = create_model(
            recipe.model, shape, songs.num_classes, seed=seeds.child_seed(seed, "model"), **recipe.arguments
        )
        files.write_json(
            folder / "plan.json", plan
        )  # after the model was built: a refused recipe leaves nothing behind
        fitted = PROCEDURES.get(recipe.procedure).call(
            model,
            standardiser.standardised(songs),
            settings,
            seed=seed,
            checkpoint_path=folder / "checkpoint.safetensors",
            on_epoch=on_epoch,
        )
        return _write(folder, recipe, songs, seed, standardiser, fitted, plan)


def load_run(folder: str | Path) -> Run:
    """Opens a run folder; the model is built when it is first used.

    Raises:
        DataError: Not a run folder, an unfinished training, or a card that is damaged or out of range.
    """
    folder = Path(folder)
    path = folder / "card.json"
    if not path.is_file():
        unfinished = (folder / "plan.json").is_file()
        raise DataError(
            "an unfinished training" if unfinished else "not a run folder",
            path=folder,
            remedy="train it again with the same command to finish it"
            if unfinished
            else "name a folder made by training",
        )
    try:
        card = Card.model_validate(files.read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(first["msg"], path=path, where=where, remedy="restore the card or train again") from error
    if not (len(card.mean) == len(card.scale) == card.input_shape[1]) or not np.isfinite([card.mean, card.scale]).all():
        raise DataError("mean and scale do not fit the features", path=path, remedy="restore the card or train again")
    return Run(folder, card)


def _write(
    folder: Path,
    recipe: Recipe,
    songs: SongSet,
    seed: int,
    standardiser: Standardiser,
    fitted: Fitted,
    plan: dict[str, Any],
) -> Run:
    arrays: dict[str, np.ndarray] = {}
    for split in ("valid", "test"):
        part = songs.split(split)
        arrays |= {f"{split}_ids": part.ids, f"{split}_y": part.y}
        arrays |= {f"{split}_{name}": value for name, value in forward(fitted.model, standardiser.apply(part)).items()}
    files.write_npz(folder / "predictions.npz", arrays)
    files.write_text(folder / "history.csv", _as_csv(fitted.history))
    weights = safetensors.numpy.save(weights_of(fitted.model))
    digest = files.sha256_of(files.write_atomic(folder / "weights.safetensors", weights))
    card = Card(
        recipe=recipe,
        seed=seed,
        input_shape=(songs.n_segments, songs.n_features),
        genres=songs.genres,
        mean=standardiser.mean.tolist(),
        scale=standardiser.scale.tolist(),
        clip=standardiser.clip,
        songs={**songs.describe(), "checksum": plan["checksum"]},
        epochs=len(fitted.history),
        best_epoch=fitted.best_epoch,
        train_seconds=fitted.seconds,
        parameters=int(fitted.model.count_params()),
        environment=environment(),
        weights_sha256=digest,
    )
    files.write_json(folder / "card.json", card.model_dump(mode="json"))
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    run = Run(folder, card)
    run.__dict__["model"] = fitted.model  # it is there already
    return run


def _plan(recipe: Recipe, songs: SongSet, seed: int) -> dict[str, Any]:
    """What the bits of the result depend on; a folder of another plan is refused."""
    now = environment()
    return {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "checksum": songs.checksum(),
        **{name: now[name] for name in ("backend", "threads", "versions")},
    }


def _already_done(folder: Path, plan: dict[str, Any]) -> bool:
    """Whether the folder holds this training's result; refuses a folder of anything else."""
    path = folder / "plan.json"
    if not path.exists():
        if strange := sorted(set(os.listdir(folder)) - {".lock"}):
            raise SettingsError(f"{folder} is not empty ({strange[0]}); name a new folder for the run")
        return False
    before = files.read_json(path)
    different = [
        f"{key} was {then}, is {now}"
        for key in sorted(plan)
        for then, now in [_difference(before.get(key), plan[key])]
        if then != now
    ]
    if different:
        raise SettingsError(
            f"{folder} holds another training: {'; '.join(different)}. Use another folder or the old settings"
        )
    return (folder / "card.json").exists()


def _difference(then: Any, now: Any) -> tuple[str, str]:
    """Both values in short; of two dicts only the entries that differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        keys = [key for key in sorted(then | now) if then.get(key) != now.get(key)]
        return str({key: then.get(key) for key in keys}), str({key: now.get(key) for key in keys})
    return str(then), str(now)


def _check_padding(name: str, masks_padding: bool, songs: SongSet) -> None:
    if songs.has_padding and not masks_padding:
        short = int((songs.lengths < songs.n_segments).sum())
        raise DataError(
            f"{short} songs are shorter than {songs.n_segments} segments and {name} does not mask padding",
            where=songs.name,
            remedy="choose a model that does (`genrezoo list`), or cut the songs to one length",
        )


def _check_size(card: Card, path: Path) -> None:
    """Refuses a card whose model would be absurdly large, before anything is allocated."""

    def sizes(value: Any) -> list[int]:
        if isinstance(value, dict):
            return [size for part in value.values() for size in sizes(part)]
        if isinstance(value, list | tuple):
            return [size for part in value for size in sizes(part)]
        return [value] if isinstance(value, int) else []

    given = sizes(card.recipe.arguments)
    widest = max([*given, len(card.genres), 1])
    segments, features = card.input_shape
    if (
        min(segments, features, *given, 1) < 0
        or len(given) > 100
        or widest * max(widest, segments * features) > MOST_WEIGHTS
    ):
        raise DataError(
            f"a model with arguments {card.recipe.arguments} on {card.input_shape} is out of range",
            path=path,
            remedy="use a card that genrezoo wrote",
        )


def _make_deterministic() -> None:
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf  # only where it is the backend

        tf.config.experimental.enable_op_determinism()


def _as_csv(history: list[dict[str, float]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, HISTORY, lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return buffer.getvalue()
