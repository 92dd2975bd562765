"""Fully connected networks on the whole song at once, or on its statistics.

Choose one as the first baseline, and for tables of features (songs of one segment). Every segment has a fixed position
in the input, so they can use *where* something happens but must learn the same pattern separately for each position; on
sequences the families that share weights over time (`convolution`, `recurrent`) are better. Padding counts as the
training mean: it adds nothing to the first layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count
from genrezoo.models._dense import dense_stack, hidden_layers
from genrezoo.models._frame import MEAN_STD, STATISTICS_SPACE, classify, song_input
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float, Int


@MODELS.register(
    "mlp",
    summary="multilayer perceptron with batch normalisation, dropout and L2 on every layer",
    reference="G. Pligoropoulos, Million Song Dataset Classification Problem (2017): Baseline Classifier",
    reported={"MSD-10 validation accuracy": "about 50 %"},
    space={
        # equal layers before the last, narrow one
        "units": Choice(tuple((*(size,) * depth, 25) for depth in (1, 2, 3) for size in (100, 200, 500, 1000))),
        "input_dropout": Float(0.0, 0.5),
        "dropout": Float(0.0, 0.6),
        "l2": Float(1e-5, 1e-1, sampling="log"),
    },
    masks_padding=True,
)
def build_mlp(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: Sequence[int] = (500, 500, 25),
    activation: str = "tanh",
    input_dropout: float = 0.3,
    dropout: float = 1 - 0.83712466,
    l2: float = 1e-2,
    batch_norm: bool = True,
    classifier_activation: str | None = None,
) -> Any:
    """A multilayer perceptron with batch normalisation and L2 on every layer, including the output.

    The order within a layer is affine map, batch normalisation, activation, dropout.

    Args:
        units: Sizes of the hidden layers; an empty list makes a linear model.
        activation: Keras activation of the hidden layers.
        input_dropout: Fraction of the inputs to drop, in [0, 1).
        dropout: Fraction of each hidden layer to drop, in [0, 1).
        l2: L2 factor on the weights of all layers, at least 0.
        batch_norm: Normalises each layer over the batch before its activation, and the logits.

    Returns:
        An uncompiled model; its last layer is called ``logits``, its hidden layers ``hidden_1``, ``hidden_2``, …

    Example:
        >>> model = build_mlp((120, 25), num_classes=10, units=(50, 25))
        >>> model.output_shape
        (None, 10)

    Reference:
        G. Pligoropoulos, Million Song Dataset Classification Problem (2017), section Baseline Classifier.
    """
    return dense_stack(
        "mlp",
        input_shape,
        num_classes,
        units=units,
        activation=activation,
        input_dropout=input_dropout,
        dropout=dropout,
        l2=l2,
        output_l2=l2,
        batch_norm=batch_norm,
        classifier_activation=classifier_activation,
    )


@MODELS.register(
    "student_mlp",
    summary="one wide hidden layer, small enough for fast predictions and wide enough to imitate a slower model",
    reference="G. Pligoropoulos, Million Song Dataset Classification Problem (2017): Building the Student Model",
    reported={"MSD-10 test accuracy": "50 % (1784 units, learning rate 1e-4), 45 to 46 % (828 units, 1e-5)"},
    space={  # that of the source's own search
        "units": Int(20, 2000),
        "input_dropout": Float(0.0, 0.5),
        "dropout": Float(0.0, 0.5),
        "l2": Float(1e-3, 10.0, sampling="log"),
    },
    masks_padding=True,
)
def build_student_mlp(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 1784,
    activation: str = "tanh",
    input_dropout: float = 0.5,
    dropout: float = 0.0,
    l2: float = 1e-3,
    batch_norm: bool = True,
    classifier_activation: str | None = None,
) -> Any:
    """A perceptron with one hidden layer, meant to be trained on the logits of a better but slower model.

    Both layers have batch normalisation and L2, in the order of `build_mlp`.

    Args:
        units: Size of the hidden layer.
        activation: Keras activation of the hidden layer.
        input_dropout: Fraction of the inputs to drop, in [0, 1).
        dropout: Fraction of the hidden layer to drop, in [0, 1).
        l2: L2 factor on the weights of both layers, at least 0.
        batch_norm: Normalises the hidden layer over the batch before its activation, and the logits.

    Returns:
        An uncompiled model; its last layer is called ``logits``, its hidden layer ``hidden_1``.

    Example:
        >>> model = build_student_mlp((120, 25), num_classes=10, units=50)
        >>> model.get_layer("hidden_1").kernel.shape == (3000, 50)
        True

    Reference:
        G. Pligoropoulos, Million Song Dataset Classification Problem (2017), section Building the Student Model; after
        J. Ba, R. Caruana, "Do Deep Nets Really Need to be Deep?", NeurIPS 2014.
    """
    return dense_stack(
        "student_mlp",
        input_shape,
        num_classes,
        units=(check_count("units", units),),
        activation=activation,
        input_dropout=input_dropout,
        dropout=dropout,
        l2=l2,
        output_l2=l2,
        batch_norm=batch_norm,
        classifier_activation=classifier_activation,
    )


@MODELS.register(
    "fully_connected",
    summary="two hidden layers of 200 ReLU units on the whole song",
    reference="R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017): section 5.1",
    reported={"MSD-10 validation accuracy": "50 %"},
    space={
        "units": Choice(tuple((size,) * depth for depth in (1, 2, 3) for size in (50, 100, 200, 350, 500))),
        "dropout": Float(0.0, 0.6),
        "l2": Float(1e-5, 1e-1, sampling="log"),
    },
    masks_padding=True,
)
def build_fully_connected(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: Sequence[int] = (200, 200),
    activation: str = "relu",
    dropout: float = 0.0,
    l2: float = 1e-2,
    output_l2: float = 0.0,
    batch_norm: bool = False,
    classifier_activation: str | None = None,
) -> Any:
    """Two hidden layers that make no assumption about the order of the input.

    As a member beside convolutional models, it makes different errors. The hidden layers have L2 and the output layer
    does not, as in the study of regularisation in section 3.1 of the source.

    Args:
        units: Sizes of the hidden layers; an empty list makes a linear model.
        activation: Keras activation of the hidden layers.
        dropout: Fraction of each hidden layer to drop, in [0, 1).
        l2: L2 factor on the weights of the hidden layers, at least 0.
        output_l2: As ``l2``, for the output layer.
        batch_norm: Normalises each layer over the batch before its activation, and the logits.

    Returns:
        An uncompiled model; its last layer is called ``logits``, its hidden layers ``hidden_1``, ``hidden_2``, …

    Example:
        >>> model = build_fully_connected((120, 25), num_classes=10)
        >>> model.count_params()  # 3000 x 200, 200 x 200, 200 x 10, and biases
        642410

    Reference:
        R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017), section 5.1.
    """
    return dense_stack(
        "fully_connected",
        input_shape,
        num_classes,
        units=units,
        activation=activation,
        dropout=dropout,
        l2=l2,
        output_l2=output_l2,
        batch_norm=batch_norm,
        classifier_activation=classifier_activation,
    )


@MODELS.register(
    "statistics_mlp",
    summary="multilayer perceptron on statistics of each feature over the song, such as mean and standard deviation",
    reference="genrezoo, with statistics pooling after D. Snyder et al., X-vectors, ICASSP 2018",
    space={
        **STATISTICS_SPACE,
        "units": Choice(tuple((size,) * depth for depth in (1, 2) for size in (64, 128, 256, 512))),
        "input_dropout": Float(0.0, 0.6),
        "dropout": Float(0.0, 0.7),
        "l2": Float(1e-5, 1e-1, sampling="log"),
    },
    masks_padding=True,
    any_length=True,
)
def build_statistics_mlp(
    input_shape: InputShape,
    num_classes: int,
    *,
    statistics: Sequence[str] = MEAN_STD,
    units: Sequence[int] = (256,),
    activation: str = "relu",
    input_dropout: float = 0.3,
    dropout: float = 0.5,
    l2: float = 1e-3,
    batch_norm: bool = True,
    classifier_activation: str | None = None,
) -> Any:
    """A multilayer perceptron on statistics of each feature over the whole song.

    Choose it where songs are few: it has few weights, and ignores the order of segments, except through the differences
    of neighbours among the statistics. The statistics are batch-normalised before the first layer, since they differ in
    scale.

    Args:
        statistics: Statistics of each feature over the song's real segments: mean, std, min, q10, q25, median, q75,
            q90, max, delta_mean and delta_std, see `PooledStatistics`.
        units: Sizes of the hidden layers; an empty list makes a linear model.
        activation: Keras activation of the hidden layers.
        input_dropout: Fraction of the statistics to drop, in [0, 1).
        dropout: Fraction of each hidden layer to drop, in [0, 1).
        l2: L2 factor on the weights of the hidden layers, at least 0.
        batch_norm: Normalises each hidden layer over the batch before its activation.

    Returns:
        An uncompiled model; its last layer is called ``logits``, its hidden layers ``hidden_1``, ``hidden_2``, …

    Example:
        >>> model = build_statistics_mlp((None, 25), num_classes=10)
        >>> model.get_layer("statistics").output.shape
        (None, 50)

    Reference:
        D. Snyder et al., X-vectors: robust DNN embeddings for speaker recognition, ICASSP 2018, section 2.
    """
    songs, x = song_input(input_shape)
    x = layers.PooledStatistics(statistics, name="statistics")(x)
    x = keras.layers.BatchNormalization(name="statistics_norm")(x)
    x = hidden_layers(
        x,
        units=units,
        activation=activation,
        input_dropout=input_dropout,
        dropout=dropout,
        l2=l2,
        batch_norm=batch_norm,
    )
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    return keras.Model(songs, logits, name="statistics_mlp")
