from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest
from toys import make_songs

import genrezoo as gz
from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import evaluate
from genrezoo.models import create_model
from genrezoo.songs import default_split
from genrezoo.training import forward
from genrezoo.training.kernel_ridge import KernelRidgeSettings, kernel_ridge, rescaled, solutions

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3))
KERNEL = np.exp(-((X[:, None] - X[None]) ** 2).mean(axis=2))
TARGETS = 2 * np.eye(2)[np.arange(20) % 2] - 1


def test_with_all_songs_as_centres_it_is_kernel_ridge_regression():
    mean = TARGETS.mean(axis=0)
    for penalty, (weights, bias) in zip((0.1, 3.0), solutions(KERNEL, np.arange(20), TARGETS, (0.1, 3.0)), strict=True):
        by_hand = np.linalg.solve(KERNEL + penalty * np.eye(20), TARGETS - mean)
        np.testing.assert_allclose(KERNEL @ weights + bias, KERNEL @ by_hand + mean, atol=1e-4)


def test_with_some_songs_as_centres_it_solves_the_penalised_normal_equations():
    centres = np.array([2, 5, 11, 17])
    known, among = KERNEL[:, centres], KERNEL[np.ix_(centres, centres)]
    ((weights, bias),) = solutions(known, centres, TARGETS, (0.5,))
    by_hand = np.linalg.solve(known.T @ known + 0.5 * among, known.T @ (TARGETS - bias))
    np.testing.assert_allclose(weights, by_hand, atol=1e-6)


def test_two_equal_centres_are_no_obstacle():
    twice = np.concatenate([np.arange(20), [3]])
    both = KERNEL[np.ix_(twice, twice)]
    ((weights, bias),) = solutions(both, np.arange(21), TARGETS[twice], (0.1,))
    by_hand = np.linalg.solve(both + 0.1 * np.eye(21), TARGETS[twice] - bias)
    np.testing.assert_allclose(both @ weights, both @ by_hand, atol=1e-5)


@pytest.mark.parametrize("features", ["one", "equal"])
def test_many_songs_that_hardly_differ_are_no_obstacle(features):
    """The similarities of float32 have eigenvalues below 0."""
    x = RNG.normal(size=(300, 1)) if features == "one" else np.zeros((300, 3))
    similar = np.exp(-((x[:, None] - x[None]) ** 2).mean(axis=2)).astype("float32")
    similar += 2e-6 * RNG.normal(size=similar.shape).astype("float32")
    y = np.where(x[:, :1] > 0, 1.0, -1.0)
    ((weights, bias),) = solutions(similar, np.arange(300), y, (0.01,))
    assert np.isfinite(weights).all()
    assert ((similar @ weights + bias > 0) == (y > 0)).mean() > 0.95


def fitted_to(songs, centres, **settings):
    model = create_model("rbf_network", songs.x.shape[1:], songs.num_classes, centres=centres)
    return kernel_ridge(model, songs, KernelRidgeSettings(**settings), seed=1).model


@pytest.mark.parametrize(("n_segments", "centres"), [(9, 500), (1, 500), (9, 25)])
def test_songs_are_told_apart_and_posteriors_are_calibrated(n_segments, centres):
    songs = make_songs(120, n_segments=n_segments)
    valid = songs.split("valid")
    logits = forward(fitted_to(songs, centres, rounds=0), valid.x)["logits"]
    assert (logits.argmax(axis=1) == valid.y).mean() > 0.5
    losses = [evaluate(logits * factor, valid.y)["log_loss"] for factor in (0.9, 1.0, 1.1)]
    assert losses[1] < min(losses[0], losses[2])


def test_validation_songs_choose_the_penalty():
    songs = make_songs(120, n_segments=1)
    valid = songs.split("valid")

    def loss(*penalties):
        return evaluate(forward(fitted_to(songs, 500, penalties=penalties), valid.x)["logits"], valid.y)["log_loss"]

    alone = [loss(penalty) for penalty in (1e-3, 1.0, 1e3)]
    assert loss(1e-3, 1.0, 1e3) == min(alone) < max(alone)


