"""Mask-aware pooling over the segments."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError
from genrezoo.layers.masking import far, real_steps, window_mask, zero_masked

KINDS = ("max", "average")


@keras.saving.register_keras_serializable("genrezoo")
class MaskedPooling1D(keras.layers.Layer):
    """Maximum or average over windows in time, over real segments only.

    Choose it over `keras.layers.MaxPooling1D` and `AveragePooling1D` where songs are padded: a masked segment is never
    the maximum, and an average is over the real segments of the window. On songs without padding it equals those
    layers.

    Args:
        kind: ``"max"`` or ``"average"``.
        size: Segments in a window, at least 1. Segments left over at the end are dropped.
        overlapping: Use a window around each segment, shorter at the ends of the song, instead of adjacent windows.

    Call arguments:
        inputs: ``(batch, segments, features)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Values at other segments have no
            influence as long as they are finite.

    Returns:
        ``(batch, segments // size, features)``, zero for windows without a real segment; the mask of the output marks
        the others. With ``overlapping`` it is ``(batch, segments, features)``, with the mask of the input.

    Raises:
        SettingsError: ``kind`` is unknown, ``size`` is below 1, or the input has fewer segments than a window.

    Example:
        >>> import numpy as np
        >>> songs = np.array([[[-1.0], [-2.0], [-3.0], [9.0]]], "float32")
        >>> real = np.array([[True, True, True, False]])
        >>> np.asarray(MaskedPooling1D("max", 2)(songs, mask=real)).ravel().tolist()
        [-1.0, -3.0]
    """

    def __init__(self, kind: str = "max", size: int = 2, overlapping: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise SettingsError(f"kind of pooling must be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
        if size < 1:
            raise SettingsError(f"size of a pooling window must be at least 1, got {size}")
        self.kind = kind
        self.size = size
        self.overlapping = overlapping

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks that a window fits."""
        segments = input_shape[1]
        if segments is not None and segments < self.size and not self.overlapping:
            raise SettingsError(f"{segments} segments are too few for a pooling window of {self.size}")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes one value per window and feature."""
        if self.kind == "max":
            return self._maximum(inputs, mask)
        return self._average(inputs, mask)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Returns True for windows with a real segment, or around one."""
        if self.overlapping:
            return previous_mask
        return window_mask(previous_mask, size=self.size, stride=self.size)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the output's shape, with one position per window."""
        if self.overlapping:
            return input_shape
        batch, segments, features = input_shape
        return batch, None if segments is None else segments // self.size, features

    def _maximum(self, inputs: Any, mask: Any) -> Any:
        if mask is None:
            return self._pool(ops.max_pool, inputs)
        pooled = self._pool(ops.max_pool, inputs + (real_steps(mask, inputs.dtype) - 1) * far(inputs.dtype))
        return zero_masked(pooled, self.compute_mask(inputs, mask))

    def _average(self, inputs: Any, mask: Any) -> Any:
        if mask is None:
            return self._pool(ops.average_pool, inputs)
        share = self._pool(ops.average_pool, real_steps(mask, inputs.dtype))  # (batch, windows, 1): how much is real
        pooled = self._pool(ops.average_pool, zero_masked(inputs, mask))
        return pooled / ops.where(share > 0, share, ops.ones_like(share))

    def _pool(self, function: Any, inputs: Any) -> Any:
        strides, padding = (1, "same") if self.overlapping else (self.size, "valid")
        return function(inputs, self.size, strides, padding=padding, data_format="channels_last")


@keras.saving.register_keras_serializable("genrezoo")
class LastSegment(keras.layers.Layer):
    """Returns the last real segment of a sequence.

    Use it to get the final state from a sequence of states. It finds the segment by the mask and does not rely on a
    recurrent layer to repeat its state over padding, which not every kernel does.

    Call arguments:
        inputs: ``(batch, segments, features)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are.

    Returns:
        ``(batch, features)``; zeros for a song without a real segment.

    Example:
        >>> import numpy as np
        >>> states = np.array([[[1.0], [2.0], [3.0]]], "float32")
        >>> np.asarray(LastSegment()(states, mask=np.array([[True, True, False]]))).tolist()
        [[2.0]]
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Selects one segment of each song."""
        if mask is None:
            return inputs[:, -1]
        count = ops.cumsum(ops.cast(mask, "int32"), axis=1)  # (batch, segments): real ones so far
        last = ops.logical_and(mask, ops.equal(count, count[:, -1:]))
        return ops.sum(zero_masked(inputs, last), axis=1)  # (batch, features)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape without the segments."""
        return input_shape[0], input_shape[-1]


@keras.saving.register_keras_serializable("genrezoo")
class MeanPooling(keras.layers.Layer):
    """Computes the mean of each feature over the real segments of a song.

    Choose it over `keras.layers.GlobalAveragePooling1D` where an input may have no real segment, such as a snippet of a
    short song: the mean is then zero instead of NaN. `PooledStatistics` with ``("mean",)`` gives the same up to
    rounding (about 1e-7). This layer stays because trained runs and exported Keras files are built with it.

    Call arguments:
        inputs: ``(batch, segments, features)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Values at other segments have no
            influence as long as they are finite.

    Returns:
        ``(batch, features)``; zeros for a song without a real segment.

    Example:
        >>> import numpy as np
        >>> songs = np.array([[[1.0], [3.0], [9.0]]], "float32")
        >>> np.asarray(MeanPooling()(songs, mask=np.array([[True, True, False]]))).tolist()
        [[2.0]]
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes the means."""
        if mask is None:
            return ops.mean(inputs, axis=1)
        real = real_steps(mask, inputs.dtype)
        return ops.sum(inputs * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape without the segments."""
        return input_shape[0], input_shape[-1]


@keras.saving.register_keras_serializable("genrezoo")
class MaxMeanPooling(keras.layers.Layer):
    """Computes the maximum and the mean of each feature over the real segments of a song.

    Call arguments:
        inputs: ``(batch, segments, features)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Values at other segments have no
            influence as long as they are finite.

    Returns:
        ``(batch, 2 * features)``: maximum and mean of the first feature, of the second, …

    Example:
        >>> import numpy as np
        >>> np.asarray(MaxMeanPooling()(np.array([[[1.0, 5.0], [3.0, 5.0]]], "float32"))).tolist()
        [[3.0, 2.0, 5.0, 5.0]]
    """

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes two values per feature."""
        if mask is None:
            pooled = [ops.max(inputs, axis=1), ops.mean(inputs, axis=1)]
        else:
            real = real_steps(mask, inputs.dtype)
            count = ops.maximum(ops.sum(real, axis=1), 1)
            lowered = inputs + (real - 1) * far(inputs.dtype)
            pooled = [ops.max(lowered, axis=1), ops.sum(inputs * real, axis=1) / count]
        return ops.reshape(ops.stack(pooled, axis=-1), (-1, 2 * inputs.shape[-1]))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        """Returns the output's shape: two values per feature."""
        return input_shape[0], 2 * (input_shape[-1] or 0)
