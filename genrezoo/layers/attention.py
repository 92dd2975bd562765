"""Attention over the segments of a song."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError
from genrezoo.layers.masking import far, real_steps


@keras.saving.register_keras_serializable("genrezoo")
class GatedAttention(keras.layers.Layer):
    """Computes a weight for each segment of a song from that segment alone.

    A segment's score is ``v (tanh(W x) * sigmoid(U x))``; the weights are the softmax of the scores over the real
    segments. The gate makes a score nonlinear even where tanh is nearly linear.

    Args:
        units: Size of both maps, at least 1.
        heads: Number of attention heads, at least 1.
        kernel_regularizer: Keras regulariser of both maps; None for none.

    Call arguments:
        inputs: ``(batch, segments, features)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are.

    Returns:
        ``(batch, segments, heads)``: weights from 0 to 1, zero for padding, which sum to 1 over the segments; equal for
        a song without a real segment.

    Raises:
        SettingsError: ``units`` or ``heads`` is below 1.

    Example:
        >>> import numpy as np
        >>> weights = GatedAttention(4)(np.ones((1, 3, 2), "float32"), mask=np.array([[True, True, False]]))
        >>> np.asarray(weights).round(2).ravel().tolist()
        [0.5, 0.5, 0.0]

    Reference:
        M. Ilse, J. Tomczak, M. Welling, Attention-based deep multiple instance learning, ICML 2018, section 2.4.
    """

    def __init__(self, units: int, heads: int = 1, kernel_regularizer: Any = None, **options: Any):
        super().__init__(**options)
        if units < 1 or heads < 1:
            raise SettingsError(f"units and heads must be at least 1, got {units} and {heads}")
        self.units, self.heads = units, heads
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the two maps and the scores' weights."""
        features, penalty = input_shape[-1], self.kernel_regularizer
        self.kernel = self.add_weight(name="kernel", shape=(features, self.units), regularizer=penalty)
        self.gate_kernel = self.add_weight(name="gate_kernel", shape=(features, self.units), regularizer=penalty)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.gate_bias = self.add_weight(name="gate_bias", shape=(self.units,), initializer="zeros")
        self.scores = self.add_weight(name="scores", shape=(self.units, self.heads))

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes the weights of the segments."""
        content = ops.tanh(ops.matmul(inputs, self.kernel) + self.bias)
        gate = ops.sigmoid(ops.matmul(inputs, self.gate_kernel) + self.gate_bias)
        scores = ops.matmul(content * gate, self.scores)  # (batch, segments, heads)
        if mask is not None:
            scores = scores + (real_steps(mask, scores.dtype) - 1) * far(scores.dtype)
        return ops.softmax(scores, axis=1)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask: the weights of padding are zero."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the weights: one per segment and head."""
        return (*input_shape[:-1], self.heads)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "heads": self.heads,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable("genrezoo")
class WeightedPooling(keras.layers.Layer):
    """Computes the weighted sum of a song's segments for each attention head.

    Call arguments:
        inputs: Two tensors: segments ``(batch, segments, features)``, finite, and weights ``(batch, segments, heads)``.

    Returns:
        ``(batch, heads * features)``: all features weighted by the first head, by the second, …

    Example:
        >>> import numpy as np
        >>> segments, weights = np.array([[[1.0, 0.0], [3.0, 8.0]]]), np.array([[[0.5], [0.5]]])
        >>> np.asarray(WeightedPooling()([segments.astype("float32"), weights.astype("float32")])).tolist()
        [[2.0, 4.0]]
    """

    def call(self, inputs: Any) -> Any:
        """Computes the sums."""
        segments, weights = inputs
        pooled = ops.matmul(ops.transpose(weights, (0, 2, 1)), segments)  # (batch, heads, features)
        return ops.reshape(pooled, (-1, weights.shape[-1] * segments.shape[-1]))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask."""

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, int]:
        """Returns the shape of the sums: all features for each head."""
        segments, weights = input_shape
        return segments[0], (segments[-1] or 0) * (weights[-1] or 0)
