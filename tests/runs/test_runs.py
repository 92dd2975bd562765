import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import keras
import numpy as np
import pytest
import safetensors.numpy
from toys import make_songs

from genrezoo import files
from genrezoo.errors import DataError, GenrezooWarning, SettingsError, UnknownNameError
from genrezoo.evaluation import evaluate, log_softmax
from genrezoo.models import create_model, register_model
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.registry import MODELS
from genrezoo.rules import aggregate_logits
from genrezoo.runs import load_run, train
from genrezoo.runs.preprocessing import Preprocessing
from genrezoo.runs.run import _digest
from genrezoo.songs import Standardiser, default_split
from genrezoo.songs.splits import hold_out
from genrezoo.songs.storage import save_songs
from genrezoo.training import forward

SMALL = get_recipe("fully_connected").changed({"units": [6], "epochs": 2, "dropout": 0.2})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    songs = make_songs()
    folder = tmp_path_factory.mktemp("runs") / "a"
    return train(SMALL, songs, seed=1, out=folder), songs, folder


def copy_of(folder, tmp_path):
    target = tmp_path / "copy"
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def edit_card(folder, **changes):
    """Edits a card as a forger would: its digest is right."""
    card = {**json.loads((folder / "card.json").read_text()), **changes}
    (folder / "card.json").write_text(json.dumps({**card, "digest": _digest(card)}))


def as_old(folder):
    """Makes a card of the first format of it, which had no checksums but that of the weights."""
    card = json.loads((folder / "card.json").read_text())
    del card["digest"], card["predictions_sha256"], card["history_sha256"]
    (folder / "card.json").write_text(json.dumps({**card, "format": 1}))


