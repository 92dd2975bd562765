"""Recurrent networks that read a song segment by segment.

Choose one where the order of segments matters over long stretches, or songs differ in length: one model takes any
number of segments, and padding leaves its state alone. Slower than convolution, because a segment has to wait for the
one before it.
"""

from __future__ import annotations

from typing import Any

import keras

from genrezoo.models._checks import InputShape
from genrezoo.models._frame import classify, song_input
from genrezoo.models._lstm import read_sequence
from genrezoo.registry import MODELS


def lstm_space(hp: Any) -> dict[str, Any]:
    """Search space of `build_lstm`: the source's grid of size and penalty, and dropout."""
    return {
        "units": hp.Int("units", 25, 200, step=25, default=100),
        "l2": hp.Float("l2", 1e-5, 1e-1, sampling="log", default=1e-3),
        "dropout": hp.Float("dropout", 0.0, 0.5, default=0.0),
    }


@MODELS.register(
    "lstm",
    summary="one LSTM layer with L2 on its weights, and a linear output",
    reference="J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017): sections 2.1 and 3",
    reported={"MSD-25 training time": "92 s an epoch"},
    space=lstm_space,
    masks_padding=True,
    any_length=True,
    exports=("onnx",),
)
def build_lstm(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 100,
    l2: float = 1e-3,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """One LSTM; its state after the last real segment is mapped to the genres.

    Choose `build_stabilised_lstm` for accuracy: the source finds L2 on recurrent weights the weaker regulariser.

    Args:
        input_shape: ``(n_segments, n_features)`` of a song; ``n_segments`` may be None.
        num_classes: Number of genres, at least 2.
        units: Size of the state.
        l2: Weight of the penalty on the squared input and recurrent weights, from 0.
        dropout: Share of a song's features to drop, the same in all segments, in [0, 1).
        recurrent_dropout: Share of the state to drop, the same in all segments, in [0, 1).
        classifier_activation: None for logits, ``"softmax"`` for posteriors.

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Raises:
        SettingsError: An option is out of range.

    Example:
        >>> model = build_lstm((None, 25), num_classes=10, units=20)
        >>> model.input_shape, model.output_shape
        ((None, None, 25), (None, 10))

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 1.3, 2.1 and 3.
    """
    songs, x = song_input(input_shape, any_length=True)
    x = read_sequence(x, units=units, l2=l2, dropout=dropout, recurrent_dropout=recurrent_dropout, name="lstm")
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="lstm")


def stabilised_lstm_space(hp: Any) -> dict[str, Any]:
    """Search space of `build_stabilised_lstm`: the source's grid of size and beta, and dropout."""
    return {
        "units": hp.Int("units", 25, 200, step=25, default=100),
        "beta": hp.Float("beta", 1.0, 1000.0, sampling="log", default=100.0),
        "dropout": hp.Float("dropout", 0.0, 0.5, default=0.0),
    }


@MODELS.register(
    "stabilised_lstm",
    summary="one LSTM layer with activation stabilisation, and a linear output",
    reference="J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017): section 3.2",
    reported={"MSD-10 validation accuracy": "64 %", "MSD-25 validation accuracy": "29 %"},
    space=stabilised_lstm_space,
    masks_padding=True,
    any_length=True,
    exports=("onnx",),
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
    """One LSTM whose state is kept from growing or fading in length over the song.

    Args:
        input_shape: ``(n_segments, n_features)`` of a song; ``n_segments`` may be None.
        num_classes: Number of genres, at least 2.
        units: Size of the state.
        beta: Weight of the penalty on changes of the state's length (see `ActivityStabiliser`), from 0; 0 turns it off.
        dropout: Share of a song's features to drop, the same in all segments, in [0, 1).
        recurrent_dropout: Share of the state to drop, the same in all segments, in [0, 1).
        classifier_activation: None for logits, ``"softmax"`` for posteriors.

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Raises:
        SettingsError: An option is out of range.

    Example:
        >>> model = build_stabilised_lstm((120, 25), num_classes=10, units=20)
        >>> model.get_layer("lstm_stabiliser").beta
        100.0

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 2.1 and 3; the
        penalty: D. Krueger, R. Memisevic, "Regularizing RNNs by Stabilizing Activations", ICLR 2016.
    """
    songs, x = song_input(input_shape, any_length=True)
    x = read_sequence(x, units=units, beta=beta, dropout=dropout, recurrent_dropout=recurrent_dropout, name="lstm")
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="stabilised_lstm")
