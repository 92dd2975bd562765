import dataclasses

import numpy as np
import pytest
from here_executor import HereExecutor
from toys import make_songs

from genrezoo import files, parallel
from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import softmax
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.rules import aggregate_logits
from genrezoo.runs import load_run, out_of_fold, train

SMALL = get_recipe("fully_connected").changed({"units": [6], "epochs": 2, "batch_size": 16})
OTHER = SMALL.model_copy(update={"name": "other", "arguments": {"units": [4]}})


def composed(model="combiner", **changes):
    given = {"members": {"a": {"recipe": SMALL}, "b": {"recipe": OTHER}}, "procedure": "stagewise", **changes}
    return Recipe(name="composed", summary="s", reference="r", model=model, settings={"epochs": 2}, **given)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    songs, store = make_songs(90), tmp_path_factory.mktemp("store")
    return train(composed(), songs, seed=1, out=store / "c", store=store), songs, store


@pytest.mark.slow
def test_a_composition_is_one_run_that_names_its_members(trained):
    run, songs, store = trained
    again = load_run(run.folder)
    np.testing.assert_array_equal(again.logits(songs.split("test")), run.predictions("test")["logits"])
    for name, recipe in (("a", SMALL), ("b", OTHER)):
        alone = load_run(store / recipe.run_name(songs.name, 1, songs.checksum()))
        member = again.card.recipe.members[name]
        assert (member.recipe, member.seed) == (recipe, 1)
        assert member.weights_sha256 == (alone.card.weights_sha256,)
    assert run.card.members_seconds > 0
    assert run.card.parameters > 0


def test_a_member_is_the_training_of_its_own_recipe(trained, tmp_path):
    _, songs, store = trained
    alone = train(SMALL, songs, seed=1, out=tmp_path / "alone")
    member = load_run(store / SMALL.run_name(songs.name, 1, songs.checksum()))
    assert alone.card.weights_sha256 == member.card.weights_sha256


def test_members_that_are_there_are_not_trained_again(trained, monkeypatch):
    run, songs, store = trained
    told = []
    train(composed("ensemble"), songs, seed=1, out=store / "e", store=store, on_member=lambda *what: told.append(what))
    assert told == []


def test_a_finished_run_may_be_a_member_and_gives_the_same(trained, tmp_path):
    run, songs, store = trained
    paths = {name: str(store / r.run_name(songs.name, 1, songs.checksum())) for name, r in (("a", SMALL), ("b", OTHER))}
    given = train(composed().with_runs(paths), songs, seed=1, out=tmp_path / "given")
    np.testing.assert_array_equal(given.predictions("test")["logits"], run.predictions("test")["logits"])
    assert given.card.recipe == run.card.recipe
    assert load_run(given.folder).model.count_params() == run.card.parameters


@pytest.mark.slow
def test_members_with_one_recipe_get_seeds_of_their_own(tmp_path):
    songs = make_songs()
    members = {f"member_{number}": {"recipe": SMALL} for number in (1, 2, 3)}
    run = train(composed("ensemble", members=members), songs, seed=5, out=tmp_path / "e")
    found = run.card.recipe.members.values()
    assert len({member.seed for member in found}) == len({member.weights_sha256 for member in found}) == 3
    assert run.card.recipe.members["member_1"].seed == 5
    stored = [load_run(path) for path in sorted((tmp_path / "e" / "members").iterdir())]
    logits = [member.logits(songs.split("test")) for member in stored]
    expected = aggregate_logits(logits, rule="mean")
    np.testing.assert_allclose(softmax(run.predictions("test")["logits"]), softmax(expected), atol=1e-6)
    assert run.card.epochs == 1  # there was nothing to train


def test_another_run_or_other_songs_are_refused(trained, tmp_path):
    _, songs, store = trained
    path = str(store / SMALL.run_name(songs.name, 1, songs.checksum()))
    recipe = composed().with_runs({"a": path})
    wrong = recipe.model_copy(
        update={
            "members": {**recipe.members, "a": recipe.members["a"].model_copy(update={"weights_sha256": ("0" * 64,)})}
        }
    )
    with pytest.raises(DataError, match="member 'a' has sha256"):
        train(wrong, songs, seed=1, out=tmp_path / "x")
    with pytest.raises(DataError, match="another shape or standardisation"):
        train(recipe, make_songs(90, seed=4), seed=1, out=tmp_path / "y")
    with pytest.raises(DataError, match="was trained on the genres"):
        train(recipe, make_songs(90, num_classes=2), seed=1, out=tmp_path / "z")


