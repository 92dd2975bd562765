from __future__ import annotations

import numpy as np
import pytest
from toys import make_songs

from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import evaluate
from genrezoo.models import create_model
from genrezoo.training import forward
from genrezoo.training.ridge import RidgeSettings, ridge, solve

X = np.random.default_rng(0).normal(3.0, 5.0, (30, 4))
Y = np.arange(30) % 3


def by_hand(x, targets, penalty):
    """The penalised normal equations of standardised features, and the leave-one-out errors, song by song."""

    def fit(x, targets):
        centred, means = x - x.mean(axis=0), targets.mean(axis=0)
        kernel = np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (targets - means))
        return kernel, means - x.mean(axis=0) @ kernel

    kernel, bias = fit(x, targets)
    errors = []
    for song in range(len(x)):
        rest = np.arange(len(x)) != song
        without, shift = fit(x[rest], targets[rest])
        errors.append((x[song] @ without + shift - targets[song]) ** 2)
    return kernel, bias, np.mean(errors)


def test_the_penalty_has_the_least_leave_one_out_error_of_the_grid():
    scaled, targets = (X - X.mean(axis=0)) / X.std(axis=0), 2 * np.eye(3)[Y] - 1
    penalties = (0.1, 3.0, 40.0, 1000.0)
    found = [by_hand(scaled, targets, penalty) for penalty in penalties]
    best = int(np.argmin([error for *_, error in found]))
    kernel, bias = solve(X, Y, 3, penalties)
    np.testing.assert_allclose(X @ kernel + bias, scaled @ found[best][0] + found[best][1], atol=1e-8)
    assert best > 0


def test_features_that_never_change_have_no_weight():
    x = np.concatenate([X, np.full((30, 1), 1e4 + 1e-7)], axis=1)
    kernel, bias = solve(x, Y, 3, (1.0,))
    assert kernel[-1].tolist() == [0.0] * 3
    np.testing.assert_allclose(x @ kernel + bias, X @ solve(X, Y, 3, (1.0,))[0] + solve(X, Y, 3, (1.0,))[1], atol=1e-8)


@pytest.mark.parametrize("n_segments", [9, 1])
def test_songs_are_told_apart_and_posteriors_are_calibrated(n_segments):
    songs = make_songs(120, n_segments=n_segments)
    fitted = ridge(create_model("rocket", songs.x.shape[1:], 3, kernels=40), songs, RidgeSettings(), seed=1)
    valid = songs.split("valid")
    logits = forward(fitted.model, valid.x)["logits"]
    assert (logits.argmax(axis=1) == valid.y).mean() > 0.6
    losses = [evaluate(logits * factor, valid.y)["log_loss"] for factor in (0.9, 1.0, 1.1)]
    assert losses[1] < min(losses[0], losses[2])


def test_only_the_output_changes():
    network, songs = create_model("fully_connected", (6, 4), 3, seed=1, units=(5,)), make_songs(30)
    before = [np.asarray(weight).copy() for weight in network.weights]
    ridge(network, songs, RidgeSettings(penalties=(1.0,)), seed=1)
    same = [np.array_equal(old, np.asarray(new)) for old, new in zip(before, network.weights, strict=True)]
    assert same == [True, True, False, False]


def test_models_and_features_that_cannot_be_solved_are_refused():
    songs = make_songs(30)
    for model, kind in (
        (create_model("mlp", (6, 4), 3, units=(4,)), "'mlp' is a BatchNormalization"),
        (create_model("fully_connected", (6, 4), 3, units=(4,), classifier_activation="softmax"), "is a Dense of"),
    ):
        with pytest.raises(SettingsError, match=f"{kind}.*choose a model without"):
            ridge(model, songs, RidgeSettings(), seed=1)
    model = create_model("fully_connected", (6, 4), 3, units=(4,))
    model.get_layer("hidden_1").bias.assign(np.full(4, np.inf))
    with pytest.raises(DataError, match="features of some songs are not finite"):
        ridge(model, songs, RidgeSettings(), seed=1)
    for penalties in ((), (0.0,), (-1.0,)):
        with pytest.raises(ValueError, match="penalties"):
            RidgeSettings(penalties=penalties)
