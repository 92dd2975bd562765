"""A composition that keeps the contract, and one for each check that must not pass it.

The broken builders differ from `build_good` in one thing each, which their names say.
"""

from __future__ import annotations

import functools

import broken_models
import keras
from keras import ops

from genrezoo.composition._members import ANY, check_members, logits_of
from genrezoo.layers import Frozen
from genrezoo.registry import Entry


def build_good(
    members,
    input_shape,
    num_classes,
    *,
    units=4,
    checked=True,
    copied=True,
    frozen=True,
    inference=True,
    own_losses=False,
    classes=0,
    name="songs",
    first=None,
    last=None,
):
    """A hidden layer on the logits of frozen members.

    Args:
        members: Models by name.
        input_shape: ``(n_segments or None, n_features)``.
        num_classes: Number of genres.
        units: Size of the hidden layer.
        checked: Whether the members are checked.
        copied: Whether they are copied.
        frozen: Whether they are frozen.
        inference: Whether they run in inference mode.
        own_losses: Whether their losses count.
        classes: Number of classes too many.
        name: Name of the input.
        first: Layer on the songs.
        last: Layer before the logits.

    Returns:
        An uncompiled model.

    Example:
        >>> 1 + 1
        2
    """
    if checked:
        members = check_members(members, ANY, input_shape=input_shape, num_classes=num_classes)
    songs = keras.Input(input_shape, name=name)
    x = first(songs) if first else songs
    opinions = []
    for each, member in members.items():
        copy = type(member).from_config(member.get_config()) if copied else member
        copy.set_weights(member.get_weights())
        copy = keras.Model(copy.input, logits_of(copy), name=f"member_{each}")
        layer = Frozen(copy, name=f"member_{each}") if frozen and inference and not own_losses else copy
        layer.trainable = not frozen
        opinions.append(layer(x) if inference else layer(x, training=True))
    x = keras.layers.Concatenate()(opinions)
    x = keras.layers.Dense(units, activation="tanh")(x)
    x = last(x) if last else x
    return keras.Model(songs, keras.layers.Dense(num_classes + classes, name="logits")(x))


def build_compiled(members, input_shape, num_classes):
    model = build_good(members, input_shape, num_classes)
    model.compile(loss="mse")
    return model


def build_unseeded(members, input_shape, num_classes):
    model = build_good(members, input_shape, num_classes)
    kernel = model.get_layer("logits").kernel
    kernel.assign(broken_models.FRESH.standard_normal(kernel.shape))
    return model


def build_with_an_unmarked_output(members, input_shape, num_classes):
    model = build_good(members, input_shape, num_classes)
    other = keras.layers.Activation("tanh", name="other")(model.output)
    return keras.Model(model.input, {"logits": model.output, "other": other})


def build_with_a_useless_layer(members, input_shape, num_classes):
    return build_good(members, input_shape, num_classes, last=keras.layers.Rescaling(0.0))


def build_with_state_outside_its_weights(members, input_shape, num_classes):
    factor = 1 + broken_models.FRESH.uniform()  # another factor in each process
    return build_good(members, input_shape, num_classes, last=keras.layers.Rescaling(factor))


@keras.saving.register_keras_serializable("genrezoo")
class OtherWhenExported(keras.layers.Layer):
    """Doubles its input wherever TensorFlow traces it."""

    def call(self, inputs):
        import tensorflow

        return inputs if tensorflow.executing_eagerly() else inputs * 2


class Zeros(keras.layers.Layer):
    """Padding becomes zeros, without a mask."""

    def call(self, inputs):
        return ops.where(ops.isnan(inputs), ops.zeros_like(inputs), inputs)


def entry(call, **changes):
    facts = {"summary": "a layer", "reference": "none but itself", "masks_padding": True, "any_length": True}
    return Entry(name="broken", call=call, members=ANY, **{**facts, **changes})


def broken(**changes):
    return functools.partial(build_good, **changes)


def undocumented(members, input_shape, num_classes):
    """Builds."""


ENTRIES = {
    "broken_nothing": entry(build_good),
    "broken_compiled": entry(build_compiled),
    "broken_input": entry(broken(name="other")),
    "broken_classes": entry(broken(classes=1)),
    "broken_heads": entry(build_with_an_unmarked_output),
    "broken_seed": entry(build_unseeded),
    "broken_batch_mates": entry(lambda *a: build_good(*a, last=broken_models.Centred())),
    "broken_frozen": entry(broken(frozen=False)),
    "broken_gradient": entry(build_with_a_useless_layer),
    "broken_copy": entry(broken(copied=False, frozen=False)),
    "broken_inference": entry(broken(inference=False)),
    "broken_losses": entry(broken(own_losses=True)),
    "broken_state": entry(build_with_state_outside_its_weights),
    "broken_onnx": entry(lambda *a: build_good(*a, last=broken_models.OtherWhenTraced())),
    "broken_export": entry(lambda *a: build_good(*a, last=OtherWhenExported())),
    "broken_configuration": entry(lambda *a: build_good(*a, last=broken_models.Forgetful(3.0))),
    "broken_padding": entry(lambda *a: build_good(*a, first=Zeros())),
    "broken_lengths": entry(build_good, any_length=False),
    "broken_rank": entry(lambda *a: broken_models.AnyRank(build_good(*a))),
    "broken_checks": entry(broken(checked=False)),
    "broken_documents": entry(undocumented),
}
"""By the name that the contract looks them up by."""