def test_the_folder_holds_what_the_design_says(trained):
    run, songs, folder = trained
    assert {file.name for file in folder.iterdir()} == {
        "card.json", "history.csv", "plan.json", "predictions.npz", "weights.safetensors", ".lock",
    }  # fmt: skip
    lines = (folder / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,seconds,learning_rate,loss,accuracy,valid_loss,valid_accuracy,valid_macro_f1"
    assert len(lines) == 3
    card = run.card
    assert card.recipe == SMALL
    assert card.songs["checksum"] == songs.checksum()
    assert card.songs["provenance"] == "random"
    assert card.environment["threads"] >= 1
    assert card.weights_sha256 == files.sha256_of(folder / "weights.safetensors")


def test_what_a_killed_write_has_left_is_no_hindrance(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".plan.json.0a1b2c3d.part").write_text("{")
    run = train(SMALL.changed({"epochs": 1}), make_songs(), seed=1, out=tmp_path / "a")
    assert not list(run.folder.glob("*.part"))


def test_a_loaded_run_predicts_the_same_bits(trained):
    run, songs, folder = trained
    test = songs.split("test")
    loaded = load_run(folder)
    np.testing.assert_array_equal(loaded.predict(test.x), run.predict(test.x))
    np.testing.assert_array_equal(loaded.logits(test), loaded.predictions("test")["logits"])
    assert loaded.predict(test.x[0]).shape == (1, 3)
    np.testing.assert_allclose(loaded.predict(test.x).sum(axis=1), 1, atol=1e-6)


def test_evaluation_from_songs_equals_evaluation_from_stored_predictions(trained):
    run, songs, _ = trained
    stored = run.evaluate("test")
    assert stored == run.evaluate("test", songs)
    predictions = run.predictions("test")
    assert list(predictions["ids"]) == list(songs.split("test").ids)
    assert stored == evaluate(predictions["logits"], songs.split("test").y)


def test_normalisation_comes_from_training_songs_alone(trained):
    run, songs, _ = trained
    expected = Standardiser.fit(songs.split("train"))
    np.testing.assert_array_equal(run.preprocessing.standardiser.mean, expected.mean)
    np.testing.assert_array_equal(run.preprocessing.standardiser.scale, expected.scale)


def test_clip_and_no_standardisation_are_kept_with_the_run(tmp_path):
    songs = make_songs()
    clipped = train(SMALL.changed({"clip": 0.5, "epochs": 1}), songs, seed=1, out=tmp_path / "a")
    assert load_run(clipped.folder).preprocessing.standardiser.clip == 0.5
    raw = train(SMALL.changed({"standardise": False, "epochs": 1}), songs, seed=1, out=tmp_path / "b")
    assert load_run(raw.folder).card.mean == [0, 0, 0, 0]


def test_training_again_returns_the_finished_run(trained):
    run, songs, folder = trained
    before = (folder / "weights.safetensors").stat().st_mtime_ns
    again = train(SMALL, songs, seed=1, out=folder)
    assert again.card == run.card
    assert (folder / "weights.safetensors").stat().st_mtime_ns == before


def test_the_same_seed_gives_the_same_weights_elsewhere(trained, tmp_path):
    run, songs, _ = trained
    assert train(SMALL, songs, seed=1, out=tmp_path / "b").card.weights_sha256 == run.card.weights_sha256
    assert train(SMALL, songs, seed=2, out=tmp_path / "c").card.weights_sha256 != run.card.weights_sha256


def test_a_folder_of_another_training_is_refused_with_the_difference(trained):
    _, songs, folder = trained
    with pytest.raises(SettingsError, match="holds another training: seed was 1, is 2"):
        train(SMALL, songs, seed=2, out=folder)
    with pytest.raises(SettingsError, match="recipe was {'settings'.*'epochs': 2.*'epochs': 3"):
        train(SMALL.changed({"epochs": 3}), songs, seed=1, out=folder)
    with pytest.raises(SettingsError, match="checksum was"):
        train(SMALL, make_songs(seed=5), seed=1, out=folder)


def test_a_strange_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(SettingsError, match=r"is not empty \(thesis.txt\)"):
        train(SMALL, make_songs(), seed=1, out=tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_refused_songs_leave_nothing_behind(tmp_path):
    songs = make_songs()
    x = songs.x.copy()
    x[3, 2, 1] = np.nan
    bad = type(songs)(x=x, y=songs.y, genres=songs.genres, splits=songs.splits, provenance="random")
    with pytest.raises(DataError, match="song '3' has nan in segment 2, feature 1"):
        train(SMALL, bad, seed=1, out=tmp_path / "a")
    leaky = songs.with_split({**songs.splits, "test": songs.splits["train"][:3]}, "random")
    with pytest.raises(DataError, match="3 songs are in two splits"):
        train(SMALL, leaky, seed=1, out=tmp_path / "a")
    with pytest.raises(UnknownNameError, match="unknown recipe 'lsmt'"):
        train("lsmt", songs, seed=1, out=tmp_path / "a")
    with pytest.raises(SettingsError, match="seed must be"):
        train(SMALL, songs, seed=-1, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_masked_songs_train_and_predict(tmp_path):
    songs = make_songs()
    lengths = np.where(np.arange(songs.n_songs) % 2, 4, 6)
    x = songs.x.copy()
    x[lengths == 4, 4:] = np.nan
    short = type(songs)(
        x=x, y=songs.y, genres=songs.genres, splits=songs.splits, provenance="random", lengths=lengths
    )  # fmt: skip
    run = train(get_recipe("lstm").changed({"units": 3, "epochs": 1}), short, seed=1, out=tmp_path / "a")
    test = short.split("test")
    trash = np.where(np.isnan(test.x), 99.0, test.x)  # what stands in the padding has no meaning
    np.testing.assert_array_equal(run.predict(test.x, test.lengths), run.predict(trash, test.lengths))
    shorter = run.predict(test.x[test.lengths == 4][:, :4])  # an LSTM takes songs of any length
    np.testing.assert_allclose(shorter, run.predict(test.x, test.lengths)[test.lengths == 4], atol=1e-6)


@pytest.mark.slow
def test_stored_predictions_of_experts_are_aggregated_again_without_the_model(tmp_path):
    songs = make_songs()
    recipe = get_recipe("snippet_lstm").changed({"units": 3, "snippets": 2, "epochs": 1})
    run = train(recipe, songs, seed=1, out=tmp_path / "a")
    stored = run.predictions("test")
    experts = [stored["expert_1"], stored["expert_2"]]
    product = aggregate_logits(experts, rule="product")
    np.testing.assert_allclose(np.asarray(product), log_softmax(stored["logits"]), atol=1e-5)
    other = create_model("snippet_lstm", (6, 4), 3, units=3, snippets=2, rule="mean")
    other.set_weights(run.network.get_weights())
    expected = forward(other, run.preprocessing.apply(songs.split("test"))[0])["logits"]
    mean = np.asarray(aggregate_logits(experts, rule="mean"))
    np.testing.assert_allclose(mean, log_softmax(expected), atol=1e-5)
    assert not np.allclose(mean, np.asarray(product), atol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x[:, :3], "songs have 3 segments, fully_connected was trained on 6"),
        (lambda x: x[:, :, :2], "songs have 2 features, .* was trained on songs of 4"),
        (lambda x: np.where(x > 0, np.inf, x), "has inf in segment"),
        (lambda x: x.astype(str), "type <U"),
        (lambda x: x[None], "has shape"),
    ],
)
def test_what_a_run_cannot_take_is_refused(trained, make, message):
    run, songs, _ = trained
    with pytest.raises(DataError, match=message):
        run.predict(make(songs.split("test").x))


def test_other_genres_or_splits_are_refused(trained):
    run, songs, _ = trained
    with pytest.raises(DataError, match="genres are .* the run was trained on"):
        run.evaluate("test", make_songs(num_classes=2))
    with pytest.raises(DataError, match="no split 'tset'"):
        run.evaluate("tset", songs)
    with pytest.raises(DataError, match="no predictions of split 'train'"):
        run.evaluate("train")


def test_tampered_weights_are_refused(trained, tmp_path):
    folder = copy_of(trained[2], tmp_path)
    path = folder / "weights.safetensors"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"weights\.safetensors: does not have the sha256 on the card"):
        _ = load_run(folder).network
    path.unlink()
    with pytest.raises(DataError, match=r"weights\.safetensors: cannot be read"):
        _ = load_run(folder).network