def test_a_refused_composition_trains_nothing_and_leaves_nothing(tmp_path):
    with pytest.raises(SettingsError, match="freeze"):
        train(composed(arguments={"freeze": ["c"]}), make_songs(), seed=1, out=tmp_path / "c")
    assert [path.name for path in (tmp_path / "c").iterdir()] == [".lock"]


class Stop(Exception):
    pass


def test_a_stopped_composition_goes_on_where_it_was(trained, tmp_path):
    run, songs, _ = trained
    told = []

    def stop(member, record):
        told.append((member, record["epoch"]))
        if member == "b":
            raise Stop

    with pytest.raises(Stop):
        train(composed(), songs, seed=1, out=tmp_path / "c", on_member=stop)
    again = []
    resumed = train(
        composed(),
        songs,
        seed=1,
        out=tmp_path / "c",
        on_member=lambda name, record: again.append((name, record["epoch"])),
    )
    assert told == [("a", 1), ("a", 2), ("b", 1)]
    assert again == [("b", 2)]
    assert resumed.card.weights_sha256 == run.card.weights_sha256


@pytest.mark.slow
def test_fresh_members_are_trained_by_the_composition(tmp_path):
    songs = make_songs()
    members = {"a": {"recipe": SMALL}, "b": {"recipe": OTHER, "fresh": True}}
    run = train(composed(members=members, arguments={"freeze": ["a"]}), songs, seed=1, out=tmp_path / "c")
    assert len(list((tmp_path / "c" / "members").iterdir())) == 1
    assert run.card.recipe.members["b"].weights_sha256 == ()
    again = load_run(run.folder)
    np.testing.assert_array_equal(again.logits(songs.split("test")), run.predictions("test")["logits"])


@pytest.mark.slow
def test_chunks_answer_as_one_song(tmp_path):
    songs = make_songs(60, n_segments=9)
    recipe = SMALL.changed({"chunks": {"segments": 6, "hop": 3, "rule": "product"}})
    run = train(recipe, songs, seed=1, out=tmp_path / "p")
    assert run.card.input_shape == (6, 4)
    test = songs.split("test")
    chunks = [test.x[:, start : start + 6] for start in (0, 3)]
    plain = train(SMALL, make_songs(60), seed=1, out=tmp_path / "q")  # only for its way to predict
    plain.network.set_weights(run.network.get_weights())
    plain.preprocessing = dataclasses.replace(run.preprocessing, chunks=None)
    by_hand = aggregate_logits([np.log(plain.predict(chunk)) for chunk in chunks], rule="product")
    np.testing.assert_allclose(softmax(run.predictions("test")["logits"]), softmax(by_hand), atol=1e-5)
    longer = make_songs(20, n_segments=14)
    assert run.logits(longer).shape == (20, 3)


FOLDED = SMALL.changed({"epochs": 1})


@pytest.fixture(params=["in this process", pytest.param("in processes", marks=pytest.mark.slow)])
def executor(request, monkeypatch):
    if request.param == "in this process":
        monkeypatch.setattr(parallel, "ProcessExecutor", HereExecutor)


def test_each_song_gets_one_logit_vector_from_a_model_that_never_saw_it(executor, tmp_path):
    songs = make_songs(61)
    result = out_of_fold(FOLDED, songs, n_folds=2, seed=1, out=tmp_path / "f", workers=2)
    pool = np.concatenate([songs.splits["train"], songs.splits["valid"]])
    assert sorted(result.ids.tolist()) == sorted(songs.ids[pool].tolist())
    for number in range(2):
        run = load_run(tmp_path / "f" / f"fold-{number + 1:02d}")
        held = set(result.ids[result.fold == number].tolist())
        assert run.card.songs["splits"]["train"] == len(pool) - len(held)
        assert set(run.predictions("valid")["ids"].tolist()) == held
        one = result.ids[result.fold == number][0]
        found = run.logits(songs.take(songs.ids == one))
        np.testing.assert_allclose(found, result.logits[result.ids == one], atol=1e-6)
    ordered = result.for_songs(songs)
    assert np.isnan(ordered[songs.splits["test"]]).all()
    assert np.isfinite(ordered[pool]).all()
    with np.load(tmp_path / "f" / "out_of_fold.npz") as stored:
        np.testing.assert_array_equal(stored["logits"], result.logits)
    before = files.sha256_of(tmp_path / "f" / "fold-01" / "card.json")
    again = out_of_fold(FOLDED, songs, n_folds=2, seed=1, out=tmp_path / "f", workers=2)  # kept, not trained again
    np.testing.assert_array_equal(again.logits, result.logits)
    assert files.sha256_of(tmp_path / "f" / "fold-01" / "card.json") == before


