"""A network that corrects the logits of another model.

Choose it on top of one good model: it gains about as much as a combiner of three and needs no other trained model. It
can be stacked, because a correcting model can itself be corrected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from genrezoo.composition._hidden import hidden_representations
from genrezoo.composition._members import attach, check_members, copy_of, logits_of
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_input_shape
from genrezoo.models.mlp import build_fully_connected
from genrezoo.registry import COMPOSITIONS
from genrezoo.spaces import Boolean, Choice, Float


@COMPOSITIONS.register(
    "correcting",
    summary="the logits of a trained model plus those of a network trained to correct them",
    reference="R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017): section 6",
    reported={"MSD-10 validation accuracy": "64.5 % (on convolution in time of 63 %)"},
    space={
        "units": Choice(tuple((size,) * depth for depth in (1, 2, 3) for size in (50, 100, 200, 400))),
        "dropout": Float(0.0, 0.6),
        "l2": Float(1e-5, 1e-1, sampling="log"),
        "see_hidden": Boolean(),
    },
    masks_padding=True,
    members=("original",),
)
def build_correcting(
    members: Mapping[str, Any],
    input_shape: InputShape,
    num_classes: int,
    *,
    units: Sequence[int] = (200, 200),
    activation: str = "relu",
    dropout: float = 0.0,
    l2: float = 1e-2,
    output_l2: float = 0.0,
    see_hidden: bool = False,
    freeze: bool = True,
) -> Any:
    """Adds the logits of a fully connected network, trained on the error of the sum, to those of the original.

    The network is an unchanged `build_fully_connected`, so that training it alone shows what the correction has learnt
    in comparison (see `diagnose`). Its corrections are random at first, as in the source.

    Args:
        members: ``{"original": model}``, a trained model or another composition; it is copied and not changed.
        units: Sizes of the correcting network's hidden layers.
        activation: Keras activation of its hidden layers.
        dropout: Fraction of each of its hidden layers to drop, in [0, 1).
        l2: L2 factor on the weights of its hidden layers, at least 0.
        output_l2: The same for its output layer.
        see_hidden: Whether the network also reads the original's hidden representations (see `hidden_representations`)
            and logits.
        freeze: Whether the original is frozen; False continues its training.

    Returns:
        An uncompiled model with the outputs ``logits``, the sum, which has the loss, and ``original`` and
        ``correcting``, the two summands, which have none.

    Raises:
        SettingsError: The member does not fit, or an option is out of range.

    Example:
        >>> from genrezoo.models import create_model
        >>> original = create_model("conv_in_time", (120, 25), 10)
        >>> model = build_correcting({"original": original}, (120, 25), 10)
        >>> twice = build_correcting({"original": model}, (120, 25), 10)
        >>> sorted(twice.output), len(twice.trainable_weights)
        (['correcting', 'logits', 'original'], 6)

    Reference:
        R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017), sections 6.1 (equation 3),
        6.2 (equation 4) and 6.3.
    """
    members = check_members(members, ("original",), input_shape=input_shape, num_classes=num_classes)
    shape: InputShape = check_input_shape(input_shape, any_length=False)
    copy = copy_of(members["original"])
    outputs = {"logits": logits_of(copy)}
    if see_hidden:
        outputs |= {f"hidden_{number}": each for number, each in enumerate(hidden_representations(copy), start=1)}
    songs = keras.Input(shape, name="songs")
    seen = attach("original", keras.Model(copy.input, outputs, name="member_original"), songs, frozen=freeze)

    inputs = songs
    if see_hidden:
        flat = keras.layers.Flatten(name="flatten")(
            layers.EndMask(name="end_mask")(layers.MaskPadding(name="mask_padding")(songs))
        )
        inputs = keras.layers.Concatenate(name="seen")([flat, *(seen[name] for name in outputs)])
        shape = (1, inputs.shape[-1])  # to the network, all that it sees is one long segment
        inputs = keras.layers.Reshape(shape, name="one_segment")(inputs)
    network = build_fully_connected(
        shape, num_classes, units=units, activation=activation, dropout=dropout, l2=l2, output_l2=output_l2
    )
    correction = keras.Model(network.input, network.output, name="correcting_network")(inputs)
    logits = keras.layers.Add(name="logits")([seen["logits"], correction])
    heads = {
        name: layers.Head(target="genre", weight=0.0, name=name)(part)
        for name, part in (("original", seen["logits"]), ("correcting", correction))
    }
    return keras.Model(songs, {"logits": logits, **heads}, name="correcting")
