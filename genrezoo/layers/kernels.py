"""Random convolution kernels in time: features of a song that need no training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.layers.masking import far, real_steps, zero_masked

LENGTHS = (7, 9, 11)
"""Lengths of kernels, in segments; for a song shorter than all of them, the longest odd length that fits."""

RAMP = 1e-3
"""Width of the ramp around 0 on which an output counts as partly positive. With a step in its place, rounding would
decide about outputs near 0, and a model would differ between backends and from its export."""


@dataclass(frozen=True, eq=False)
class Kernels:
    """A group of kernels that are applied together.

    Attributes:
        weights: ``(length, features, kernels)``, zero for features that a kernel does not read.
        bias: ``(kernels,)``.
        dilation: Dilation rate, in segments.
        padded: Whether zeros are added around the song, so that a kernel is centred at each of its segments.
    """

    weights: np.ndarray
    bias: np.ndarray
    dilation: int
    padded: bool


@keras.saving.register_keras_serializable("genrezoo")
class RandomKernels(keras.layers.Layer):
    """Applies many random convolution kernels and pools each to the fraction of positive outputs and the maximum.

    The kernels are determined by the seed and the shape of a song, and are not weights: they are neither trained nor
    stored with a model. A linear classifier on these features is often as good as a network that learns its kernels.

    Args:
        kernels: Number of kernels, at least 1.
        seed: Seed of the kernels, at least 0.

    Call arguments:
        inputs: ``(batch, segments, features)``, where the number of segments is known.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Padding comes last; its values have
            no influence as long as they are finite.

    Returns:
        ``(batch, 2 * kernels)``: the fraction of positions at which each kernel's output is positive, then the maximum
        of each. Positions are centred at real segments or, for kernels without padding, cover real segments only; both
        features are 0 where a song has no such position. Outputs closer to 0 than half of `RAMP` count as partly
        positive, so that rounding does not decide.

    Raises:
        SettingsError: ``kernels`` is below 1, or the number of segments is not known.

    Example:
        >>> import numpy as np
        >>> layer = RandomKernels(kernels=50, seed=1)
        >>> layer(np.ones((2, 30, 4), "float32")).shape == (2, 100), layer.weights
        (True, [])

    Reference:
        A. Dempster, F. Petitjean, G. Webb, ROCKET: exceptionally fast and accurate time series classification using
        random convolutional kernels, Data Mining and Knowledge Discovery 34 (2020), section 3.
    """

    def __init__(self, kernels: int = 1000, seed: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        if kernels < 1:
            raise SettingsError(f"kernels must be at least 1, got {kernels}")
        self.kernels, self.seed = kernels, seeds.check_seed(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Draws the kernels."""
        _, segments, features = input_shape
        if segments is None:
            raise SettingsError("random kernels need a known number of segments")
        self.groups = draw_kernels(self.kernels, segments, features or 0, seed=self.seed)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes two features per kernel."""
        if mask is None:
            real = ops.ones_like(inputs[:, :, :1])
        else:
            inputs, real = zero_masked(inputs, mask), real_steps(mask, inputs.dtype)  # (batch, segments, 1)
        positive, largest = [], []
        for group in self.groups:
            reach = 0 if group.padded else (len(group.weights) - 1) * group.dilation
            places = real[:, reach:] * real[:, : real.shape[1] - reach] if reach else real
            kernel, bias = (ops.convert_to_tensor(part, inputs.dtype) for part in (group.weights, group.bias))
            way = "same" if group.padded else "valid"
            found = (
                ops.conv(inputs, kernel, padding=way, dilation_rate=group.dilation, data_format="channels_last") + bias
            )
            count = ops.sum(places, axis=1)  # (batch, 1)
            hits = ops.sum(ops.clip(found / RAMP + 0.5, 0.0, 1.0) * places, axis=1)
            positive.append(hits / ops.maximum(count, 1.0))
            largest.append(ops.max(found + (places - 1.0) * far(found.dtype), axis=1) * ops.minimum(count, 1.0))
        return ops.concatenate([*positive, *largest], axis=-1)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Returns the shape of the features: two per kernel."""
        return input_shape[0], 2 * self.kernels


def draw_kernels(kernels: int, segments: int, features: int, *, seed: int) -> list[Kernels]:
    """Draws random kernels, grouped by length, dilation and padding.

    A kernel reads a random subset of the features, at most as many as it is long, with normally distributed weights,
    and has a bias from -1 to 1. Its dilation is a power of two, drawn uniformly from those that fit into the song. The
    source subtracts the mean of a kernel's weights and scales each series separately; here all songs are scaled alike,
    because the overall level of a feature is informative about the genre.

    Args:
        kernels: Number of kernels.
        segments: Segments of a song.
        features: Features of a segment.
        seed: Seed of the draw.

    Returns:
        The groups, ordered by length, dilation and padding.
    """
    generator = seeds.generator(seed, "kernels")
    lengths = [length for length in LENGTHS if length <= segments] or [segments - 1 + segments % 2]
    drawn: dict[tuple[int, int, bool], list[tuple[np.ndarray, float]]] = {}
    for _ in range(kernels):
        length = int(generator.choice(lengths))
        most = int(math.log2((segments - 1) / (length - 1))) if length > 1 else 0
        dilation, padded = 2 ** int(generator.integers(most + 1)), bool(generator.integers(2)) and length > 1
        number = int(2 ** generator.uniform(0, math.log2(min(features, length) + 1)))
        weights = np.zeros((length, features), np.float32)
        weights[:, generator.choice(features, number, replace=False)] = generator.standard_normal((length, number))
        drawn.setdefault((length, dilation, padded), []).append((weights, generator.uniform(-1, 1)))
    groups = []
    for (_, dilation, padded), members in sorted(drawn.items()):
        parts, shifts = zip(*members, strict=True)
        groups.append(Kernels(np.stack(parts, axis=-1), np.array(shifts, np.float32), dilation, padded))
    return groups
