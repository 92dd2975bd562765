"""The linear combiner by hand, its mixes of frozen and trained members, and its tie to the correcting model."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.composition.combiner import build_combiner
from genrezoo.composition.correcting import build_correcting
from genrezoo.errors import SettingsError
from genrezoo.layers import Head, similarity
from genrezoo.models import create_model
from genrezoo.registry import COMPOSITIONS
from genrezoo.seeds import keras_seed

SHAPE, CLASSES = (6, 4), 3
SONGS = np.random.default_rng(0).standard_normal((5, *SHAPE)).astype("float32")
SONGS[0, 4:] = np.nan


def member(seed=1, name="fully_connected"):
    sizes = {"units": (5,)} if name == "fully_connected" else {"units": 4}
    return create_model(name, SHAPE, CLASSES, seed=seed, **sizes)


def two():
    return {"a": member(1), "b": member(2)}


def logits(model, songs=SONGS):
    outputs = model(songs)
    return np.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)


def test_linear_combiner_by_hand():
    members = two()
    model = build_combiner(members, SHAPE, CLASSES)
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(1).standard_normal(weight.shape))
    kernel, bias = (np.asarray(weight) for weight in model.trainable_weights)
    assert kernel.shape == (2 * CLASSES, CLASSES)
    expected = np.concatenate([logits(each) for each in members.values()], axis=1) @ kernel + bias
    np.testing.assert_allclose(logits(model), expected, atol=1e-6)


def test_hidden_layer_is_penalised_and_non_linear():
    members = two()
    model = build_combiner(members, SHAPE, CLASSES, hidden_units=7, l2=0.5)
    w1, b1, w2, b2 = (np.asarray(weight) for weight in model.trainable_weights)
    hidden = np.maximum(np.concatenate([logits(each) for each in members.values()], axis=1) @ w1 + b1, 0)
    np.testing.assert_allclose(logits(model), hidden @ w2 + b2, atol=1e-5)
    assert float(sum(model.losses)) == pytest.approx(0.5 * float((w1**2).sum() + (w2**2).sum()), rel=1e-5)


def test_identity_beside_identity_is_the_correcting_model():
    """The source: a correcting model is a combiner with weights one, trained together with its second member."""
    original = member(1)
    corrected = build_correcting({"original": original}, SHAPE, CLASSES, units=(5,))
    network = corrected.get_layer("correcting_network")
    combiner = build_combiner({"original": original, "second": network}, SHAPE, CLASSES, freeze=["original"])
    last = combiner.get_layer("logits")
    last.kernel.assign(np.concatenate([np.eye(CLASSES), np.eye(CLASSES)]))
    last.bias.assign(np.zeros(CLASSES))
    np.testing.assert_array_equal(logits(combiner), logits(corrected))
    trained = [[weight.shape for weight in model.trainable_weights] for model in (combiner, corrected)]
    assert trained[0] == [*trained[1], last.kernel.shape, last.bias.shape]  # and nothing but the combiner is added


def test_members_of_one_builder_need_no_names_of_their_own():
    same = member(1)
    model = build_combiner({"a": same, "b": same}, SHAPE, CLASSES, freeze=False)
    assert len({id(weight) for weight in model.trainable_weights}) == 4 + 4 + 2  # two copies
    assert [layer.name for layer in model.layers if "member" in layer.name] == ["member_a", "member_b"]


def test_diversity_and_own_errors_count_as_they_say():
    model = build_combiner(two(), SHAPE, CLASSES, freeze=["a"], diversity=2.0, member_weight=0.5)
    heads = {layer.name: layer.weight for layer in model.layers if isinstance(layer, Head)}
    assert heads == {"expert_b": 0.5}  # the frozen one has nothing to learn
    assert list(model.output) == ["logits", "expert_b"]
    model(SONGS)
    assert 0 < float(model.get_layer("diversity").losses[0]) < 2.0


@pytest.mark.slow
def test_diversity_keeps_two_members_from_becoming_alike():
    songs, labels = np.nan_to_num(SONGS), np.arange(len(SONGS)) % CLASSES
    alike = {}
    for weight in (0.0, 5.0):
        with keras_seed(1):
            model = build_combiner({"a": member(1), "b": member(2)}, SHAPE, CLASSES, freeze=False, diversity=weight)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.03), loss, jit_compile=False)
        for _ in range(8):
            model.train_on_batch(songs, labels)
        alike[weight] = float(similarity([model.get_layer(f"member_{name}")(songs) for name in "ab"]))
    assert alike[5.0] < alike[0.0] - 0.05


def test_songs_of_any_length_if_all_members_take_them():
    members = {name: create_model("lstm", (None, 4), CLASSES, units=3) for name in ("a", "b")}
    model = build_combiner(members, (None, 4), CLASSES)
    assert logits(model, SONGS).shape == logits(model, SONGS[:, :3]).shape == (5, CLASSES)
    with pytest.raises(SettingsError, match=r"member 'b' takes songs of shape \(6, 4\), .* built for \(None, 4\)"):
        build_combiner({**members, "b": member()}, (None, 4), CLASSES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"freeze": ["c"]}, r"members out of 'a', 'b', got \['c'\]"),
        ({"freeze": "a"}, "freeze must be True, False or a list"),
        ({"diversity": 1.0}, "diversity=1.0 affects only trainable members, but all members are frozen"),
        ({"freeze": ["a", "b"], "member_weight": 1.0}, "member_weight=1.0 affects only trainable members"),
        ({"diversity": -1.0, "freeze": False}, "diversity=-1.0.* must be a finite number of at least 0"),
        ({"hidden_units": 0}, "hidden_units must be a whole number from 1"),
        ({"l2": -1.0}, "l2=-1.0.* expected a non-negative float"),
        ({"hidden_units": 3, "activation": "rely"}, "activation='rely'.* Could not interpret activation"),
    ],
)
def test_options_out_of_range_are_refused(arguments, message):
    with pytest.raises(SettingsError, match=message):
        COMPOSITIONS.get("combiner").build(two(), SHAPE, CLASSES, **arguments)


def test_names_of_members_must_be_names():
    with pytest.raises(SettingsError, match="lower-case words joined by underscores, got 'My model'"):
        build_combiner({"My model": member(), "b": member()}, SHAPE, CLASSES)


def test_model_without_logits_is_refused():
    songs = keras.Input(SHAPE)
    other = keras.Model(songs, {"other": keras.layers.Dense(CLASSES)(keras.layers.Flatten()(songs))})
    with pytest.raises(SettingsError, match="member 'a' has no output 'logits', only 'other'"):
        build_combiner({"a": other, "b": member()}, SHAPE, CLASSES)


def test_a_linear_combiner_begins_as_the_mean_of_its_members_logits():
    members = two()
    model = build_combiner(members, SHAPE, CLASSES)
    alone = [logits(member) for member in members.values()]
    np.testing.assert_allclose(logits(model), np.mean(alone, axis=0), atol=1e-6)
