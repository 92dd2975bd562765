import functools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from toys import make_songs

from genrezoo.benchmarking.baselines import BASELINES, TITLES, fit_baseline, flatten, statistics
from genrezoo.benchmarking.tuned_baselines import ALL_BASELINES
from genrezoo.errors import DataError

pytestmark = pytest.mark.usefixtures("one_thread")

NAN = np.nan
SONGS = make_songs(120)


@functools.cache
def answers_of(name, seed):
    """The log posteriors of the test songs."""
    return fit_baseline(BASELINES[name], SONGS, seed=seed).log_posterior(SONGS.split("test"))


def test_forms_by_hand():
    x = np.array([[[1.0, 10.0], [3.0, 20.0], [NAN, NAN]]])
    np.testing.assert_array_equal(flatten(x), [[1, 10, 3, 20, 0, 0]])
    np.testing.assert_array_equal(statistics(x), [[2, 15, 1, 5]])
    with pytest.raises(DataError, match="a table has one segment"):
        statistics(x[:, :1])


BOOSTED = {"hist_gradient_boosting_flat", "hist_gradient_boosting_stats"}
"""Those that take seconds."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in BOOSTED else []) for name in sorted(BASELINES)]
)
def test_every_baseline_beats_chance_and_gives_log_posteriors(name):
    logits = answers_of(name, seed=1)
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, atol=1e-4)
    assert (logits.argmax(1) == SONGS.split("test").y).mean() > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BASELINES))
def test_the_seed_matters_where_it_is_said_to(name):
    assert BASELINES[name].seeded == (not np.array_equal(answers_of(name, seed=1), answers_of(name, seed=2)))


def test_summaries_name_the_classifier_in_words():
    assert BASELINES["svm_rbf_flat"].summary == "scikit-learn's SVM with RBF kernel on all segments concatenated"
    for baseline in ALL_BASELINES.values():
        assert TITLES[baseline.name.rpartition("_")[0]] in baseline.summary


def test_decisions_are_scikit_learns_own():
    songs = make_songs(200, num_classes=4)
    train, test = songs.split("train"), songs.split("test")
    scaler = StandardScaler().fit(train.x.reshape(len(train), -1))
    forms = [scaler.transform(part.x.reshape(len(part), -1)) for part in (train, test)]
    svm = SVC(C=3.0, decision_function_shape="ovr").fit(forms[0], train.y)
    ours = fit_baseline(BASELINES["svm_rbf_flat"], songs, seed=1).log_posterior(test)
    assert (ours.argmax(1) == svm.decision_function(forms[1]).argmax(1)).all()
    linear = LogisticRegression(C=0.1, max_iter=2000).fit(forms[0], train.y)
    ours = fit_baseline(BASELINES["logistic_regression_flat"], songs, seed=1).log_posterior(test)
    np.testing.assert_allclose(ours, np.log(np.maximum(linear.predict_proba(forms[1]), 1e-6)), atol=1e-3)


@pytest.mark.parametrize("genres", [2, 4])
def test_a_temperature_needs_no_song_of_each_genre(genres):
    songs = make_songs(200, num_classes=genres)
    valid = songs.splits["valid"][songs.y[songs.splits["valid"]] > 0]  # none of the first
    songs = songs.with_split({**songs.splits, "valid": valid}, "random")
    posteriors = np.exp(fit_baseline(BASELINES["svm_rbf_flat"], songs, seed=1).log_posterior(songs.split("test")))
    assert posteriors.shape[1] == genres
    np.testing.assert_allclose(posteriors.sum(axis=1), 1, atol=1e-4)


@pytest.mark.slow
def test_test_songs_have_no_part_in_the_fit():
    songs = make_songs(120)
    x = songs.x.copy()
    x[songs.splits["test"]] = 1e6
    other = type(songs)(x=x, y=songs.y, genres=songs.genres, splits=songs.splits, provenance="random")
    valid = songs.split("valid")
    for name in ("svm_rbf_flat", "random_forest_stats"):
        one, two = (fit_baseline(BASELINES[name], given, seed=1).log_posterior(valid) for given in (songs, other))
        np.testing.assert_array_equal(one, two)
