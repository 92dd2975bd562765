"""Recipes as classifiers of scikit-learn, on features."""

import pickle
import re
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from toys import make_songs

import genrezoo as gz
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.estimators._trained import TrainedClassifier
from genrezoo.runs.fitting import Training

SMALL = {"units": [8], "batch_size": 16, "learning_rate": 0.1}
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "songs are held out and drawn in batches by their position, and a "
    "class needs two songs, so a weight of two is not a song that occurs twice",
}


def small(recipe="feature_mlp", **options):
    return gz.GenreClassifier(recipe, **{"epochs": 6, "changes": SMALL, **options})


@pytest.fixture(scope="module")
def table():
    """Two well separated classes, with labels as text."""
    generator = np.random.default_rng(1)
    y = np.arange(48) % 2
    return generator.standard_normal((48, 3)) + 3 * y[:, None], np.array(["blues", "rock"])[y]


@pytest.fixture(scope="module")
def fitted(table):
    return small().fit(*table)


def test_it_learns_and_answers_with_the_labels_that_it_was_given(fitted, table):
    X, y = table
    assert fitted.score(X, y) > 0.9
    assert fitted.classes_.tolist() == ["blues", "rock"] == list(fitted.run_.genres)
    proba, decision = fitted.predict_proba(X), fitted.decision_function(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[(decision > 0).astype(int)])
    np.testing.assert_allclose(np.log(proba[:, 1] / proba[:, 0]), decision, rtol=1e-3, atol=1e-3)


def test_its_run_is_the_training_of_the_recipe_on_the_songs_that_were_not_held_out(fitted, table):
    card = fitted.run_.card
    assert (card.recipe.name, card.seed, card.epochs, card.recipe.arguments["units"]) == ("feature_mlp", 1, 6, [8])
    assert card.songs["splits"] == {"train": 40, "valid": 8}  # 0.15 of 24 of each class
    np.testing.assert_allclose(fitted.predict_proba(table[0]), fitted.run_.predict(table[0][:, None]), rtol=1e-6)
    with pytest.raises(DataError, match="no predictions of split 'test'"):
        fitted.run_.evaluate("test")


def test_a_pickle_holds_bytes_and_answers_alike(fitted, table):
    state = fitted.__getstate__()
    assert {type(part) for part in state["run_"].values()} == {bytes}
    data = pickle.dumps(fitted)
    assert set(re.findall(rb"[a-z_.]*keras[a-z_.]*", data)) == {b"keras"}  # of the versions on the card
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.predict_proba(table[0]), fitted.predict_proba(table[0]))
    assert again.run_.folder != fitted.run_.folder


def test_a_classifier_without_its_run_folder_is_not_pickled(table, tmp_path):
    model = small(epochs=1, store=tmp_path / "runs").fit(*table)
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(DataError, match="run folder of the classifier is gone"):
        pickle.dumps(model)


def test_a_pickle_that_was_changed_is_refused(fitted):
    state = fitted.__getstate__()
    state["run_"] = {**state["run_"], "card.json": state["run_"]["card.json"].replace(b'"seed": 1', b'"seed": 2')}
    with pytest.raises(DataError, match="its digest differs"):
        gz.GenreClassifier().__setstate__(state)
    with pytest.raises(DataError, match="contains the unknown file 'x.py'"):
        gz.GenreClassifier().__setstate__({**state, "run_": {"x.py": b""}})