@pytest.mark.parametrize("change", ["name", "shape", "type", "value", "garbage"])
def test_weights_that_do_not_fit_are_refused_even_with_a_matching_sha256(trained, tmp_path, change):
    folder = copy_of(trained[2], tmp_path)
    path = folder / "weights.safetensors"
    arrays = safetensors.numpy.load_file(path)
    first = sorted(arrays)[0]
    if change == "name":
        arrays["other"] = arrays.pop(first)
    elif change == "shape":
        arrays[first] = arrays[first][:-1].copy()
    elif change == "type":
        arrays[first] = arrays[first].astype(np.float64)
    elif change == "value":
        arrays[first][0] = np.nan
    path.write_bytes(b"garbage" if change == "garbage" else safetensors.numpy.save(arrays))
    edit_card(folder, weights_sha256=files.sha256_of(path))
    with pytest.raises(DataError, match="unexpected|missing|shape|not finite|damaged|do not belong to"):
        _ = load_run(folder).network


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": -1},
        {"genres": ["one"]},
        {"input_shape": [6]},
        {"mean": [0.0]},
        {"scale": [1.0, 1.0, 1.0, float("inf")]},
        {"scale": [1.0, 1.0, 1.0, 0.0]},
        {"scale": [1.0, 1.0, 1.0, 1e-320]},
        {"mean": [0.0, 0.0, 0.0, 1e308]},
        {"genres": ["x", "x", "x"]},
        {"genres": ["x", "y", "\ud800"]},
        {"input_shape": [0, 4]},
        {"songs": {"about": "x"}},
        {"songs": {"features": "x"}},
        {"extra": 1},
        {"format": 3},
        {"predictions_sha256": None},
        {"weights_sha256": "abc"},
        {"knots": [[[0.0] * 4, [1.0] * 4], [[0.0] * 4, [1.0] * 4]]},
    ],
)
def test_a_card_out_of_range_is_refused(trained, tmp_path, changes):
    folder = copy_of(trained[2], tmp_path)
    edit_card(folder, **changes)
    with pytest.raises(DataError, match=r"card\.json"):
        load_run(folder)


