"""A calibrated run: one temperature, the same wherever the run answers, and no answer changed."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from toys import make_songs
from typer.testing import CliRunner

import genrezoo as gz
from genrezoo.audio.settings import Features
from genrezoo.cli import app
from genrezoo.errors import DataError, GenrezooWarning
from genrezoo.evaluation import evaluate, log_softmax, softmax
from genrezoo.predict.windows import predict_features
from genrezoo.recipes import Recipe
from genrezoo.rules import aggregate_logits
from genrezoo.runs.calibration import at_temperature, fit_temperature
from genrezoo.runs.run import _digest
from genrezoo.songs import SongSet

SURE = gz.get_recipe("fully_connected").changed(
    {"units": [16], "epochs": 6, "batch_size": 8, "learning_rate": 0.02, "snapshot": "last"}
)
CHUNKS = {"segments": 2, "hop": 2, "rule": "mean"}


@pytest.fixture(scope="module")
def songs():
    """Songs of which a fifth has a wrong label, so that who fits them all is too sure."""
    clean = make_songs(120)
    y = np.where(np.random.default_rng(1).uniform(size=120) < 0.2, (clean.y + 1) % 3, clean.y)
    return dataclasses.replace(clean, y=y)


@pytest.fixture(scope="module")
def runs(songs, tmp_path_factory):
    """The run, the calibrated one, and one with chunks, calibrated."""
    folder = tmp_path_factory.mktemp("runs")
    changes = {"plain": {}, "whole": {"calibrate": True}, "chunks": {"calibrate": True, "chunks": CHUNKS}}
    return {
        name: gz.train(SURE.changed(own), songs, seed=1, out=folder / name, verbose=0) for name, own in changes.items()
    }


def test_the_temperature_is_the_most_likely_one_of_the_validation_songs(runs):
    plain, temperature = runs["plain"].predictions("valid"), runs["whole"].card.temperature
    rows = np.arange(len(plain["y"]))

    def loss(at):
        return -log_softmax(plain["logits"] / at)[rows, plain["y"]].mean()

    assert temperature > 1.2  # too sure before
    assert loss(temperature) < min(loss(temperature * 1.02), loss(temperature / 1.02))


def test_training_and_answers_stay_and_the_logits_are_divided(runs):
    plain, calibrated = runs["plain"], runs["whole"]
    assert calibrated.card.weights_sha256 == plain.card.weights_sha256
    for split in ("valid", "test"):
        before, after = (run.predictions(split)["logits"] for run in (plain, calibrated))
        np.testing.assert_array_equal(after, before / np.float32(calibrated.card.temperature))
        np.testing.assert_array_equal(after.argmax(axis=1), before.argmax(axis=1))


@pytest.mark.parametrize("name", ["whole", "chunks"])
def test_it_answers_alike_wherever_it_is_asked(runs, songs, tmp_path, name):
    run, test = gz.load_run(runs[name].folder), songs.split("test")
    stored = run.predictions("test")["logits"]
    np.testing.assert_array_equal(run.logits(test), stored)
    np.testing.assert_allclose(run.predict(test.x), softmax(stored), atol=1e-6)
    chunks, owner = run.preprocessing.cut(test)
    answers = run.preprocessing.combine(run.model.predict(chunks.padded(), verbose=0), owner)
    np.testing.assert_allclose(answers, stored, atol=1e-5)
    metadata = gz.export(run, "onnx", tmp_path / "a.onnx", songs=test)
    assert metadata.parity.real_songs == len(test)
    np.testing.assert_allclose(gz.load_exported(tmp_path / "a.onnx").logits(test), stored, atol=1e-5)


def test_songs_of_chunks_are_combined_before_the_temperature(runs, songs):
    run, test = runs["chunks"], songs.split("test")
    parts = [test.x[:, first : first + 2] for first in (0, 2, 4)]
    parts = [SongSet(x=part, y=test.y, genres=songs.genres) for part in parts]
    combined = aggregate_logits(
        [run.network.predict(run.preprocessing.standardiser.apply(part), verbose=0) for part in parts], rule="mean"
    )
    np.testing.assert_allclose(run.logits(test), combined / run.card.temperature, atol=1e-5)
    np.testing.assert_array_equal(run.logits(test).argmax(axis=1), combined.argmax(axis=1))
    assert run.reading.temperature == run.card.temperature != 1
    assert runs["whole"].reading.temperature is None


def test_it_says_how_sure_it_was_before(runs):
    plain, calibrated = runs["plain"].evaluate("valid"), runs["whole"].evaluate("valid")
    for name in ("log_loss", "calibration_error"):
        assert calibrated["uncalibrated"][name] == pytest.approx(plain[name], rel=1e-5)
    assert calibrated["log_loss"] < plain["log_loss"]
    assert calibrated["accuracy"] == plain["accuracy"]
    assert "uncalibrated" not in plain
    done = CliRunner().invoke(app, ["evaluate", str(runs["whole"].folder), "--split", "valid"])
    assert (
        f"calibration error {calibrated['calibration_error']:.4f} ({plain['calibration_error']:.4f} unc" in done.output
    )


def test_a_composition_hears_its_members_calibrated(runs, songs, tmp_path):
    recipe = Recipe(
        name="composed",
        summary="s",
        reference="r",
        model="ensemble",
        procedure="stagewise",
        members={name: {"run": str(runs[name].folder)} for name in ("plain", "whole")},
    )
    run = gz.load_run(gz.train(recipe, songs, seed=1, out=tmp_path / "c", verbose=0).folder)
    assert run.card.recipe.members["whole"].temperature == runs["whole"].card.temperature
    assert run.card.recipe.members["plain"].temperature is None
    test = songs.split("test")
    expected = aggregate_logits([runs[name].logits(test) for name in ("plain", "whole")], rule="mean")
    np.testing.assert_allclose(softmax(run.logits(test)), softmax(expected), atol=1e-6)
    np.testing.assert_array_equal(run.logits(test), run.predictions("test")["logits"])


def test_only_the_logits_are_divided():
    inputs = keras.Input((3,))
    outputs = {"logits": keras.layers.Dense(2)(inputs), "other": keras.layers.Dense(2)(inputs)}
    model, x = keras.Model(inputs, outputs), np.ones((1, 3), np.float32)
    before, after = model(x), at_temperature(model, 4.0)(x)
    np.testing.assert_array_equal(after["logits"] * 4, before["logits"])
    np.testing.assert_array_equal(after["other"], before["other"])
    assert at_temperature(model, None) is model


def test_songs_that_are_all_right_cannot_calibrate():
    with pytest.warns(GenrezooWarning, match="songs: all 2 validation songs are classified correctly.*not calibrated"):
        assert fit_temperature(np.eye(2), np.arange(2), name="songs") is None


@pytest.mark.parametrize("changes", [{"temperature": 0.0}, {"temperature": 1e9}, {"calibrated": False}])
def test_a_forged_temperature_is_refused(runs, tmp_path, changes):
    folder = runs["whole"].folder
    card = json.loads((folder / "card.json").read_text())
    card["recipe"]["calibrate"] = changes.pop("calibrated", True)
    card |= changes
    (tmp_path / "card.json").write_text(json.dumps({**card, "digest": _digest(card)}))
    with pytest.raises(DataError, match="temperature"):
        gz.load_run(tmp_path)


def test_a_card_from_before_there_were_temperatures_is_read(runs, songs, tmp_path):
    folder = runs["plain"].folder
    card = json.loads((folder / "card.json").read_text())
    assert card.pop("temperature") is None
    assert not card["recipe"].pop("calibrate")
    for file in folder.glob("[!.]*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "card.json").write_text(json.dumps({**card, "digest": _digest(card)}))
    test = songs.split("test")
    np.testing.assert_array_equal(gz.load_run(tmp_path).logits(test), runs["plain"].logits(test))
    assert gz.load_run(tmp_path).evaluate("test") == evaluate(runs["plain"].logits(test), test.y)


def test_windows_of_a_recording_are_combined_before_the_temperature(runs, songs):
    run, song = runs["chunks"], songs.split("test").x[0]
    found = predict_features(run, Features(song, np.arange(len(song) + 1.0)))
    np.testing.assert_allclose(found.probabilities, run.predict(song)[0], atol=1e-6)
