"""A recurrent network that reads a song in both directions.

Choose it where the meaning of a segment depends on the segments before and after it, and songs differ in length. It
needs whole songs, takes twice the time of `gru`, and forgets less, because the pooling uses every state and not only
the last.
"""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import keras
from genrezoo.models._checks import InputShape, check_count, check_rate, check_weights
from genrezoo.models._frame import classify, l2_penalty, song_input
from genrezoo.models._pooling import POOLINGS, pool_song
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float, Int


@MODELS.register(
    "bigru",
    summary="bidirectional GRU with gated attention pooling",
    reference="genrezoo, after M. Schuster, K. Paliwal, Bidirectional recurrent neural networks, IEEE TSP 1997; Cho et "
    "al. 2014",
    space={
        "units": Int(16, 128, step=16),
        "recurrent_layers": Int(1, 3),
        "pooling": Choice(POOLINGS),
        "input_dropout": Float(0.0, 0.5),
        "dropout": Float(0.0, 0.7),
        "l2": Float(1e-6, 1e-2, sampling="log"),
    },
    masks_padding=True,
    any_length=True,
)
def build_bigru(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 64,
    recurrent_layers: int = 1,
    pooling: str = "attention",
    input_dropout: float = 0.1,
    dropout: float = 0.5,
    l2: float = 1e-4,
    classifier_activation: str | None = None,
) -> Any:
    """Two GRUs read the song, one forwards and one from its last real segment back; their states are pooled.

    ``gz.feature_extractor(run, layer="attention")`` returns the weights of the segments, ``(songs, segments, 1)``.

    Args:
        units: Size of the state of each direction.
        recurrent_layers: Number of stacked bidirectional layers, at least 1.
        pooling: How the states of a song are pooled: ``"attention"`` or ``"mean"``.
        input_dropout: Fraction of the features to drop, in [0, 1).
        dropout: Dropout rate between the layers and after the pooling, in [0, 1).
        l2: L2 factor on the weights of the GRUs and the attention, at least 0.

    Returns:
        An uncompiled model; its last layer is called ``logits``, its recurrent layers ``bigru_1``, ``bigru_2``, …

    Raises:
        SettingsError: An option is out of range.

    Example:
        >>> model = build_bigru((None, 25), num_classes=10)
        >>> model.get_layer("bigru_1").output.shape
        (None, None, 128)

    Reference:
        M. Schuster, K. K. Paliwal, "Bidirectional recurrent neural networks", IEEE Transactions on Signal Processing
        45 (1997); K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
        translation", EMNLP 2014; the pooling: M. Ilse, J. Tomczak, M. Welling, ICML 2018, section 2.4.
    """
    units = check_count("units", units)
    penalty = l2_penalty(l2)
    songs, x = song_input(input_shape)
    if check_rate("input_dropout", input_dropout):
        x = keras.layers.Dropout(input_dropout, name="input_dropout")(x)
    for number in range(1, check_count("recurrent_layers", recurrent_layers) + 1):
        name = f"bigru_{number}"
        check_weights(name, x.shape[-1] + units, 3 * units)
        if number > 1 and check_rate("dropout", dropout):
            x = keras.layers.Dropout(dropout, name=f"{name}_dropout")(x)
        gru = keras.layers.GRU(
            units, return_sequences=True, kernel_regularizer=penalty, recurrent_regularizer=penalty, name="gru"
        )
        x = keras.layers.Bidirectional(gru, name=name)(x)  # (batch, segments, 2 * units)
    x = pool_song(x, pooling=pooling, dropout=dropout, l2=l2)
    return keras.Model(songs, classify(x, num_classes, classifier_activation=classifier_activation), name="bigru")
