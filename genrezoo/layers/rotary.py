"""Self-attention with relative positions."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from genrezoo.errors import SettingsError
from genrezoo.layers.masking import far, wide

LONGEST = 10_000.0
"""Base of the rotation frequencies: the slowest pair rotates by one radian in about this many segments."""


@keras.saving.register_keras_serializable("genrezoo")
class RotaryAttention(keras.layers.Layer):
    """Scaled dot-product attention with rotary positions; it has no weights.

    Choose it over `keras.layers.MultiHeadAttention` where songs differ in length: a score depends on two segments and
    the distance between them, so that songs may have any length, and masked segments get no weight. The projections to
    queries, keys and values and the output projection are `Dense` layers around it.

    Args:
        heads: Number of attention heads, each over its part of the features, at least 1.

    Call arguments:
        inputs: ``(batch, segments, 3 * units)``: queries, keys and values, each with the parts of all heads.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Values at other segments have no
            influence on the real ones as long as they are finite.

    Returns:
        ``(batch, segments, units)``, the concatenated outputs of all heads.

    Raises:
        SettingsError: ``heads`` is below 1, or the number of features is not a multiple of ``6 * heads``.

    Example:
        >>> import numpy as np
        >>> values = np.zeros((1, 2, 6), "float32")  # queries and keys of zero: equal weights
        >>> values[0, :, 4:] = [[1, 2], [3, 6]]
        >>> np.asarray(RotaryAttention(1)(values)).tolist()
        [[[2.0, 4.0], [2.0, 4.0]]]

    Reference:
        A. Vaswani et al., Attention is all you need, NeurIPS 2017, section 3.2; the positions: J. Su et al., RoFormer:
        enhanced transformer with rotary position embedding, Neurocomputing 568 (2024), section 3.2.
    """

    def __init__(self, heads: int, **kwargs: Any):
        super().__init__(**kwargs)
        if heads < 1:
            raise SettingsError(f"heads must be at least 1, got {heads}")
        self.heads = heads
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks that the features can be divided among the heads."""
        if (input_shape[-1] or 0) % (6 * self.heads):
            raise SettingsError(
                f"{input_shape[-1]} features are not queries, keys and values of an even size for each of {self.heads} "
                "heads"
            )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes the attention."""
        segments, heads, size = ops.shape(inputs)[1], self.heads, inputs.shape[-1] // (3 * self.heads)
        parts = ops.reshape(inputs, (-1, segments, 3 * heads, size))
        parts = ops.transpose(parts, (0, 2, 1, 3))  # (batch, 3 * heads, segments, size)
        turned = _turned(
            parts[:, : 2 * heads], ops.cumsum(ops.ones_like(inputs[:1, :, :1], dtype=wide(inputs.dtype)), axis=1)
        )
        queries, keys, values = turned[:, :heads], turned[:, heads:], parts[:, 2 * heads :]
        scores = ops.matmul(
            queries * size**-0.5, ops.transpose(keys, (0, 1, 3, 2))
        )  # (batch, heads, segments, segments)
        if mask is not None:
            scores = scores + (ops.cast(mask, scores.dtype)[:, None, None, :] - 1) * far(scores.dtype)
        found = ops.matmul(ops.softmax(scores, axis=-1), values)  # (batch, heads, segments, size)
        return ops.reshape(ops.transpose(found, (0, 2, 1, 3)), (-1, segments, heads * size))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the output's shape, with a third of the features."""
        return (*input_shape[:-1], (input_shape[-1] or 0) // 3)


def _turned(vectors: Any, positions: Any) -> Any:
    """Rotates pairs of components by angles proportional to the position, each pair with a different frequency.

    Args:
        vectors: ``(batch, heads, segments, size)``.
        positions: ``(1, segments, 1)``.
    """
    half = vectors.shape[-1] // 2
    angles = positions * (LONGEST ** (-np.arange(half) / half)).astype("float32")  # (1, segments, half)
    cosines, sines = (ops.cast(part, vectors.dtype) for part in (ops.cos(angles), ops.sin(angles)))
    first, second = vectors[..., :half], vectors[..., half:]
    return ops.concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-1)
