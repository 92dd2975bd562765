"""Multilayer perceptrons on one feature vector per second of music or per clip.

Choose one where the features are already aggregated over time: statistics of MFCCs over a second, or the means and
variances of a feature table. The recipes cut a song of several rows into chunks of one segment and combine their
predictions. The models have no L2 regularisation: both sources leave that to the optimiser's weight decay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.models._checks import InputShape
from genrezoo.models._dense import dense_stack
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float


@MODELS.register(
    "mfcc_mlp",
    summary="two hidden layers of 128 and 32 units on MFCC statistics of one second of music",
    reference="Neural networks for music genres: question 1",
    space={
        "units": Choice(tuple((size, size // 4) for size in range(32, 257, 32))),
        "activation": Choice(("relu", "elu", "tanh")),
        "dropout": Float(0.0, 0.6),
    },
    masks_padding=True,
)
def build_mfcc_mlp(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: Sequence[int] = (128, 32),
    activation: str = "relu",
    dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """Two hidden layers of 128 and 32 units on the means and standard deviations of 13 MFCCs over a second.

    The source does not name an activation here and introduces activations later; ``activation="linear"`` is its network
    taken literally, which can learn no more than logistic regression.

    Args:
        units: Sizes of the hidden layers.
        activation: Keras activation of the hidden layers.
        dropout: Fraction of each hidden layer to drop, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``, its hidden layers ``hidden_1``, ``hidden_2``, …

    Example:
        >>> model = build_mfcc_mlp((1, 26), num_classes=4)
        >>> model.count_params()  # 26 x 128, 128 x 32, 32 x 4, and biases
        7716

    Reference:
        Neural networks for music genres (EP08 Pattern Recognition, third assignment), question 1, step 2.
    """
    return dense_stack(
        "mfcc_mlp",
        input_shape,
        num_classes,
        units=units,
        activation=activation,
        dropout=dropout,
        classifier_activation=classifier_activation,
    )


@MODELS.register(
    "feature_mlp",
    summary="hidden layers of 90, 70 and 50 units on a feature table of whole clips",
    reference="CS429/529 Project 3: Neural Networks, section 2",
    reported={"GTZAN accuracy": "0.80 validation, 0.74 test"},
    space={
        "units": Choice(tuple((size, size - 20, size - 40) for size in range(60, 241, 30))),
        "activation": Choice(("relu", "elu", "tanh")),
        "dropout": Float(0.0, 0.6),
    },
    masks_padding=True,
)
def build_feature_mlp(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: Sequence[int] = (90, 70, 50),
    activation: str = "relu",
    dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """Three hidden layers on a clip's features: means and variances over half a minute.

    In the source it is the most accurate of three models and the fastest to train. The source does not name an
    activation.

    Args:
        units: Sizes of the hidden layers.
        activation: Keras activation of the hidden layers.
        dropout: Fraction of each hidden layer to drop, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``, its hidden layers ``hidden_1``, ``hidden_2``, …

    Example:
        >>> model = build_feature_mlp((1, 57), num_classes=10)
        >>> [model.get_layer(f"hidden_{number}").units for number in (1, 2, 3)]
        [90, 70, 50]

    Reference:
        K. Fatima, S. Quadros, CS429/529 Project 3: Neural Networks, section 2.
    """
    return dense_stack(
        "feature_mlp",
        input_shape,
        num_classes,
        units=units,
        activation=activation,
        dropout=dropout,
        classifier_activation=classifier_activation,
    )
