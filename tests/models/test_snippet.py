from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.models import create_model
from genrezoo.rules import aggregate_logits


def build(**arguments):
    return create_model("snippet_lstm", (10, 3), 3, seed=1, **{"units": 4, **arguments})


def ensemble(n_segments=12, **arguments):
    return create_model("snippet_ensemble", (n_segments, 3), 3, seed=1, **arguments)


def gradients(model, songs):
    """The gradient of the training loss by weight, labels 0, 1, 2, as the heads say."""
    with tf.GradientTape() as tape:
        outputs = model(songs, training=True)
        loss = sum(model.losses)
        for name, logits in outputs.items():
            errors = keras.losses.sparse_categorical_crossentropy(np.arange(3), logits, from_logits=True)
            loss += model.get_layer(name).weight * keras.ops.mean(errors)
    found = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    return {weight.path: np.asarray(gradient) for weight, gradient in zip(model.trainable_weights, found, strict=True)}


def songs(seed=0):
    return np.random.default_rng(seed).standard_normal((3, 10, 3)).astype("float32")


def arrays(outputs):
    return {name: np.asarray(output) for name, output in outputs.items()}


def test_it_is_the_ensemble_of_the_source():
    model = create_model("snippet_lstm", (120, 25), 10)
    assert [model.get_layer(f"lstm_{n}").units for n in (1, 2, 3, 4)] == [100] * 4
    assert [model.get_layer(f"lstm_{n}_stabiliser").beta for n in (1, 2, 3, 4)] == [100] * 4
    assert model.get_layer("rule").rule == "product"


@pytest.mark.parametrize(("rule", "share"), [("mean", 0.0), ("product", 0.0), ("weighted", 1.0)])
def test_heads_say_that_experts_are_trained_and_the_vote_only_if_it_has_weights(rule, share):
    for model in (build(rule=rule), ensemble(rule=rule)):
        heads = {name: (model.get_layer(name).target, model.get_layer(name).weight) for name in model.output}
        assert heads == {"logits": ("genre", share), **{f"expert_{n}": ("genre", 1.0) for n in (1, 2, 3, 4)}}


@pytest.mark.parametrize("make", [build, ensemble])
def test_the_weighted_rule_has_no_influence_on_the_experts(make):
    """Their gradients are the same to the bit with a rule that is not trained at all."""
    model, other = make(rule="weighted"), make(rule="product")
    songs = np.random.default_rng(3).standard_normal((3, *model.input_shape[1:])).astype("float32")
    songs[1, 4:] = np.nan
    with_rule, without = gradients(model, songs), gradients(other, songs)
    assert set(with_rule) - set(without) == {
        f"rule/{layer}/{weight}" for layer in ("hidden", "scores") for weight in ("kernel", "bias")
    }
    for path, gradient in without.items():
        np.testing.assert_array_equal(with_rule[path], gradient)
    assert all(np.abs(with_rule[path]).max() > 0 for path in set(with_rule) - set(without))


def test_the_penalty_of_the_weighted_rule_is_that_of_the_source():
    layer = create_model("snippet_lstm", (120, 25), 10, rule="weighted").get_layer("rule")
    assert layer.l2 == 1e-3
    assert layer.hidden.kernel.shape == (40, 40)  # as many hidden units as posteriors of 4 experts
    assert ensemble(rule="weighted", rule_l2=0.2).get_layer("rule").l2 == 0.2


def test_an_expert_learns_nothing_from_a_song_whose_snippet_is_padding():
    model, padded = build(beta=0.0), songs()
    padded[1, 5:] = np.nan  # the second song ends within the second snippet
    found = gradients(model, padded)
    padded = np.delete(padded, 1, axis=0)
    with tf.GradientTape() as tape:
        logits = model(padded, training=True)["expert_4"]
        errors = keras.losses.sparse_categorical_crossentropy(np.array([0, 2]), logits, from_logits=True)
        loss = keras.ops.sum(errors) / 3  # the mean is over all songs
    weight = model.get_layer("readout_4").bias
    expected = np.asarray(tape.gradient(loss, weight.value))
    assert_allclose(found["readout_4/bias"], expected, atol=1e-7)
    assert np.abs(expected).max() > 1e-3


def test_an_expert_hears_its_own_snippet_alone():
    """10 segments in 4 snippets: 3, 3, 2, 2."""
    model = build()
    before = arrays(model(songs()))
    changed = songs()
    changed[:, 3:6] += 1
    after = arrays(model(changed))
    for name in ("expert_1", "expert_3", "expert_4"):
        assert_allclose(after[name], before[name], atol=1e-7)
    assert not np.allclose(after["expert_2"], before["expert_2"])
    assert not np.allclose(after["logits"], before["logits"])


