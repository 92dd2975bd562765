"""A small benchmark from end to end: ensembles of its suite, the command, and the run that it writes."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from here_executor import HereExecutor
from made_library import add_baseline
from toys import make_songs
from typer.testing import CliRunner

from genrezoo import benchmarking, parallel
from genrezoo.cli import app, main
from genrezoo.datasets.arrays import load_arrays
from genrezoo.ensembles import greedy_ensemble
from genrezoo.ensembles.candidates import _kind_apart, find_candidates, member_names
from genrezoo.errors import DataError, GenrezooWarning, SettingsError
from genrezoo.evaluation import softmax
from genrezoo.exported import load_exported
from genrezoo.exporting import export
from genrezoo.recipes import get_recipe
from genrezoo.recipes.bagged import bagged
from genrezoo.report.benchmark.leaderboard import leaderboard
from genrezoo.rows import read_row_file
from genrezoo.runs import train
from genrezoo.songs.storage import save_songs

QUICK = {"bags": 2, "steps": 5}
SMALL = {"units": [4], "batch_size": 18, "epochs": 8}
SUITE = {
    "name": "tiny", "summary": "Two networks that know half of the features each, and a baseline", "seeds": 1,
    "recipes": [
        {"recipe": "fully_connected", "changes": {**SMALL, "features": ["a"]}},
        {
            "recipe": "fully_connected",
            "name": "scored",
            "changes": {**SMALL, "features": ["b"], "transform": "quantile"},
        },
    ],
    "baselines": ["logistic_regression_flat"],
    "ensembles": [
        {"name": "greedy_zoo", **QUICK},
        {"name": "greedy_all", "family": "all", "seeds": "all", "candidates": ["log*", "scored", "fully*"], **QUICK},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, seen = tmp_path_factory.mktemp("benchmark"), []
    songs = make_songs(90)
    x = np.random.default_rng(1).normal(size=songs.x.shape)
    x += 0.6 * songs.y[:, None, None] * np.array([1, 0, 1, 0])  # each group tells a part of the genre
    about = {"feature_groups": {"a": [0, 1], "b": [2, 3]}}
    save_songs(dataclasses.replace(songs, x=x, about=about), folder / "toy")
    suite = benchmarking.Suite(**SUITE, data=[str(folder / "toy")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "ProcessExecutor", HereExecutor)
        patch.setattr(benchmarking, "with_engines", lambda *_: [])  # no speed
        for _ in range(2):
            benchmarking.benchmark(suite, out=folder / "out", on_cell=lambda *cell: seen.append(cell))
    return folder / "out", seen


@pytest.fixture(scope="module")
def ensemble(results, tmp_path_factory):
    return greedy_ensemble(results[0], settings=QUICK, out=tmp_path_factory.mktemp("ensemble") / "run")


def test_a_suite_writes_a_row_of_each_ensemble_and_keeps_it(results):
    folder, seen = results
    rows = {row.recipe: row for row in read_row_file(folder / "rows.jsonl").rows}
    assert len(rows) == 5 == len(read_row_file(folder / "rows.jsonl").rows)
    assert [status for _, status, _, _ in seen] == ["ok"] * 5 + ["kept"] * 5
    assert [cell[2:] for cell in seen[:5]] == [(number, 5) for number in range(1, 6)]
    assert seen[3][0] == "greedy_zoo on toy, seed 1"
    assert (rows["greedy_zoo"].family, rows["greedy_all"].family) == ("zoo", "mixed")
    weights = rows["greedy_zoo"].settings["chosen"]["weights"]
    assert rows["greedy_zoo"].parameters == sum(rows[name].parameters for name in weights)
    (board,) = leaderboard(folder).boards
    assert {entry.name for entry in board.entries if entry.group} == rows.keys()
    assert board.notes == ()


def test_the_run_answers_as_the_weighted_mean_of_its_members(results, ensemble):
    run, songs = ensemble.run(), load_arrays(next((results[0] / "songs").iterdir()))
    members = member_names(find_candidates([results[0]]))
    assert ensemble.candidates == ("fully_connected", "scored")
    posteriors = {name: softmax(members[name].answers("test")["logits"]) for name in ensemble.weights}
    expected = sum(weight * posteriors[name] for name, weight in ensemble.weights.items())
    np.testing.assert_allclose(softmax(run.predictions("test")["logits"]), expected, atol=1e-5)
    np.testing.assert_allclose(run.predict(songs.split("test").x), expected, atol=1e-5)
    assert ensemble.test.accuracy == run.evaluate("test")["accuracy"]
    recipe = run.card.recipe
    assert recipe.arguments["weights"] == ensemble.weights
    assert recipe.members.keys() == ensemble.weights.keys()
    assert str(results[0]) not in (run.folder / "card.json").read_text()


def test_the_command_shows_members_weights_and_scores_and_continues(results, ensemble):
    command = ["ensemble", str(results[0]), "--out", str(ensemble.folder), "--set", "bags=2", "--set", "steps=5"]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "Selected from 2 models by 18 validation songs:" in shown.output
    for name, weight in ensemble.weights.items():
        assert f"{weight:.3f}" in next(line for line in shown.output.splitlines() if name in line)
    assert f"on the test songs: accuracy {ensemble.test.accuracy:.4f}" in shown.output
    assert "run: a run" in shown.output
    as_json = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert as_json["weights"] == ensemble.weights
    assert as_json == json.loads((ensemble.folder / "ensemble.json").read_text())


def test_the_command_says_that_predictions_cannot_be_exported(tmp_path):
    for name in ("svm", "trees"):
        add_baseline(tmp_path / "results", name, skill=1.2)
    command = ["ensemble", str(tmp_path / "results"), "--family", "all", "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(app, [*command, "--set", "bags=2"])
    assert shown.exit_code == 0, shown.output
    assert "no model to export, because models of scikit-learn cannot be parts of one model: svm, trees" in " ".join(
        shown.output.split()
    )


def test_run_folders_need_their_songs(results, tmp_path, monkeypatch, capsys):
    runs = [str(one.run) for one in find_candidates([results[0]]) if one.facts.family == "zoo"]
    monkeypatch.setattr(sys, "argv", ["genrezoo", "ensemble", *runs, "--out", str(tmp_path / "out"), "--set", "bags=2"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "none of the folders holds the songs of the models" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(DataError, match="not the models' songs .'toy'."):
        greedy_ensemble(runs, songs=make_songs(), settings=QUICK, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    candidates = find_candidates(runs)
    stored = [one for one in find_candidates([results[0]]) if one.facts.family == "zoo"]
    for one, same in zip(candidates, stored, strict=True):
        assert one.facts.model_copy(update={"key": same.facts.key}).checksum == same.facts.checksum
        assert (one.facts.data, one.facts.sizes, one.facts.genres) == ("toy", same.facts.sizes, same.facts.genres)
        assert (one.parameters, one.train_seconds) == (same.parameters, same.train_seconds)


def test_networks_that_cannot_be_parts_of_one_model_are_left_out(results, tmp_path, monkeypatch):
    monkeypatch.setattr("genrezoo.ensembles.candidates._kind_apart", lambda recipe: "networks of chunks")
    with (
        pytest.warns(GenrezooWarning, match="left out: networks of chunks .*: fully_connected, scored"),
        pytest.raises(SettingsError, match="at least two models that can be parts of one model, got 0"),
    ):
        greedy_ensemble(results[0], out=tmp_path / "out")


def test_such_networks_cut_songs_or_read_images():
    lstm = get_recipe("lstm")
    assert _kind_apart(lstm) is None
    assert _kind_apart(lstm.changed({"chunks": {"segments": 3, "hop": 3}})) == "networks that cut songs into chunks"
    assert _kind_apart(get_recipe("resnet50")) == "networks that read images"


@pytest.mark.slow
def test_it_is_exported_as_one_file(ensemble, results, tmp_path):
    songs = load_arrays(next((results[0] / "songs").iterdir())).split("test")
    export(ensemble.run(), "onnx", tmp_path / "greedy.onnx", songs=songs)
    stored = ensemble.run().predictions("test")["logits"]
    np.testing.assert_allclose(load_exported(tmp_path / "greedy.onnx").logits(songs), stored, atol=1e-4)


@pytest.mark.slow
def test_bagged_runs_are_weighed_by_all_songs_out_of_fold(results, tmp_path):
    songs = load_arrays(next((results[0] / "songs").iterdir()))
    runs = []
    for group in ("a", "b"):
        recipe = bagged(
            get_recipe("fully_connected").changed({**SMALL, "features": [group]}), folds=2, name=f"on_{group}"
        )
        runs.append(train(recipe, songs, seed=1, out=tmp_path / group))
    found = greedy_ensemble([run.folder for run in runs], songs=songs, settings=QUICK, out=tmp_path / "out")
    assert (found.selected_on, found.n_songs) == ("out_of_fold", 72)
    assert found.weights.keys() == {"on_a", "on_b"}
    test = {run.card.recipe.name: softmax(run.predictions("test")["logits"]) for run in runs}
    expected = sum(weight * test[name] for name, weight in found.weights.items())
    np.testing.assert_allclose(softmax(found.run().predictions("test")["logits"]), expected, atol=1e-5)
