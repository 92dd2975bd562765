"""Mask-aware convolution in time."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError
from genrezoo.layers.masking import window_mask, zero_masked


@keras.saving.register_keras_serializable("genrezoo")
class MaskedConv1D(keras.layers.Layer):
    """Valid convolution over the segments; the output is zero for windows that hold no real segment.

    Choose it over `keras.layers.Conv1D` where songs are padded: a bias would otherwise turn padding into activations. A
    window that extends beyond the end of a song is kept and reads zeros there, so that a song shorter than the window
    still has an output. On songs without padding it equals `keras.layers.Conv1D`.

    Args:
        filters: Number of kernels, at least 1.
        kernel_size: Segments that a kernel covers, at least 1.
        activation: Name of a Keras activation; None for none.
        kernel_regularizer: Keras regulariser of the kernels; None for none.

    Call arguments:
        inputs: ``(batch, segments, features)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Values at other segments have no
            influence as long as they are finite.

    Returns:
        ``(batch, segments - kernel_size + 1, filters)``; the mask of the output marks the windows with a real segment.

    Raises:
        SettingsError: ``filters`` or ``kernel_size`` is below 1, or the input has fewer segments than the kernel.

    Example:
        >>> import numpy as np
        >>> MaskedConv1D(4, 3)(np.zeros((2, 10, 5), "float32")).shape[1:] == (8, 4)
        True
    """

    def __init__(
        self, filters: int, kernel_size: int, *, activation: Any = None, kernel_regularizer: Any = None, **options: Any
    ):
        super().__init__(**options)
        if filters < 1 or kernel_size < 1:
            raise SettingsError(f"filters and kernel_size must be at least 1, got {filters} and {kernel_size}")
        self.filters = filters
        self.kernel_size = kernel_size
        self.activation = keras.activations.get(activation)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the kernels."""
        segments = input_shape[1]
        if segments is not None and segments < self.kernel_size:
            raise SettingsError(f"{segments} segments are too few for a kernel of {self.kernel_size}")
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, input_shape[-1], self.filters),
            initializer="glorot_uniform",
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes the activations, which are zero for windows without a real segment."""
        if mask is not None:
            inputs = zero_masked(inputs, mask)
        outputs = ops.conv(inputs, self.kernel, padding="valid", data_format="channels_last")
        outputs = self.activation(outputs + self.bias)
        return outputs if mask is None else zero_masked(outputs, self.compute_mask(inputs, mask))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Returns True for windows with a real segment."""
        return window_mask(previous_mask, size=self.kernel_size, stride=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the output's shape, with one position per window."""
        batch, segments, _ = input_shape
        return batch, None if segments is None else segments - self.kernel_size + 1, self.filters

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "activation": keras.activations.serialize(self.activation),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
