"""The weighted mean of the members' posteriors, by hand, and that its training leaves the members alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.layers import WeightedAggregate
from genrezoo.rules import aggregate_logits

EXPERTS = [np.log([[9.0, 1.0], [1.0, 1.0]]).astype("float32"), np.log([[1.0, 4.0], [1.0, 3.0]]).astype("float32")]


def rule(scores=(0.0, 0.0), hidden=None, output=None, **options):
    """A rule of two members and two genres that gives the members these scores whatever they say, if not told other."""
    layer = WeightedAggregate(**options)
    layer(EXPERTS)
    size, members = 4, 2
    layer.set_weights(
        [
            np.eye(size) if hidden is None else hidden,
            np.zeros(size),
            np.zeros((size, members)) if output is None else output,
            np.array(scores, "float32"),
        ]
    )
    return layer


def posteriors(layer, experts=EXPERTS, real=None):
    return np.exp(np.asarray(layer(experts, real=real)))


def test_weights_are_the_softmax_of_the_scores():
    """Scores log 3 and 0 weigh the members 3 to 1: 0.75 (0.9, 0.1) + 0.25 (0.2, 0.8), and so on."""
    found = posteriors(rule(scores=(np.log(3), 0)))
    np.testing.assert_allclose(found, [[0.725, 0.275], [0.4375, 0.5625]], atol=1e-6)


def test_equal_scores_give_the_mean():
    np.testing.assert_allclose(posteriors(rule()), np.exp(aggregate_logits(EXPERTS, rule="mean")), atol=1e-6)


def test_the_network_sees_all_posteriors_and_is_linear():
    """The first member's score is 2 * (its posterior of genre 1) through two linear layers, the second's is zero."""
    hidden, output = 2 * np.eye(4), np.zeros((4, 2))
    output[0, 0] = 1.0
    found = posteriors(rule(hidden=hidden, output=output))
    weight = np.exp(2 * 0.9) / (1 + np.exp(2 * 0.9))
    assert found[0, 0] == pytest.approx(weight * 0.9 + (1 - weight) * 0.2, abs=1e-6)


def test_hidden_units_are_as_many_as_inputs_and_matrices_are_penalised():
    layer = WeightedAggregate(l2=0.5)
    layer([np.zeros((2, 3), "float32")] * 4)
    assert [weight.shape for weight in layer.weights] == [(12, 12), (12,), (12, 4), (4,)]
    expected = sum(0.5 * np.square(np.asarray(matrix)).sum() for matrix in layer.weights[::2])
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)


def test_members_left_out_neither_vote_nor_steer():
    layer, generator = WeightedAggregate(), np.random.default_rng(0)
    experts = [generator.standard_normal((2, 2)).astype("float32") for _ in range(3)]
    layer(experts)
    layer.set_weights([generator.standard_normal(weight.shape) for weight in layer.weights])
    real = np.array([[True, False, True], [True, True, True]])
    other = [experts[0], experts[1] + np.array([[0, 50], [0, 0]], "float32"), experts[2]]
    np.testing.assert_array_equal(posteriors(layer, experts, real), posteriors(layer, other, real))
    assert not np.allclose(posteriors(layer, experts), posteriors(layer, other), atol=1e-3)
    one, nobody = np.array([[False, False, True]] * 2), np.zeros((2, 3), bool)
    np.testing.assert_allclose(
        posteriors(layer, experts, one), np.exp(aggregate_logits(experts[2:], rule="mean")), atol=1e-6
    )
    np.testing.assert_allclose(posteriors(layer, experts, nobody), 0.5, atol=1e-6)


def test_training_moves_the_weights_and_not_the_members():
    """Members of one constant each: their own weights get no gradient, and the better one wins the weight."""
    inputs = keras.Input((1,))
    good, bad = (keras.layers.Dense(2, name=name) for name in ("good", "bad"))
    model = keras.Model(inputs, WeightedAggregate(l2=0.0, name="rule")([good(inputs), bad(inputs)]))
    good.set_weights([np.zeros((1, 2)), np.array([3.0, 0.0])])
    bad.set_weights([np.zeros((1, 2)), np.array([0.0, 3.0])])
    before = [weight.numpy() for layer in (good, bad) for weight in layer.weights]
    songs, labels = np.ones((8, 1), "float32"), np.zeros(8, "int64")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        start = model.train_on_batch(songs, labels)
    for _ in range(30):
        end = model.train_on_batch(songs, labels)
    assert end < 0.8 * start
    for old, weight in zip(before, (weight for layer in (good, bad) for weight in layer.weights), strict=True):
        np.testing.assert_array_equal(old, np.asarray(weight))


@pytest.mark.parametrize("l2", [-1.0, float("nan")])
def test_penalty_out_of_range_is_refused(l2):
    with pytest.raises(SettingsError, match=f"l2 must be a finite number of at least 0, got {l2}"):
        WeightedAggregate(l2)
