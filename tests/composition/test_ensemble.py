"""Rules over frozen members; nothing to train."""

from __future__ import annotations

import numpy as np
import pytest

from genrezoo.composition.ensemble import build_ensemble
from genrezoo.errors import UnknownNameError
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