@pytest.mark.parametrize(
    ("knots", "message"),
    [
        (None, "knots and the recipe's transform differ"),
        ([[[0.0] * 3, [1.0] * 3], [[0.0] * 3, [1.0] * 3]], "do not fit the features"),
        ([[[0.0] * 4, [1.0]], [[0.0] * 4, [1.0] * 4]], "do not fit the features"),
        ([[[0.0] * 4], [[0.0] * 4]], "do not fit the features"),
        ([[[1.0] * 4, [0.0] * 4], [[0.0] * 4, [1.0] * 4]], "knots must rise"),
    ],
)
def test_a_card_with_quantiles_out_of_range_is_refused(trained, tmp_path, knots, message):
    folder = copy_of(trained[2], tmp_path)
    recipe = json.loads((folder / "card.json").read_text())["recipe"]
    edit_card(folder, recipe={**recipe, "transform": "quantile"}, knots=knots)
    with pytest.raises(DataError, match=message):
        load_run(folder)


@pytest.mark.parametrize(
    "arguments", [{"units": [10**9]}, {"units": [2**15] * 101}, {"units": [-5]}, {"units": [2**20, 2**20]}]
)
def test_a_card_cannot_ask_for_an_absurd_model(trained, tmp_path, arguments):
    folder = copy_of(trained[2], tmp_path)
    recipe = json.loads((folder / "card.json").read_text())["recipe"]
    edit_card(folder, recipe={**recipe, "arguments": arguments})
    with pytest.raises(DataError, match="do not belong to the card's model"):
        _ = load_run(folder).network


@pytest.mark.parametrize("name", ["seed", "input_shape"])
def test_a_card_cannot_pass_what_follows_from_it(trained, tmp_path, name):
    folder = copy_of(trained[2], tmp_path)
    recipe = json.loads((folder / "card.json").read_text())["recipe"]
    edit_card(folder, recipe={**recipe, "arguments": {name: 1}})
    with pytest.raises(SettingsError, match=f"'{name}' cannot be set"):
        _ = load_run(folder).network


def test_members_without_weights_are_refused_before_they_are_built(trained, tmp_path):
    folder = copy_of(trained[2], tmp_path)
    recipe = json.loads((folder / "card.json").read_text())["recipe"]
    members = {f"m{number}": {"recipe": recipe} for number in range(150)}
    edit_card(folder, recipe={**recipe, "model": "ensemble", "arguments": {}, "members": members})
    with pytest.raises(DataError, match="do not belong to the card's model"):
        _ = load_run(folder).network


@pytest.mark.parametrize("nested", [100, 600])
def test_deep_cards_are_refused(trained, tmp_path, nested):
    folder = copy_of(trained[2], tmp_path)
    recipe = json.loads((folder / "card.json").read_text())["recipe"]
    edit_card(folder, recipe={**recipe, "arguments": {"units": json.loads("[" * nested + "]" * nested)}})
    with pytest.raises(DataError, match="nested more than"):
        load_run(folder)


@pytest.mark.parametrize(
    "change", [{"mean": [1.0] * 4}, {"scale": [2.0] * 4}, {"genres": ["genre1", "genre0", "genre2"]}, {"clip": 1.0}]
)
def test_another_mean_scale_or_order_of_genres_is_noticed(trained, tmp_path, change):
    folder = copy_of(trained[2], tmp_path)
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(DataError, match="was changed after it was written"):
        load_run(folder)


def test_an_old_card_is_read_and_its_files_are_checked_for_what_they_hold(trained, tmp_path):
    run, songs, folder = trained
    folder = copy_of(folder, tmp_path)
    as_old(folder)
    with pytest.warns(GenrezooWarning, match="older version.*without checksums"):
        old = load_run(folder)
    assert old.evaluate("test") == run.evaluate("test")
    np.testing.assert_array_equal(old.predict(songs.x), run.predict(songs.x))
    for change in ODD_PREDICTIONS.values():
        write_predictions(folder, trained[2], change)
        with pytest.raises(DataError, match=r"predictions\.npz"):
            old.evaluate("test")


