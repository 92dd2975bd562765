"""Attention over segments: a song is a bag of segments, and the model learns which of them reveal its genre.

Choose it where parts of a song, such as a solo or a chorus, reveal the genre and their order matters little. It has few
weights, masks padding and is interpretable: the output of its layer ``attention`` can be plotted over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count
from genrezoo.models._dense import hidden_layers
from genrezoo.models._frame import classify, l2_penalty, song_input
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float, Int


@MODELS.register(
    "attention_pool",
    summary="gated attention over segments, each encoded by a perceptron",
    reference="genrezoo, after M. Ilse et al., Attention-based deep multiple instance learning, ICML 2018",
    space={
        "units": Choice(tuple((size,) * depth for depth in (1, 2) for size in (64, 128, 256))),
        "attention_units": Choice((32, 64, 128)),
        "heads": Int(1, 4),
        "input_dropout": Float(0.0, 0.5),
        "dropout": Float(0.0, 0.7),
        "l2": Float(1e-6, 1e-2, sampling="log"),
    },
    masks_padding=True,
    any_length=True,
)
def build_attention_pool(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: Sequence[int] = (128,),
    attention_units: int = 64,
    heads: int = 2,
    activation: str = "relu",
    input_dropout: float = 0.1,
    dropout: float = 0.5,
    l2: float = 1e-4,
    classifier_activation: str | None = None,
) -> Any:
    """A perceptron encodes each segment, gated attention weights the segments, and their weighted sum is classified.

    ``gz.feature_extractor(run, layer="attention")`` returns the weights, ``(songs, segments, heads)``.

    Args:
        units: Sizes of the hidden layers applied to each segment.
        attention_units: Size of the attention's hidden layer.
        heads: Number of attention heads; their weighted sums are concatenated and classified together.
        activation: Keras activation of the hidden layers.
        input_dropout: Fraction of the features to drop, in [0, 1).
        dropout: Dropout rate of each hidden layer and of the weighted sums, in [0, 1).
        l2: L2 factor on the weights of the hidden layers and the attention, at least 0.

    Returns:
        An uncompiled model; its last layer is called ``logits``, the one that computes the segments' weights
        ``attention``.

    Example:
        >>> model = build_attention_pool((None, 25), num_classes=10)
        >>> model.get_layer("attention").output.shape
        (None, None, 2)

    Reference:
        M. Ilse, J. Tomczak, M. Welling, Attention-based deep multiple instance learning, ICML 2018, section 2.4.
    """
    songs, x = song_input(input_shape)
    x = hidden_layers(x, units=units, activation=activation, input_dropout=input_dropout, dropout=dropout, l2=l2)
    weights = layers.GatedAttention(
        check_count("attention_units", attention_units),
        heads=check_count("heads", heads),
        kernel_regularizer=l2_penalty(l2),
        name="attention",
    )(x)
    x = layers.WeightedPooling(name="pooled")([x, weights])
    if dropout:
        x = keras.layers.Dropout(dropout, name="pooled_dropout")(x)
    return keras.Model(
        songs, classify(x, num_classes, classifier_activation=classifier_activation), name="attention_pool"
    )
