"""Recipes that see some features only, and recipes of pictures."""

import dataclasses

import numpy as np
import pytest
from toys import make_songs

import genrezoo as gz
from genrezoo.errors import DataError, SettingsError
from genrezoo.songs import SongSet

SMALL = {"epochs": 1, "features": ["last", "first"]}


def grouped(**changes):
    about = {"feature_groups": {"first": [0, 1], "middle": [2], "last": [3]}, "feature_names": list("abcd")}
    return dataclasses.replace(make_songs(), about=about, **changes)


PART = gz.get_recipe("fully_connected").changed(SMALL)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs on both groups, and on each of them."""
    folder, seen = tmp_path_factory.mktemp("runs"), {"both": SMALL["features"], "first": ["first"], "last": ["last"]}
    return {
        name: gz.train(PART.changed({"features": groups}), grouped(), seed=1, out=folder / name)
        for name, groups in seen.items()
    }


def test_a_recipe_sees_the_groups_it_names(runs, tmp_path):
    songs, run = grouped(), runs["both"]
    assert run.card.input_shape == (6, 3)
    changed = dataclasses.replace(songs, x=songs.x + 100 * (np.arange(4) == 2))  # the feature that it does not see
    np.testing.assert_array_equal(run.logits(songs.split("test")), run.logits(changed.split("test")))
    by_hand = gz.train(
        gz.get_recipe("fully_connected").changed({"epochs": 1}), songs.select([0, 1, 3]), seed=1, out=tmp_path / "hand"
    )
    np.testing.assert_array_equal(run.predictions()["logits"], by_hand.predictions()["logits"])


def test_a_reopened_run_needs_no_groups(runs):
    run = gz.load_run(runs["both"].folder)
    test = grouped().split("test")
    assert run.predict(test.x).argmax(1).tolist() == run.predictions()["logits"].argmax(1).tolist()
    with pytest.raises(DataError, match="songs have 3 features, fully_connected was trained on songs of 4"):
        run.predict(test.x[..., :3])


def test_unknown_groups_are_refused(tmp_path):
    recipe = gz.get_recipe("fully_connected").changed({"features": ["chroma"]})
    with pytest.raises(DataError, match="no feature group is called 'chroma'; available groups: first, middle, last"):
        gz.train(recipe, grouped(), seed=1, out=tmp_path / "a")
    with pytest.raises(DataError, match="available groups: none"):
        gz.train(recipe, make_songs(), seed=1, out=tmp_path / "b")


def test_a_member_reads_no_more_than_the_whole(tmp_path):
    recipe = gz.get_recipe("linear_combiner").changed({"features": ["first"]})
    with pytest.raises(SettingsError, match="reads other groups of features than the whole, first"):
        gz.train(recipe, grouped(), seed=1, out=tmp_path)


def test_a_member_that_is_a_run_may_read_what_the_whole_reads(runs, tmp_path):
    songs = grouped()
    gz.train(PART.changed({"features": ["first"]}), songs, seed=2, out=tmp_path / "2")
    members = {"run_1": {"run": str(runs["first"].folder)}, "run_2": {"run": str(tmp_path / "2")}}
    recipe = gz.Recipe(
        name="vote",
        summary="s",
        reference="r",
        model="ensemble",
        members=members,
        procedure="stagewise",
        features=["first"],
    )
    assert gz.train(recipe, songs, seed=1, out=tmp_path / "vote").card.input_shape[-1] == 2


@pytest.mark.parametrize("whole", [None, ["last", "first"]])
def test_members_read_groups_of_their_own(runs, tmp_path, whole):
    songs = grouped()
    members = {name: {"recipe": PART.changed({"features": [name]})} for name in ("first", "last")}
    recipe = gz.Recipe(
        name="vote",
        summary="s",
        reference="r",
        model="ensemble",
        members=members,
        procedure="stagewise",
        features=whole,
    )
    run = gz.train(recipe, songs, seed=1, out=tmp_path / "vote")
    test = songs.split("test")
    alone = []
    for name in members:
        member = runs[name]
        assert member.card.weights_sha256 == run.card.recipe.members[name].weights_sha256[0]
        alone.append(member.predict(test.x))
    again = gz.load_run(tmp_path / "vote")
    np.testing.assert_allclose(again.predict(test.x), np.mean(alone, axis=0), atol=1e-5)
    np.testing.assert_array_equal(again.logits(test), run.predictions()["logits"])
    raw = np.asarray(again.model(test.padded()))
    np.testing.assert_allclose(raw, again.logits(test), atol=1e-5)


def test_selected_songs_keep_names_and_groups():
    songs = grouped().select([3, 0])
    assert songs.about["feature_names"] == ["d", "a"]
    assert songs.feature_groups() == {"first": [1], "last": [0]}
    np.testing.assert_array_equal(songs.x, grouped().x[..., [3, 0]])
    with pytest.raises(DataError, match=r"features \[4\] cannot be selected.*0 to 3"):
        grouped().select([4])


def pictures(**changes):
    generator = np.random.default_rng(0)
    y = np.arange(30) % 3
    x = generator.normal(128, 20, (30, 6, 5, 3)) + 40 * (y[:, None, None, None] - 1)
    splits = {"train": np.arange(18), "valid": np.arange(18, 24), "test": np.arange(24, 30)}
    given = {"x": x, "y": y, "genres": ("a", "b", "c"), "splits": splits, "provenance": "random", "kind": "image"}
    return SongSet(**(given | changes))


def test_pictures_have_a_shape_and_a_kind():
    songs = pictures()
    assert songs.song_shape == (6, 5, 3)
    assert songs.describe()["shape"] == [6, 5, 3]
    assert "images of 6 x 5 pixels x 3 channels" in repr(songs)
    assert songs.validate().take([1]).kind == "image"
    with pytest.raises(DataError, match=r"shape \(30, 6, 5\).*\(songs, height, width, channels\)"):
        pictures(x=songs.x[..., 0])
    with pytest.raises(DataError, match="kind 'film' is unknown"):
        pictures(kind="film")
    bad = songs.x.copy()
    bad[7, 5, 4, 2] = np.nan
    with pytest.raises(DataError, match=r"x\[7, 5, 4, 2\]: song '7' has nan"):
        pictures(x=bad).validate()


def test_pictures_are_standardised_by_channel():
    from genrezoo.songs import Standardiser

    songs = pictures(x=pictures().x * np.array([1, 2, 0]) + np.array([0, 5, 9]))
    scaled = Standardiser.fit(songs).apply(songs)
    np.testing.assert_allclose(scaled.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std((0, 1, 2)), [1, 1, 0], atol=1e-5)


def test_a_songs_folder_keeps_pictures(tmp_path):
    from genrezoo.datasets.arrays import load_arrays
    from genrezoo.songs.storage import save_songs

    songs = pictures()
    again = load_arrays(save_songs(songs, tmp_path / "songs"))
    assert again.kind == "image"
    assert again.checksum() == songs.checksum()


def test_models_refuse_songs_of_the_other_kind(tmp_path):
    with pytest.raises(DataError, match="fully_connected reads songs of segments, these are images of shape"):
        gz.train("fully_connected", pictures(), seed=1, out=tmp_path)
