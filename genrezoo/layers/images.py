"""Input preprocessing of networks that were trained on photographs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError

BLUE_GREEN_RED = (103.939, 116.779, 123.68)
"""Mean pixel of ImageNet, in Caffe's channel order."""


@keras.saving.register_keras_serializable("genrezoo")
class ImagenetInput(keras.layers.Layer):
    """Preprocesses pixels for ResNet50's ImageNet weights: channels in BGR order, minus ImageNet's mean pixel.

    The preprocessing is part of the model, so that a trained model takes raw pixels.

    Call arguments:
        inputs: ``(batch, height, width, channels)``, pixels from 0 to 255: red, green and blue, or one channel, which
            is repeated.

    Returns:
        ``(batch, height, width, 3)``.

    Raises:
        SettingsError: The images have neither 1 nor 3 channels.

    Example:
        >>> import numpy as np
        >>> red = np.array([255.0, 0, 0], "float32").reshape(1, 1, 1, 3)
        >>> np.asarray(ImagenetInput()(red)).ravel().astype(int).tolist()
        [-103, -116, 131]

    Reference:
        K. He et al., Deep Residual Learning for Image Recognition, CVPR 2016; mean and order of channels as in the
        weights that its authors published for Caffe.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks the channels."""
        if len(input_shape) != 4 or input_shape[-1] not in (1, 3):
            raise SettingsError(
                f"images must have shape (height, width, channels) with 1 or 3 channels, got {tuple(input_shape[1:])}"
            )

    def call(self, inputs: Any) -> Any:
        """Repeats a single channel, reverses the order of the channels and subtracts the mean."""
        if inputs.shape[-1] == 1:
            inputs = ops.repeat(inputs, 3, axis=-1)
        return ops.flip(inputs, axis=-1) - ops.convert_to_tensor(BLUE_GREEN_RED, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape with three channels."""
        return (*input_shape[:-1], 3)
