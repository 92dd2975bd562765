"""Forms in which a tuned baseline gets a song: its concatenated segments, or statistics of its features."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from genrezoo.benchmarking.baselines import flatten, statistics


def means(x: np.ndarray) -> np.ndarray:
    """Returns the mean of each feature over the real segments of each song, ``(n_songs, n_features)``."""
    found: np.ndarray = np.nanmean(x, axis=1)
    return found


def rich_statistics(x: np.ndarray) -> np.ndarray:
    """Returns eight statistics of each feature over the real segments of each song.

    They are the mean, the standard deviation, the minimum, the maximum, the quartiles, and the mean absolute difference
    between neighbouring segments.

    Args:
        x: ``(n_songs, n_segments, n_features)`` with NaN as padding, two segments or more.

    Returns:
        ``(n_songs, 8 * n_features)``; for a song with one real segment the differences are 0.

    Example:
        >>> rich_statistics(np.array([[[1.0], [2.0], [6.0], [np.nan]]])).round(2).tolist()
        [[3.0, 2.16, 1.0, 1.5, 2.0, 4.0, 6.0, 2.5]]
    """
    rising = np.sort(x, axis=1)  # NaN goes to the end
    last = np.maximum((~np.isnan(x[..., :1])).sum(axis=1, keepdims=True) - 1, 0)  # (songs, 1, 1)
    quantiles = []
    for fraction in (0, 0.25, 0.5, 0.75, 1):
        place = fraction * last
        below = np.floor(place).astype(np.int64)
        low, high = (np.take_along_axis(rising, at, axis=1)[:, 0] for at in (below, np.minimum(below + 1, last)))
        weight = (place - below)[:, 0].astype(x.dtype)  # (songs, 1)
        quantiles.append(low + weight * (high - low))
    steps = np.nan_to_num(np.abs(np.diff(x, axis=1)), nan=0.0).sum(axis=1) / np.maximum(last[:, 0], 1)
    return np.concatenate([statistics(x), *quantiles, steps.astype(x.dtype)], axis=1)


FORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": means,
    "stats": statistics,
    "rich": rich_statistics,
    "flat": flatten,
}
