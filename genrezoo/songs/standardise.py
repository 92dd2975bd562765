"""Standardisation of features, fitted on the training songs alone and stored with the run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.songs.songset import SongSet


@dataclass(frozen=True, eq=False)
class Standardiser:
    """Subtracts each feature's mean and divides by its standard deviation, over all real segments of the fitted songs.

    Of images a feature is a channel.

    Attributes:
        mean: ``(n_features,)`` float32.
        scale: ``(n_features,)`` float32; 1 where a feature never varies.
        clip: Standardised values are limited to ``[-clip, clip]``; None (the default) leaves outliers alone.

    Example:
        >>> import numpy as np
        >>> songs = SongSet(x=np.array([[[0.0]], [[2.0]]]), y=[0, 1], genres=("blues", "jazz"))
        >>> Standardiser.fit(songs).apply(songs).ravel()
        array([-1.,  1.], dtype=float32)
    """

    mean: np.ndarray
    scale: np.ndarray
    clip: float | None = None

    @classmethod
    def fit(cls, songs: SongSet, *, clip: float | None = None) -> Standardiser:
        """Fits on songs, which must be training songs only.

        Raises:
            SettingsError: ``clip`` is not positive.
        """
        if clip is not None and not clip > 0:
            raise SettingsError(f"clip must be positive (standard deviations) or None, got {clip}")
        count = float(songs.lengths.sum()) * math.prod(songs.song_shape[1:-1])
        axes = tuple(range(songs.x.ndim - 1))
        mean = np.zeros(songs.n_features)
        for _, x in songs.blocks():
            mean += np.nansum(x, axis=axes, dtype=np.float64) / count
        variance = np.zeros(songs.n_features)
        for _, x in songs.blocks():
            variance += np.nansum((x - mean) ** 2, axis=axes) / count
        std = np.sqrt(variance)
        constant = std <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
        return cls(mean.astype(np.float32), np.where(constant, 1, std).astype(np.float32), clip)

    @classmethod
    def none(cls, n_features: int) -> Standardiser:
        """The one that changes nothing."""
        return cls(np.zeros(n_features, np.float32), np.ones(n_features, np.float32))

    def of(self, columns: Sequence[int]) -> Standardiser:
        """The standardiser of some of the features, in that order."""
        return Standardiser(self.mean[list(columns)], self.scale[list(columns)], self.clip)

    def equals(self, other: Standardiser) -> bool:
        """Whether both change songs in the same way."""
        arrays = ((self.mean, other.mean), (self.scale, other.scale))
        return self.clip == other.clip and all(np.array_equal(*pair) for pair in arrays)

    def apply(self, songs: SongSet) -> np.ndarray:
        """Model input: the songs' array as float32, padding as NaN.

        Raises:
            DataError: The songs have another number of features.
        """
        if songs.n_features != len(self.mean):
            what = f"songs have {songs.n_features} features, fitted on {len(self.mean)}"
            raise songs.error(what, remedy="use songs with the features that the run was trained on")
        x = songs.padded()
        x -= self.mean
        x /= self.scale
        return x if self.clip is None else np.clip(x, -self.clip, self.clip, out=x)  # NaN stays NaN

    def standardised(self, songs: SongSet) -> SongSet:
        """The same songs with standardised features and padding as NaN: what procedures train on."""
        return dataclasses.replace(songs, x=self.apply(songs))
