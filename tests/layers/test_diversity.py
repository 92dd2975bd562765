"""Similarity by hand, and its tie to negative correlation learning."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.evaluation import softmax
from genrezoo.layers import DiversityPenalty, similarity

LOGITS = [np.random.default_rng(seed).standard_normal((5, 4)).astype("float32") for seed in range(3)]


def test_by_hand():
    # Posteriors (.75, .25) and (.5, .5): squared distance 2 / 16, half of it 1 / 16.
    logits = [np.log([[0.75, 0.25]]).astype("float32"), np.zeros((1, 2), "float32")]
    assert float(similarity(logits)) == pytest.approx(15 / 16)


def test_is_one_minus_half_the_mean_squared_distance_of_pairs():
    p = [softmax(each) for each in LOGITS]
    distances = [((p[i] - p[j]) ** 2).sum(axis=1).mean() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert float(similarity(LOGITS)) == pytest.approx(1 - np.mean(distances) / 2, abs=1e-6)


def test_its_gradient_is_that_of_negative_correlation_learning():
    """The penalty of Liu and Yao, sum over i of (p_i - mean) * (sum over j != i of (p_j - mean)), divided by M - 1."""
    p = np.stack([softmax(each) for each in LOGITS])
    deviations = p - p.mean(axis=0)
    correlation = (deviations * (deviations.sum(axis=0) - deviations)).sum(axis=(0, 2)).mean()
    assert float(similarity(LOGITS)) == pytest.approx(1 + correlation / 2, abs=1e-6)


def test_penalty_passes_logits_on_and_pushes_them_apart():
    layer = DiversityPenalty(2.0)
    outputs = layer(LOGITS)
    for before, after in zip(LOGITS, outputs, strict=True):
        np.testing.assert_array_equal(np.asarray(after), before)
    assert float(layer.losses[0]) == pytest.approx(2 * float(similarity(LOGITS)))
    usual = DiversityPenalty()
    usual(LOGITS)
    assert float(usual.losses[0]) == pytest.approx(0.1 * float(similarity(LOGITS)))
    none = DiversityPenalty(0.0)
    none(LOGITS)
    assert none.losses == []


def test_training_on_it_alone_makes_members_differ():
    songs = keras.Input((3,))
    members = [keras.layers.Dense(2)(songs) for _ in range(2)]
    joined = DiversityPenalty(1.0)(members)
    model = keras.Model(songs, keras.layers.Rescaling(0.0)(keras.layers.Concatenate()(joined)))
    model.compile(keras.optimizers.Adam(0.1), "mse", jit_compile=False)
    x = np.random.default_rng(1).standard_normal((8, 3)).astype("float32")
    losses = [float(model.train_on_batch(x, np.zeros((8, 4)))) for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(SettingsError, match="must be a finite number of at least 0, got -1"):
        DiversityPenalty(-1)
    with pytest.raises(SettingsError, match="at least two models, got 1"):
        DiversityPenalty(1.0)(LOGITS[:1])
