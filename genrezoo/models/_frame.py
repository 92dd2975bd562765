"""What every model begins and ends with: the input, and the layer called ``logits``."""

from __future__ import annotations

from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_choice, check_input_shape, check_num_classes


def song_input(input_shape: InputShape, *, any_length: bool) -> tuple[Any, Any]:
    """The input of a model, and the same with padding turned into zeros and a mask.

    Args:
        input_shape: ``(n_segments or None, n_features)``.
        any_length: The model takes songs of any length.

    Returns:
        Two tensors ``(batch, n_segments, n_features)``.

    Raises:
        SettingsError: The shape does not fit.
    """
    songs = keras.Input(check_input_shape(input_shape, any_length=any_length), name="songs")
    return songs, layers.MaskPadding(name="mask_padding")(songs)


def classify(
    features: Any,
    num_classes: int,
    *,
    classifier_activation: str | None,
    l1: float = 0.0,
    l2: float = 0.0,
    batch_norm: bool = False,
) -> Any:
    """The affine map to the genres; whatever it is made of, its last layer is called ``logits``.

    Args:
        features: ``(batch, features)``.
        num_classes: Number of genres, at least 2.
        classifier_activation: None for logits, ``"softmax"`` for posteriors.
        l1: Weight of the penalty on the absolute weights.
        l2: Weight of the penalty on the squared weights.
        batch_norm: Normalises the logits over the batch; the shift of the normalisation then stands for the bias.

    Returns:
        ``(batch, num_classes)``.

    Raises:
        SettingsError: An option is out of range.
    """
    num_classes = check_classifier(num_classes, classifier_activation)
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


def check_classifier(num_classes: int, classifier_activation: str | None) -> int:
    """Checks what every builder is told of its output, and returns the number of genres.

    Raises:
        SettingsError: There are fewer than two genres, or the activation is neither None nor ``"softmax"``.
    """
    check_choice("classifier_activation", classifier_activation, (None, "softmax"))
    return check_num_classes(num_classes)


def l2_penalty(l2: float) -> Any:
    """The Keras regulariser ``l2 * sum of squares``; none for 0."""
    return keras.regularizers.L2(l2) if l2 else None


def l1_l2_penalty(l1: float, l2: float) -> Any:
    """The Keras regulariser ``l1 * sum of absolute values + l2 * sum of squares``; none for 0 and 0."""
    return keras.regularizers.L1L2(l1, l2) if l1 else l2_penalty(l2)


def check_activation(activation: str) -> str:
    """Returns the name of an activation.

    Raises:
        SettingsError: Keras knows none of that name.
    """
    try:
        keras.activations.get(activation)
    except ValueError as error:
        raise SettingsError(
            f"activation must be one that Keras knows, e.g. 'relu' or 'tanh', got {activation!r}"
        ) from error
    return activation
