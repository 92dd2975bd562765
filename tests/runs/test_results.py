"""What Python users get of a run: frames, comparisons, defaults of `train`."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from toys import make_songs

import genrezoo as gz
from genrezoo.runs import progress

pytestmark = pytest.mark.usefixtures("no_children")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three seeds of one recipe, and the songs."""
    songs = gz.split_stratified(make_songs(), valid=0.25, test=0.25, seed=1)
    folder = tmp_path_factory.mktemp("runs")
    return [gz.train("fully_connected", songs, epochs=2, seed=seed, out=folder / str(seed)) for seed in (1, 2, 3)]


def test_the_frames_of_a_run_agree_with_its_files(runs):
    run = runs[0]
    stored, frame = run.predictions(), run.predictions_frame()
    assert frame.index.tolist() == stored["ids"].tolist()
    assert frame["right"].mean() == run.evaluate()["accuracy"]
    assert np.allclose(frame[list(run.genres)].sum(axis=1), 1)
    assert (frame[list(run.genres)].idxmax(axis=1) == frame["predicted"]).all()
    assert run.history_frame().index.tolist() == [1, 2]
    assert run.history_frame()["loss"].tolist() == run.history()["loss"]
    assert run.confusion().loc[run.genres[0]].sum() == (frame["genre"] == run.genres[0]).sum()
    assert np.trace(run.confusion().to_numpy()) == frame["right"].sum()


def test_two_runs_are_compared_song_by_song(runs):
    a, b = runs[:2]
    found = gz.compare(a, b)
    right = [one.predictions_frame()["right"].to_numpy() for one in (a, b)]
    assert found.only_a == (right[0] & ~right[1]).sum()
    assert found.only_b == (right[1] & ~right[0]).sum()
    assert found.difference == pytest.approx(right[0].mean() - right[1].mean())
    assert found.low <= found.difference <= found.high
    assert gz.compare(b, a).difference == pytest.approx(-found.difference)
    assert gz.compare(a, a).p_value == 1
    assert f"{found.n_songs} test songs" in str(found)


def test_recipes_are_compared_over_their_seeds(runs):
    a, b, c = runs
    accuracies = [run.evaluate()["accuracy"] for run in runs]
    assert gz.compare([a, b], c).accuracy_a == pytest.approx(sum(accuracies[:2]) / 2)
    with pytest.raises(gz.SettingsError, match="needs at least one run on each side"):
        gz.compare([], a)


def test_runs_of_other_songs_are_not_compared(runs, tmp_path):
    songs = gz.split_stratified(make_songs(seed=9), valid=0.25, test=0.25, seed=2)
    other = gz.train("fully_connected", songs, epochs=1, out=tmp_path / "other")
    with pytest.raises(gz.DataError, match="has predictions for other test songs"):
        gz.compare(runs[0], other)


def test_a_training_without_options_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    songs = gz.split_stratified(make_songs(), valid=0.25, test=0.25, seed=1)
    run = gz.train("fully_connected", songs, epochs=1)
    assert (run.card.seed, run.card.epochs) == (1, 1)
    assert re.fullmatch(r"runs/fully_connected-\w+-1-\w{16}", str(run.folder))
    written = (run.folder / "card.json").stat().st_mtime_ns
    assert gz.train("fully_connected", songs, epochs=1).folder == run.folder
    assert (run.folder / "card.json").stat().st_mtime_ns == written, "it was trained again"
    gz.train("fully_connected", songs, epochs=2)
    assert len(list(Path("runs").iterdir())) == 2


@pytest.mark.parametrize(("verbose", "shown"), [(1, True), (0, False)])
def test_the_bar_is_seen_on_a_terminal(runs, monkeypatch, verbose, shown):
    screen, records = io.StringIO(), []
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=screen, force_terminal=True, width=120))
    recipe = runs[0].card.recipe
    with progress.training_progress(recipe, 7, verbose=verbose, on_epoch=records.append, on_member=None) as (epoch, _):
        epoch({"epoch": 2, "loss": 0.5, "valid_accuracy": 0.25})
    assert records == [{"epoch": 2, "loss": 0.5, "valid_accuracy": 0.25}]
    assert ("fully_connected, seed 7" in screen.getvalue()) == shown
    assert ("valid 0.250" in screen.getvalue()) == shown


def test_models_by_their_properties():
    assert gz.list_models(any_length=True, pretrained=True) == ["musicnn"]
    assert set(gz.list_models(expects="image")) == {
        n for n in gz.list_models() if gz.model_info(n)["expects"] == "image"
    }
    assert set(gz.list_models(pretrained=False)) | set(gz.list_models(pretrained=True)) == set(gz.list_models())
    with pytest.raises(gz.SettingsError, match="expects must be"):
        gz.list_models(expects="table")
