"""Many perceptrons in one network, for feature tables and for statistics of songs.

Choose it for tables (songs of one segment) and wherever `statistics_mlp` does well: its members share nearly all of
their weights and are trained together, so it costs little more than one perceptron, and their mean is more accurate and
better calibrated. It ignores the order of segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import (
    InputShape,
    check_choice,
    check_count,
    check_counts,
    check_rate,
    check_weights,
)
from genrezoo.models._frame import RICH, STATISTICS_SPACE, check_classifier, table_input
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float

EMBEDDINGS = (None, "piecewise_linear", "periodic")


@MODELS.register(
    "tabular_ensemble",
    summary="an ensemble of perceptrons that share most of their weights, on statistics of the song or on a table",
    reference="Y. Gorishniy, A. Kotelnikov, A. Babenko, TabM: advancing tabular deep learning with parameter-efficient "
    "ensembling, ICLR 2025",
    space={
        **STATISTICS_SPACE,
        "members": Choice((8, 16, 32)),
        "units": Choice(tuple((size,) * depth for depth in (1, 2, 3) for size in (64, 128, 256, 512))),
        "embedding": Choice(EMBEDDINGS),
        "input_dropout": Float(0.0, 0.5),
        "dropout": Float(0.0, 0.6),
    },
    masks_padding=True,
)
def build_tabular_ensemble(
    input_shape: InputShape,
    num_classes: int,
    *,
    statistics: Sequence[str] = RICH,
    members: int = 16,
    units: Sequence[int] = (256,),
    activation: str = "relu",
    embedding: str | None = None,
    embedding_size: int = 8,
    embedding_units: int = 8,
    input_dropout: float = 0.0,
    dropout: float = 0.3,
    classifier_activation: str | None = None,
) -> Any:
    """Members share the hidden layers up to member-specific scaling factors, and have separate output layers.

    The loss is the mean of the members' losses and not the loss of their mean, so that each learns to classify on its
    own; the prediction is the mean of their posteriors. Songs of one segment are used directly, others through
    statistics of each feature, which are batch-normalised. The feature transform ``quantile`` works best.

    Args:
        statistics: Statistics of each feature over the song's real segments, see `PooledStatistics`; not used for songs
            of one segment.
        members: Number of members.
        units: Sizes of the hidden layers, one or more.
        activation: Keras activation of the hidden layers.
        embedding: Embedding of each feature before the first layer: ``"piecewise_linear"`` or ``"periodic"`` components
            and an affine map per feature, for the second followed by ReLU; None uses the features directly.
        embedding_size: Bins or frequencies of a feature's embedding (see `PiecewiseLinear` and `Periodic`).
        embedding_units: Size of a feature's embedding.
        input_dropout: Fraction of the inputs to drop, in [0, 1).
        dropout: Fraction of each hidden layer to drop, drawn separately for each member, in [0, 1).

    Returns:
        An uncompiled model with outputs ``logits``, normalised log posteriors that have no loss, and ``members``
        ``(batch, members, genres)``: the logits of each member, trained on the genre.

    Raises:
        SettingsError: An option is out of range.

    Example:
        >>> model = build_tabular_ensemble((1, 57), num_classes=10, members=8)
        >>> {name: output.shape for name, output in model.output.items()}
        {'logits': (None, 10), 'members': (None, 8, 10)}

    Reference:
        Y. Gorishniy, A. Kotelnikov, A. Babenko, TabM, ICLR 2025, section 3; Y. Wen, D. Tran, J. Ba, BatchEnsemble, ICLR
        2020; the embeddings: Y. Gorishniy, I. Rubachev, A. Babenko, NeurIPS 2022, section 3.
    """
    check_classifier(classifier_activation)
    check_rate("dropout", dropout)
    members = check_count("members", members, most=1024)
    songs, x = table_input(input_shape, statistics)
    if input_shape[0] != 1:
        # songs are few, and what each epoch is judged by are the running means: they must not lag behind for epochs
        x = keras.layers.BatchNormalization(momentum=0.9, center=False, scale=False, name="statistics_norm")(x)
    if check_choice("embedding", embedding, EMBEDDINGS):
        x = _embedded(x, embedding, size=embedding_size, units=embedding_units)
    if check_rate("input_dropout", input_dropout):
        x = keras.layers.Dropout(input_dropout, name="input_dropout")(x)
    for number, size in enumerate(check_counts("units", units), start=1):
        hidden = f"hidden_{number}"
        check_weights(hidden, x.shape[-1], size)
        x = layers.RankOneDense(size, members=members, signs=number == 1, name=hidden)(x)  # (batch, members, size)
        x = keras.layers.Activation(activation, name=f"{hidden}_activation")(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"{hidden}_dropout")(x)
    answers = layers.SeparateDense(num_classes, name="readout")(x)
    combined = layers.Aggregate("mean", name="mean")(answers)
    if classifier_activation is not None:
        combined = keras.layers.Activation(classifier_activation, name="posteriors")(combined)
    outputs = {
        "logits": layers.Head(target="genre", weight=0.0, name="logits")(combined),
        "members": layers.Head(target="members", weight=1.0, name="members")(answers),
    }
    return keras.Model(songs, outputs, name="tabular_ensemble")


def _embedded(x: Any, kind: str | None, *, size: int, units: int) -> Any:
    """Embeds each feature and concatenates the embeddings: ``(batch, features * units)``."""
    size, units = check_count("embedding_size", size), check_count("embedding_units", units)
    check_weights("embedding", x.shape[-1], 2 * size, units)
    layer = (
        layers.PiecewiseLinear(size, name="bins") if kind == "piecewise_linear" else layers.Periodic(size, name="waves")
    )
    x = layers.SeparateDense(units, name="embedding")(layer(x))  # (batch, features, units)
    if kind == "periodic":
        x = keras.layers.Activation("relu", name="embedding_activation")(x)
    return keras.layers.Flatten(name="embedded")(x)
