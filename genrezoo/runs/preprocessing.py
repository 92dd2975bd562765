"""Preprocessing of songs for a recipe's model: selection of features, chunks, standardisation."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genrezoo.errors import DataError, GenrezooWarning
from genrezoo.lazy import layers
from genrezoo.songs import SongSet, Standardiser
from genrezoo.songs.chunks import Chunks, combine_chunks, cut_chunks

if TYPE_CHECKING:
    from genrezoo.layers import Standardise
    from genrezoo.recipes.recipe import Recipe

LARGEST = 1e30
"""Largest mean or standard deviation of a feature; a run's card has the same limit."""


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """The path from songs to a recipe's network, and from the network's outputs back to songs.

    Training, prediction and export use the same object. Features are selected first, then songs are cut into chunks,
    then each feature is standardised, transformed and clipped.

    Attributes:
        columns: Features that the network reads, in order; None for all.
        chunks: How songs are cut into chunks; None for whole songs.
        standardiser: Fitted on the selected features of the training songs.
        temperature: Divides the logits of songs after those of their chunks are combined; None for no calibration.
    """

    columns: tuple[int, ...] | None
    chunks: Chunks | None
    standardiser: Standardiser
    temperature: float | None = None

    @classmethod
    def plain(cls, recipe: Recipe, songs: SongSet) -> Preprocessing:
        """Returns the preprocessing of a recipe without standardisation, for uses that only need shapes.

        Raises:
            DataError: The songs have no such feature group.
        """
        columns = selected_columns(recipe, songs.feature_groups(), where=songs.name)
        n_features = songs.n_features if columns is None else len(columns)
        return cls(columns, recipe.chunks, Standardiser.none(n_features))

    @classmethod
    def fit(cls, recipe: Recipe, songs: SongSet) -> Preprocessing:
        """Fits the preprocessing of a recipe on the songs' split ``train`` only.

        Raises:
            DataError: The songs have no such feature group, or a feature is too large.
            SettingsError: ``clip`` is not positive.
        """
        plain = cls.plain(recipe, songs)
        if not recipe.standardise:
            return plain
        standardiser = Standardiser.fit(
            plain.select(songs.split("train")), clip=recipe.clip, transform=recipe.transform
        )
        largest = np.maximum(np.abs(standardiser.mean), standardiser.scale).astype(np.float64)
        beyond = np.flatnonzero(largest > LARGEST)
        if beyond.size:
            what = f"feature {beyond[0]} has a mean or a standard deviation above {LARGEST:.0e}"
            raise songs.error(what, remedy="rescale the feature")
        if standardiser.constant:
            what = f"{standardiser.constant} of {len(standardiser.scale)} features are constant in the training songs"
            warnings.warn(f"{songs.name}: {what} and carry no information", GenrezooWarning, stacklevel=2)
        return cls(plain.columns, plain.chunks, standardiser)

    def shape(self, songs: SongSet) -> tuple[int, ...]:
        """Returns the input shape of the network for a song: segments and features, or height, width and channels."""
        sizes = (self.chunks.segments,) if self.chunks else songs.song_shape[:-1]
        return (*sizes, len(self.standardiser.mean))

    def select(self, songs: SongSet) -> SongSet:
        """Returns the songs with the features that the network reads."""
        return songs if self.columns is None else songs.select(self.columns)

    def cut(self, songs: SongSet) -> tuple[SongSet, np.ndarray | None]:
        """Returns the songs in chunks and the position of each chunk's song ``(n_chunks,)``; or the songs and None.

        The padded features of the result, `SongSet.padded`, are the input of the whole model `Run.model`.
        """
        if self.chunks is None:
            return songs, None
        return cut_chunks(songs, segments=self.chunks.segments, hop=self.chunks.hop)

    def apply(self, songs: SongSet) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the network's input, padding as NaN, and the position of each chunk's song; None for whole songs.

        Args:
            songs: Songs with all features, as loaded.

        Raises:
            DataError: The songs have other features than those that it was fitted on.
        """
        cut, owner = self.cut(self.select(songs))
        return self.standardiser.apply(cut), owner

    def training_songs(self, songs: SongSet) -> tuple[SongSet, np.ndarray | None]:
        """Returns the result of `apply` as songs with labels and splits, the input of procedures."""
        cut, owner = self.cut(self.select(songs))
        return self.standardiser.standardised(cut), owner

    def combine(self, logits: np.ndarray, owner: np.ndarray | None) -> np.ndarray:
        """Combines the logits of chunks to calibrated logits of songs ``(n_songs, n_genres)``, by the recipe's rule.

        Args:
            logits: ``(n_chunks, n_genres)``; logits of whole songs are only calibrated.
            owner: From `cut` or `apply`.
        """
        if owner is None or self.chunks is None:
            return logits
        combined = combine_chunks(logits, owner, rule=self.chunks.rule)
        return combined if self.temperature is None else combined / np.float32(self.temperature)

    def layer(self) -> Standardise:
        """Returns the selection and standardisation as a Keras layer on songs (or chunks) with all features."""
        return standardise_layer(self.standardiser, self.columns, name="standardise")


def standardise_layer(
    standardiser: Standardiser, columns: Sequence[int] | None, *, name: str, as_weights: bool = False
) -> Standardise:
    """Converts a standardiser to a Keras layer that selects features first.

    Args:
        standardiser: Standardiser of the selected features.
        columns: Features to select; None for all.
        name: Name of the layer.
        as_weights: Whether its values are stored as weights.
    """
    return layers.Standardise(
        standardiser.mean.tolist(), standardiser.scale.tolist(), clip=standardiser.clip, columns=columns,
        transform=standardiser.transform, knots=standardiser.knots, as_weights=as_weights, name=name,
    )  # fmt: skip


def selected_columns(
    recipe: Recipe, groups: Mapping[str, Sequence[int]], *, where: str | None = None
) -> tuple[int, ...] | None:
    """Returns the columns of the feature groups that a recipe names, in order; None if it reads all features.

    Args:
        recipe: The recipe.
        groups: Groups of features of the songs.
        where: Name of the songs, for the message.

    Raises:
        DataError: The songs have no such group.
    """
    if recipe.features is None:
        return None
    if missing := [name for name in recipe.features if name not in groups]:
        what = f"no feature group is called {missing[0]!r}; available groups: {', '.join(groups) or 'none'}"
        remedy = "specify the groups when the songs are made: about['feature_groups'] = {name: [columns]}"
        raise DataError(what, where=where, remedy=remedy)
    try:
        return tuple(sorted({int(column) for name in recipe.features for column in groups[name]}))
    except (TypeError, ValueError) as error:
        raise DataError(f"feature groups are not lists of columns ({error})", where=where) from error


def columns_within(recipe: Recipe, member: Recipe, groups: Mapping[str, Sequence[int]]) -> tuple[int, ...] | None:
    """Returns a member's features as positions among those that its composition reads.

    Args:
        recipe: The composition.
        member: The member.
        groups: Groups of features of the songs.

    Returns:
        Positions in the member's order; None if it reads all of them.

    Raises:
        DataError: The songs have no such group.
    """
    if member.features == recipe.features:
        return None
    read, whole = (selected_columns(one, groups) for one in (member, recipe))
    return read if read is None or whole is None else tuple(whole.index(column) for column in read)
