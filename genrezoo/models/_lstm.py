"""The LSTM by which several families read a sequence of segments."""

from __future__ import annotations

from typing import Any

import keras

from genrezoo.layers import ActivityStabiliser, LastSegment
from genrezoo.models._checks import check_count, check_rate, check_weight
from genrezoo.models._frame import l2_penalty


def read_sequence(
    segments: Any,
    *,
    units: int,
    l2: float = 0.0,
    beta: float = 0.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    name: str,
) -> Any:
    """The state of an LSTM after the last real segment.

    Args:
        segments: ``(batch, segments, features)``, with the mask of the real ones.
        units: Size of the state.
        l2: Weight of the penalty on the squared input and recurrent weights.
        beta: Weight of the activation stabilisation (see `ActivityStabiliser`).
        dropout: Share of the inputs to drop.
        recurrent_dropout: Share of the state to drop.
        name: Name of the layer, and beginning of the names of those after it.

    Returns:
        ``(batch, units)``.

    Raises:
        SettingsError: An option is out of range.
    """
    check_weight("beta", beta)
    states = keras.layers.LSTM(
        check_count("units", units),
        kernel_regularizer=l2_penalty(check_weight("l2", l2)),
        recurrent_regularizer=l2_penalty(l2),
        dropout=check_rate("dropout", dropout),
        recurrent_dropout=check_rate("recurrent_dropout", recurrent_dropout),
        return_sequences=beta > 0,  # all states are kept only for the stabiliser
        name=name,
    )(segments)
    if not beta:
        return states
    return LastSegment(name=f"{name}_last")(ActivityStabiliser(beta, name=f"{name}_stabiliser")(states))
