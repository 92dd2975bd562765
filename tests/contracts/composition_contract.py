"""What every composition must do, as named checks that anyone can run on one of their own.

    for name, check in composition_checks():
        check(CompositionCase("combiner", members={"one": "pooled", "other": "recurrent"}, own=True))

What a composition shares with every model is checked by the contract of models. A check says nothing if it passes and
raises `AssertionError` if it does not.
"""

from __future__ import annotations

import functools
import importlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import model_contract
import numpy as np
from settings import Row

from genrezoo.errors import SettingsError
from genrezoo.layers import Head, MaskPadding
from genrezoo.models import create_model
from genrezoo.registry import COMPOSITIONS, Entry
from genrezoo.seeds import keras_seed
from genrezoo.spaces import smallest

Shape = tuple[int | None, ...]


def pooled(input_shape: Shape, num_classes: int) -> keras.Model:
    """Everything that must stand still when frozen: batch normalisation, dropout, a penalty and a second head."""
    songs = keras.Input(input_shape)
    x = keras.layers.GlobalAveragePooling1D()(MaskPadding()(songs))
    x = keras.layers.Dense(4, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.1))(x)
    x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Activation("tanh")(x)
    logits = keras.layers.Dense(num_classes, name="logits")(x)
    other = Head(target="genre", weight=0.5, name="other")(keras.layers.Dense(num_classes)(x))
    return keras.Model(songs, {"logits": logits, "other": other})


def recurrent(input_shape: Shape, num_classes: int) -> keras.Model:
    """A model of the zoo that adds to the loss what is not a weight's penalty."""
    return create_model("stabilised_lstm", input_shape, num_classes, units=3, beta=1.0)


def corrected(input_shape: Shape, num_classes: int) -> keras.Model:
    """A composition as a member of another."""
    members = {"original": recurrent(input_shape, num_classes)}
    return COMPOSITIONS.get("correcting").call(members, input_shape, num_classes, units=(4,), see_hidden=True)


KINDS = {"pooled": pooled, "recurrent": recurrent, "corrected": corrected}
"""Tiny members by name."""


def fresh_members(kinds: dict[str, str], input_shape: Shape, num_classes: int) -> dict[str, keras.Model]:
    """Built members, whose weights are all away from their start."""
    members = {name: KINDS[kind](input_shape, num_classes) for name, kind in kinds.items()}
    generator = np.random.default_rng(7)
    for member in members.values():
        for weight in member.weights:
            weight.assign(_array(weight) + generator.uniform(0.05, 0.4, weight.shape))
    return members


def compose(
    input_shape: Shape, num_classes: int, *, composition: str, members: dict[str, str], **arguments: Any
) -> keras.Model:
    """Members and a composition of them, as one builder that a fresh process can call."""
    call = entry_of(composition).call
    return call(fresh_members(members, tuple(input_shape), num_classes), input_shape, num_classes, **arguments)


def entry_of(composition: str) -> Entry:
    """The entry of that name; names of broken ones begin with ``broken``."""
    if composition.startswith("broken"):
        return importlib.import_module("broken_compositions").ENTRIES[composition]
    return COMPOSITIONS.get(composition)


