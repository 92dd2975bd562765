"""Recurrent networks with a penalty on changes in the norm of their state over the song.

Choose them over L2 on the weights: the penalty does not shrink the weights that carry memory over many segments. The
stabilised LSTM is the source's best single network; the other cells are offered because the penalty applies to the
states of any cell, and was proposed for the basic one.
"""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import keras
from genrezoo.models._checks import InputShape
from genrezoo.models._frame import classify, song_input
from genrezoo.models._sequence import read_sequence
from genrezoo.registry import MODELS
from genrezoo.spaces import Float, Int

KRUEGER = 'D. Krueger, R. Memisevic, "Regularizing RNNs by Stabilizing Activations", ICLR 2016'
SPACE = {
    "units": Int(25, 200, step=25),
    "beta": Float(1.0, 1000.0, sampling="log"),
    "dropout": Float(0.0, 0.5),
}
"""Search space of all three: the source's grid of size and beta, and dropout."""


@MODELS.register(
    "stabilised_lstm",
    summary="one LSTM layer with activation stabilisation, and a linear output layer",
    reference="J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017): section 3.2",
    reported={"MSD-10 validation accuracy": "64 %", "MSD-25 validation accuracy": "29 %"},
    space=SPACE,
    masks_padding=True,
    any_length=True,
)
def build_stabilised_lstm(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 100,
    beta: float = 100.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """One LSTM with a penalty on changes in the norm of its state over the song.

    The default ``beta`` is the source's, for songs of 120 segments. Lower it in proportion for shorter songs, because
    the rise of the state from zero counts once per song; lower it for few songs too, because it slows down learning.

    Args:
        units: Size of the state.
        beta: Weight of the penalty on changes in the norm of the state (see `ActivityStabiliser`), from 0; 0 turns it
            off.
        dropout: Fraction of a song's features to drop, the same ones in all segments, in [0, 1).
        recurrent_dropout: Fraction of the state to drop, the same units in all segments, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Example:
        >>> model = build_stabilised_lstm((120, 25), num_classes=10, units=20)
        >>> model.get_layer("lstm_stabiliser").beta
        100.0

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 2.1 and 3; the
        penalty: D. Krueger, R. Memisevic, "Regularizing RNNs by Stabilizing Activations", ICLR 2016.
    """
    songs, x = song_input(input_shape)
    x = read_sequence(x, units=units, beta=beta, dropout=dropout, recurrent_dropout=recurrent_dropout, name="lstm")
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="stabilised_lstm")


@MODELS.register(
    "stabilised_gru",
    summary="one GRU layer with activation stabilisation, and a linear output layer",
    reference=f"{KRUEGER}; Cho et al. 2014",
    space=SPACE,
    masks_padding=True,
    any_length=True,
)
def build_stabilised_gru(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 100,
    beta: float = 100.0,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """One GRU with a penalty on changes in the norm of its state over the song.

    A cheaper variant of `build_stabilised_lstm`, with three quarters of its weights.

    Args:
        units: Size of the state.
        beta: Weight of the penalty on changes in the norm of the state (see `ActivityStabiliser`), from 0; 0 turns it
            off.
        dropout: Fraction of a song's features to drop, the same ones in all segments, in [0, 1).
        recurrent_dropout: Fraction of the state to drop, the same units in all segments, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Example:
        >>> model = build_stabilised_gru((120, 25), num_classes=10, units=20)
        >>> model.get_layer("gru_stabiliser").beta
        100.0

    Reference:
        D. Krueger, R. Memisevic, "Regularizing RNNs by Stabilizing Activations", ICLR 2016; K. Cho et al., "Learning
        phrase representations using RNN encoder-decoder for statistical machine translation", EMNLP 2014.
    """
    songs, x = song_input(input_shape)
    options: dict[str, Any] = {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
    x = read_sequence(x, cell="gru", units=units, beta=beta, **options, name="gru")
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="stabilised_gru")


@MODELS.register(
    "stabilised_rnn",
    summary="one basic recurrent layer (tanh) with activation stabilisation, and a linear output layer",
    reference=KRUEGER,
    space=SPACE,
    masks_padding=True,
    any_length=True,
)
def build_stabilised_rnn(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 100,
    beta: float = 100.0,
    dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """One basic recurrent layer with a penalty on changes in the norm of its state over the song.

    Shows the effect of the penalty on a cell without gates. Choose `build_stabilised_lstm` for accuracy.

    Args:
        units: Size of the state.
        beta: Weight of the penalty on changes in the norm of the state (see `ActivityStabiliser`), from 0; 0 turns it
            off.
        dropout: Fraction of a song's features to drop, the same ones in all segments, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Example:
        >>> model = build_stabilised_rnn((120, 25), num_classes=10, units=20)
        >>> model.get_layer("rnn_stabiliser").beta
        100.0

    Reference:
        D. Krueger, R. Memisevic, "Regularizing RNNs by Stabilizing Activations", ICLR 2016.
    """
    songs, x = song_input(input_shape)
    x = read_sequence(x, cell="tanh", units=units, beta=beta, dropout=dropout, name="rnn")
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="stabilised_rnn")
