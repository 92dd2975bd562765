"""What a model reads of a recording and what its answers are: one record of runs, exports and published weights."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import BaseModel, Field, model_validator

from genrezoo.errors import DataError, checked
from genrezoo.evaluation import TEMPERATURES, softmax
from genrezoo.songs import SongSet
from genrezoo.songs.chunks import Chunks
from genrezoo.songs.columns import to_array
from genrezoo.weights import WEIGHTS

MOST_OUTPUTS = 100_000
"""Numbers that a model may answer for a song."""

TAGGER_WINDOW = 2.992
"""Seconds of a window where published weights read any length and no other window is specified."""

Size = Annotated[int, Field(ge=1, le=2**24)]
Name = Annotated[str, Field(min_length=1, max_length=1000)]


class Reading(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What a model reads of a recording, and what its answers are."""

    source: Literal["run", "weights"] = Field(
        "run",
        description="What it is. Published weights read each window by itself: a shorter recording is repeated, "
        "and the windows' scores are averaged.",
    )
    name: Name = Field(description="Name of the recipe, or of the published weights.")
    output: Literal["logits", "embedding"] = Field("logits", description="Name of the output, and what it is.")
    n_outputs: int = Field(ge=1, le=MOST_OUTPUTS, description="Numbers that the output has for each song.")
    genres: tuple[Name, ...] = Field((), max_length=MOST_OUTPUTS, description="Names of the logits, genres first.")
    other_tags: int = Field(0, ge=0, description="How many of `genres`, at their end, are tags but no genres.")
    activation: Literal["softmax", "sigmoid"] = Field("softmax", description="What makes scores of the logits.")
    kind: Literal["segments", "image"] = Field("segments", description="What a song is; a table has one segment.")
    input_shape: tuple[Size | None, ...] = Field(
        min_length=2,
        max_length=3,
        description="Shape of a song as the model reads it, with all its features: segments (None for any number) and "
        "features, or height, width and channels.",
    )
    trained_segments: Size | None = Field(None, description="Segments of the songs trained on; of images None.")
    masks_padding: bool = Field(False, description="Whether padding, NaN, is ignored.")
    chunks: Chunks | None = Field(None, description="How songs are cut for the model; None for whole songs.")
    temperature: float | None = Field(
        None,
        ge=TEMPERATURES[0],
        le=TEMPERATURES[1],
        description="What the logits of songs are divided by after those of their chunks are combined; None: nothing.",
    )
    window: float | None = Field(None, gt=0, le=1e6, description="Seconds of a window, where any length is read.")
    trained_on: Name | None = Field(None, description="Name of the songs trained on.")
    features: dict[str, Any] | None = Field(None, description="Settings of the features, for `feature_settings`.")
    feature_names: tuple[str, ...] | None = Field(None, max_length=2**20, description="Names of the features.")
    layer: Name | None = Field(None, description="Layer of an embedding; None for the last but one.")

    @model_validator(mode="after")
    def _fits(self) -> Reading:
        if self.output == "logits" and (len(self.genres) != self.n_outputs or self.n_outputs < 2):
            raise ValueError(f"there are {len(self.genres)} genres for {self.n_outputs} outputs")
        if self.output == "embedding" and self.genres:
            raise ValueError("an embedding has no genres")
        if len(set(self.genres)) < len(self.genres) or self.other_tags > max(0, len(self.genres) - 1):
            raise ValueError("genres must be unique, and other_tags leave at least one")
        if len(self.input_shape) != (3 if self.kind == "image" else 2) or None in self.input_shape[1:]:
            raise ValueError(f"input_shape {self.input_shape} is not that of a song of kind {self.kind!r}")
        if self.kind == "image" and (self.input_shape[0] is None or self.chunks):
            raise ValueError("images have one size and no chunks")
        if self.chunks and self.chunks.segments != self.input_shape[0]:
            raise ValueError("chunks and input_shape differ")
        if self.temperature is not None and not self.chunks:
            raise ValueError("a temperature is of chunks that are combined; that of whole songs is part of the model")
        if self.kind == "segments" and self.trained_segments is None and self.source == "run":
            raise ValueError("trained_segments are missing")
        if math.prod(size or 1 for size in self.input_shape) > 2**28:
            raise ValueError(f"input_shape {self.input_shape} is too large")
        return self

    @classmethod
    def of_weights(cls, name: str) -> Reading:
        """That of published weights.

        Raises:
            UnknownNameError: There are no such weights.
            SettingsError: Their labels are not music genres.
        """
        entry = WEIGHTS.get(name)
        image = len(entry.input_shape) == 3
        plain = {
            "source": "weights",
            "name": name,
            "n_outputs": len(entry.labels),
            "genres": [entry.labels[number] for number in entry.order],
            "other_tags": len(entry.labels) - len(entry.genres),
            "activation": entry.activation,
            "kind": "image" if image else "segments",
            "input_shape": entry.input_shape,
            "window": TAGGER_WINDOW if entry.input_shape[0] is None else None,
            "features": dict(entry.features) or None,
        }
        return checked(lambda: cls.model_validate(plain))

    @property
    def n_features(self) -> int:
        """Features of a song, or channels of an image."""
        return int(self.input_shape[-1] or 0)

    @property
    def any_length(self) -> bool:
        """Whether songs may have any number of segments."""
        return self.kind == "segments" and (self.chunks is not None or self.input_shape[0] is None)

    def songs(self, x: Any, lengths: Any = None, *, path: str = "input") -> SongSet:
        """Features as songs.

        Args:
            x: ``(n_songs, n_segments, n_features)``, or one song as ``(n_segments, n_features)``; images as ``(n_songs,
                height, width, channels)`` or one without the first axis.
            lengths: Real segments of each song; all of them if left out.
            path: What an error names.

        Raises:
            DataError: Wrong shape, a length that cannot be, or NaN or infinite features outside padding.
        """
        if isinstance(x, SongSet):
            raise x.error("predict takes features", remedy="pass songs.x and songs.lengths")
        x = to_array(x, path=path, where="x")
        if not x.size or not x.ndim:
            raise DataError(f"x has shape {x.shape}: no songs", where="x", remedy="pass one song or more")
        if x.ndim == (3 if self.kind == "image" else 2):
            x = x[None]
        whole = np.full(len(x), x.shape[1] if x.ndim >= 3 else 0) if lengths is None else lengths
        names = self.genres or ("embedding",)
        songs = SongSet(x=x, y=np.zeros(len(x), np.int64), genres=names, lengths=whole, name="input", kind=self.kind)
        songs.check_lengths()
        songs.check_finite()
        return songs

    def check(self, songs: SongSet) -> None:
        """Refuses songs that the model cannot read.

        Raises:
            DataError: The songs have other features, or a length that the model cannot read.
        """
        if songs.n_features != self.n_features:
            what = f"songs have {songs.n_features} features, {self.name} was trained on songs of {self.n_features}"
            raise songs.error(what, remedy="use songs with the features that the model was trained on")
        segments = self.trained_segments or self.input_shape[0]
        if songs.kind == "image" and songs.song_shape != self.input_shape:
            what = f"images have the shape {songs.song_shape}, {self.name} was trained on {self.input_shape}"
            raise songs.error(what, remedy="make images of that size")
        if songs.n_segments != segments and not self.any_length:
            what = f"songs have {songs.n_segments} segments, {self.name} was trained on {segments}"
            raise songs.error(what, remedy="cut or pad the songs (with `lengths`) to that many")
        check_readable(songs, name=self.name, kind=self.kind, chunks=self.chunks, masks_padding=self.masks_padding)

    def scores(self, logits: np.ndarray) -> np.ndarray:
        """Posteriors of genres, or activations of tags, each for itself; float32 of the same shape."""
        if self.activation == "sigmoid":
            return (1 / (1 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
        return softmax(logits).astype(np.float32)


class Answering(Protocol):
    """A model that answers songs: a run, an exported model, or published weights."""

    @property
    def reading(self) -> Reading:
        """What it reads, and what its answers are."""

    @property
    def where(self) -> str:
        """Where it comes from, for errors: its folder, file or name."""

    def logits(self, songs: SongSet) -> np.ndarray:
        """Logits of songs, ``(n_songs, n_outputs)`` float32, in the order of the reading's genres."""


def check_readable(songs: SongSet, *, name: str, kind: str, chunks: Chunks | None, masks_padding: bool) -> None:
    """Refuses songs of another kind than a model reads, and songs that are too short for it.

    Args:
        songs: The songs.
        name: Name of the recipe.
        kind: Kind of songs that its model reads.
        chunks: How it cuts them.
        masks_padding: Whether it ignores padding.

    Raises:
        DataError: Images for a model of segments or the reverse, or songs that are shorter than the array (or than a
            chunk) for a model that does not mask padding.
    """
    if songs.kind != kind:
        kinds = {"segments": "songs of segments", "image": "images"}
        what = f"{name} reads {kinds[kind]}, these are {kinds[songs.kind]} of shape {songs.song_shape}"
        remedy = "choose a model for them (`genrezoo list`), or other features (`genrezoo data build --features`)"
        raise songs.error(what, remedy=remedy)
    if chunks and songs.kind == "image":
        raise songs.error("images cannot be cut into chunks", remedy="leave the recipe's chunks out")
    segments = chunks.segments if chunks else songs.n_segments
    short = int((songs.lengths < segments).sum())
    if short and not masks_padding:
        what = f"{short} songs are shorter than {segments} segments and {name} does not mask padding"
        raise songs.error(what, remedy="choose a model that does (`genrezoo list`), or cut the songs to one length")
