"""A trained run, opened from its folder; what is stored in it is read without Keras."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from genrezoo import files
from genrezoo.errors import DataError
from genrezoo.evaluation import evaluate, softmax
from genrezoo.recipes import Recipe
from genrezoo.registry import find_builder
from genrezoo.runs.preprocessing import Preprocessing, selected_columns
from genrezoo.songs import SongSet, Standardiser

if TYPE_CHECKING:
    import keras


class Card(BaseModel):
    """What ``card.json`` holds; everything in it is checked before anything is built from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    recipe: Recipe
    seed: int = Field(ge=0, lt=2**32)
    input_shape: tuple[int, ...] = Field(
        min_length=2,
        max_length=3,
        description="What the network reads of a song: segments and features, or an image's height, width, channels.",
    )
    genres: tuple[str, ...] = Field(min_length=2, max_length=10_000)
    mean: list[float] = Field(description="Per feature; subtracted from the input.")
    scale: list[float] = Field(description="Per feature; the input is divided by it.")
    clip: float | None = Field(None, gt=0)
    songs: dict[str, Any] = Field(description="Description of the songs, their checksum and their split's provenance.")
    epochs: int = Field(ge=0)
    best_epoch: int = Field(ge=0)
    train_seconds: float = Field(ge=0)
    members_seconds: float = Field(0.0, ge=0, description="What training the members took.")
    parameters: int = Field(ge=0)
    environment: dict[str, Any]
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Run:
    """A trained model with everything that belongs to it.

    Attributes:
        folder: The run folder.
        card: What the run depends on and its results.
    """

    def __init__(self, folder: str | Path, card: Card):
        self.folder, self.card = Path(folder), card

    def __repr__(self) -> str:
        return f"Run({self.card.recipe.name!r}, seed {self.card.seed}, {str(self.folder)!r})"

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.card.genres

    @functools.cached_property
    def preprocessing(self) -> Preprocessing:
        """The way from songs to what the network reads, and back."""
        card = self.card
        groups = (card.songs.get("about") or {}).get("feature_groups") or {}  # of the songs trained on
        standardiser = Standardiser(np.array(card.mean, np.float32), np.array(card.scale, np.float32), card.clip)
        columns = selected_columns(card.recipe, groups, where=str(self.folder))
        return Preprocessing(columns, card.recipe.chunks, standardiser)

    @functools.cached_property
    def network(self) -> keras.Model:
        """The model behind the standardisation, built from the card by name and given the checked weights.

        It reads standardised features with padding as NaN: ``run.preprocessing.apply(songs)[0]``.
        """
        import safetensors
        import safetensors.numpy

        from genrezoo.runs.building import build_model
        from genrezoo.training.checkpoint import assign_weights

        path = self.folder / "weights.safetensors"
        if not path.is_file():
            raise DataError("no weights", path=path, remedy="train again")
        if files.sha256_of(path) != self.card.weights_sha256:
            what = "weights do not have the sha256 on the card"
            raise DataError(what, path=path, remedy="restore the file or train again")
        _check_size(self.card, self.folder / "card.json")
        network = build_model(self.card.recipe, self.card.input_shape, len(self.genres), again=True)
        try:
            arrays = safetensors.numpy.load_file(path)
        except safetensors.SafetensorError as error:
            remedy = "restore the file or train again"
            raise DataError(f"damaged weights ({error})", path=path, remedy=remedy) from error
        assign_weights(network, arrays, path)
        return network

    @functools.cached_property
    def model(self) -> keras.Model:
        """The whole model, from raw features to logits: the layer `Standardise`, then the network as one layer.

        ``run.model.predict(songs.padded())`` equals ``run.logits(songs)``, but for rounding; models with several
        outputs answer a dict with the key ``logits``. Padding must be NaN. A recipe with chunks reads chunks: cut the
        songs by ``chunks, owner = run.preprocessing.cut(songs)`` and combine the answers by
        ``run.preprocessing.combine(run.model.predict(chunks.padded()), owner)``.

        Compile and fit it to train it further on raw features; in a process in which `genrezoo.train` has run, call
        ``keras.utils.set_random_seed`` before, because deterministic operations need a seed to shuffle. It shares its
        weights with `network`, so `predict` and `logits` answer with the new ones; the run folder keeps the old ones.
        """
        import keras

        features = self.card.songs.get("features", self.card.input_shape[-1])
        songs = keras.Input((*self.network.input_shape[1:-1], features), name="songs")
        return keras.Model(songs, self.network(self.preprocessing.layer()(songs)), name=self.card.recipe.name)

    def logits(self, songs: SongSet) -> np.ndarray:
        """Logits of songs, ``(n_songs, n_genres)`` float32; the songs' features are standardised as in training.

        Raises:
            DataError: The songs have other features, or a length that the model cannot read.
        """
        from genrezoo.runs.building import logits_of

        self.check(songs)
        return logits_of(self.network, self.card.recipe, self.preprocessing, songs)

    def check(self, songs: SongSet) -> None:
        """Refuses songs that the model cannot read.

        Raises:
            DataError: The songs have other features, or a length that the model cannot read.
        """
        from genrezoo.runs.building import check_songs, handles

        recipe, expected = self.card.recipe, self.card.songs.get("features")
        if expected is not None and songs.n_features != expected:
            what = f"songs have {songs.n_features} features, {recipe.name} was trained on songs of {expected}"
            raise songs.error(what, remedy="use songs with the features that the run was trained on")
        segments = self.card.input_shape[0]
        if songs.kind == "image" and songs.song_shape != self.card.input_shape:
            what = f"images have the shape {songs.song_shape}, {recipe.name} was trained on {self.card.input_shape}"
            raise songs.error(what, remedy="make images of that size")
        if songs.n_segments != segments and not handles(recipe)[1]:
            what = f"songs have {songs.n_segments} segments, {recipe.name} was trained on {segments}"
            raise songs.error(what, remedy="cut or pad the songs (with `lengths`) to that many")
        check_songs(recipe, songs)

    def predict(self, x: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
        """Probabilities of each genre.

        Args:
            x: Features as in the songs trained on, not standardised: ``(n_songs, n_segments, n_features)``, or one song
                as ``(n_segments, n_features)``; images as ``(n_songs, height, width, channels)`` or one without the
                first axis.
            lengths: Real segments of each song; all of them if left out.

        Returns:
            ``(n_songs, n_genres)`` float32, rows sum to 1.

        Raises:
            DataError: Wrong shape, or NaN or infinite features outside padding.
        """
        x = np.asarray(x)
        kind = find_builder(self.card.recipe.model).expects
        if x.ndim == (3 if kind == "image" else 2):
            x = x[None]
        whole = np.full(len(x), x.shape[1] if x.ndim >= 3 else 0) if lengths is None else lengths
        songs = SongSet(x=x, y=np.zeros(len(x), np.int64), genres=self.genres, lengths=whole, name="input", kind=kind)
        songs.check_finite()
        return softmax(self.logits(songs)).astype(np.float32)

    def predictions(self, split: str = "test") -> dict[str, np.ndarray]:
        """Stored predictions of a split: ``ids``, ``y``, ``logits`` and the outputs of auxiliary heads.

        Raises:
            DataError: No predictions of that split are stored.
        """
        path = self.folder / "predictions.npz"
        try:
            with np.load(path, allow_pickle=False) as archive:
                names = [name for name in archive.files if name.startswith(f"{split}_")]
                found = {name.removeprefix(f"{split}_"): archive[name] for name in names}
        except (OSError, ValueError) as error:
            raise DataError(f"unreadable predictions ({error})", path=path, remedy="train again") from error
        if not found:
            raise DataError(f"no predictions of split {split!r}", path=path, remedy="use valid or test, or pass songs")
        return found

    def history(self) -> dict[str, list[float]]:
        """The columns of ``history.csv``, one value an epoch.

        Raises:
            DataError: The file is missing or damaged.
        """
        return files.read_columns(self.folder / "history.csv")

    def evaluate(self, split: str = "test", songs: SongSet | None = None) -> dict[str, Any]:
        """All metrics of `genrezoo.evaluation.evaluate`.

        Args:
            split: Split to evaluate on.
            songs: Songs with that split; None reads the predictions stored when the run was trained, without Keras.

        Raises:
            DataError: There is no such split, or the songs have other genres or features.
        """
        if songs is None:
            stored = self.predictions(split)
            return evaluate(stored["logits"], stored["y"])
        if songs.genres != self.genres:
            what = f"genres are {list(songs.genres)}, the run was trained on {list(self.genres)}"
            raise songs.error(what, remedy="label the songs with the run's genres, in its order")
        part = songs.validate().split(split)
        return evaluate(self.logits(part), part.y)


def load_run(folder: str | Path) -> Run:
    """Opens a run folder without loading Keras; the network is built when it is first used.

    Raises:
        DataError: Not a run folder, an unfinished training, or a card that is damaged or out of range.
    """
    folder = Path(folder)
    path = folder / "card.json"
    if not path.is_file():
        if (folder / "plan.json").is_file():
            remedy = "train it again with the same command to finish it"
            raise DataError("an unfinished training", path=folder, remedy=remedy)
        raise DataError("not a run folder", path=folder, remedy="use a folder made by training")
    try:
        card = Card.model_validate(files.read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(first["msg"], path=path, where=where, remedy="restore the card or train again") from error
    sizes = {len(card.mean), len(card.scale), card.input_shape[-1]}
    if len(sizes) > 1 or not np.isfinite([card.mean, card.scale]).all():
        raise DataError("mean and scale do not fit the features", path=path, remedy="restore the card or train again")
    return Run(folder, card)


def _check_size(card: Card, path: Path) -> None:
    """Refuses a card whose model would be absurdly large, before anything is allocated."""
    from genrezoo.models._checks import MOST_WEIGHTS

    def sizes(value: Any) -> list[int]:
        if isinstance(value, dict):
            return [size for part in value.values() for size in sizes(part)]
        if isinstance(value, list | tuple):
            return [size for part in value for size in sizes(part)]
        return [value] if isinstance(value, int) else []

    def given_to(recipe: Recipe) -> list[int]:
        inside = [member.recipe for member in recipe.members.values() if member.recipe]
        return [*sizes(recipe.arguments), *(size for part in inside for size in given_to(part))]

    given = given_to(card.recipe)
    widest = max([*given, len(card.genres), 1])
    weights = widest * max(widest, math.prod(card.input_shape))
    if min(*card.input_shape, *given, 1) < 0 or len(given) > 100 or weights > MOST_WEIGHTS:
        what = f"a model with arguments {card.recipe.arguments} on {card.input_shape} is out of range"
        raise DataError(what, path=path, remedy="use a card that genrezoo wrote")
