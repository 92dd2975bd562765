"""Dense layers shared by several model families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_counts, check_rate, check_weights
from genrezoo.models._frame import classify, l2_penalty, song_input


def dense_stack(
    name: str,
    input_shape: InputShape,
    num_classes: int,
    *,
    units: Sequence[int],
    activation: str,
    input_dropout: float = 0.0,
    dropout: float = 0.0,
    l2: float = 0.0,
    output_l2: float = 0.0,
    batch_norm: bool = False,
    classifier_activation: str | None,
) -> Any:
    """A multilayer perceptron on the whole song; padding counts as the training mean.

    Args:
        name: Name of the model.
        input_shape: ``(n_segments, n_features)`` of a song.
        num_classes: Number of genres, at least 2.
        units: Sizes of the hidden layers.
        activation: Keras activation of the hidden layers.
        input_dropout: Fraction of the inputs to drop.
        dropout: Fraction of each hidden layer to drop.
        l2: L2 factor on the weights of the hidden layers.
        output_l2: As ``l2``, for the output layer.
        batch_norm: Normalises each layer over the batch before its activation, and the logits.
        classifier_activation: None for logits, ``"softmax"`` for posteriors.

    Returns:
        An uncompiled model.

    Raises:
        SettingsError: An option is out of range.
    """
    songs, x = song_input(input_shape)
    x = layers.EndMask(name="end_mask")(x)
    x = keras.layers.Flatten(name="flatten")(x)  # (batch, n_segments * n_features)
    x = hidden_layers(
        x,
        units=units,
        activation=activation,
        input_dropout=input_dropout,
        dropout=dropout,
        l2=l2,
        batch_norm=batch_norm,
    )
    logits = classify(x, num_classes, classifier_activation=classifier_activation, l2=output_l2, batch_norm=batch_norm)
    return keras.Model(songs, logits, name=name)


def hidden_layers(
    x: Any,
    *,
    units: Sequence[int],
    activation: str,
    input_dropout: float = 0.0,
    dropout: float = 0.0,
    l2: float = 0.0,
    batch_norm: bool = False,
) -> Any:
    """A stack of hidden layers, each of an affine map, batch normalisation, activation and dropout.

    Args:
        x: ``(batch, features)``.
        units: Sizes of the layers, which may be none; they are called ``hidden_1``, ``hidden_2``, …
        activation: Keras activation.
        input_dropout: Fraction of the first layer's inputs to drop.
        dropout: Fraction of each layer to drop.
        l2: L2 factor on the weights.
        batch_norm: Normalises each layer over the batch before its activation.

    Returns:
        ``(batch, units[-1])``.

    Raises:
        SettingsError: An option is out of range.
    """
    check_rate("dropout", dropout)
    penalty = l2_penalty(l2)
    if check_rate("input_dropout", input_dropout):
        x = keras.layers.Dropout(input_dropout, name="input_dropout")(x)
    for number, size in enumerate(check_counts("units", units, fewest=0), start=1):
        hidden = f"hidden_{number}"
        check_weights(hidden, x.shape[-1], size)
        # The shift of the normalisation takes the place of a bias, which it would cancel.
        x = keras.layers.Dense(size, use_bias=not batch_norm, kernel_regularizer=penalty, name=hidden)(x)
        if batch_norm:
            x = keras.layers.BatchNormalization(name=f"{hidden}_norm")(x)
        x = keras.layers.Activation(activation, name=f"{hidden}_activation")(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"{hidden}_dropout")(x)
    return x