@dataclass(frozen=True)
class CompositionCase:
    """A composition under test.

    Attributes:
        composition: Its name.
        members: Kind of each member, by its name (see `KINDS`).
        arguments: Keywords of the builder that make it small.
        own: It has weights of its own that are trained.
        trains: Names of the members that are trained with it.
    """

    composition: str
    members: dict[str, str]
    arguments: dict[str, Any] = field(default_factory=dict)
    own: bool = False
    trains: tuple[str, ...] = ()

    __hash__ = object.__hash__

    @functools.cached_property
    def as_model(self) -> model_contract.Case:
        """The same for the contract of models."""
        entry = entry_of(self.composition)
        facts = {name: getattr(entry, name) for name in ("name", "summary", "reference", "masks_padding", "any_length")}
        arguments = {"composition": self.composition, "members": self.members, **self.arguments}
        return model_contract.Case(Entry(call=compose, **facts), Row(arguments))

    def build(self, members: dict[str, keras.Model] | None = None, **arguments: Any) -> keras.Model:
        """The composition of given members, or of fresh ones."""
        row = self.as_model.row
        shape = row.input_shape, row.num_classes
        with keras_seed(1):
            members = fresh_members(self.members, *shape) if members is None else members
            return entry_of(self.composition).build(members, *shape, **{**self.arguments, **arguments})

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Eight songs, two of them with padding, and their labels."""
        songs = self.as_model.songs(8)
        songs[0, 4:], songs[1, -2:] = np.nan, np.nan
        return songs, np.arange(8) % self.as_model.row.num_classes


def composition_checks() -> Iterator[tuple[str, Callable[[CompositionCase], None]]]:
    """The checks, by name."""
    yield "builds", check_builds
    yield "output", lambda case: model_contract.check_output(case.as_model)
    yield "heads", lambda case: model_contract.check_heads(case.as_model)
    yield "seed", check_seed
    yield "batch_mates", lambda case: model_contract.check_batch_mates(case.as_model)
    yield "trainable", check_trainable
    yield "gradients", check_gradients
    yield "training", check_training
    yield "inference", check_inference
    yield "losses", check_losses
    yield "reload", lambda case: model_contract.check_reload(case.as_model)
    yield "export", check_export
    yield "layer_arguments", lambda case: model_contract.check_layer_arguments(case.as_model)
    yield "padding", lambda case: model_contract.check_padding(case.as_model)
    yield "lengths", lambda case: model_contract.check_lengths(case.as_model)
    yield "wrong_rank", lambda case: model_contract.check_wrong_rank(case.as_model)
    yield "onnx", lambda case: model_contract.check_onnx(case.as_model)
    yield "refusals", check_refusals
    yield "documented", check_documented


def check_builds(case: CompositionCase) -> None:
    """Builds, with the least of its space too; uncompiled, one input called songs, ending in logits."""
    for model in (case.build(), case.build(**smallest(entry_of(case.composition).space))):
        assert not model.compiled, "a builder leaves compiling to the training procedure"
        assert [each.name for each in model.inputs] == ["songs"], f"the inputs are {model.inputs}"
        output = model.output["logits"] if isinstance(model.output, dict) else model.output
        assert model.get_layer("logits").output is output, "the layer called logits is not the output"


def check_seed(case: CompositionCase) -> None:
    """The same seed gives the same weights to the bit."""
    first, again = (_bits(case.as_model.build(seed=1)) for _ in range(2))
    assert first == again, "the same seed gives other weights"


def check_trainable(case: CompositionCase) -> None:
    """Trainable is what is declared, and stays so when everything is declared trainable from outside."""
    model = case.build()
    for _ in range(2):
        for name in case.members:
            layer = model.get_layer(f"member_{name}")
            assert bool(layer.trainable_weights) == (name in case.trains), f"member {name!r} is wrongly (un)trainable"
        assert bool(_own(case, model)) == case.own, f"own trainable weights: {len(_own(case, model))}"
        model.trainable = True


def check_gradients(case: CompositionCase) -> None:
    """Every trainable weight gets a finite gradient that is not zero."""
    if case.own or case.trains:
        model_contract.check_gradients(case.as_model)


def check_training(case: CompositionCase) -> None:
    """Three steps change every weight that is trained, and no bit of any other, nor of the members that were given."""
    shape = case.as_model.row.input_shape, case.as_model.row.num_classes
    members = fresh_members(case.members, *shape)
    given = {name: _bits(member) for name, member in members.items()}
    model = case.build(members)
    if not (case.own or case.trains):
        assert not model.trainable_weights, "there is something to train"
        return
    before = _bits(model)
    songs, labels = case.batch()
    outputs = model_contract.trained_outputs(model)
    loss = {name: keras.losses.SparseCategoricalCrossentropy(from_logits=True) for name in outputs}
    single = not isinstance(model.output, dict)
    compiled = "auto" if keras.backend.backend() == "jax" else False  # compiling for three steps takes the time here
    model.compile(keras.optimizers.Adam(0.01), loss=loss["logits"] if single else loss, jit_compile=compiled)
    for _ in range(3):
        model.train_on_batch(songs, labels if single else dict.fromkeys(loss, labels))
    after = _bits(model)
    moved = {number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]}
    trained = {id(weight) for weight in model.trainable_weights}
    frozen = {
        id(weight)
        for name in set(case.members) - set(case.trains)
        for weight in model.get_layer(f"member_{name}").weights
    }
    for number, weight in enumerate(model.weights):
        if id(weight) in frozen:
            assert number not in moved, f"{weight.path} was frozen, and changed"
        if id(weight) in trained:
            assert number in moved, f"{weight.path} did not change"
    for name, member in members.items():
        assert _bits(member) == given[name], f"the given member {name!r} changed"


def check_inference(case: CompositionCase) -> None:
    """Frozen members know nothing of training: if nothing else does either, it changes no output."""
    if case.trains:
        return
    model, (songs, _) = case.build(), case.batch()
    quiet, training = (_outputs(model(songs, training=training)) for training in (False, True))
    for name, output in quiet.items():
        np.testing.assert_allclose(output, training[name], atol=1e-6, err_msg=f"{name} differs in training")


def check_losses(case: CompositionCase) -> None:
    """Penalties of frozen members are not in the loss."""
    model, (songs, _) = case.build(), case.batch()
    model(songs, training=True)
    if not (case.own or case.trains):
        assert model.losses == [], f"{len(model.losses)} losses, and nothing to train"
    losses = sum(len(model.get_layer(f"member_{name}").losses) for name in set(case.members) - set(case.trains))
    assert not losses, f"{losses} losses of frozen members"


def check_export(case: CompositionCase) -> None:
    """TensorFlow's own format gives the same logits."""
    if keras.backend.backend() != "tensorflow":
        return
    tensorflow = importlib.import_module("tensorflow")
    model, (songs, _) = case.as_model.model, case.batch()
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        loaded = tensorflow.saved_model.load(folder)  # keeps the variables alive
        exported = _outputs(loaded.serve(songs))
    for name, output in model_contract.predict(model, songs).items():
        np.testing.assert_allclose(exported[name], output, atol=1e-5, err_msg=f"{name} differs, exported")


