import dataclasses

import numpy as np
import pytest
from toys import make_songs

import genrezoo as gz
from genrezoo.errors import DataError, SettingsError
from genrezoo.runs.importance import permutation_importance

GROUPS = {"told": [0], "noise": [1, 2, 3]}  # the genres of these songs differ in feature 0 alone


@pytest.fixture(scope="module")
def songs():
    return dataclasses.replace(make_songs(240), about={"feature_groups": GROUPS, "feature_names": list("abcd")})


@pytest.fixture(scope="module")
def run(songs, tmp_path_factory):
    recipe = gz.get_recipe("fully_connected").changed({"epochs": 15, "learning_rate": 0.01})
    return gz.train(recipe, songs, seed=1, out=tmp_path_factory.mktemp("run"))


def test_only_the_group_that_tells_is_important(run, songs):
    found = permutation_importance(run, songs.split("test"), repeats=5, seed=1)
    told, noise = found.groups.index("told"), found.groups.index("noise")
    assert found.recall[0] > 0.8
    assert found.lost[told, 0] > 0.3
    assert found.low[told, 0] > 0.15
    assert found.low[noise, 0] <= 0.05
    assert abs(found.lost[noise, 0]) < 0.15
    assert (found.low <= found.lost + 1e-12).all()
    assert (found.high >= found.lost - 1e-12).all()


def test_the_share_of_all_songs_is_the_mean_over_genres_weighted_by_songs(run, songs):
    found = permutation_importance(run, songs.split("test"), repeats=2, seed=3)
    weights = found.songs[1:] / found.songs[0]
    np.testing.assert_allclose(found.lost[:, 1:] @ weights, found.lost[:, 0])
    assert found.genres == ("all", *songs.genres)


def test_the_same_seed_gives_the_same_figures(run, songs):
    one, other = (permutation_importance(run, songs.split("test"), repeats=1, seed=2) for _ in range(2))
    np.testing.assert_array_equal(one.lost, other.lost)
    np.testing.assert_array_equal(one.low, other.low)


def test_what_cannot_be_measured_is_refused(run, songs):
    test = songs.split("test")
    with pytest.raises(DataError, match="have no feature groups"):
        permutation_importance(run, dataclasses.replace(test, about={}), seed=1)
    with pytest.raises(SettingsError, match="repeats must be at least 1, got 0"):
        permutation_importance(run, test, repeats=0, seed=1)
    with pytest.raises(DataError, match="genres are"):
        permutation_importance(run, dataclasses.replace(test, genres=("a", "b", "c")), seed=1)


def test_a_genre_without_songs_is_left_out(run, songs):
    test = songs.split("test")
    found = permutation_importance(run, test.take(test.y != 1), repeats=1, seed=1)
    assert found.genres == ("all", "genre0", "genre2")
    assert np.isfinite(found.lost).all()
