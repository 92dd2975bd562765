"""Convolutional networks over the segments of a song.

`segment_cnn` looks at one segment at a time and `conv_in_time` at several in a row; the difference in accuracy shows
how much the order of neighbouring segments contributes. Choose `conv_in_time` where speed matters: it is an order of
magnitude faster than an LSTM. Both end in a dense layer over all positions and so need songs of one length; shorter
ones are padded, and windows that hold only padding return zero.
"""

from __future__ import annotations

from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count, check_weights
from genrezoo.models._frame import classify, l1_l2_penalty, song_input
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float, Int

SIZES = {"filters": Int(10, 256, sampling="log"), "units": Int(32, 512, sampling="log")}
PENALTIES = {"conv_l2": Float(1e-5, 1e-1, sampling="log"), "dense_l2": Float(1e-5, 1e-1, sampling="log")}


@MODELS.register(
    "segment_cnn",
    summary="two convolutions with kernels of one segment, and a dense layer",
    reference="R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017): section 3",
    reported={"MSD-10 validation accuracy": "58 %"},
    space={**SIZES, **PENALTIES},
    masks_padding=True,
)
def build_segment_cnn(
    input_shape: InputShape,
    num_classes: int,
    *,
    filters: int = 50,
    units: int = 200,
    conv_l1: float = 0.0,
    conv_l2: float = 1e-2,
    dense_l1: float = 0.0,
    dense_l2: float = 1e-2,
    output_l1: float = 0.0,
    output_l2: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """Convolutions with kernels of one segment: each segment is transformed independently of its neighbours.

    The baseline for convolution in time. Each kind of layer has separate regularisation factors, because the source
    studies them one by one and leaves the output layer unregularised.

    Args:
        filters: Number of kernels of each of the two convolutions.
        units: Size of the dense layer.
        conv_l1: L1 factor on the weights of the convolutions, at least 0; makes them sparse.
        conv_l2: L2 factor on the weights of the convolutions, at least 0.
        dense_l1: As ``conv_l1``, for the dense layer.
        dense_l2: As ``conv_l2``, for the dense layer.
        output_l1: As ``conv_l1``, for the output layer.
        output_l2: As ``conv_l2``, for the output layer.

    Returns:
        An uncompiled model; its last layer is called ``logits``, its convolutions ``conv_1`` and ``conv_2``.

    Example:
        >>> model = build_segment_cnn((120, 25), num_classes=10)
        >>> model.get_layer("conv_1").count_params(), model.get_layer("conv_2").count_params()
        (1300, 2550)

    Reference:
        R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017), sections 3 and 3.1.
    """
    model = build_conv_in_time(
        input_shape,
        num_classes,
        filters=filters,
        kernel_size=1,
        pooling=None,
        units=units,
        conv_l1=conv_l1,
        conv_l2=conv_l2,
        dense_l1=dense_l1,
        dense_l2=dense_l2,
        output_l1=output_l1,
        output_l2=output_l2,
        classifier_activation=classifier_activation,
    )
    model.name = "segment_cnn"
    return model


@MODELS.register(
    "conv_in_time",
    summary="convolutions over several segments, each followed by pooling in time, and a dense layer",
    reference="R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017): section 4.2",
    reported={"MSD-10 validation accuracy": "63 % (61 % without pooling)"},
    space={**SIZES, "kernel_size": Choice((1, 3, 5)), **PENALTIES},  # the source's kernels
    masks_padding=True,
)
def build_conv_in_time(
    input_shape: InputShape,
    num_classes: int,
    *,
    filters: int = 50,
    kernel_size: int = 3,
    conv_layers: int = 2,
    pooling: str | None = "max",
    pool_size: int | None = 2,
    units: int = 200,
    conv_l1: float = 0.0,
    conv_l2: float = 1e-2,
    dense_l1: float = 0.0,
    dense_l2: float = 1e-2,
    output_l1: float = 0.0,
    output_l2: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """Convolutions over consecutive segments: sensitive to their order, and less to their position in the song.

    Convolutions are unpadded ("valid") and pooling windows do not overlap, so each layer shortens the song.

    Args:
        filters: Number of kernels of each convolution.
        kernel_size: Segments that a kernel covers, at least 1.
        conv_layers: Number of convolutions, at least 1.
        pooling: Pooling after each convolution: ``"max"``, ``"average"`` or None for none.
        pool_size: Segments per pooling window, at least 1; None pools once, after the last convolution, over the whole
            song, so that with ``kernel_size=1`` a song is a bag of segments. Has no effect without pooling.
        units: Size of the dense layer.
        conv_l1: L1 factor on the weights of the convolutions, at least 0; makes them sparse.
        conv_l2: L2 factor on the weights of the convolutions, at least 0.
        dense_l1: As ``conv_l1``, for the dense layer.
        dense_l2: As ``conv_l2``, for the dense layer.
        output_l1: As ``conv_l1``, for the output layer.
        output_l2: As ``conv_l2``, for the output layer.

    Returns:
        An uncompiled model; its last layer is called ``logits``, its convolutions ``conv_1``, ``conv_2``, …

    Raises:
        SettingsError: An option is out of range, or the song is too short for the kernels and windows.

    Example:
        >>> model = build_conv_in_time((120, 25), num_classes=10)
        >>> model.get_layer("end_mask").output.shape  # 120 -> 118 -> 59 -> 57 -> 28 positions
        (None, 28, 50)

    Reference:
        R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017), sections 4.2.1 and 4.2.2.
    """
    filters = check_count("filters", filters)
    units = check_count("units", units)
    kernel_size = check_count("kernel_size", kernel_size)
    conv_layers = check_count("conv_layers", conv_layers)
    pool_size = None if pool_size is None else check_count("pool_size", pool_size)
    _check_length(input_shape[0] or 0, kernel_size, conv_layers, pool_size or 1 if pooling else 1)
    conv_penalty, dense_penalty = l1_l2_penalty(conv_l1, conv_l2), l1_l2_penalty(dense_l1, dense_l2)

    songs, x = song_input(input_shape)
    for number in range(1, conv_layers + 1):
        check_weights(f"conv_{number}", kernel_size, x.shape[-1], filters)
        x = layers.MaskedConv1D(
            filters, kernel_size, activation="relu", kernel_regularizer=conv_penalty, name=f"conv_{number}"
        )(x)
        window = pool_size or (x.shape[1] if number == conv_layers else 1)
        if pooling and window > 1:
            x = layers.MaskedPooling1D(pooling, window, name=f"pool_{number}")(x)
    x = layers.EndMask(name="end_mask")(x)
    x = keras.layers.Flatten(name="flatten")(x)  # (batch, positions * filters)
    check_weights("dense", x.shape[-1], units)
    x = keras.layers.Dense(units, activation="relu", kernel_regularizer=dense_penalty, name="dense")(x)
    logits = classify(x, num_classes, classifier_activation=classifier_activation, l1=output_l1, l2=output_l2)
    return keras.Model(songs, logits, name="conv_in_time")


def _check_length(n_segments: int, kernel_size: int, conv_layers: int, pool_size: int) -> None:
    needed = 1
    for _ in range(conv_layers):
        needed = needed * pool_size + kernel_size - 1
    if n_segments < needed:
        raise SettingsError(
            f"songs of {n_segments} segments are too short for {conv_layers} convolutions of kernel_size={kernel_size}"
            f", each followed by pooling of {pool_size}: at least {needed} are needed; make kernels or pools smaller"
        )
