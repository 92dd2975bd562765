"""Networks on log-mel spectrograms that were trained for music tagging and can be fine-tuned for other audio tasks.

Choose `vgg_tagger` for accuracy (its embedding separates genres best), `musicnn` where recordings differ in length: it
takes any number of frames. Both take raw spectrograms, not standardised ones: their first layer normalises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count, check_rate
from genrezoo.models._conv2d import MOMENTUM
from genrezoo.models._frame import classify, song_input
from genrezoo.models._pretrained import begin_with
from genrezoo.models._trainable import TRAINABLE, train_from
from genrezoo.registry import MODELS
from genrezoo.spaces import Float, Int

TIMBRAL_FRAMES = 7
TIMBRAL_BANDS = (0.4, 0.7)
"""Fractions of the mel bands that the two heights of timbral kernels cover."""
TEMPORAL_FRAMES = (128, 64, 32)


@MODELS.register(
    "musicnn",
    summary="timbral and temporal kernels, convolutions in time, and max and mean pooling over time",
    reference="Pons and Serra 2019, musicnn",
    space={
        "filters": Int(8, 64, step=8),
        "units": Int(25, 200, step=25),
        "dropout": Float(0.0, 0.6),
        "trainable": TRAINABLE,
    },
    masks_padding=True,
    any_length=True,
    begins_with=("weights",),
)
def build_musicnn(
    input_shape: InputShape,
    num_classes: int,
    *,
    timbral_filters: int = 204,
    temporal_filters: int = 51,
    filters: int = 64,
    units: int = 200,
    dropout: float = 0.0,
    trainable: str = "all",
    weights: str | None = None,
    classifier_activation: str | None = None,
) -> Any:
    """A musically motivated front end, and a back end that summarises any number of frames.

    Timbral kernels cover 7 frames and 40 or 70 percent of the bands, temporal ones 128, 64 or 32 frames of one band;
    max pooling over the bands makes both invariant to pitch. Three convolutions in time follow, the last two with
    residual connections. All outputs are reduced to their maximum and mean over time, followed by a hidden layer.

    Padding has no influence on the logits; in training, batch normalisation counts it as zeros.

    Args:
        timbral_filters: Number of kernels of each of the two timbral heights, at least 1.
        temporal_filters: Number of kernels of each of the three temporal lengths, at least 1.
        filters: Number of kernels of each convolution in time, at least 1.
        units: Size of the hidden layer, at least 1; its normalised activations are the embedding.
        dropout: Dropout rate before the hidden layer and the output layer, in [0, 1).
        trainable: The part that is trained: ``"all"``, ``"top"`` (everything after the pooling in time) or ``"head"``
            (``logits``).

    Returns:
        An uncompiled model; its last layer is called ``logits``, the layer of the embedding ``hidden_1_norm``.

    Raises:
        SettingsError: An option is out of range.
        DataError: The weights cannot be obtained, or do not fit.

    Example:
        >>> model = build_musicnn((None, 96), num_classes=50)
        >>> model.count_params(), model.get_layer("pooled").output.shape
        (792079, (None, 1506))

    Reference:
        J. Pons, X. Serra, musicnn: pre-trained convolutional neural networks for music audio tagging, ISMIR
        late-breaking demo 2019; J. Pons et al., End-to-end learning for music audio tagging at scale, ISMIR 2018.
    """
    sizes = {"timbral_filters": timbral_filters, "temporal_filters": temporal_filters, "filters": filters}
    for name, size in {**sizes, "units": units}.items():
        check_count(name, size)
    songs, real = song_input(input_shape)
    n_bands = real.shape[-1]
    x = keras.layers.Reshape((-1, n_bands, 1), name="channel")(layers.EndMask(name="end_mask")(real))
    x = _norm("input")(x)  # (batch, frames, bands, 1)
    x = keras.layers.Reshape((-1, n_bands), name="frames")(x)
    x = keras.layers.Reshape((-1, n_bands, 1), name="image")(_end_mask("input", x, real))
    heights = [max(int(fraction * n_bands), 1) for fraction in TIMBRAL_BANDS]
    timbral = [
        _front_end(f"timbral_{number}", x, timbral_filters, TIMBRAL_FRAMES, bands)
        for number, bands in enumerate(heights, start=1)
    ]
    temporal = [
        _front_end(f"temporal_{number}", x, temporal_filters, frames, 1)
        for number, frames in enumerate(TEMPORAL_FRAMES, start=1)
    ]
    x = keras.layers.Concatenate(name="front_end")([*timbral, *temporal])
    parts = [_end_mask("front_end", x, real)]
    for number in (1, 2, 3):
        name = f"conv_{number}"
        x = keras.layers.Conv1D(filters, 7, padding="same", activation="relu", name=name)(parts[-1])
        norm = _norm(name)
        x = _end_mask(name, norm(x), real)
        parts.append(keras.layers.Add(name=f"{name}_sum")([x, parts[-1]]) if number > 1 else x)
    norm.beta.trainable = False  # the normalisation of the pooled features cancels it
    x = layers.TakeMask(name="take_mask")([keras.layers.Concatenate(name="all")(parts), real])
    x = _norm("pooled")(layers.MaxMeanPooling(name="pooled")(x))
    x = _dropped("pooled", x, dropout)
    x = _norm("hidden_1")(keras.layers.Dense(units, activation="relu", name="hidden_1")(x))
    logits = classify(_dropped("hidden_1", x, dropout), num_classes, classifier_activation=classifier_activation)
    model = train_from(keras.Model(songs, logits, name="musicnn"), trainable, top="pooled_norm")
    return begin_with(model, weights)


@MODELS.register(
    "vgg_tagger",
    summary="five 3 x 3 convolutions over time and mel bands, each pooled, and a linear output layer",
    reference="Pons and Serra 2019, musicnn: its vgg baseline; Choi et al. 2016",
    space={"filters": Int(8, 128, step=8), "dropout": Float(0.0, 0.6), "trainable": TRAINABLE},
    masks_padding=True,
    begins_with=("weights",),
)
def build_vgg_tagger(
    input_shape: InputShape,
    num_classes: int,
    *,
    filters: int = 128,
    pool_sizes: Sequence[Sequence[int]] = ((4, 1), (1, 4), (2, 2), (2, 2), (4, 4)),
    pool_strides: Sequence[Sequence[int]] | None = None,
    dropout: float = 0.0,
    trainable: str = "all",
    weights: str | None = None,
    classifier_activation: str | None = None,
) -> Any:
    """A plain stack of convolutions on a few seconds of music; the flattened output of the last is the embedding.

    The number of frames is fixed; padding counts as silence.

    Args:
        filters: Number of kernels of each convolution, at least 1.
        pool_sizes: Frames and bands of the pooling window after each convolution; their number determines the number of
            convolutions.
        pool_strides: Strides of the pooling in frames and bands after each convolution; None for the windows' sizes.
        dropout: Dropout rate before the output layer, in [0, 1).
        trainable: The part that is trained: ``"all"``, ``"top"`` (the last two convolutions and everything after them)
            or ``"head"`` (``logits``).

    Returns:
        An uncompiled model; its last layer is called ``logits``, the layer of the embedding ``flatten``.

    Raises:
        SettingsError: An option is out of range, or a song is too short for the pooling windows.
        DataError: The weights cannot be obtained, or do not fit.

    Example:
        >>> model = build_vgg_tagger((187, 96), num_classes=50)
        >>> model.count_params(), model.get_layer("flatten").output.shape
        (607030, (None, 256))

    Reference:
        J. Pons, X. Serra, musicnn: pre-trained convolutional neural networks for music audio tagging, ISMIR
        late-breaking demo 2019; K. Choi, G. Fazekas, M. Sandler, Automatic tagging using deep convolutional neural
        networks, ISMIR 2016.
    """
    check_count("filters", filters)
    sizes = _pairs("pool_sizes", pool_sizes)
    strides = sizes if pool_strides is None else _pairs("pool_strides", pool_strides)
    if len(sizes) != len(strides):
        raise SettingsError(
            f"pool_sizes and pool_strides must have the same length, got {len(sizes)} and {len(strides)}"
        )
    songs, x = song_input(input_shape)
    x = keras.layers.Reshape((*x.shape[1:], 1), name="channel")(layers.EndMask(name="end_mask")(x))
    x = _norm("input")(x)  # (batch, frames, bands, 1)
    for number, (size, stride) in enumerate(zip(sizes, strides, strict=True), start=1):
        name = f"conv_{number}"
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = _norm(name)(x)
        if x.shape[1] < size[0] or x.shape[2] < size[1]:
            raise SettingsError(
                f"{input_shape[0]} frames of {input_shape[1]} bands are too few for pool_sizes={sizes}: {x.shape[1]} x "
                f"{x.shape[2]} are left after {name}; use longer songs or smaller windows"
            )
        x = keras.layers.MaxPooling2D(size, stride, padding="valid", name=f"pool_{number}")(x)
    x = _dropped("flatten", keras.layers.Flatten(name="flatten")(x), dropout)
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    top = f"conv_{max(len(sizes) - 1, 1)}"
    model = train_from(keras.Model(songs, logits, name="vgg_tagger"), trainable, top=top)
    return begin_with(model, weights, pool_sizes=pool_sizes, pool_strides=pool_strides)


def _front_end(name: str, x: Any, filters: int, frames: int, bands: int) -> Any:
    """A convolution that keeps the number of frames, and its maximum over the bands."""
    if bands > 1:  # an odd number of frames
        x = keras.layers.ZeroPadding2D((frames // 2, 0), name=f"{name}_padding")(x)
    padding = "valid" if bands > 1 else "same"
    x = keras.layers.Conv2D(filters, (frames, bands), padding=padding, activation="relu", name=name)(x)
    x = keras.layers.MaxPooling2D((1, x.shape[2]), name=f"{name}_pool")(_norm(name)(x))  # (batch, frames, 1, filters)
    return keras.layers.Reshape((-1, filters), name=f"{name}_frames")(x)


def _norm(name: str) -> Any:
    """Batch normalisation, which always follows an activation here."""
    return keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")


def _end_mask(name: str, x: Any, real: Any) -> Any:
    """Sets segments to zero where ``real`` is masked."""
    return layers.EndMask(name=f"{name}_end_mask")(layers.TakeMask(name=f"{name}_take_mask")([x, real]))


def _dropped(name: str, x: Any, dropout: float) -> Any:
    return keras.layers.Dropout(dropout, name=f"{name}_dropout")(x) if check_rate("dropout", dropout) else x


def _pairs(name: str, values: Sequence[Sequence[int]]) -> tuple[tuple[int, int], ...]:
    """Checks the frames and bands of several windows."""
    pairs = isinstance(values, tuple | list) and values and all(isinstance(pair, tuple | list) for pair in values)
    if not pairs or any(len(pair) != 2 for pair in values):
        raise SettingsError(
            f"{name} must be a list of pairs of frames and bands, e.g. ((4, 1), (2, 2)), got {values!r}"
        )
    frames, bands = ((check_count(name, value) for value in pair) for pair in zip(*values, strict=True))
    return tuple(zip(frames, bands, strict=True))
