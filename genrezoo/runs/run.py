"""A trained run, opened from its folder; stored results are read without Keras."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field, model_validator

from genrezoo import files
from genrezoo.errors import DataError, GenrezooWarning, check_type, checked
from genrezoo.evaluation import TEMPERATURES, evaluate, softmax
from genrezoo.reading import Reading
from genrezoo.recipes import Recipe
from genrezoo.registry import find_builder
from genrezoo.runs.predictions import ALL, FILE, read_predictions
from genrezoo.runs.preprocessing import LARGEST, Preprocessing, selected_columns
from genrezoo.songs import SongSet, Standardiser

if TYPE_CHECKING:
    import keras
    import pandas as pd


Size = Annotated[int, Field(ge=1, le=2**24)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Scale = Annotated[float, Field(ge=1e-20, le=LARGEST)]
Genre = Annotated[str, Field(min_length=1, max_length=1000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Card(BaseModel, frozen=True, extra="forbid"):
    """The content of ``card.json``, which is checked completely before anything is built from it.

    Cards of format 2 hold the checksums of all files of the run and of the card; those of format 1 only that of the
    weights.
    """

    format: Literal[1, 2] = 1
    recipe: Recipe
    seed: int = Field(ge=0, lt=2**32)
    input_shape: tuple[Size, ...] = Field(
        min_length=2,
        max_length=3,
        description="Input shape of the network: segments and features, or an image's height, width and channels.",
    )
    genres: tuple[Genre, ...] = Field(min_length=2, max_length=10_000)
    mean: list[Number] = Field(description="Value per feature that is subtracted from the input.")
    scale: list[Scale] = Field(description="Value per feature that divides the input.")
    clip: float | None = Field(None, gt=0)
    knots: tuple[list[list[Number]], list[list[Number]]] | None = Field(
        None, description="For the transform `quantile`: values of each feature in ascending order, and their scores."
    )
    songs: dict[str, Any] = Field(description="Description of the songs, their checksum and their split's provenance.")
    epochs: int = Field(ge=0)
    best_epoch: int = Field(ge=0)
    train_seconds: float = Field(ge=0)
    members_seconds: float = Field(0.0, ge=0, description="Training time of the members in seconds.")
    parameters: int = Field(ge=0)
    temperature: float | None = Field(
        None,
        ge=TEMPERATURES[0],
        le=TEMPERATURES[1],
        description="Temperature that divides the logits of songs; None if the run was not calibrated.",
    )
    environment: dict[str, Any]
    weights_sha256: Sha256
    predictions_sha256: Sha256 | None = None
    history_sha256: Sha256 | None = None
    digest: Sha256 | None = Field(None, description="Digest of everything else on the card.")

    @model_validator(mode="after")
    def _fits(self) -> Card:
        if len({len(self.mean), len(self.scale), self.input_shape[-1]}) > 1:
            raise ValueError("mean and scale do not fit the features")
        if (self.knots is not None) != (self.recipe.transform == "quantile" and self.recipe.standardise):
            raise ValueError("knots and the recipe's transform differ")
        if self.knots is not None:
            values, scores = self.knots
            if {len(row) for row in (*values, *scores)} != {len(self.mean)} or not 2 <= len(values) == len(scores):
                raise ValueError("knots do not fit the features")
            if (np.diff(values, axis=0) < 0).any():
                raise ValueError("knots must rise")
        if len(set(self.genres)) < len(self.genres) or re.search("[\ud800-\udfff]", "".join(self.genres)):
            raise ValueError("genres must be unique and text")
        if self.recipe.chunks and self.recipe.chunks.segments != self.input_shape[0]:
            raise ValueError("chunks and input_shape differ")
        if self.temperature is not None and not self.recipe.calibrate:
            raise ValueError("there is a temperature, but the recipe has no calibration")
        about, features = self.songs.get("about", {}), self.songs.get("features", 1)
        if not isinstance(about, dict) or not isinstance(features, int) or not 1 <= features <= 2**24:
            raise ValueError("songs must have a table `about` and a number of `features`")
        if self.format == 2 and None in (self.predictions_sha256, self.history_sha256, self.digest):
            raise ValueError("checksums are missing")
        return self

    def signed(self) -> dict[str, Any]:
        """Returns the card as plain data, with a digest that reveals changes."""
        plain = json.loads(json.dumps(self.model_copy(update={"format": 2}).model_dump(mode="json")))  # as it is read
        return {**plain, "digest": _digest(plain)}


def _digest(card: dict[str, Any]) -> str:
    """Returns the sha256 of everything on a card except its digest."""
    rest = {key: value for key, value in card.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


class Run:
    """A trained model with its recipe, preprocessing, genres, history and predictions.

    Attributes:
        folder: The run folder.
        card: Everything that the run depends on, and its results.
    """

    def __init__(self, folder: str | Path, card: Card):
        self.folder, self.card = Path(folder), card

    def __repr__(self) -> str:
        return f"Run({self.card.recipe.name!r}, seed {self.card.seed}, {str(self.folder)!r})"

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.card.genres

    @property
    def where(self) -> str:
        """The run folder, for errors."""
        return str(self.folder)

    @functools.cached_property
    def reading(self) -> Reading:
        """Description of the model's input and output.

        Raises:
            DataError: The card's description of the songs' features is malformed.
        """
        from genrezoo.runs.building import handles

        card, about = self.card, self.card.songs.get("about") or {}
        masks, any_length = handles(card.recipe)
        kind = find_builder(card.recipe.model).expects
        n_features, n_segments = card.songs.get("features", card.input_shape[-1]), card.input_shape[0]
        free, features = any_length and not card.recipe.chunks, about.get("features")
        plain = {
            "name": card.recipe.name,
            "genres": self.genres,
            "n_outputs": len(self.genres),
            "kind": kind,
            "input_shape": card.input_shape if kind == "image" else (None if free else n_segments, n_features),
            "trained_segments": None if kind == "image" else n_segments,
            "masks_padding": masks,
            "chunks": card.recipe.chunks,
            "temperature": self.preprocessing.temperature,
            "trained_on": card.songs.get("name"),
            "features": features if isinstance(features, dict) else None,
            "feature_names": about.get("feature_names"),
        }
        remedy = "restore the card or train again"
        return checked(
            lambda: Reading.model_validate(plain), lambda what: DataError(what, path=self.folder, remedy=remedy)
        )

    @property
    def _groups(self) -> Mapping[str, Sequence[int]]:
        """Feature groups of the training songs."""
        return (self.card.songs.get("about") or {}).get("feature_groups") or {}

    @functools.cached_property
    def preprocessing(self) -> Preprocessing:
        """The path from songs to the network's input, and back."""
        card = self.card
        mean, scale = np.array(card.mean, np.float32), np.array(card.scale, np.float32)
        knots = None if card.knots is None else np.array(card.knots, np.float32)
        standardiser = Standardiser(mean, scale, card.clip, card.recipe.transform, knots)
        columns = selected_columns(card.recipe, self._groups, where=str(self.folder))
        temperature = card.temperature if card.recipe.chunks else None
        return Preprocessing(columns, card.recipe.chunks, standardiser, temperature)

    @functools.cached_property
    def network(self) -> keras.Model:
        """The model after the standardisation, built from the card by name, with verified weights.

        It reads standardised features with padding as NaN: ``run.preprocessing.apply(songs)[0]``.
        """
        import safetensors
        import safetensors.numpy

        from genrezoo.runs.building import build_model, handles
        from genrezoo.training.checkpoint import assign_weights

        card, path = self.card, self.folder / "weights.safetensors"
        self._verify(path.name, card.weights_sha256)
        try:
            arrays = safetensors.numpy.load(files.read_bytes(path, most=2**40))
        except safetensors.SafetensorError as error:
            remedy = "restore the file or train again"
            raise DataError(f"damaged weights ({error})", path=path, remedy=remedy) from error
        _check_size(card, arrays, path)
        any_length = handles(card.recipe)[1] and not card.recipe.chunks
        shape = (None, card.input_shape[1]) if any_length else card.input_shape
        network = build_model(card.recipe, shape, len(self.genres), again=True, groups=self._groups)
        assign_weights(network, arrays, path)
        return network

    def _verify(self, name: str, digest: str | None) -> Path:
        """Returns the path of a file of the run after verifying its checksum; old cards lack some checksums."""
        path = self.folder / name
        if digest is not None and files.sha256_of(path) != digest:
            raise DataError("does not have the sha256 on the card", path=path, remedy="restore it or train again")
        return path

    @property
    def _own_temperature(self) -> float | None:
        """The temperature of the network's logits, applied after those of chunks are combined."""
        return None if self.card.recipe.chunks else self.card.temperature

    @functools.cached_property
    def model(self) -> keras.Model:
        """The whole model from raw features to logits: the layer `Standardise`, then the network as one layer.

        A calibrated run of whole songs ends in the layer `Temperature`.

        ``run.model.predict(songs.padded())`` equals ``run.logits(songs)`` up to rounding; models with several outputs
        return a dict with the key ``logits``. Padding must be NaN. With a recipe that uses chunks, cut the songs by
        ``chunks, owner = run.preprocessing.cut(songs)`` and combine the predictions by
        ``run.preprocessing.combine(run.model.predict(chunks.padded()), owner)``.

        Compile and fit it to fine-tune it on raw features; in a process in which `genrezoo.train` has run, call
        ``keras.utils.set_random_seed`` first, because deterministic operations need a seed to shuffle. It shares its
        weights with `network`, so `predict` and `logits` use the new ones; the run folder keeps the old ones.
        """
        import keras

        from genrezoo.runs.calibration import at_temperature

        features = self.card.songs.get("features", self.card.input_shape[-1])
        songs = keras.Input((*self.network.input_shape[1:-1], features), name="songs")
        model = keras.Model(songs, self.network(self.preprocessing.layer()(songs)), name=self.card.recipe.name)
        return at_temperature(model, self._own_temperature)

    def logits(self, songs: SongSet) -> np.ndarray:
        """Returns logits of songs, ``(n_songs, n_genres)`` float32; features are standardised as in training.

        Raises:
            DataError: The songs have other features, or a length that the model cannot read.
        """
        from genrezoo.runs.building import logits_of

        self.check(songs)
        logits = logits_of(self.network, self.card.recipe, self.preprocessing, songs)
        if self._own_temperature is not None:
            logits = logits / np.float32(self._own_temperature)
        if not np.isfinite(logits).all():
            what = "the predictions are not finite: the features are far outside the range of the training songs"
            raise songs.error(what, remedy="use songs with the features that the run was trained on")
        return logits

    def check(self, songs: SongSet) -> None:
        """Rejects songs that the model cannot read.

        Raises:
            DataError: The songs have other features, or a length that the model cannot read.
        """
        self.reading.check(songs)

    def predict(self, x: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        """Returns the probability of each genre.

        Args:
            x: Features as in the training songs, not standardised: ``(n_songs, n_segments, n_features)``, or one song
                as ``(n_segments, n_features)``; images as ``(n_songs, height, width, channels)`` or one without the
                first axis.
            lengths: Real segments of each song; the default is all.

        Returns:
            ``(n_songs, n_genres)`` float32; rows sum to 1.

        Raises:
            DataError: The shape or a length is wrong, or features outside padding are NaN or infinite.
        """
        return self.reading.scores(self.logits(self.reading.songs(x, lengths, path=self.where)))

    def predictions(self, split: str = "test") -> dict[str, np.ndarray]:
        """Returns the stored predictions of a split: ``ids``, ``y``, ``logits`` and the outputs of auxiliary heads.

        For a run with bagged members, predictions for validation songs come from members that were not trained on the
        song; if all members are bagged, the split ``out_of_fold`` holds such predictions for all training and
        validation songs.

        Raises:
            DataError: No predictions of that split are stored.
        """
        self._verify(FILE, self.card.predictions_sha256)
        return read_predictions(self.folder, split, len(self.genres))

    def history(self) -> dict[str, list[float]]:
        """Returns the columns of ``history.csv``, with one value per epoch.

        Raises:
            DataError: The file is missing or damaged.
        """
        return files.read_columns(self._verify("history.csv", self.card.history_sha256))

    def predictions_frame(self, split: str = "test") -> pd.DataFrame:
        """Returns the stored predictions of a split as a data frame with one row per song, indexed by id.

        Its columns are ``genre``, the label; ``predicted``; ``right``; and the probability of each genre under the
        genre's name.

        Raises:
            DataError: As `predictions`.
        """
        import pandas as pd

        stored = self.predictions(split)
        names = np.array(self.genres, object)
        best = stored["logits"].argmax(axis=1)
        answers = {"genre": names[stored["y"]], "predicted": names[best], "right": best == stored["y"]}
        frame = pd.DataFrame(answers, index=pd.Index(stored["ids"].astype(object), name="id"))
        posteriors = pd.DataFrame(softmax(stored["logits"]), index=frame.index, columns=pd.Index(self.genres))
        return pd.concat([frame, posteriors], axis=1)

    def history_frame(self) -> pd.DataFrame:
        """Returns ``history.csv`` as a data frame with one row per epoch.

        Raises:
            DataError: As `history`.
        """
        import pandas as pd

        frame = pd.DataFrame(self.history()).astype({"epoch": int})
        return frame.set_index("epoch")

    def confusion(self, split: str = "test") -> pd.DataFrame:
        """Returns the number of songs of a split by true genre (rows) and predicted genre (columns).

        Raises:
            DataError: As `predictions`.
        """
        import pandas as pd

        genre, predicted = (pd.Index(self.genres, name=name) for name in ("genre", "predicted"))
        return pd.DataFrame(self.evaluate(split)["confusion"], index=genre, columns=predicted)

    def evaluate(self, split: str = "test", songs: SongSet | None = None) -> dict[str, Any]:
        """Computes all metrics of `genrezoo.evaluation.evaluate`.

        For a calibrated run also ``uncalibrated``: ``log_loss`` and ``calibration_error`` at temperature 1.

        Args:
            split: Split to evaluate on; with ``songs`` also ``"all"``, which takes every one of them: for songs that
                took no part in training.
            songs: Songs with that split; None reads the predictions stored when the run was trained, without Keras.

        Raises:
            DataError: There is no such split, or the songs have other genres or features.
        """
        if songs is None:
            stored = self.predictions(split)
            return self._metrics(stored["logits"], stored["y"])
        check_type("songs", songs, SongSet, "a SongSet, or None for the stored predictions")
        if songs.genres != self.genres:
            what = f"genres are {list(songs.genres)}, but the run was trained on {list(self.genres)}"
            raise songs.error(what, remedy="label the songs with the run's genres, in the same order")
        if not songs.splits and split != ALL:
            remedy = (
                f"pass the whole set with its split: evaluate({split!r}, songs) selects its songs; "
                "or split 'all' for songs that took no part in training"
            )
            raise songs.error("has no split", remedy=remedy)
        part = songs.validate() if split == ALL else songs.validate().split(split)
        return self._metrics(self.logits(part), part.y)

    def _metrics(self, logits: np.ndarray, y: np.ndarray) -> dict[str, Any]:
        found = evaluate(logits, y)
        if self.card.temperature is None:
            return found
        before = evaluate(logits * np.float32(self.card.temperature), y)
        return {**found, "uncalibrated": {name: before[name] for name in ("log_loss", "calibration_error")}}


def load_run(folder: str | Path) -> Run:
    """Opens a run folder without loading Keras; the network is built when it is first used.

    Raises:
        DataError: The folder does not exist or is not a run folder, the training is unfinished, or the card is damaged
            or out of range.
    """
    remedy = "use a folder made by training"
    folder = files.existing_path(folder, remedy)
    path = folder / "card.json"
    if not path.exists():
        if (folder / "plan.json").is_file():
            remedy = "train it again with the same command to finish it"
            raise DataError("an unfinished training", path=folder, remedy=remedy)
        raise DataError("not a run folder", path=folder, remedy=remedy)
    plain, remedy = files.read_json(path), "restore the card or train again"
    if isinstance(plain, dict) and "digest" in plain and plain["digest"] != _digest(plain):
        raise DataError("was changed after it was written: its digest differs", path=path, remedy=remedy)
    card = checked(lambda: Card.model_validate(plain), lambda what: DataError(what, path=path, remedy=remedy))
    if card.format == 1:
        what = f"{folder} comes from an older version, without checksums of its card, predictions and history"
        warnings.warn(what, GenrezooWarning, stacklevel=2)
    return Run(folder, card)


def _check_size(card: Card, arrays: dict[str, np.ndarray], path: Path) -> None:
    """Rejects a card whose model would be far larger than the stored weights, before anything is built."""
    from genrezoo.models._checks import MOST_WEIGHTS
    from genrezoo.runs.building import is_composition

    def sizes(value: Any) -> list[int]:
        if isinstance(value, dict | list | tuple):
            return [size for part in (value.values() if isinstance(value, dict) else value) for size in sizes(part)]
        return [value] if isinstance(value, int) else []

    def parts(recipe: Recipe) -> list[Recipe]:
        inside = [member.recipe for member in recipe.members.values() if member.recipe and is_composition(recipe)]
        return [recipe, *(part for one in inside for part in parts(one))]

    recipes = parts(card.recipe)
    # how much members of an ensemble count is no size
    given = [size for one in recipes for size in sizes({k: v for k, v in one.arguments.items() if k != "weights"})]
    widest = max([1, *(size for array in arrays.values() for size in array.shape)])
    if (
        sum(array.size for array in arrays.values()) != card.parameters
        or len(recipes) > len(arrays) + 1
        or len(given) > 100 * len(recipes)
        or any(not 0 <= size <= max(widest, 128) for size in given)
        or widest * max(widest, math.prod(card.input_shape)) > 2**4 * MOST_WEIGHTS
    ):
        what = f"holds {len(arrays)} arrays of at most {widest:,} columns, which do not belong to the card's model"
        raise DataError(what, path=path, remedy="use an unchanged run folder")
