"""Stacks of 2-D convolutions, shared by the models of spectrograms and of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras
from genrezoo.models._checks import check_counts, check_weights

MOMENTUM = 0.9
"""Momentum of batch normalisation's moving averages: the default of the sources' framework. With Keras's 0.99 the
averages would not converge within the few hundred steps of training on a small set of songs."""


def conv_stack(
    x: Any,
    *,
    filters: Sequence[int],
    kernel_size: int,
    strides: int = 1,
    padding: int | None,
    pool_size: int | None = None,
    activation: str,
    batch_norm: bool = False,
) -> Any:
    """A stack of convolutions, each of zero padding, convolution, batch normalisation, activation and max pooling.

    Args:
        x: ``(batch, height, width, channels)``.
        filters: Kernels of each convolution; they are called ``conv_1``, ``conv_2``, …
        kernel_size: Height and width of a kernel, at least 1.
        strides: Stride of the convolutions, at least 1.
        padding: Rows and columns of zeros added on each side of a convolution's input, at least 0; None for half a
            kernel.
        pool_size: Height and width of the windows of max pooling, at least 1; None for no pooling.
        activation: Keras activation.
        batch_norm: Normalises each channel over the batch before its activation.

    Returns:
        ``(batch, height, width, filters[-1])``.

    Raises:
        SettingsError: An option is out of range, or the input is too small.
    """
    filters = check_counts("filters", filters)
    padding = (kernel_size - 1) // 2 if padding is None else padding
    _check_size(x.shape[1:3], len(filters), kernel_size, strides, padding, pool_size or 1)
    for number, size in enumerate(filters, start=1):
        conv = f"conv_{number}"
        check_weights(conv, kernel_size, kernel_size, x.shape[-1], size)
        if padding:
            x = keras.layers.ZeroPadding2D(padding, name=f"{conv}_padding")(x)
        # The shift of the normalisation takes the place of a bias, which it would cancel.
        x = keras.layers.Conv2D(size, kernel_size, strides=strides, use_bias=not batch_norm, name=conv)(x)
        if batch_norm:
            x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{conv}_norm")(x)
        x = keras.layers.Activation(activation, name=f"{conv}_activation")(x)
        if pool_size is not None:
            x = keras.layers.MaxPooling2D(pool_size, name=f"pool_{number}")(x)
    return x


def _check_size(
    size: tuple[int, int], layers: int, kernel_size: int, strides: int, padding: int, pool_size: int
) -> None:
    needed = 1
    for _ in range(layers):
        needed = max((needed * pool_size - 1) * strides + kernel_size - 2 * padding, 1)
    if min(size) < needed:
        raise SettingsError(
            f"an input of {size[0]} x {size[1]} is too small for {layers} convolutions of kernel_size={kernel_size}, "
            f"strides={strides} and padding={padding}, each followed by pooling of {pool_size}: at least {needed} x "
            f"{needed} is needed; make kernels, strides or pools smaller, or padding larger"
        )
