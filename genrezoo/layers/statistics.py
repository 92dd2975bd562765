"""Statistics of each feature over the real segments of a song."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError, check_known
from genrezoo.layers.masking import far, real_steps, wide

QUANTILES = {"min": 0.0, "q10": 0.1, "q25": 0.25, "median": 0.5, "q75": 0.75, "q90": 0.9, "max": 1.0}
"""Quantile statistics, with the fraction of the segments below each."""

STATISTICS = ("mean", "std", *QUANTILES, "delta_mean", "delta_std")
"""Names of all statistics; ``delta`` is the absolute difference of two neighbouring segments."""


@keras.saving.register_keras_serializable("genrezoo")
class PooledStatistics(keras.layers.Layer):
    """Computes statistics of each feature over the real segments of a song.

    This is the summary on which classical genre recognition is based. Choose it where the overall sound of a song is
    more informative than the order of its segments, or where songs are few. Any network on vectors can follow it.

    Args:
        statistics: Names of the statistics, in the order of the output: ``"mean"``, ``"std"``, the quantiles ``"min"``,
            ``"q10"``, ``"q25"``, ``"median"``, ``"q75"``, ``"q90"`` and ``"max"``, which are exact, with linear
            interpolation between two segments; and ``"delta_mean"`` and ``"delta_std"``, mean and standard deviation of
            the absolute differences of neighbouring segments. A millionth is added to variances, so that gradients stay
            finite where a feature never changes: a song of one segment has standard deviations of 0.001, and a
            ``delta_mean`` of 0.

    Call arguments:
        inputs: ``(batch, segments, features)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Values at other segments have no
            influence as long as they are finite.

    Returns:
        ``(batch, len(statistics) * features)``: the first statistic of each feature, then the second, …

    Raises:
        UnknownNameError: There is no such statistic.
        SettingsError: The list is empty, or names a statistic twice.

    Example:
        >>> import numpy as np
        >>> songs = np.array([[[1.0], [3.0], [9.0]]], "float32")
        >>> layer = PooledStatistics(("mean", "std", "q25", "delta_mean"))
        >>> np.asarray(layer(songs, mask=np.array([[True, True, False]]))).round(3).tolist()
        [[2.0, 1.0, 1.5, 2.0]]

    Reference:
        G. Tzanetakis, P. Cook, Musical genre classification of audio signals, IEEE Transactions on Speech and Audio
        Processing 10 (2002); as a layer: D. Snyder et al., X-vectors, ICASSP 2018, section 2.
    """

    def __init__(self, statistics: Sequence[str] = ("mean", "std"), **kwargs: Any):
        super().__init__(**kwargs)
        check_known("statistic", statistics, STATISTICS)
        if not statistics or len(set(statistics)) < len(statistics):
            raise SettingsError(f"statistics must be one or more different names, got {statistics!r}")
        self.statistics = list(statistics)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes one value per statistic and feature."""
        kind, inputs = inputs.dtype, ops.cast(inputs, wide(inputs.dtype))
        real = (
            ops.ones_like(inputs[:, :, :1]) if mask is None else real_steps(mask, inputs.dtype)
        )  # (batch, segments, 1)
        wanted = set(self.statistics)
        found: dict[str, Any] = {}
        if wanted & {"mean", "std"}:
            found["mean"], found["std"] = _moments(inputs, real)
        if wanted & {"delta_mean", "delta_std"}:
            deltas = ops.absolute(inputs[:, 1:] - inputs[:, :-1])
            found["delta_mean"], found["delta_std"] = _moments(deltas, real[:, 1:] * real[:, :-1])
        ranks = {name: rank for name, rank in QUANTILES.items() if name in wanted}
        if ranks:
            found |= _quantiles(inputs, real, ranks)
        return ops.cast(ops.concatenate([found[name] for name in self.statistics], axis=-1), kind)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Returns the output's shape: one value per statistic and feature."""
        return input_shape[0], len(self.statistics) * (input_shape[-1] or 0)


def _moments(values: Any, real: Any) -> tuple[Any, Any]:
    """Returns mean and standard deviation over the segments, each ``(batch, features)``."""
    share = real / ops.maximum(ops.sum(real, axis=1, keepdims=True), 1.0)
    mean = ops.sum(values * share, axis=1, keepdims=True)  # (batch, 1, features)
    variance = ops.sum(ops.square(values - mean) * share, axis=1)
    return ops.squeeze(mean, 1), ops.sqrt(variance + 1e-6)


def _quantiles(values: Any, real: Any, ranks: dict[str, float]) -> dict[str, Any]:
    """Returns the quantiles by name, each ``(batch, features)``; zeros for a song without a real segment."""
    place = ops.cumsum(ops.ones_like(real), axis=1) - 1.0  # (batch, segments, 1): 0, 1, …
    count = ops.sum(real, axis=1, keepdims=True)  # (batch, 1, 1)
    within = ops.cast(place < count, values.dtype)
    ordered = ops.sort(values * real + (1.0 - real) * far(values.dtype), axis=1) * within  # padding comes last
    found = {}
    for name, rank in ranks.items():
        # The weights of the one or two segments around the rank: a sum over all needs no index and has a gradient.
        weights = ops.maximum(1.0 - ops.absolute(place - rank * (count - 1.0)), 0.0)
        found[name] = ops.sum(ordered * weights, axis=1)
    return found