def check_refusals(case: CompositionCase) -> None:
    """Members that are missing, too many or unfit are refused in words that name them and what is expected."""
    row, entry = case.as_model.row, entry_of(case.composition)
    members = fresh_members(case.members, row.input_shape, row.num_classes)
    first = next(iter(members))
    _refuses(case, {first: members[first]} if len(members) > 1 else {}, "expected", repr(first) if members else "none")
    _refuses(case, list(members.values()), "by name", "list")
    if entry.members != ("*",):
        _refuses(case, {**members, "extra": members[first]}, "'extra'", *map(repr, entry.members))
    other_songs = KINDS["pooled"]((12, 5), row.num_classes)
    _refuses(case, {**members, first: other_songs}, repr(first), "(12, 5)", str(row.input_shape))
    other_genres = KINDS["pooled"](row.input_shape, 7)
    _refuses(case, {**members, first: other_genres}, repr(first), "(None, 7)", str((None, row.num_classes)))
    _refuses(case, {**members, first: "lstm"}, repr(first), "functional model", "'lstm'")


def check_documented(case: CompositionCase) -> None:
    """Reference, summary, every argument and an example that runs."""
    builder = model_contract.Case(entry_of(case.composition), Row())
    model_contract.check_documented(builder)
    model_contract.check_example(builder)


def _refuses(case: CompositionCase, members: Any, *words: str) -> None:
    message = None
    try:
        case.build(members)
    except SettingsError as error:
        message = str(error)
    assert message is not None, f"members {members} are taken"
    missing = [word for word in words if word not in message]
    assert not missing, f"the error does not say {missing}: {message}"


def _own(case: CompositionCase, model: Any) -> list[Any]:
    of_members = {id(weight) for name in case.members for weight in model.get_layer(f"member_{name}").weights}
    return [weight for weight in model.trainable_weights if id(weight) not in of_members]


def _bits(model: Any) -> list[bytes]:
    return [_array(weight).tobytes() for weight in model.weights]


def _outputs(outputs: Any) -> dict[str, np.ndarray]:
    outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
    return {name: _array(output) for name, output in outputs.items()}


def _array(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_tensor(value))
