"""A small network on the logits of several models.

Choose it for models of different kinds that make different errors: it learns which model to trust for which genre. A
rule without weights (`build_ensemble`) needs no training and is the better choice for several copies of one model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genrezoo.composition._members import ANY, check_freeze, check_members, listen
from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count
from genrezoo.models._frame import classify, l2_penalty
from genrezoo.registry import COMPOSITIONS
from genrezoo.spaces import Choice


@COMPOSITIONS.register(
    "combiner",
    summary="one linear layer, or one hidden layer, on the logits of several models",
    reference="R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017): section 5",
    reported={"MSD-10 validation accuracy": "64 % (linear, frozen members of 50 %, 58 % and 63 %)"},
    space={
        "hidden_units": Choice((None, 10, 25, 50, 100)),  # the source's linear and non-linear combiner
        "l2": Choice((0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
    },
    masks_padding=True,
    any_length=True,
    members=ANY,
)
def build_combiner(
    members: Mapping[str, Any],
    input_shape: InputShape,
    num_classes: int,
    *,
    hidden_units: int | None = None,
    activation: str = "relu",
    l2: float = 0.0,
    freeze: bool | Sequence[str] = True,
    diversity: float = 0.0,
    member_weight: float = 0.0,
) -> Any:
    """Concatenates the logits of the members and maps them to the genres.

    In the source a linear combiner of trained models is best: neither a hidden layer nor joint training of all weights
    improves on it. Members in ``freeze`` are frozen, all others are trained with the combiner. A linear combiner is
    initialised as the mean of its members' logits. With frozen members its loss is convex, so the initial weights do
    not matter in the limit, but they do with few songs and therefore few training steps.

    Args:
        members: Two or more models by name; they are copied and not changed.
        hidden_units: Size of a hidden layer between the logits and the genres; None for a linear combiner.
        activation: Keras activation of the hidden layer.
        l2: L2 factor on the weights of the combiner, at least 0; the members have their own.
        freeze: True for all members, False for none, or the names of the members to freeze.
        diversity: Weight of the penalty on the `similarity` of all members' posteriors, at least 0; which the source
            proposes for joint training of all weights.
        member_weight: Loss weight of the error of each trainable member, at least 0. With 0 a member learns only
            through the combiner, as in the source, and its logits may no longer correspond to genres.

    Returns:
        An uncompiled model that ends in ``logits``; with ``member_weight`` it also has the outputs ``expert_<name>``,
        the logits of the trainable members.

    Raises:
        SettingsError: A member does not fit, an option is out of range, or a penalty has no member to act on.

    Example:
        >>> from genrezoo.models import create_model
        >>> names = ("fully_connected", "segment_cnn", "conv_in_time")
        >>> model = build_combiner({name: create_model(name, (120, 25), 10) for name in names}, (120, 25), 10)
        >>> sum(weight.shape.num_elements() for weight in model.trainable_weights)  # 30 x 10, and biases
        310

    Reference:
        R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017), sections 5.1 and 5.2;
        D. H. Wolpert, Stacked generalization, Neural Networks 5 (1992); diversity: Y. Liu, X. Yao, Ensemble learning
        via negative correlation, Neural Networks 12 (1999).
    """
    members = check_members(members, ANY, input_shape=input_shape, num_classes=num_classes)
    frozen = check_freeze(freeze, list(members))
    if frozen == set(members) and (diversity or member_weight):
        name, value = ("diversity", diversity) if diversity else ("member_weight", member_weight)
        raise SettingsError(
            f"{name}={value} affects only trainable members, but all members are frozen; pass freeze=False"
        )

    songs = keras.Input(tuple(input_shape), name="songs")
    opinions = [listen(name, member, songs, frozen=name in frozen) for name, member in members.items()]
    if diversity:
        opinions = layers.DiversityPenalty(diversity, name="diversity")(opinions)
    x = keras.layers.Concatenate(name="opinions")(opinions)  # (batch, members * classes)
    if hidden_units is not None:
        units = check_count("hidden_units", hidden_units)
        x = keras.layers.Dense(units, activation, kernel_regularizer=l2_penalty(l2), name="hidden")(x)
    logits = classify(x, num_classes, classifier_activation=None, l2=l2)
    heads = {
        f"expert_{name}": layers.Head(target="genre", weight=member_weight, name=f"expert_{name}")(opinion)
        for name, opinion in zip(members, opinions, strict=True)
        if member_weight and name not in frozen
    }
    model = keras.Model(songs, {"logits": logits, **heads} if heads else logits, name="combiner")
    if hidden_units is None:
        mean = np.tile(np.eye(num_classes), (len(members), 1)) / len(members)  # (members * classes, classes)
        model.get_layer("logits").kernel.assign(mean)
    return model
