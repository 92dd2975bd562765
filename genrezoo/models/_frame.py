"""The first and last layers of every model: its input, and the layer called ``logits``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_choice, check_input_shape
from genrezoo.spaces import Choice

MEAN_STD = ("mean", "std")
RICH = ("mean", "std", "min", "q10", "q25", "median", "q75", "q90", "max", "delta_mean", "delta_std")
STATISTICS_SPACE = {"statistics": Choice((MEAN_STD, RICH))}
"""Search space of a song's statistics, see `PooledStatistics`."""


def song_input(input_shape: InputShape) -> tuple[Any, Any]:
    """Returns the input of a model, and the same with padding turned into zeros and a mask.

    Args:
        input_shape: ``(n_segments or None, n_features)``.

    Returns:
        Two tensors ``(batch, n_segments, n_features)``.
    """
    songs = keras.Input(tuple(input_shape), name="songs")
    return songs, layers.MaskPadding(name="mask_padding")(songs)


def table_input(input_shape: InputShape, statistics: Sequence[str]) -> tuple[Any, Any]:
    """Returns the input of a model, and one vector for each song.

    Args:
        input_shape: ``(n_segments, n_features)``; the number of segments must be known, because a table is built
            otherwise than songs are.
        statistics: Statistics of each feature over the song's real segments, see `PooledStatistics`; a song of one
            segment is its own vector.

    Returns:
        A tensor ``(batch, n_segments, n_features)``, and one ``(batch, features)``.

    Raises:
        SettingsError: The number of segments is None, or the statistics are not known.
    """
    n_segments, _ = check_input_shape(input_shape, any_length=False)
    songs, x = song_input(input_shape)
    if n_segments == 1:
        return songs, keras.layers.Flatten(name="features")(layers.EndMask(name="end_mask")(x))
    return songs, layers.PooledStatistics(statistics, name="statistics")(x)


def classify(
    features: Any,
    num_classes: int,
    *,
    classifier_activation: str | None,
    l1: float = 0.0,
    l2: float = 0.0,
    batch_norm: bool = False,
) -> Any:
    """The affine map to the genres; its last layer is always called ``logits``.

    Args:
        features: ``(batch, features)``.
        num_classes: Number of genres, at least 2.
        classifier_activation: None for logits, ``"softmax"`` for posteriors.
        l1: L1 factor on the weights.
        l2: L2 factor on the weights.
        batch_norm: Normalises the logits over the batch; its shift then replaces the bias.

    Returns:
        ``(batch, num_classes)``.

    Raises:
        SettingsError: An option is out of range.
    """
    check_classifier(classifier_activation)
    penalty = l1_l2_penalty(l1, l2)
    if not batch_norm:
        return keras.layers.Dense(
            num_classes, activation=classifier_activation, kernel_regularizer=penalty, name="logits"
        )(features)
    readout = keras.layers.Dense(num_classes, use_bias=False, kernel_regularizer=penalty, name="readout")(features)
    if classifier_activation is None:
        return keras.layers.BatchNormalization(name="logits")(readout)
    normalised = keras.layers.BatchNormalization(name="readout_norm")(readout)
    return keras.layers.Activation(classifier_activation, name="logits")(normalised)


def check_classifier(classifier_activation: str | None) -> None:
    """Rejects any output activation but None and ``"softmax"``: models return logits or posteriors.

    Raises:
        SettingsError: It is another activation.
    """
    check_choice("classifier_activation", classifier_activation, (None, "softmax"))


def l2_penalty(l2: float) -> Any:
    """The Keras regulariser ``l2 * sum of squares``, or None for 0."""
    return keras.regularizers.L2(l2) if l2 else None


def l1_l2_penalty(l1: float, l2: float) -> Any:
    """The Keras regulariser ``l1 * sum of absolute values + l2 * sum of squares``, or None if both are 0."""
    return keras.regularizers.L1L2(l1, l2) if l1 else l2_penalty(l2)
