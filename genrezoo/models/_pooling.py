"""Pooling of a sequence of segments into one vector per song."""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import check_choice, check_rate
from genrezoo.models._frame import l2_penalty

POOLINGS = ("attention", "mean")
ATTENTION_UNITS = 64


def pool_song(segments: Any, *, pooling: str, dropout: float, l2: float = 0.0) -> Any:
    """Pools over the real segments of a song.

    Args:
        segments: ``(batch, segments, features)``, with a mask of the real ones.
        pooling: ``"attention"`` for a sum weighted by `GatedAttention` (the layer ``attention``), or ``"mean"``.
        dropout: Fraction of the result to drop, in [0, 1).
        l2: L2 factor on the weights of the attention.

    Returns:
        ``(batch, features)``.

    Raises:
        SettingsError: An option is out of range.
    """
    check_choice("pooling", pooling, POOLINGS)
    if pooling == "attention":
        attention = layers.GatedAttention(ATTENTION_UNITS, kernel_regularizer=l2_penalty(l2), name="attention")
        song = layers.WeightedPooling(name="pooled")([segments, attention(segments)])
    else:
        song = layers.MeanPooling(name="pooled")(segments)
    return keras.layers.Dropout(dropout, name="pooled_dropout")(song) if check_rate("dropout", dropout) else song
