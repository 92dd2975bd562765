"""Rules over frozen members; nothing to train."""

from __future__ import annotations

import numpy as np
import pytest

from genrezoo.composition.ensemble import build_ensemble
from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.evaluation import softmax
from genrezoo.models import create_model
from genrezoo.rules import aggregate_logits

SHAPE, CLASSES = (6, 4), 3
SONGS = np.random.default_rng(0).standard_normal((5, *SHAPE)).astype("float32")
MEMBERS = {f"seed_{seed}": create_model("lstm", (None, 4), CLASSES, seed=seed, units=3) for seed in (1, 2, 3)}


def test_mean_is_the_mean_of_the_posteriors():
    model = build_ensemble(MEMBERS, SHAPE, CLASSES)
    expected = np.mean([softmax(np.asarray(each(SONGS))) for each in MEMBERS.values()], axis=0)
    np.testing.assert_allclose(np.exp(np.asarray(model(SONGS))), expected, atol=1e-6)


def test_product_is_that_of_the_stored_predictions():
    model = build_ensemble(MEMBERS, SHAPE, CLASSES, rule="product")
    stored = [np.asarray(each(SONGS)) for each in MEMBERS.values()]
    np.testing.assert_allclose(np.asarray(model(SONGS)), aggregate_logits(stored, rule="product"), atol=1e-5)


def test_there_is_nothing_to_train_and_the_head_says_so():
    model = build_ensemble(MEMBERS, (None, 4), CLASSES)
    assert model.trainable_weights == []
    assert model.losses == []
    assert model.get_layer("logits").weight == 0.0


def test_unknown_rule_is_refused():
    with pytest.raises(UnknownNameError, match="unknown rule 'loudest'. Known: mean"):
        build_ensemble(MEMBERS, SHAPE, CLASSES, rule="loudest")


WEIGHTS = {"seed_2": 1, "seed_1": 3, "seed_3": 0}


def test_weights_go_to_the_members_of_their_names_and_are_normalised():
    model = build_ensemble(MEMBERS, SHAPE, CLASSES, weights=WEIGHTS)
    first, second, _ = (softmax(np.asarray(each(SONGS))) for each in MEMBERS.values())
    np.testing.assert_allclose(np.exp(np.asarray(model(SONGS))), 0.75 * first + 0.25 * second, atol=1e-6)
    again = type(model).from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(np.asarray(again(SONGS)), np.asarray(model(SONGS)))


def test_a_weighted_product_is_the_geometric_mean():
    model = build_ensemble(MEMBERS, SHAPE, CLASSES, rule="product", weights=WEIGHTS)
    first, second, _ = (softmax(np.asarray(each(SONGS))) for each in MEMBERS.values())
    expected = first**0.75 * second**0.25
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(np.asarray(model(SONGS))), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ({"seed_1": 1, "seed_2": 1}, SettingsError, "'seed_3' has no weight"),
        ({**WEIGHTS, "seed_4": 1}, UnknownNameError, "unknown member 'seed_4'"),
        ({**WEIGHTS, "seed_3": -1}, SettingsError, "of at least 0"),
        ({**WEIGHTS, "seed_3": "much"}, SettingsError, "of at least 0"),
        (dict.fromkeys(MEMBERS, 0.0), SettingsError, "not all of them 0"),
        ([1, 2, 3], SettingsError, "by member"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, error, message):
    with pytest.raises(error, match=message):
        build_ensemble(MEMBERS, SHAPE, CLASSES, weights=weights)
