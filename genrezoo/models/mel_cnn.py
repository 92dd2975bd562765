"""A convolutional network on mel spectrograms of one second.

Choose it where the audio itself is available: it learns time-frequency patterns that no feature table contains. It
reads chunks of one length, 21 frames in its source, and a recording's prediction combines those of its seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape
from genrezoo.models._conv2d import conv_stack
from genrezoo.models._dense import hidden_layers
from genrezoo.models._frame import classify, song_input
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float


@MODELS.register(
    "mel_cnn",
    summary="four 5 x 5 convolutions over time and mel bands, each pooled, and three dense layers",
    reference="Neural networks for music genres: questions 2 and 3",
    space={
        "filters": Choice(tuple((size, 2 * size, 4 * size, 8 * size) for size in (8, 16, 24, 32))),
        "kernel_size": Choice((3, 5)),
        "activation": Choice(("relu", "elu", "gelu", "tanh")),
        "dropout": Float(0.0, 0.6),
    },
    masks_padding=True,
)
def build_mel_cnn(
    input_shape: InputShape,
    num_classes: int,
    *,
    filters: Sequence[int] = (16, 32, 64, 128),
    kernel_size: int = 5,
    pool_size: int | None = 2,
    padding: int | None = None,
    batch_norm: bool = True,
    activation: str = "relu",
    units: Sequence[int] = (1024, 256, 32),
    dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """Convolutions over time and frequency, then a perceptron, in each of the variants that the source tries.

    The source begins with ``pool_size=None, padding=0, batch_norm=False, activation="linear"``, adds pooling and
    padding, then activations, then batch normalisation before each activation of the convolutions; the defaults are the
    last variant. Without pooling the first dense layer alone has 73 million weights.

    It is meant for full chunks, that is for recordings of a whole number of seconds; padding counts as the training
    mean.

    Args:
        filters: Number of kernels of each convolution.
        kernel_size: Frames and mel bands that a kernel covers, at least 1.
        pool_size: Frames and mel bands of a max-pooling window, at least 1; None for no pooling.
        padding: Frames and mel bands of zero padding on each side, at least 0; None for half a kernel, which keeps the
            size.
        batch_norm: Normalises each channel of the convolutions over the batch before its activation.
        activation: Keras activation of all convolutions and dense layers.
        units: Sizes of the dense layers.
        dropout: Fraction of each dense layer to drop, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``, its convolutions ``conv_1``, …, its dense layers
        ``hidden_1``, …

    Raises:
        SettingsError: An option is out of range, or a chunk is too short for the kernels and windows.

    Example:
        >>> model = build_mel_cnn((21, 128), num_classes=4)
        >>> model.get_layer("pool_4").output.shape  # 21 x 128 -> 10 x 64 -> 5 x 32 -> 2 x 16 -> 1 x 8
        (None, 1, 8, 128)

    Reference:
        Neural networks for music genres (EP08 Pattern Recognition, third assignment), question 2, steps 2 and 4, and
        question 3, steps 2, 4 and 5.
    """
    songs, x = song_input(input_shape)
    x = layers.EndMask(name="end_mask")(x)
    x = keras.layers.Reshape((*x.shape[1:], 1), name="channel")(x)
    x = conv_stack(
        x,
        filters=filters,
        kernel_size=kernel_size,
        padding=padding,
        pool_size=pool_size,
        activation=activation,
        batch_norm=batch_norm,
    )
    x = keras.layers.Flatten(name="flatten")(x)
    x = hidden_layers(x, units=units, activation=activation, dropout=dropout)
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="mel_cnn")
