"""Conversion of padding to a Keras mask, and of masked segments to zeros."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.layers._base import SameShape


@keras.saving.register_keras_serializable("genrezoo")
class MaskPadding(SameShape):
    """Turns NaN padding into zeros and a mask.

    It is the first layer of every model that handles songs of different lengths. A segment with NaN in any feature is
    padding.

    Call arguments:
        inputs: ``(batch, segments, features)``, padding as NaN.

    Returns:
        The same shape with zeros for padding (the training mean, since songs are standardised), carrying the mask
        ``(batch, segments)``: True where a segment is real.

    Example:
        >>> import numpy as np
        >>> songs = np.array([[[1.0, 2.0], [np.nan, np.nan]]], "float32")
        >>> layer = MaskPadding()
        >>> np.asarray(layer(songs)).tolist(), np.asarray(layer.compute_mask(songs)).tolist()
        ([[[1.0, 2.0], [0.0, 0.0]]], [[True, False]])
    """

    def call(self, inputs: Any) -> Any:
        """Replaces padding by zeros."""
        # Selected by isnan itself: converters to other formats multiply by any other condition, and NaN times 0 is NaN.
        return ops.where(ops.isnan(inputs), ops.zeros_like(inputs), inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Returns True where a segment is real."""
        real = ops.logical_not(ops.any(ops.isnan(inputs), axis=-1))
        return real if previous_mask is None else ops.logical_and(real, previous_mask)


@keras.saving.register_keras_serializable("genrezoo")
class EndMask(SameShape):
    """Sets masked segments to zero and removes the mask.

    For use before layers that ignore masks (`Flatten`, `Dense`): a segment of zeros adds nothing to the following
    affine map.

    Call arguments:
        inputs: ``(batch, segments, features)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are.

    Returns:
        The same shape, without a mask.

    Example:
        >>> import numpy as np
        >>> np.asarray(EndMask()(np.ones((1, 2, 1), "float32"), mask=np.array([[True, False]]))).ravel().tolist()
        [1.0, 0.0]
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Sets masked segments to zero."""
        return inputs if mask is None else zero_masked(inputs, mask)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask."""


@keras.saving.register_keras_serializable("genrezoo")
class TakeMask(keras.layers.Layer):
    """Attaches to a sequence the mask of another of the same length.

    For use after layers that drop masks (`Conv2D`) but keep the number of segments.

    Call arguments:
        inputs: Two tensors: the sequence ``(batch, segments, features)`` without a mask, and one ``(batch, segments,
            …)`` that carries a mask.

    Returns:
        The first one, carrying the mask of the second.

    Example:
        >>> import numpy as np
        >>> songs = np.array([[[1.0], [np.nan]]], "float32")
        >>> EndMask()(TakeMask()([np.ones((1, 2, 1), "float32"), MaskPadding()(songs)])).shape == (1, 2, 1)
        True
    """

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Returns the sequence unchanged."""
        return ops.copy(inputs[0])  # a tensor carries one mask, and the first one must keep its own

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Returns the second input's mask."""
        return previous_mask[1] if previous_mask else None

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the sequence's shape."""
        return tuple(input_shape[0])


def zero_masked(sequence: Any, mask: Any) -> Any:
    """Returns the sequence ``(batch, segments, features)``, which must be finite, with zeros where ``mask`` is False.

    It multiplies, because a broadcast selection is several times slower and exporters rewrite it as a product anyway.
    """
    return sequence * real_steps(mask, sequence.dtype)


def real_steps(mask: Any, dtype: Any) -> Any:
    """Converts the mask ``(batch, segments)`` to numbers ``(batch, segments, 1)``: 1 for real segments, 0 elsewhere."""
    return ops.expand_dims(ops.cast(mask, dtype), -1)


def far(dtype: Any) -> float:
    """Returns the number to subtract from masked segments, so that they lose every maximum; finite in that type."""
    return 3e4 if keras.backend.standardize_dtype(dtype) == "float16" else 1e30


def wide(dtype: Any) -> str:
    """Returns the type to count segments in: at least float32, because bfloat16 counts to 256 and float16 to 2048."""
    return str(keras.backend.result_type(dtype, "float32"))


def window_mask(mask: Any, *, size: int, stride: int) -> Any:
    """Tells which windows over the segments hold at least one real segment.

    Args:
        mask: ``(batch, segments)`` bool, or None.
        size: Segments in a window.
        stride: Segments from one window to the next.

    Returns:
        ``(batch, windows)`` bool, for windows that lie wholly within the segments; None if there is no mask.
    """
    if mask is None:
        return None
    real = real_steps(mask, keras.config.floatx())
    return ops.squeeze(ops.max_pool(real, size, stride, padding="valid", data_format="channels_last"), -1) > 0
