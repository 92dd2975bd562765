"""InceptionTime: parallel convolutions of several lengths, for time series of any kind.

Choose it where the patterns that reveal a genre may last one segment or many. It is among the most accurate networks on
the time-series archives, where series are long; on songs of ten segments its long kernels mostly cover padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count, check_counts, check_rate, check_weights
from genrezoo.models._frame import classify, l2_penalty, song_input
from genrezoo.models._pooling import POOLINGS, pool_song
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float, Int

MOMENTUM = 0.9
"""Momentum of the moving averages: a set of a few hundred songs gives them only some hundred steps."""

RESIDUAL_EVERY = 3
POOL_SIZE = 3


@MODELS.register(
    "inception_time",
    summary="residual inception modules (convolutions of three lengths beside max pooling), averaged over time",
    reference="genrezoo, after H. Ismail Fawaz et al., InceptionTime, Data Mining and Knowledge Discovery 34 (2020)",
    space={
        "filters": Int(8, 64, step=8),
        "modules": Choice((3, 6, 9)),
        "kernel_sizes": Choice(((3, 5, 9), (3, 7, 15), (5, 11, 23), (9, 19, 39))),
        "pooling": Choice(POOLINGS),
        "input_dropout": Float(0.0, 0.5),
        "dropout": Float(0.0, 0.7),
        "l2": Float(1e-6, 1e-2, sampling="log"),
    },
    masks_padding=True,
    any_length=True,
)
def build_inception_time(
    input_shape: InputShape,
    num_classes: int,
    *,
    filters: int = 16,
    modules: int = 6,
    kernel_sizes: Sequence[int] = (3, 7, 15),
    pooling: str = "mean",
    input_dropout: float = 0.1,
    dropout: float = 0.3,
    l2: float = 1e-4,
    classifier_activation: str | None = None,
) -> Any:
    """Inception modules with a residual connection around every three, and a pooling in time.

    A module projects a song to ``filters`` features and applies kernels of several lengths, in parallel with max
    pooling over three segments; the results are concatenated and batch-normalised, ignoring padding. The source's
    kernels of 10, 20 and 40 steps are meant for series of hundreds of steps, its modules have 32 filters, and it
    averages five such networks, which an ``ensemble`` does here.

    Args:
        filters: Number of kernels of each convolution; a module returns ``filters * (len(kernel_sizes) + 1)`` features.
        modules: Number of modules, at least 1.
        kernel_sizes: Kernel size of each parallel convolution in segments, at least 1.
        pooling: How the segments of a song are pooled: ``"mean"`` or ``"attention"``.
        input_dropout: Fraction of the features to drop, in [0, 1).
        dropout: Dropout rate of the pooled song, in [0, 1).
        l2: L2 factor on the weights of the convolutions and the attention, at least 0.

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Raises:
        SettingsError: An option is out of range.

    Example:
        >>> model = build_inception_time((None, 25), num_classes=10)
        >>> model.get_layer("module_6_activation").output.shape
        (None, None, 64)

    Reference:
        H. Ismail Fawaz et al., "InceptionTime: finding AlexNet for time series classification", Data Mining and
        Knowledge Discovery 34 (2020), section 3; the modules: C. Szegedy et al., "Going deeper with convolutions", CVPR
        2015.
    """
    filters, kernel_sizes = check_count("filters", filters), check_counts("kernel_sizes", kernel_sizes)
    check_weights("module_1", max(kernel_sizes), filters, filters)
    penalty = l2_penalty(l2)
    songs, x = song_input(input_shape)
    check_weights("module_1_bottleneck", x.shape[-1], filters)
    if check_rate("input_dropout", input_dropout):
        x = keras.layers.Dropout(input_dropout, name="input_dropout")(x)
    before = x
    for number in range(1, check_count("modules", modules) + 1):
        name = f"module_{number}"
        x = _module(x, filters=filters, kernel_sizes=kernel_sizes, penalty=penalty, name=name)
        if number % RESIDUAL_EVERY == 0:
            shortcut = _map(x.shape[-1], penalty, f"{name}_shortcut")(before)
            shortcut = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_shortcut_norm")(shortcut)
            x = keras.layers.Add(name=f"{name}_sum")([x, shortcut])
            before = x = keras.layers.Activation("relu", name=f"{name}_sum_activation")(x)
    x = pool_song(x, pooling=pooling, dropout=dropout, l2=l2)
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="inception_time")


def _module(x: Any, *, filters: int, kernel_sizes: Sequence[int], penalty: Any, name: str) -> Any:
    """``(batch, segments, filters * (len(kernel_sizes) + 1))``, with the mask of ``x``."""
    reduced = _map(filters, penalty, f"{name}_bottleneck")(layers.EndMask(name=f"{name}_end_mask")(x))
    found = [
        keras.layers.Conv1D(
            filters, size, padding="same", use_bias=False, kernel_regularizer=penalty, name=f"{name}_conv_{number}"
        )(reduced)
        for number, size in enumerate(kernel_sizes, start=1)
    ]
    largest = layers.MaskedPooling1D("max", POOL_SIZE, overlapping=True, name=f"{name}_pool")(x)
    found.append(_map(filters, penalty, f"{name}_pool_map")(largest))
    joined = layers.TakeMask(name=f"{name}_take_mask")([keras.layers.Concatenate(name=f"{name}_joined")(found), x])
    joined = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(joined)
    return keras.layers.Activation("relu", name=f"{name}_activation")(joined)


def _map(units: int, penalty: Any, name: str) -> Any:
    """An affine map of each segment without a bias, which normalisation would cancel; so padding stays zero."""
    return keras.layers.Dense(units, use_bias=False, kernel_regularizer=penalty, name=name)