def test_the_temporary_folder_goes_with_the_run(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    folder = again.run_.folder
    assert folder.exists()
    del again
    assert not folder.exists()


def test_a_stored_training_is_not_repeated(table, tmp_path, monkeypatch):
    first = small(epochs=1, store=tmp_path).fit(*table)
    assert first.run_.folder.parent == tmp_path
    monkeypatch.setattr(Training, "_write", None)
    again = small(epochs=1, store=tmp_path).fit(*table)
    assert again.run_.card == first.run_.card


def test_a_search_tries_entries_of_the_changes(table, trained_on, monkeypatch):
    monkeypatch.setattr(gz.GenreClassifier, "_logits", lambda self, X: np.zeros((len(X), 2)))
    grid = GridSearchCV(make_pipeline(StandardScaler(), small()), {"genreclassifier__changes__units": [[2], [4]]}, cv=2)
    assert grid.fit(*table).best_estimator_[-1].changes["units"] == [2]
    assert len(trained_on) == 5


def test_recipes_and_changes_are_parameters():
    model = small(gz.get_recipe("feature_mlp"))
    assert clone(model).get_params() == model.get_params()
    assert model.get_params()["changes__units"] == [8]
    assert model.set_params(changes__units=[4], epochs=2).changes == {**SMALL, "units": [4]}
    assert SMALL["units"] == [8]
    assert pickle.loads(pickle.dumps(model)).recipe == gz.get_recipe("feature_mlp")
    with pytest.raises(ValueError, match="Invalid parameter 'unit'"):
        model.set_params(unit=3)


def test_songs_of_unequal_length_nan_padding_and_arrays_of_songs_are_alike():
    songs = make_songs(n_songs=24, n_segments=5, n_features=3, num_classes=2)
    lengths = np.array([5, *(np.arange(23) % 3 + 3)])
    ragged = [x[:length] for x, length in zip(songs.x, lengths, strict=True)]
    padded = np.where(np.arange(5)[None, :, None] < lengths[:, None, None], songs.x, np.nan)
    objects = np.empty(24, object)
    objects[:] = ragged
    model = small("statistics_mlp", epochs=1).fit(ragged, songs.y)
    assert model.n_features_in_ == 3
    expected = model.predict_proba(ragged)
    for same in (padded, objects):
        np.testing.assert_array_equal(model.predict_proba(same), expected)
    shorter = model.predict_proba(ragged[1:3])  # than the longest trained on
    np.testing.assert_allclose(shorter, expected[1:3], rtol=1e-5)
    with pytest.raises(DataError, match="songs have 2 features, statistics_mlp was trained on songs of 3"):
        model.predict(songs.x[:, :, :2])
    with pytest.raises(DataError, match=r"X has shape \(1, 1, 1, 1, 1\)"):
        model.predict(np.zeros((1, 1, 1, 1, 1)))


@pytest.fixture
def trained_on(monkeypatch):
    """The songs that a classifier would train on; nothing is trained."""
    given = []
    monkeypatch.setattr(TrainedClassifier, "_train", lambda self, recipe, songs: given.append(songs) or self)
    return given


def test_names_of_columns_are_known(table, trained_on):
    frame = pd.DataFrame(table[0], columns=["tempo", "loudness", "flux"])
    model = small().fit(frame, table[1])
    assert model.feature_names_in_.tolist() == ["tempo", "loudness", "flux"] == trained_on[0].about["feature_names"]
    with pytest.raises(ValueError, match="feature names should match"):
        model._logits(frame[["loudness", "tempo", "flux"]])
    assert not hasattr(model.fit(np.zeros((48, 2, 3)), table[1]), "feature_names_in_")


def test_a_song_of_weight_zero_is_left_out(table, trained_on):
    X, y = table
    weights = np.arange(48) % 3
    small().fit(X, y, sample_weight=weights, groups=np.arange(48) // 4)
    songs = trained_on[0]
    np.testing.assert_array_equal(songs.weights, weights[weights > 0])
    np.testing.assert_allclose(songs.x[:, 0], X[weights > 0], rtol=1e-6)
    assert songs.groups.tolist() == [str(song // 4) for song in np.flatnonzero(weights)]
    model = small().fit(X, np.where(weights == 0, "jazz", y), sample_weight=weights)
    assert model.classes_.tolist() == ["blues", "rock"]
    for wrong, match in ((-1, r"sample_weight\[0\]: the weight is -1"), (0, "all weights are zero")):
        with pytest.raises(DataError, match=match):
            small().fit(X, y, np.full(48, wrong))


def test_weights_of_songs_change_what_is_learnt():
    X, y = np.random.default_rng(0).normal(size=(48, 1)), np.arange(48) % 2
    weights = np.array([1.0, 9.0])[y]  # the classes cannot be told apart: the weights alone say what is likely
    changes = {"units": [2], "learning_rate": 0.3, "snapshot": "last"}
    model = small(epochs=10, changes=changes).fit(X, y, weights)
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"recipe": "lsmt"}, UnknownNameError, "Did you mean 'lstm'"),
        ({"changes": {"unit": 3}}, UnknownNameError, "Did you mean 'units'"),
        ({"changes": ["units"]}, SettingsError, "changes must be a table"),
        ({"validation_fraction": 1}, SettingsError, "fraction of validation songs"),
        ({"random_state": -1}, SettingsError, "seed must be an integer from 0"),
        (
            {"recipe": "conv_in_time", "changes": None},
            SettingsError,
            "recipes for tables are feature_mlp, fully",
        ),
        ({"recipe": "cascade", "changes": None}, UnknownNameError, "epochs"),
    ],
)
def test_what_cannot_be_is_refused(options, error, match, table):
    with pytest.raises(error, match=match):
        small(**options).fit(*table)


def test_one_class_is_refused_by_name(table):
    with pytest.raises(DataError, match="y has one class, 'blues'"):
        small().fit(table[0], ["blues"] * 48)


@pytest.mark.slow
def test_the_tools_of_scikit_learn_take_it(table):
    X, y = table
    assert cross_val_score(small(epochs=2), X, y, cv=2).shape == (2,)
    grid = GridSearchCV(small(epochs=1), {"changes__units": [[2], [4]]}, cv=2, refit=False).fit(X, y)
    assert [row["changes__units"] for row in grid.cv_results_["params"]] == [[2], [4]]
    members = [("zoo", make_pipeline(StandardScaler(), small())), ("linear", LogisticRegression())]
    assert VotingClassifier(members, voting="soft").fit(X, y).score(X, y) > 0.9


QUICK = {
    "check_no_attributes_set_in_init", "check_estimator_cloneable", "check_get_params_invariance", "check_set_params",
    "check_requires_y_none", "check_supervised_y_no_nan", "check_estimators_nan_inf",
    "check_parameters_default_constructible",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::genrezoo.GenrezooWarning")  # features that are constant in ten songs
def test_checks_of_scikit_learn_that_train_little():
    seen = set()
    for estimator, check in estimator_checks_generator(small(epochs=1, changes=None)):
        if check.func.__name__ in QUICK:
            seen.add(check.func.__name__)
            check(estimator)
    assert seen == QUICK


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::genrezoo.GenrezooWarning")
@parametrize_with_checks(
    [gz.GenreClassifier(epochs=6, changes={"learning_rate": 0.01, "batch_size": 16})],
    expected_failed_checks=lambda _: EXPECTED_TO_FAIL,
)
def test_the_checks_of_scikit_learn_pass(estimator, check, monkeypatch):
    # A check that names no tolerance gets scikit-learn's for float32 in place of float64's: networks compute in
    # float32, where a song's place in its batch may change the last digit.
    for_float32 = partial(estimator_checks.assert_allclose_dense_sparse, rtol=1e-4)
    monkeypatch.setattr(estimator_checks, "assert_allclose_dense_sparse", for_float32)
    check(estimator)
