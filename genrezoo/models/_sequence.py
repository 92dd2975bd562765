"""The recurrent layer that several model families share."""

from __future__ import annotations

from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import check_count, check_rate, check_weights
from genrezoo.models._frame import l2_penalty


def read_sequence(
    segments: Any,
    *,
    units: int,
    cell: str = "lstm",
    l2: float = 0.0,
    beta: float = 0.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    initial_scale: float = 1.0,
    momentum: float = 0.99,
    name: str,
) -> Any:
    """Returns the state of a recurrent layer after the last real segment.

    The layer is a `keras.layers.RNN` that also returns its final state, so that a caller that passes it part of a song
    can continue from there (``initial_state``). The result is the first of its states and not its output: for a part
    that holds only padding, the state is still the initial one, whereas the output is zero.

    Args:
        segments: ``(batch, segments, features)``, with a mask of the real ones.
        units: Size of the state.
        cell: ``"lstm"``, ``"gru"``, ``"tanh"`` or ``"batch_norm_tanh"``.
        l2: L2 factor on the input and recurrent weights.
        beta: Weight of the activation stabilisation (see `ActivityStabiliser`).
        dropout: Fraction of the inputs to drop, the same ones in all segments.
        recurrent_dropout: Fraction of the state to drop, for gated cells.
        initial_scale: Used by ``"batch_norm_tanh"`` (see `BatchNormRNN`).
        momentum: Used by ``"batch_norm_tanh"``.
        name: Name of the layer, and prefix of the names of those around it.

    Returns:
        ``(batch, units)``.

    Raises:
        SettingsError: An option is out of range.
    """
    units = check_count("units", units)
    check_weights(name, units + segments.shape[-1], 4 * units)
    penalty = l2_penalty(l2)
    check_rate("dropout", dropout)
    check_rate("recurrent_dropout", recurrent_dropout)
    # all states are kept only for the stabiliser
    options: dict[str, Any] = {"return_sequences": beta > 0, "return_state": True, "name": name}
    if cell in ("lstm", "gru"):
        gated = keras.layers.LSTM if cell == "lstm" else keras.layers.GRU
        options |= {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
        layer = gated(units, kernel_regularizer=penalty, recurrent_regularizer=penalty, **options)
    else:
        if recurrent_dropout:
            raise SettingsError(f"cell {cell!r} does not support recurrent_dropout, got {recurrent_dropout!r}")
        if dropout:
            segments = keras.layers.Dropout(dropout, noise_shape=(None, 1, None), name=f"{name}_dropout")(segments)
        if cell == "tanh":
            layer = keras.layers.RNN(layers.TanhCell(units, kernel_regularizer=penalty, name="tanh_cell"), **options)
        else:
            options |= {"initial_scale": initial_scale, "momentum": momentum}
            layer = layers.BatchNormRNN(units, kernel_regularizer=penalty, **options)
    output, state, *_ = layer(segments)
    if not beta:
        return state
    return layers.LastSegment(name=f"{name}_last")(layers.ActivityStabiliser(beta, name=f"{name}_stabiliser")(output))
