"""Residual blocks of encoders, each normalised before its layers (pre-norm)."""

from __future__ import annotations

from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import check_count, check_rate, check_weights
from genrezoo.models._pooling import POOLINGS
from genrezoo.spaces import Choice, Float, Int

ENCODER_SPACE = {
    "units": Int(16, 128, step=16),
    "heads": Choice((1, 2, 4, 8)),
    "blocks": Int(1, 4),
    "expansion": Int(1, 4),
    "pooling": Choice(POOLINGS),
    "input_dropout": Float(0.0, 0.5),
    "dropout": Float(0.0, 0.5),
}
"""Search space of encoders."""


def embed(segments: Any, units: int, *, input_dropout: float) -> Any:
    """Maps each segment with an affine layer called ``embedding``.

    Args:
        segments: ``(batch, segments, features)``.
        units: Size of the result.
        input_dropout: Fraction of the features to drop, in [0, 1).

    Returns:
        ``(batch, segments, units)``.

    Raises:
        SettingsError: An option is out of range.
    """
    check_weights("embedding", segments.shape[-1], check_count("units", units))
    if check_rate("input_dropout", input_dropout):
        segments = keras.layers.Dropout(input_dropout, name="input_dropout")(segments)
    return keras.layers.Dense(units, name="embedding")(segments)


def attention_block(x: Any, *, heads: int, dropout: float, name: str) -> Any:
    """A residual self-attention block (see `RotaryAttention`).

    Args:
        x: ``(batch, segments, units)``.
        heads: Attention heads; ``units`` must be a multiple of twice their number.
        dropout: Dropout rate of the block's output before it is added, in [0, 1).
        name: Prefix of the layers' names.

    Returns:
        The same shape.

    Raises:
        SettingsError: An option is out of range.
    """
    units = x.shape[-1]
    if units % (2 * check_count("heads", heads)):
        raise SettingsError(f"units must be a multiple of 2 * heads, got units={units} and heads={heads}")
    check_weights(name, units, 3 * units)
    y = keras.layers.LayerNormalization(name=f"{name}_norm")(x)
    y = keras.layers.Dense(3 * units, use_bias=False, name=f"{name}_maps")(y)  # queries, keys, values
    y = layers.RotaryAttention(heads, name=name)(y)
    y = keras.layers.Dense(units, name=f"{name}_output")(y)
    return added(x, y, dropout=dropout, name=name)


def feed_forward_block(
    x: Any, *, expansion: int, activation: str, dropout: float, scale: float = 1.0, name: str
) -> Any:
    """A residual feed-forward block: a perceptron with one hidden layer, applied to each segment.

    Args:
        x: ``(batch, segments, units)``.
        expansion: Size of the hidden layer, as a multiple of ``units``.
        activation: Keras activation of the hidden layer.
        dropout: Dropout rate of the hidden layer and of the block's output, in [0, 1).
        scale: Factor on the block's output before it is added.
        name: Prefix of the layers' names.

    Returns:
        The same shape.

    Raises:
        SettingsError: An option is out of range.
    """
    units, hidden = x.shape[-1], x.shape[-1] * check_count("expansion", expansion)
    check_weights(name, units, hidden)
    y = keras.layers.LayerNormalization(name=f"{name}_norm")(x)
    y = keras.layers.Dense(hidden, activation=activation, name=f"{name}_hidden")(y)
    if check_rate("dropout", dropout):
        y = keras.layers.Dropout(dropout, name=f"{name}_hidden_dropout")(y)
    y = keras.layers.Dense(units, name=f"{name}_output")(y)
    if scale != 1:
        y = keras.layers.Rescaling(scale, name=f"{name}_scale")(y)
    return added(x, y, dropout=dropout, name=name)


def added(x: Any, y: Any, *, dropout: float, name: str) -> Any:
    """Adds a block's output, after dropout, to its input."""
    if check_rate("dropout", dropout):
        y = keras.layers.Dropout(dropout, name=f"{name}_dropout")(y)
    return keras.layers.Add(name=f"{name}_sum")([x, y])
