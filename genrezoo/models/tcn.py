"""A temporal convolutional network: dilated convolutions whose receptive field doubles from block to block.

Choose it where neighbouring segments and their order matter, over ranges of some tens of segments. It trains several
times faster than a recurrent network, takes any length, and keeps one vector per segment until the pooling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras
from genrezoo.models._checks import InputShape, check_count, check_counts, check_rate, check_weights
from genrezoo.models._frame import classify, l2_penalty, song_input
from genrezoo.models._pooling import POOLINGS, pool_song
from genrezoo.models._time_convolution import convolved
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float, Int


@MODELS.register(
    "tcn",
    summary="residual blocks of dilated convolutions in time, then gated attention pooling",
    reference="genrezoo, after S. Bai, J. Z. Kolter, V. Koltun, An empirical evaluation of generic convolutional and "
    "recurrent "
    "networks for sequence modeling, 2018",
    space={
        "filters": Int(16, 128, step=16),
        "kernel_size": Choice((3, 5, 7)),
        "dilations": Choice(tuple(tuple(2**block for block in range(blocks)) for blocks in range(1, 6))),
        "pooling": Choice(POOLINGS),
        "input_dropout": Float(0.0, 0.5),
        "dropout": Float(0.0, 0.5),
        "l2": Float(1e-6, 1e-2, sampling="log"),
    },
    masks_padding=True,
    any_length=True,
)
def build_tcn(
    input_shape: InputShape,
    num_classes: int,
    *,
    filters: int = 64,
    kernel_size: int = 3,
    dilations: Sequence[int] = (1, 2, 4),
    pooling: str = "attention",
    input_dropout: float = 0.1,
    dropout: float = 0.3,
    l2: float = 1e-4,
    classifier_activation: str | None = None,
) -> Any:
    """Residual blocks of two dilated convolutions each, and a pooling in time.

    The source's network is causal, because it predicts the future, and uses weight normalisation. A song is known as a
    whole, so these convolutions look both ways, and each is followed by layer normalisation. A segment of the last
    block depends on ``2 * (kernel_size - 1) * sum(dilations)`` others, 28 by default.

    Args:
        filters: Number of kernels of each convolution.
        kernel_size: Segments that a kernel covers, at least 1; with an odd number it looks equally far both ways.
        dilations: Dilation rate of each block, at least 1.
        pooling: How the segments of a song are pooled: ``"attention"`` or ``"mean"``.
        input_dropout: Fraction of the features to drop, in [0, 1).
        dropout: Dropout rate of the channels of each convolution (whole channels of a song are dropped), and of the
            pooled song, in [0, 1).
        l2: L2 factor on the weights of the convolutions and the attention, at least 0.

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Raises:
        SettingsError: An option is out of range.

    Example:
        >>> model = build_tcn((None, 25), num_classes=10)
        >>> model.get_layer("block_3_conv_2").dilation_rate
        (4,)

    Reference:
        S. Bai, J. Z. Kolter, V. Koltun, "An empirical evaluation of generic convolutional and recurrent networks for
        sequence modeling", 2018 (arXiv 1803.01271), section 3.
    """
    filters, kernel_size = check_count("filters", filters), check_count("kernel_size", kernel_size)
    check_rate("dropout", dropout)
    penalty = l2_penalty(l2)
    songs, x = song_input(input_shape)
    if check_rate("input_dropout", input_dropout):
        x = keras.layers.Dropout(input_dropout, name="input_dropout")(x)
    for block, dilation in enumerate(check_counts("dilations", dilations), start=1):
        check_weights(f"block_{block}_conv_1", kernel_size, x.shape[-1], filters)
        y = x
        for part in (1, 2):
            name = f"block_{block}_conv_{part}"
            conv = keras.layers.Conv1D(
                filters, kernel_size, padding="same", dilation_rate=dilation, kernel_regularizer=penalty, name=name
            )
            y = keras.layers.LayerNormalization(name=f"{name}_norm")(convolved(y, conv))
            y = keras.layers.Activation("relu", name=f"{name}_activation")(y)
            if dropout:
                y = keras.layers.SpatialDropout1D(dropout, name=f"{name}_dropout")(y)
        if x.shape[-1] != filters:
            x = keras.layers.Dense(filters, kernel_regularizer=penalty, name=f"block_{block}_shortcut")(x)
        x = keras.layers.Add(name=f"block_{block}_sum")([x, y])
        x = keras.layers.Activation("relu", name=f"block_{block}_activation")(x)
    x = pool_song(x, pooling=pooling, dropout=dropout, l2=l2)
    return keras.Model(songs, classify(x, num_classes, classifier_activation=classifier_activation), name="tcn")
