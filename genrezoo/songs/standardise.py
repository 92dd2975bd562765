"""Standardisation and transforms of features, fitted on the training songs only and stored with the run.

Variances, energies and counts have long tails: a few songs lie many standard deviations from the mean and dominate the
input range of a network. A transform compresses the tails of each feature and keeps the order of the values.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from genrezoo.errors import SettingsError, check_known
from genrezoo.songs.songset import SongSet

Transform = Literal["signed_log", "smooth_clip", "quantile"]

TRANSFORMS: dict[str, str] = {
    "signed_log": "`sign(z) log(1 + |z|)` of the distance `z` from the median, in interquartile ranges / 1.349",
    "smooth_clip": "`z / sqrt(1 + (z / 3)^2)` of the same `z`, between -3 and 3",
    "quantile": "the normal score of the value's quantile among the training segments, interpolated between 27 "
    "quantiles",
}
"""The transforms of standardised features and their formulas."""

_SCORES = np.linspace(-2.6, 2.6, 27)  # normal scores of the quantiles that are stored
_MOST_SEGMENTS = 200_000  # that quantiles are computed of; of more, evenly spaced ones


@dataclass(frozen=True, eq=False)
class Standardiser:
    """Subtracts a centre from each feature, divides by a scale, and applies an optional transform.

    Without a transform, and for ``quantile``, centre and scale are mean and standard deviation over all real segments
    of the fitted songs; for the other transforms they are the median and the interquartile range / 1.349, which are
    robust to a few extreme values. For images, features are channels.

    Attributes:
        mean: ``(n_features,)`` float32: the centre.
        scale: ``(n_features,)`` float32; 1 where a feature never varies.
        clip: Results are clipped to ``[-clip, clip]``; None (the default) does not clip.
        transform: One of `TRANSFORMS`, or None.
        knots: For ``quantile``, ``(2, 27, n_features)`` float32: standardised values in ascending order, and their
            scores; values between two knots are interpolated, values beyond the last get its score.
        constant: Number of features that never vary in the fitted songs.

    Example:
        >>> import numpy as np
        >>> songs = SongSet(x=np.array([[[0.0]], [[2.0]]]), y=[0, 1], genres=("blues", "jazz"))
        >>> Standardiser.fit(songs).apply(songs).ravel()
        array([-1.,  1.], dtype=float32)
    """

    mean: np.ndarray
    scale: np.ndarray
    clip: float | None = None
    transform: Transform | None = None
    knots: np.ndarray | None = None
    constant: int = 0

    @classmethod
    def fit(cls, songs: SongSet, *, clip: float | None = None, transform: Transform | None = None) -> Standardiser:
        """Fits on songs, which must be training songs only.

        Raises:
            SettingsError: ``clip`` is not positive.
            UnknownNameError: There is no such transform.
        """
        if transform is not None:
            check_known("transform", [transform], TRANSFORMS)
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
        sample = None if transform is None else _sample(songs)  # (segments, features)
        if sample is not None and transform != "quantile":
            low, mean, high = np.quantile(sample, [0.25, 0.5, 0.75], axis=0)
            spread = (high - low) / 1.349
            std = np.where(spread > 1e-3 * std, spread, std)  # more than half of the values are one and the same
        mean, scale = mean.astype(np.float32), np.where(constant, 1, std).astype(np.float32)
        knots = _knots((sample - mean) / scale) if sample is not None and transform == "quantile" else None
        return cls(mean, scale, clip, transform, knots, int(constant.sum()))

    @classmethod
    def none(cls, n_features: int, *, clip: float | None = None, transform: Transform | None = None) -> Standardiser:
        """Returns a standardiser with mean 0 and scale 1, for features that are already standardised."""
        scores = np.tile(_SCORES[:, None].astype(np.float32), n_features)  # (27, features)
        knots = np.stack([scores, scores]) if transform == "quantile" else None
        return cls(np.zeros(n_features, np.float32), np.ones(n_features, np.float32), clip, transform, knots)

    def of(self, columns: Sequence[int]) -> Standardiser:
        """Returns the standardiser of some of the features, in that order."""
        chosen = list(columns)
        knots = None if self.knots is None else self.knots[..., chosen]
        return Standardiser(self.mean[chosen], self.scale[chosen], self.clip, self.transform, knots)

    def equals(self, other: Standardiser) -> bool:
        """Whether both standardise songs in the same way."""
        arrays: list[tuple[Any, Any]] = [(self.mean, other.mean), (self.scale, other.scale), (self.knots, other.knots)]
        same = (self.clip, self.transform) == (other.clip, other.transform)
        return same and all(np.array_equal(*pair) for pair in arrays)

    def apply(self, songs: SongSet) -> np.ndarray:
        """Returns the model input: the songs' standardised features as float32, padding as NaN.

        Raises:
            DataError: The songs have another number of features.
        """
        if songs.n_features != len(self.mean):
            what = f"songs have {songs.n_features} features, but the run was trained on {len(self.mean)}"
            raise songs.error(what, remedy="use songs with the features that the run was trained on")
        x = songs.padded()
        x -= self.mean
        x /= self.scale
        if self.transform == "signed_log":
            x = np.copysign(np.log1p(np.abs(x)), x)
        elif self.transform == "smooth_clip":
            x /= np.sqrt(1 + np.square(x / np.float32(3)))
        elif self.knots is not None:
            for feature, (values, scores) in enumerate(zip(*np.moveaxis(self.knots, -1, 1), strict=True)):
                x[..., feature] = np.interp(x[..., feature], values, scores)  # NaN stays NaN
        return x if self.clip is None else np.clip(x, -self.clip, self.clip, out=x)  # NaN stays NaN

    def standardised(self, songs: SongSet) -> SongSet:
        """Returns the same songs with standardised features and padding as NaN, the input of procedures."""
        return dataclasses.replace(songs, x=self.apply(songs))


def _sample(songs: SongSet) -> np.ndarray:
    """Returns at most `_MOST_SEGMENTS` evenly spaced real segments, ``(n, n_features)`` float64."""
    total = int(songs.lengths.sum()) * math.prod(songs.song_shape[1:-1])
    step, passed, parts = -(-total // _MOST_SEGMENTS), 0, []
    for _, x in songs.blocks():
        rows = x.reshape(-1, songs.n_features)
        rows = rows[~np.isnan(rows).any(axis=1)]
        parts.append(rows[-passed % step :: step].astype(np.float64))
        passed += len(rows)
    return np.concatenate(parts)


def _knots(z: np.ndarray) -> np.ndarray:
    """Returns values and their normal scores for each feature; equal values share the mean of their scores."""
    from statistics import NormalDist

    quantiles = np.quantile(z, [NormalDist().cdf(score) for score in _SCORES], axis=0)  # (27, features)
    knots = np.empty((2, *quantiles.shape), np.float32)
    for feature, values in enumerate(quantiles.astype(np.float32).T):
        known, place = np.unique(values, return_inverse=True)
        scores = np.bincount(place, _SCORES) / np.bincount(place)
        short = len(values) - len(known)  # filled up with the last one
        knots[0, :, feature] = np.pad(known, (0, short), mode="edge")
        knots[1, :, feature] = np.pad(scores, (0, short), mode="edge")
    return knots