ODD_PREDICTIONS = {
    "text": {"test_logits": np.array(["a"])},
    "complex": {"test_logits": np.ones((12, 3), complex)},
    "two genres": {"test_logits": np.ones((12, 2), np.float32)},
    "no logits": {"test_logits": None},
    "no labels": {"test_y": None},
    "a label too large": {"test_y": np.full(12, 3)},
    "not finite": {"test_logits": np.full((12, 3), np.nan, np.float32)},
    "songs lost": {"test_ids": np.array(["a", "b"])},
    "a bomb": {"test_logits": np.zeros((30_000_000, 3), np.float32)},
}


def write_predictions(folder, source, change):
    with np.load(source / "predictions.npz") as stored:
        arrays = {name: value for name, value in {**stored, **change}.items() if value is not None}
    np.savez_compressed(folder / "predictions.npz", **arrays)


@pytest.mark.parametrize("kind", ["cut", "flipped", "empty", "array", "rolled", "pipe", "folder", "missing"])
def test_predictions_that_are_not_those_of_the_run_are_refused(trained, tmp_path, kind):
    folder = copy_of(trained[2], tmp_path)
    path = folder / "predictions.npz"
    content = bytearray(path.read_bytes())
    if kind == "cut":
        path.write_bytes(content[:700])
    elif kind == "flipped":
        content[len(content) // 2] ^= 4
        path.write_bytes(content)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "array":
        path.write_bytes(b"\x93NUMPY" + content)
    elif kind == "rolled":
        write_predictions(folder, folder, {"test_y": np.roll(trained[0].predictions("test")["y"], 1)})
    else:
        path.unlink()
        {"pipe": os.mkfifo, "folder": os.mkdir, "missing": lambda path: None}[kind](path)
    with pytest.raises(DataError, match=r"predictions\.npz"):
        load_run(folder).evaluate("test")


def test_a_history_that_was_changed_is_refused(trained, tmp_path):
    folder = copy_of(trained[2], tmp_path)
    text = (folder / "history.csv").read_text()
    (folder / "history.csv").write_text(text.replace("1", "2"))
    with pytest.raises(DataError, match=r"history\.csv: does not have the sha256"):
        load_run(folder).history()


def test_a_run_never_answers_with_what_is_no_number(trained):
    run, songs, _ = trained
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(DataError, match="not finite"):
        run.predict(np.full_like(songs.x, 3e38))


@pytest.mark.parametrize("name", ["lstm", "statistics_mlp"])
def test_a_reloaded_run_takes_any_length(tmp_path, name):
    units = {"lstm": 3, "statistics_mlp": [3]}[name]
    recipe = get_recipe(name).changed({"units": units, "epochs": 1})
    run = train(recipe, make_songs(), seed=1, out=tmp_path / "a")
    longer = make_songs(n_segments=9)
    metrics = load_run(tmp_path / "a").evaluate("test", longer)
    assert metrics == run.evaluate("test", longer)


def test_unfinished_and_strange_folders_are_told_apart(trained, tmp_path):
    folder = copy_of(trained[2], tmp_path)
    (folder / "card.json").unlink()
    with pytest.raises(DataError, match="an unfinished training.*same command"):
        load_run(folder)
    with pytest.raises(DataError, match="not a run folder"):
        load_run(tmp_path)
    with pytest.raises(DataError, match="none: no such file or folder. Remedy: use a folder made by training"):
        load_run(tmp_path / "none")


def test_truncated_cards_are_refused(trained, tmp_path):
    folder = copy_of(trained[2], tmp_path)
    whole = (folder / "card.json").read_bytes()
    for length in range(0, len(whole) - 2, len(whole) // 20):
        (folder / "card.json").write_bytes(whole[:length])
        with pytest.raises(DataError, match="not valid JSON|is empty"):
            load_run(folder)


KILLED = """
import sys
from genrezoo import datasets, recipes, runs
recipe = recipes.get_recipe("mlp").changed({"units": [24, 24], "epochs": 12, "batch_size": 4})
runs.train(recipe, datasets.load_songs(sys.argv[1]), seed=3, out=sys.argv[2])
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_with_the_same_bits(tmp_path):
    """Really kills: SIGKILL in the middle of an epoch, twice. Slow, because each start imports TensorFlow."""
    save_songs(make_songs(600), tmp_path / "songs")

    def start(folder):
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "songs"), str(folder)])

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait() == 0
    for kill in range(2):
        process = start(killed)
        checkpoint = killed / "checkpoint.safetensors"
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while not (checkpoint.exists() and checkpoint.stat().st_mtime_ns > before):
            assert process.poll() is None, "ended before it could be killed"
            time.sleep(0.002)
        time.sleep(0.05 * kill)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        with pytest.raises(DataError, match="unfinished training"):
            load_run(killed)
    assert start(killed).wait() == 0
    one, other = load_run(whole), load_run(killed)
    assert one.card.weights_sha256 == other.card.weights_sha256
    assert one.card.epochs == other.card.epochs == 12
    np.testing.assert_array_equal(one.predictions("test")["logits"], other.predictions("test")["logits"])


def test_songs_without_a_split_get_the_same_one_each_time(tmp_path):
    songs = make_songs()
    bare = songs.with_split({}, None)
    run = train(SMALL, bare, seed=1, out=tmp_path / "a")
    assert run.card.songs["splits"] == {name: len(index) for name, index in default_split(bare).splits.items()}
    assert run.card.songs["provenance"] == "random"


def test_what_cannot_be_predicted_or_evaluated_is_told(trained):
    run, songs, _ = trained
    with pytest.raises(DataError, match="predict takes features. Remedy: pass songs.x and songs.lengths"):
        run.predict(songs)
    with pytest.raises(DataError, match="no songs. Remedy: pass one song or more"):
        run.predict(songs.x[:0])
    with pytest.raises(DataError, match="has no split. Remedy: pass the whole set"):
        run.evaluate("test", songs.split("test"))
    with pytest.raises(DataError, match="no predictions of split 'all'. Remedy: .* or pass songs"):
        run.evaluate("all")


def test_songs_without_a_split_are_evaluated_as_a_whole(trained):
    run, songs, _ = trained
    assert run.evaluate("all", songs.split("test"))["confusion"] == run.evaluate("test")["confusion"]
    support = run.evaluate("all", songs)["per_class"]["support"]
    assert support == np.bincount(songs.y, minlength=songs.num_classes).tolist()


def test_songs_that_are_tested_elsewhere_are_all_trained_on(tmp_path):
    bare = make_songs().with_split({}, None)
    run = train(SMALL, bare, seed=1, out=tmp_path / "a", tested=False)
    sides = run.card.songs["splits"]
    assert sorted(sides) == ["train", "valid"]
    assert sum(sides.values()) == bare.n_songs
    assert sides == {name: len(index) for name, index in hold_out(bare, seed=0).splits.items()}


def test_features_that_never_vary_are_warned_of(tmp_path):
    songs = make_songs()
    x = songs.x.copy()
    x[..., 1] = 3.0
    constant = dataclasses.replace(songs, x=x)
    with pytest.warns(GenrezooWarning, match="1 of 4 features are constant in the training songs"):
        train(SMALL, constant, seed=1, out=tmp_path / "a")


def test_features_that_are_standardised_already_are_no_constant_ones():
    songs = make_songs()
    known = Standardiser.fit(songs.split("train"))
    again = dataclasses.replace(songs, x=known.apply(songs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Preprocessing.fit(SMALL, again).standardiser
    assert (found.scale == 1).any()


def test_features_beyond_what_a_card_holds_are_refused_before_the_training(tmp_path):
    songs = make_songs()
    x = songs.x.copy()
    x[..., 2] *= 1e31
    with pytest.raises(DataError, match=r"feature 2 has a mean or a standard deviation above 1e\+30. Remedy: rescale"):
        train(SMALL, dataclasses.replace(songs, x=x), seed=1, out=tmp_path / "a")


@pytest.mark.parametrize(
    ("call", "given", "again"),
    [
        (keras.config.set_dtype_policy, "mixed_bfloat16", r"set_dtype_policy\('float32'\)"),
        (keras.config.set_floatx, "float64", r"set_floatx\('float32'\)"),
    ],
)
def test_only_float32_is_trained_in(tmp_path, call, given, again):
    call(given)
    try:
        with pytest.raises(SettingsError, match=f"Keras computes in {given}.*{again}"):
            train(SMALL, make_songs(), seed=1, out=tmp_path / "run")
    finally:
        call("float32")
    assert not (tmp_path / "run" / "plan.json").exists()


def test_seeds_of_numpy_are_seeds(trained, tmp_path):
    run, songs, _ = trained
    assert train(SMALL, songs, seed=np.int64(1), out=tmp_path / "a").card.weights_sha256 == run.card.weights_sha256


def test_a_folder_in_which_nothing_was_trained_takes_other_settings(tmp_path):
    songs, wrong = make_songs(), SMALL.changed({"time_mask": 50})
    with pytest.raises(SettingsError, match="time_mask must be below the songs'"):
        train(wrong, songs, seed=1, out=tmp_path / "a")
    assert train(SMALL, songs, seed=1, out=tmp_path / "a").card.epochs == 2


@pytest.mark.parametrize("lengths", [[0, 1], [7, 1], [-1, 6]])
def test_lengths_that_cannot_be_are_refused(trained, lengths):
    run, songs, _ = trained
    with pytest.raises(DataError, match="has a length of .* segments. Remedy: lengths are 1 to 6"):
        run.predict(songs.x[:2], lengths=lengths)


def test_arguments_of_another_type_are_refused_at_the_edge(trained, tmp_path):
    run, songs, _ = trained
    wrong = {
        "a recipe must be a name or a file, got 5": lambda: train(5, songs, seed=1, out=tmp_path / "a"),
        "songs must be a SongSet .*got 'songs.npz'": lambda: train("lstm", "songs.npz", seed=1, out=tmp_path / "a"),
        "songs must be a SongSet, or None": lambda: run.evaluate("test", songs.x),
        "x has shape ().*no songs": lambda: run.predict(None),
        "a model's name must be text, got 5": lambda: create_model(5, (4, 4), 3),
        "changes must be a table .*got 5": lambda: SMALL.changed(5),
        "5 is no path": lambda: load_run(5),
    }
    for message, call in wrong.items():
        with pytest.raises((DataError, SettingsError), match=message):
            call()
    assert not (tmp_path / "a").exists()


def test_one_function_trains_and_one_evaluates_a_model_that_they_have_never_seen(tmp_path):
    @register_model(
        "last_seen", summary="Mean of the last segments, and their answer in a second head", reference="none"
    )
    def last_seen(input_shape, num_classes, *, segments=2):
        inputs = keras.Input(input_shape)
        mean = keras.layers.GlobalAveragePooling1D()(inputs[:, -segments:])
        heads = {name: keras.layers.Dense(num_classes, name=f"{name}_of_mean")(mean) for name in ("logits", "second")}
        return keras.Model(inputs, {name: keras.layers.Identity(name=name)(head) for name, head in heads.items()})

    try:
        songs = make_songs()
        about = {"summary": "never seen", "reference": "none"}
        own = Recipe(name="never_seen", model="last_seen", settings={"epochs": 8, "learning_rate": 0.1}, **about)
        for recipe in (own, SMALL):
            run = train(recipe, songs, seed=1, out=tmp_path / recipe.name)
            scores = run.evaluate("test")
            assert run.history()["loss"][-1] < run.history()["loss"][0]
            assert {"accuracy", "macro_f1", "log_loss", "confusion"} <= set(scores)
            assert scores["accuracy"] > 0.5  # of three genres
            assert load_run(tmp_path / recipe.name).evaluate("test", songs)["accuracy"] == scores["accuracy"]
    finally:
        MODELS.remove("last_seen")
