"""Bagged runs: one member for each fold, and predictions of songs by the member that never saw them."""

import dataclasses

import numpy as np
import pytest
from toys import make_songs

from genrezoo.errors import SettingsError
from genrezoo.evaluation import softmax
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.recipes.bagged import bagged
from genrezoo.recipes.recipe import Member
from genrezoo.runs import load_run, train
from genrezoo.runs.predictions import stored_splits
from genrezoo.songs import fold_splits

pytestmark = pytest.mark.usefixtures("eagerly")

SMALL = get_recipe("fully_connected").changed({"units": [3], "epochs": 1, "batch_size": 32})
BAGGED = bagged(SMALL.changed(transform="signed_log"), folds=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    songs, store = make_songs(60), tmp_path_factory.mktemp("store")
    run = train(BAGGED, songs, seed=1, out=store / "bagged", store=store)
    return load_run(run.folder), songs, store


def pool_of(songs):
    return np.sort(np.concatenate([songs.splits["train"], songs.splits["valid"]]))


def members_of(trained):
    """Each member's own run, by the number of its fold."""
    run, songs, store = trained
    found = {}
    for member in run.card.recipe.members.values():
        splits = fold_splits(songs, 3, seed=1)[member.held - 1]
        part = songs.with_split(splits, songs.provenance)
        found[member.held] = load_run(store / member.recipe.run_name(songs.name, member.seed, part.checksum()))
        assert member.weights_sha256 == (found[member.held].card.weights_sha256,)
    return found


def test_a_bagged_recipe_has_a_member_for_each_fold():
    assert BAGGED.name == "bagged_fully_connected"
    assert [(member.folds, member.held) for member in BAGGED.members.values()] == [(3, 1), (3, 2), (3, 3)]
    assert not BAGGED.standardise
    changed = BAGGED.changed({"members.units": [5]})
    assert {tuple(member.recipe.arguments["units"]) for member in changed.members.values()} == {(5,)}
    grouped = bagged(SMALL.changed(features=["a"], chunks={"segments": 3, "hop": 3}), rule="product", name="own")
    assert (grouped.name, len(grouped.members), grouped.features) == ("own", 5, ("a",))
    assert grouped.chunks == grouped.members["fold_5"].recipe.chunks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tabular_ensemble", "multitask_autoencoder"])
def test_networks_with_losses_of_their_own_are_bagged(name, tmp_path):
    songs = make_songs(30)
    run = train(bagged(get_recipe(name).changed({"epochs": 1}), folds=2), songs, out=tmp_path / "a", verbose=0)
    np.testing.assert_allclose(load_run(run.folder).predict(songs.x), run.predict(songs.x), atol=1e-6)


def test_a_song_is_predicted_by_the_member_that_never_saw_it(trained):
    run, songs, _ = trained
    found = run.predictions("out_of_fold")
    assert found["ids"].tolist() == songs.ids[pool_of(songs)].tolist()
    place = {name: number for number, name in enumerate(found["ids"].tolist())}
    seen = []
    for member in members_of(trained).values():
        held = member.predictions("valid")
        rows = [place[name] for name in held["ids"].tolist()]
        np.testing.assert_allclose(softmax(found["logits"][rows]), softmax(held["logits"]), atol=1e-6)
        seen += rows
    assert sorted(seen) == list(range(48))
    valid = run.predictions("valid")
    assert valid["ids"].tolist() == songs.split("valid").ids.tolist()
    rows = [place[name] for name in valid["ids"].tolist()]
    np.testing.assert_array_equal(valid["logits"], found["logits"][rows])
    assert run.history()["valid_accuracy"] == [run.evaluate("valid")["accuracy"]]
    assert run.evaluate("out_of_fold")["accuracy"] == np.mean(found["logits"].argmax(1) == songs.y[pool_of(songs)])


def test_test_songs_are_predicted_by_the_mean_of_all_members(trained):
    run, songs, _ = trained
    test = songs.split("test")
    expected = np.mean([softmax(member.logits(test)) for member in members_of(trained).values()], axis=0)
    np.testing.assert_allclose(softmax(run.predictions("test")["logits"]), expected, atol=1e-6)
    np.testing.assert_array_equal(run.logits(test), run.predictions("test")["logits"])


def test_members_differ_in_seed_songs_and_standardisation(trained):
    found = list(members_of(trained).values())
    assert len({run.card.seed for run in found}) == len({run.folder for run in found}) == 3
    assert len({tuple(run.card.mean) for run in found}) == 3
    assert all(run.card.songs["splits"] == {"train": 32, "valid": 16, "test": 12} for run in found)


class Stop(Exception):
    pass


@pytest.mark.slow
def test_a_stopped_bagged_training_goes_on_bit_identically(trained, tmp_path):
    run, songs, _ = trained
    told = []

    def stop(member, record):
        told.append(member)
        if member == "fold_2":
            raise Stop

    with pytest.raises(Stop):
        train(BAGGED, songs, seed=1, out=tmp_path / "b", on_member=stop)
    again = train(BAGGED, songs, seed=1, out=tmp_path / "b", on_member=lambda name, record: told.append(name))
    assert told == ["fold_1", "fold_2", "fold_3"]
    for name in ("weights_sha256", "predictions_sha256"):
        assert getattr(again.card, name) == getattr(run.card, name)
    repeated = train(get_recipe(run.folder / "card.json"), songs, seed=1, out=tmp_path / "c", store=tmp_path / "d")
    assert repeated.card.weights_sha256 == run.card.weights_sha256


@pytest.mark.slow
def test_a_bagged_run_is_a_member_that_answers_out_of_fold(trained, tmp_path):
    run, songs, store = trained
    alone = train(SMALL, songs, seed=1, out=tmp_path / "alone")
    members = {"bagged": {"run": str(run.folder)}, "alone": {"run": str(alone.folder)}}
    plain = {"summary": "s", "reference": "r", "standardise": False, "procedure": "stagewise", "members": members}
    both = train(Recipe(name="both", model="ensemble", **plain), songs, seed=1, out=tmp_path / "both")
    for split in ("valid", "test"):
        one, other = (softmax(each.predictions(split)["logits"]) for each in (run, alone))
        np.testing.assert_allclose(softmax(both.predictions(split)["logits"]), (one + other) / 2, atol=1e-6)
    assert set(stored_splits(both.folder)) == {"valid", "test"}  # the other member was trained on the training songs
    twice = {**plain, "members": {"a": {"run": str(both.folder)}, "b": {"run": str(run.folder)}}}
    twice = train(Recipe(name="twice", model="ensemble", **twice), songs, seed=1, out=tmp_path / "twice")
    expected = (softmax(both.predictions("valid")["logits"]) + softmax(run.predictions("valid")["logits"])) / 2
    np.testing.assert_allclose(softmax(twice.predictions("valid")["logits"]), expected, atol=1e-6)
    assert load_run(twice.folder).logits(songs.split("test")).shape == (12, 3)
    # a combiner is trained on the answers of those that never saw the song
    combiner = Recipe(name="combiner", model="combiner", settings={"epochs": 1}, **plain)
    stacked = train(combiner, songs, seed=1, out=tmp_path / "stacked")
    assert set(stored_splits(stacked.folder)) == {"valid", "test"}
    with pytest.raises(SettingsError, match="'bagged' was trained on validation songs, so it must be frozen"):
        train(combiner.changed(freeze=["alone"]), songs, seed=1, out=tmp_path / "x")
    with pytest.raises(SettingsError, match="'bagged' are stored, so training songs cannot be augmented"):
        train(combiner.changed(noise=0.1), songs, seed=1, out=tmp_path / "y")
    with pytest.raises(SettingsError, match="by which 'supervised' would judge it"):
        train(combiner.model_copy(update={"procedure": "supervised"}), songs, seed=1, out=tmp_path / "z")


@pytest.mark.slow
def test_chunks_and_groups_of_features_are_those_of_the_whole(tmp_path):
    songs = dataclasses.replace(make_songs(60, n_segments=9), about={"feature_groups": {"a": [3, 0]}})
    part = SMALL.changed(features=["a"], chunks={"segments": 6, "hop": 3, "rule": "product"})
    run = load_run(train(bagged(part, folds=2), songs, seed=1, out=tmp_path / "p").folder)
    test = songs.split("test")
    np.testing.assert_array_equal(run.logits(test), run.predictions("test")["logits"])
    held = {}
    for folder in (tmp_path / "p" / "members").iterdir():
        stored = load_run(folder).predictions("valid")
        held |= dict(zip(stored["ids"].tolist(), stored["logits"].argmax(1), strict=True))
    found = run.predictions("out_of_fold")
    assert dict(zip(found["ids"].tolist(), found["logits"].argmax(1), strict=True)) == held


@pytest.mark.slow
def test_a_composition_is_bagged_with_its_members(tmp_path):
    songs, plain = make_songs(), {"summary": "s", "reference": "r", "members": {"original": {"recipe": SMALL}}}
    corrected = Recipe(
        name="corrected", model="correcting", arguments={"units": [3]}, procedure="stagewise",
        settings={"epochs": 1}, **plain,
    )  # fmt: skip
    run = load_run(train(bagged(corrected, folds=2), songs, seed=1, out=tmp_path / "n").folder)
    assert len(run.predictions("out_of_fold")["ids"]) == 48
    np.testing.assert_array_equal(run.logits(songs.split("test")), run.predictions("test")["logits"])
    again = train(get_recipe(run.folder / "card.json"), songs, seed=1, out=tmp_path / "o")
    assert again.card.weights_sha256 == run.card.weights_sha256


def test_what_cannot_be_bagged_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="from 2 to 100, got 1"):
        bagged("lstm", folds=1)
    with pytest.raises(SettingsError, match="member 'original' of 'correcting' is already trained"):
        bagged(get_recipe("correcting").with_runs({"original": tmp_path}))
    with pytest.raises(ValueError, match="from 1 to 3"):
        Member(recipe=SMALL, folds=3, held=4)
    songs = make_songs()
    fewer = BAGGED.model_copy(update={"members": {k: BAGGED.members[k] for k in ("fold_1", "fold_3")}})
    with pytest.raises(SettingsError, match="each of the folds has to be held out"):
        train(fewer, songs, seed=1, out=tmp_path / "a")
    for changes in ({"model": "combiner", "arguments": {}}, {"standardise": True}, {"procedure": "supervised"}):
        with pytest.raises(SettingsError, match="which is for the model 'ensemble'"):
            train(BAGGED.model_copy(update=changes), songs, seed=1, out=tmp_path / "b")
