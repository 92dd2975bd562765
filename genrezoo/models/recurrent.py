"""Recurrent networks that read a song segment by segment.

Choose one where the order of segments matters over long ranges, or songs differ in length: one model takes any number
of segments, and padding leaves its state unchanged. They are slower than convolution, because segments are processed
one after the other.
"""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import keras
from genrezoo.models._checks import InputShape
from genrezoo.models._frame import check_classifier, classify, song_input
from genrezoo.models._sequence import read_sequence
from genrezoo.registry import MODELS
from genrezoo.spaces import Float, Int

GATED_SPACE = {
    "units": Int(25, 200, step=25),
    "l2": Float(1e-5, 1e-1, sampling="log"),
    "dropout": Float(0.0, 0.5),
}
"""Search space of `build_lstm` and `build_gru`: the source's grid of size and L2, and dropout."""


@MODELS.register(
    "rnn",
    summary="one basic recurrent layer (tanh), with or without a linear output layer",
    reference="G. Pligoropoulos, Million Song Dataset Classification Problem (2017): Could the basic RNN help",
    reported={
        "MSD-10 validation accuracy": "57.44 %, about 37 % without readout (each trained in parts of 4 and 6 segments)",
        "MSD-25 validation accuracy": "22.94 %",
    },
    space={"units": Int(15, 500, when={"readout": (True,)}), "dropout": Float(0.0, 0.5)},
    masks_padding=True,
    any_length=True,
)
def build_rnn(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 341,
    readout: bool = True,
    l2: float = 0.0,
    dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """The basic recurrent network: one affine map of segment and state, tanh, and an output layer on the last state.

    The baseline for cells with longer memory. Trained on whole songs, its gradient vanishes before it reaches their
    beginning; the source trains it on short parts, with one update for each. Choose `build_batch_norm_rnn` or
    `build_gru` for accuracy.

    Args:
        units: Size of the state. Has no effect without a readout.
        readout: Map the last state to the genres. Without it, the state has one unit per genre and serves as the
            logits, which then lie between -1 and 1: with 10 genres, no posterior exceeds 0.45. The source starts with
            this variant, for its 40,000 songs; on a few hundred short ones it stays at chance.
        l2: L2 factor on the weights of the cell, at least 0.
        dropout: Fraction of a song's features to drop, the same ones in all segments, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Example:
        >>> build_rnn((120, 25), num_classes=10).count_params()
        128567
        >>> build_rnn((120, 25), num_classes=10, readout=False).count_params()
        360

    Reference:
        G. Pligoropoulos, Million Song Dataset Classification Problem (2017), sections on the
        basic recurrent network; the cell: J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990).
    """
    check_classifier(classifier_activation)
    songs, x = song_input(input_shape)
    x = read_sequence(x, cell="tanh", units=units if readout else num_classes, l2=l2, dropout=dropout, name="rnn")
    if readout:
        logits = classify(x, num_classes, classifier_activation=classifier_activation)
    else:
        logits = keras.layers.Activation(classifier_activation, name="logits")(x)
    return keras.Model(songs, logits, name="rnn")


@MODELS.register(
    "batch_norm_rnn",
    summary="one recurrent layer with batch normalisation before its tanh, and a linear output layer",
    reference="G. Pligoropoulos, Million Song Dataset Classification Problem (2017): RNN with Batch Normalization",
    reported={"MSD-10 validation accuracy": "61.17 % (trained in parts of 4 segments), over 62 % (8 segments)"},
    space={"units": Int(15, 500), "dropout": Float(0.0, 0.5)},
    masks_padding=True,
    any_length=True,
)
def build_batch_norm_rnn(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 341,
    initial_scale: float = 1.0,
    momentum: float = 0.99,
    l2: float = 0.0,
    dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """The basic recurrent network with batch normalisation inside its cell.

    Choose it over `build_rnn`, whose training is less stable, where batches have some tens of songs. All steps share
    the moving averages (see `BatchNormRNN`).

    Args:
        units: Size of the state.
        initial_scale: Initial scale of the batch normalisation, above 0; try 0.1 for small data sets.
        momentum: Momentum of the moving averages, in [0, 1).
        l2: L2 factor on the weights of the cell, at least 0.
        dropout: Fraction of a song's features to drop, the same ones in all segments, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Example:
        >>> model = build_batch_norm_rnn((120, 25), num_classes=10, units=20)
        >>> model.get_layer("rnn").cell.epsilon
        0.001

    Reference:
        G. Pligoropoulos, Million Song Dataset Classification Problem (2017), sections on batch
        normalisation of the recurrent network; S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015.
    """
    songs, x = song_input(input_shape)
    options: dict[str, Any] = {"initial_scale": initial_scale, "momentum": momentum, "l2": l2, "dropout": dropout}
    x = read_sequence(x, cell="batch_norm_tanh", units=units, **options, name="rnn")
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="batch_norm_rnn")


@MODELS.register(
    "lstm",
    summary="one LSTM layer with L2 on its weights, and a linear output layer",
    reference="J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017): sections 2.1 and 3",
    reported={"MSD-25 training time": "92 s an epoch"},
    space=GATED_SPACE,
    masks_padding=True,
    any_length=True,
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

    Choose `build_stabilised_lstm` for accuracy: in the source, L2 on recurrent weights is the weaker regulariser.

    Args:
        units: Size of the state.
        l2: L2 factor on the input and recurrent weights, at least 0.
        dropout: Fraction of a song's features to drop, the same ones in all segments, in [0, 1).
        recurrent_dropout: Fraction of the state to drop, the same units in all segments, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Example:
        >>> model = build_lstm((None, 25), num_classes=10, units=20)
        >>> model.input_shape, model.output_shape
        ((None, None, 25), (None, 10))

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 1.3, 2.1 and 3.
    """
    songs, x = song_input(input_shape)
    x = read_sequence(x, units=units, l2=l2, dropout=dropout, recurrent_dropout=recurrent_dropout, name="lstm")
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="lstm")


@MODELS.register(
    "gru",
    summary="one GRU layer with L2 on its weights, and a linear output layer",
    reference="K. Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014",
    space=GATED_SPACE,
    masks_padding=True,
    any_length=True,
)
def build_gru(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 100,
    l2: float = 1e-3,
    dropout: float = 0.0,
    recurrent_dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """One GRU; its state after the last real segment is mapped to the genres.

    Choose it over `build_lstm` for about the same accuracy with three quarters of the weights and time.

    Args:
        units: Size of the state.
        l2: L2 factor on the input and recurrent weights, at least 0.
        dropout: Fraction of a song's features to drop, the same ones in all segments, in [0, 1).
        recurrent_dropout: Fraction of the state to drop, the same units in all segments, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Example:
        >>> model = build_gru((None, 25), num_classes=10, units=20)
        >>> model.input_shape, model.output_shape
        ((None, None, 25), (None, 10))

    Reference:
        K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
        EMNLP 2014. Named as future work by G. Pligoropoulos, Million Song Dataset Classification Problem (2017).
    """
    songs, x = song_input(input_shape)
    x = read_sequence(
        x, cell="gru", units=units, l2=l2, dropout=dropout, recurrent_dropout=recurrent_dropout, name="gru"
    )
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="gru")
