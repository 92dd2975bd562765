from __future__ import annotations

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose

from genrezoo.errors import SettingsError
from genrezoo.layers import aggregate_logits
from genrezoo.models import create_model


def build(**arguments):
    return create_model("snippet_lstm", (10, 3), 3, seed=1, **{"units": 4, **arguments})


def songs(seed=0):
    return np.random.default_rng(seed).standard_normal((3, 10, 3)).astype("float32")


def arrays(outputs):
    return {name: np.asarray(output) for name, output in outputs.items()}


def test_it_is_the_ensemble_of_the_source():
    model = create_model("snippet_lstm", (120, 25), 10)
    assert [model.get_layer(f"lstm_{n}").units for n in (1, 2, 3, 4)] == [100] * 4
    assert [model.get_layer(f"lstm_{n}_stabiliser").beta for n in (1, 2, 3, 4)] == [100] * 4
    assert model.get_layer("rule").rule == "product"


def test_heads_say_that_experts_are_trained_and_the_vote_is_not():
    model = build()
    heads = {name: (model.get_layer(name).target, model.get_layer(name).weight) for name in model.output}
    assert heads == {"logits": ("genre", 0.0), **{f"expert_{n}": ("genre", 1.0) for n in (1, 2, 3, 4)}}


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
    everyone = [outputs[f"expert_{number}"][1:2] for number in (1, 2, 3, 4)]
    assert not np.allclose(outputs["logits"][1:2], aggregate_logits(everyone, rule=rule), atol=1e-4)


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
        ({"rule": "median"}, "rule must be one of 'mean', 'product', got 'median'"),
    ],
)
def test_options_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        build(**arguments)


def test_a_song_of_unknown_length_is_refused():
    with pytest.raises(SettingsError, match=r"fixed number of segments, got input_shape=\(None, 3\)"):
        create_model("snippet_lstm", (None, 3), 3)