@pytest.mark.slow
def test_groups_stay_in_one_fold(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "ProcessExecutor", HereExecutor)
    songs = make_songs(60)
    plain = songs.splits
    groups = np.array(["?"] * 60, dtype="<U12")
    for split, index in plain.items():  # two songs of one genre to a group, within a side of the split
        for genre in range(3):
            for number, song in enumerate(index[songs.y[index] == genre]):
                groups[song] = f"{split}{genre}-{number // 2}"
    songs = dataclasses.replace(songs, groups=groups)
    result = out_of_fold(FOLDED, songs, n_folds=2, seed=1, out=tmp_path / "f", workers=2)
    fold_of = {}
    for name, fold in zip(result.ids.tolist(), result.fold, strict=True):
        group = groups[songs.ids.tolist().index(name)]
        assert fold_of.setdefault(group, fold) == fold


def test_stored_logits_teach_and_must_name_the_songs(tmp_path):
    songs = make_songs()
    taught = Recipe(
        name="taught", summary="s", reference="r", model="fully_connected", arguments={"units": [6]},
        procedure="distillation", settings={"epochs": 1}, members={"teacher": {"logits": str(tmp_path / "t.npz")}},
    )  # fmt: skip
    with pytest.raises(DataError, match="no such file"):
        train(taught, songs, seed=1, out=tmp_path / "a")
    logits = np.eye(3, dtype=np.float32)[songs.y]
    files.write_npz(tmp_path / "t.npz", {"ids": songs.ids, "logits": logits})
    run = train(taught, songs, seed=1, out=tmp_path / "a")
    assert run.card.recipe.members["teacher"].weights_sha256 == (files.sha256_of(tmp_path / "t.npz"),)
    assert load_run(run.folder).logits(songs.split("test")).shape == (12, 3)  # the file may be gone by then
    files.write_npz(tmp_path / "t.npz", {"ids": songs.ids[:5], "logits": logits[:5]})
    with pytest.raises(DataError, match="no logits of song"):
        train(taught, songs, seed=1, out=tmp_path / "b")
    files.write_npz(tmp_path / "t.npz", {"ids": songs.ids, "logits": logits[:, :2]})
    with pytest.raises(DataError, match="have shape"):
        train(taught, songs, seed=1, out=tmp_path / "c")


def test_a_teacher_is_a_run_or_folds(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "ProcessExecutor", HereExecutor)
    songs = make_songs()
    taught = Recipe(
        name="taught", summary="s", reference="r", model="fully_connected", arguments={"units": [6]},
        procedure="distillation", settings={"epochs": 1}, members={"teacher": {"recipe": FOLDED, "folds": 2}},
    )  # fmt: skip
    run = train(taught, songs, seed=1, out=tmp_path / "a")
    assert len(run.card.recipe.members["teacher"].weights_sha256) == 2
    (folds,) = (tmp_path / "a" / "members").iterdir()
    with np.load(folds / "out_of_fold.npz") as stored:  # nothing that the student is told comes from validation songs
        assert sorted(stored["ids"].tolist()) == sorted(songs.split("train").ids.tolist())
    for fold in folds.glob("fold-*"):
        card = load_run(fold).card
        assert card.songs["splits"]["train"] + card.songs["splits"]["valid"] == len(songs.splits["train"])
    with pytest.raises(SettingsError, match="needs a member 'teacher'"):
        train(taught.model_copy(update={"members": {}}), songs, seed=1, out=tmp_path / "b")
