"""Plots for notebooks: they return axes that show what the report shows."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from report.made_results import add_results
from toys import make_songs

import genrezoo as gz
from genrezoo.cli import app
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.predict import Prediction
from genrezoo.runs import Run


@pytest.fixture(autouse=True)
def closed():
    """No figure outlives a test."""
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def songs():
    return make_songs(n_songs=48, n_segments=5, n_features=3)


@pytest.fixture(scope="module")
def run(songs, tmp_path_factory):
    recipe = gz.get_recipe("attention_pool").changed({"units": [4], "attention_units": 4, "epochs": 3})
    return gz.train(recipe, songs, out=tmp_path_factory.mktemp("plot") / "a", verbose=0)


@pytest.fixture(scope="module")
def table(songs, tmp_path_factory):
    """A run without test songs."""
    splits = {name: songs.splits[name] for name in ("train", "valid")}
    recipe = gz.get_recipe("fully_connected").changed({"units": [4], "epochs": 1})
    out = tmp_path_factory.mktemp("plot") / "b"
    return gz.train(recipe, songs.with_split(splits, "random"), out=out, verbose=0, tested=False)


def test_a_confusion_matrix_has_the_fractions_of_each_genre(run):
    axes = gz.plot.confusion(run)
    counts = run.confusion().to_numpy()
    shown = [text.get_text() for text in axes.texts]
    expected = 100 * counts / counts.sum(axis=1, keepdims=True)
    assert shown == [f"{part:.0f}" if part >= 0.5 else "" for part in expected.ravel()]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(run.genres)


def test_curves_show_the_history(run, table):
    axes = gz.plot.curves([run, table], "accuracy")
    lines = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 3]
    history = run.history()
    for column in ("accuracy", "valid_accuracy"):
        assert any(np.allclose(line, 100 * np.array(history[column])) for line in lines)
    assert [text.get_text() for text in axes.texts] == ["attention_pool", "fully_connected"]
    assert gz.plot.curves(run, "learning_rate").get_ylim()[0] == 0


def test_axes_that_are_given_are_drawn_on(run):
    _, (left, right) = pyplot.subplots(1, 2)
    assert gz.plot.curves(run, ax=left) is left
    assert gz.plot.confusion(run, "valid", ax=right) is right
    assert len(pyplot.get_fignums()) == 1


def test_a_timeline_marks_the_highest_genre():
    windows = np.array([[0.9, 0.1], [0.2, 0.8]])
    starts = np.arange(2)
    found = Prediction(Path("a.wav"), ("jazz", "rock"), np.array([0.6, 0.4]), "mean", starts, starts + 1, windows)
    axes = gz.plot.timeline(found)
    np.testing.assert_allclose(axes.collections[0].get_array(), windows.T)
    assert axes.get_title(loc="left") == "a.wav: jazz"
    assert len(axes.figure.axes) == 2  # with the scale
    with pytest.raises(DataError, match="a.wav: there is no prediction: too short"):
        gz.plot.timeline(Prediction.refused(Path("a.wav"), ("jazz", "rock"), "too short"))


def test_attention_is_that_of_the_model(run, songs):
    axes = gz.plot.attention(run, songs[3])
    steps = [patch.get_data().values for patch in axes.patches]
    weights = gz.feature_extractor(run, layer="attention").predict_on_batch(songs.take([3]).padded())[0]
    np.testing.assert_allclose(np.transpose(steps), 100 * np.asarray(weights), rtol=1e-5)
    np.testing.assert_allclose(np.sum(steps, axis=1), 100, rtol=1e-4)
    assert axes.get_title(loc="left") == "Song 3: genre0"


def test_models_without_attention_and_songs_that_do_not_fit_are_refused(run, table, songs):
    with pytest.raises(UnknownNameError, match="attention"):
        gz.plot.attention(table, songs[3])
    with pytest.raises(DataError, match="2 features"):
        gz.plot.attention(run, songs.x[3, :, :2])
    with pytest.raises(SettingsError, match="run must be a run"):
        gz.plot.confusion("runs/a")
    with pytest.raises(SettingsError, match="one to eight runs"):
        gz.plot.curves([])
    with pytest.raises(UnknownNameError, match="lossy"):
        gz.plot.curves(run, "lossy")


@pytest.mark.slow
def test_a_front_is_of_one_data_set(tmp_path):
    for data in ("one", "two"):
        skills = {"zoo": {"lstm": 1.6}, "baselines": {"forest": 1.0}}
        add_results(tmp_path / data, data=data, **skills, seeds=(1,), songs=40, resamples=5)
    both = [tmp_path / "one", tmp_path / "two"]
    axes = gz.plot.pareto(both, data="two")
    assert axes.get_title(loc="left") == "two"
    assert {text.get_text() for text in axes.texts} >= {"lstm", "forest"}
    with pytest.raises(DataError, match="several data sets: 'one' .*specify one by `data`"):
        gz.plot.pareto(both)
    with pytest.raises(UnknownNameError, match="three"):
        gz.plot.pareto(both, data="three")


def test_the_page_of_a_run_names_its_most_confident_mistakes(run, tmp_path):
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, ["report", str(run.folder), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "report.html").read_text()
    frame = run.predictions_frame()
    wrong = frame[~frame["right"]]
    assert len(wrong) >= 2
    confidence = wrong[list(run.genres)].max(axis=1)
    places = [page.index(f">{song}</td>", page.index('id="mistakes"')) for song in confidence.sort_values()[::-1].index]
    assert places == sorted(places)
    assert f"<td>{100 * run.evaluate()['accuracy']:.1f}</td>" in page
    assert "<svg" in page
    assert len((tmp_path / "songs.csv").read_text().splitlines()) == 1 + len(frame)
    again = CliRunner().invoke(app, ["report", str(run.folder), "--out", str(tmp_path / "again")])
    assert again.exit_code == 0
    assert (tmp_path / "again" / "report.html").read_text() == page


def test_the_page_of_a_run_without_test_songs_says_so(table, tmp_path):
    from genrezoo.report import render_run

    page = render_run(table, tmp_path).read_text()
    assert "There are no test songs" in page
    card = table.card.model_copy(update={"songs": {**table.card.songs, "splits": 3}})
    with pytest.raises(DataError, match="card.json: songs: splits"):
        render_run(Run(table.folder, card), tmp_path)
    with pytest.raises(DataError, match="no predictions of split 'test'"):
        table.evaluate()