def noisy(n_songs=200):
    """Songs of two genres, which the first two of twelve features tell apart."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(n_songs, 1, 12)).astype("float32")
    y = (x[:, 0, 0] * x[:, 0, 1] > 0).astype(int)
    return default_split(gz.SongSet.from_arrays(x, y))


def test_features_that_do_not_matter_lose_their_influence():
    songs = noisy()
    valid = songs.split("valid")
    alike, scaled = (fitted_to(songs, 500, rounds=rounds) for rounds in (0, 4))
    losses = [evaluate(forward(model, valid.x)["logits"], valid.y)["log_loss"] for model in (alike, scaled)]
    assert losses[1] < 0.7 * losses[0]
    scale = np.asarray(scaled.get_layer("similarities").scale) * songs.split("train").x[:, 0].std(axis=0)
    assert scale[:2].min() > scale[2:].max()
    assert np.square(scale).mean() == pytest.approx(1, rel=1e-3)


def test_the_last_round_that_helped_is_kept():
    """With labels by chance no feature matters, and a round can do harm."""
    rng = np.random.default_rng(4)
    songs = default_split(gz.SongSet.from_arrays(rng.normal(size=(120, 1, 6)), rng.permutation(np.arange(120) % 2)))
    valid = songs.split("valid")
    losses = [
        evaluate(forward(fitted_to(songs, 500, rounds=rounds), valid.x)["logits"], valid.y)["log_loss"]
        for rounds in range(4)
    ]
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(losses))


def test_a_feature_that_never_changes_stays_without_influence():
    squares, inverse = np.array([16.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.5])
    np.testing.assert_allclose(rescaled(squares, inverse), np.array([2.0, 0.0, 0.5**0.5]) / np.sqrt((4 + 2) / 2))
    np.testing.assert_array_equal(rescaled(np.zeros(3), inverse), inverse)


def test_centres_are_training_songs_and_each_knows_itself():
    songs = make_songs(60, n_segments=1)
    model = fitted_to(songs, 500)
    train = songs.split("train")
    similar = forward(keras.Model(model.input, model.get_layer("similarities").output), train.x)["logits"]
    assert similar.shape == (train.n_songs, 500)
    np.testing.assert_allclose(np.diag(similar), 1.0, atol=1e-5)
    kernel = np.asarray(model.get_layer("logits").kernel)
    assert not kernel[train.n_songs :].any()


def test_a_run_has_as_many_centres_as_training_songs(tmp_path):
    songs = make_songs(60)
    run = gz.train("rbf_network", songs, out=tmp_path / "run")
    assert run.card.recipe.arguments["centres"] == len(songs.splits["train"])
    again = gz.load_run(tmp_path / "run")
    np.testing.assert_array_equal(again.predict(songs.x), run.predict(songs.x))
    assert gz.train("rbf_network", songs, out=tmp_path / "run").card == run.card  # it is finished, and found
    few = gz.train(gz.get_recipe("rbf_network").changed(centres=7), songs, out=tmp_path / "few")
    assert few.card.recipe.arguments["centres"] == 7


def test_models_and_features_that_cannot_be_solved_are_refused():
    songs = make_songs(30)
    with pytest.raises(
        SettingsError, match="needs radial basis functions.*'fully_connected' has 'hidden_1_activation'"
    ):
        kernel_ridge(
            create_model("fully_connected", (6, 4), 3, units=(4,), dropout=0.0), songs, KernelRidgeSettings(), seed=1
        )
    network = create_model("rbf_network", (6, 4), 3, classifier_activation="softmax")
    with pytest.raises(SettingsError, match="kernel_ridge needs an affine output layer"):
        kernel_ridge(network, songs, KernelRidgeSettings(), seed=1)
    x = songs.x.copy()
    x[0, 0] = 1e30
    huge = gz.SongSet(x=x, y=songs.y, genres=songs.genres, splits=songs.splits, provenance="random")
    with pytest.raises(DataError, match="features of some songs are not finite"):
        kernel_ridge(create_model("rbf_network", (6, 4), 3), huge, KernelRidgeSettings(), seed=1)
    for penalties in ((), (0.0,), (-1.0,)):
        with pytest.raises(ValueError, match="penalties"):
            KernelRidgeSettings(penalties=penalties)


def test_members_of_different_folds_are_asked_for_the_songs_that_they_do_not_know(tmp_path):
    """Of 80 songs in three folds one fold is smaller, and its member has a centre more."""
    songs = make_songs(100)
    recipe = gz.get_recipe("rbf_network").changed(rounds=0)  # else it is right about most songs that it does not know
    whole = gz.train(gz.bagged(recipe, folds=3), songs, out=tmp_path / "run")
    sizes = [member.recipe.arguments["centres"] for member in whole.card.recipe.members.values()]
    assert sorted(sizes) == [53, 53, 54]
    held_out = whole.predictions("out_of_fold")
    assert len(held_out["y"]) == 80
    known = whole.logits(songs.split("train")).argmax(axis=1) == songs.split("train").y
    assert (held_out["logits"].argmax(axis=1) == held_out["y"]).mean() < 0.9 * known.mean()