@pytest.mark.parametrize("rule", ["mean", "product"])
def test_the_vote_is_the_rule_on_the_experts(rule):
    outputs = arrays(build(rule=rule)(songs()))
    experts = [outputs[f"expert_{number}"] for number in (1, 2, 3, 4)]
    assert_allclose(outputs["logits"], aggregate_logits(experts, rule=rule), atol=1e-6)
    assert_allclose(np.exp(outputs["logits"]).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("rule", ["mean", "product", "weighted"])
def test_what_an_expert_would_say_of_padding_alone_does_not_matter(rule):
    model, padded = build(rule=rule), songs()
    padded[1, 5:] = np.nan
    before = arrays(model(padded))
    model.get_layer("readout_4").bias.assign([0.5, -1.0, 2.0])
    after = arrays(model(padded))
    assert_allclose(after["logits"][1], before["logits"][1], atol=1e-6)
    assert after["expert_4"][1].tolist() == [0, 0, 0]
    assert not np.allclose(after["logits"][0], before["logits"][0], atol=1e-3)


@pytest.mark.parametrize("rule", ["mean", "product"])
def test_snippets_of_padding_alone_are_left_out_of_the_vote(rule):
    model, padded = build(rule=rule), songs()
    for number in (1, 2, 3, 4):
        model.get_layer(f"readout_{number}").bias.assign(
            [0.5, -1.0, 2.0]
        )  # what an expert says of nothing is not nothing
    padded[1, 5:] = np.nan  # the second snippet keeps two segments, the third and fourth none
    outputs = arrays(model(padded))
    heard = [outputs["expert_1"][1:2], outputs["expert_2"][1:2]]
    assert_allclose(outputs["logits"][1:2], aggregate_logits(heard, rule=rule), atol=1e-6)


def test_softmax_gives_posteriors_and_leaves_the_experts_alone():
    logits, posteriors = (arrays(build(classifier_activation=activation)(songs())) for activation in (None, "softmax"))
    assert_allclose(posteriors["logits"], np.exp(logits["logits"]), atol=1e-6)
    assert_allclose(posteriors["expert_2"], logits["expert_2"], atol=1e-6)


def test_each_expert_adds_its_own_stabilisation():
    model = build(beta=3.0)
    model(songs())
    assert len(model.losses) == 4
    model = build(beta=0.0)
    model(songs())
    assert model.losses == []
    assert not [layer.name for layer in model.layers if "stabiliser" in layer.name]


def test_one_snippet_is_a_single_network():
    model = build(snippets=1)
    outputs = arrays(model(songs()))
    assert_allclose(outputs["logits"], np.asarray(keras.ops.log_softmax(outputs["expert_1"])), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"snippets": 11}, "songs of 10 segments cannot be cut into 11 snippets"),
        ({"snippets": 0}, "snippets must be a whole number from 1, got 0"),
        ({"rule": "loudest"}, "rule must be one of 'mean', .*'weighted', got 'loudest'"),
        ({"rule_l2": -1.0, "rule": "weighted"}, "rule_l2=-1.0.* l2 must be a finite number of at least 0, got -1.0"),
    ],
)
def test_options_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        build(**arguments)


def test_a_song_of_unknown_length_is_refused():
    with pytest.raises(SettingsError, match=r"fixed number of segments, got input_shape=\(None, 3\)"):
        create_model("snippet_lstm", (None, 3), 3)


@pytest.mark.parametrize(
    ("member", "arguments"),
    [
        ("stabilised_lstm", {"units": 4}),
        ("fully_connected", {"units": [4]}),
        ("conv_in_time", {"filters": 4, "units": 4, "conv_layers": 1}),
        ("statistics_mlp", {"units": [4]}),
    ],
)
def test_experts_are_models_of_their_own_on_their_own_snippets(member, arguments):
    """14 segments in 3 snippets: 5, 5, 4."""
    model = ensemble(14, member=member, member_arguments=arguments, snippets=3)
    song = np.random.default_rng(4).standard_normal((2, 14, 3)).astype("float32")
    song[1, 8:] = np.nan
    outputs = arrays(model(song))
    for number, (start, stop) in enumerate([(0, 5), (5, 10)], start=1):
        alone = create_model(member, (stop - start, 3), 3, **arguments)
        alone.set_weights(model.get_layer(f"member_{number}").get_weights())
        assert_allclose(outputs[f"expert_{number}"], np.asarray(alone(song[:, start:stop])), atol=1e-6)
    first, second = (model.get_layer(f"member_{number}").get_layer("logits").kernel for number in (1, 2))
    assert not np.array_equal(np.asarray(first), np.asarray(second))
    assert len({weight.path for weight in model.weights}) == len(model.weights)


def test_the_ensemble_of_stabilised_lstms_is_the_other_builder():
    arguments = {"units": 4, "beta": 3.0}
    other = create_model("snippet_lstm", (12, 3), 3, **arguments)
    model = ensemble(member="stabilised_lstm", member_arguments=arguments)
    for number in (1, 2, 3, 4):
        weights = model.get_layer(f"member_{number}").get_weights()
        other.get_layer(f"lstm_{number}").set_weights(weights[:-2])
        other.get_layer(f"readout_{number}").set_weights(weights[-2:])
    song = np.random.default_rng(4).standard_normal((2, 12, 3)).astype("float32")
    song[1, 5:] = np.nan
    found, expected = arrays(model(song)), arrays(other(song))
    for name, output in expected.items():
        assert_allclose(found[name], output, atol=1e-6)
    assert float(sum(model.losses)) == pytest.approx(float(sum(other.losses)), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"member": "snippet_lstm", "snippets": 2}, "member must be a model with one output, but 'snippet_lstm' has"),
        ({"member_arguments": {"classifier_activation": "softmax"}}, "member must return logits"),
        ({"member": "conv_in_time", "snippets": 4}, "songs of 3 segments are too short"),
        ({"snippets": 13}, "songs of 12 segments cannot be cut into 13 snippets"),
    ],
)
def test_members_that_do_not_fit_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        ensemble(**arguments)


def test_unknown_member_suggests_near_names():
    with pytest.raises(UnknownNameError, match="unknown model 'lsmt'. Did you mean 'lstm'"):
        ensemble(member="lsmt")
    with pytest.raises(UnknownNameError, match="unknown argument of model 'lstm' 'unit'. Did you mean 'units'"):
        ensemble(member_arguments={"unit": 3})
