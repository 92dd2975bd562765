"""Ensembles that are selected from folders of results and run folders, and what is written of them."""

import json

import numpy as np
import pytest
from made_library import add_baseline, labels
from toys import make_songs

from genrezoo.ensembles import greedy_ensemble
from genrezoo.ensembles.candidates import find_candidates
from genrezoo.ensembles.choice import choose
from genrezoo.ensembles.greedy import _stored_songs
from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.evaluation import evaluate, softmax
from genrezoo.report.benchmark.leaderboard import leaderboard
from genrezoo.rows import CellFacts, read_row_file
from genrezoo.runs.predictions import read_predictions
from genrezoo.selection import GreedySettings, cross_selected, select
from genrezoo.songs import repeated_split
from genrezoo.songs.storage import save_songs

QUICK = {"bags": 2, "steps": 5}


@pytest.fixture
def results(tmp_path):
    for number, name in enumerate(("svm", "trees", "forest", "guess")):
        add_baseline(tmp_path / "results", name, skill=[1.2, 1.2, 1.2, -1.0][number])
    return tmp_path / "results"


def answers(results, name, split):
    stored = read_predictions(results / "runs" / f"{name}-1", split, 3)
    return stored["logits"][np.argsort(stored["ids"])]


def test_the_ensemble_of_baselines_is_the_weighted_mean_of_their_stored_predictions(results, tmp_path):
    found = greedy_ensemble(results, family="baselines", settings=QUICK, out=tmp_path / "out")
    assert set(found.weights) <= {"svm", "trees", "forest"}
    assert sum(found.weights.values()) == pytest.approx(1)
    posterior = sum(weight * softmax(answers(results, name, "test")) for name, weight in found.weights.items())
    assert found.test.accuracy == (posterior.argmax(axis=1) == labels("test")).mean()
    stored = read_predictions(tmp_path / "out", "test", 3)
    np.testing.assert_allclose(softmax(stored["logits"]), posterior, atol=1e-6)
    assert found.selected_on == "valid"
    assert found.n_songs == 24
    library = {name: answers(results, name, "valid") for name in ("svm", "trees", "forest", "guess")}
    settings = GreedySettings(**QUICK)
    assert found.weights == select(library, labels("valid"), settings).weights
    unseen = evaluate(cross_selected(library, labels("valid"), settings), labels("valid"))
    assert found.unseen.accuracy == unseen["accuracy"]
    assert found.seen.log_loss < min(scores.log_loss for scores in found.members.values())


def test_what_was_selected_is_written_beside_a_row_that_the_report_shows(results, tmp_path):
    out = tmp_path / "out"
    found = greedy_ensemble(results, family="baselines", settings=QUICK, out=out)
    record = json.loads((out / "ensemble.json").read_text())
    assert record["weights"] == found.weights
    assert record["runs"].keys() == found.weights.keys()
    (row,) = read_row_file(out / "rows.jsonl").rows
    assert row.settings["chosen"]["weights"] == found.weights
    assert (row.family, row.train_seconds, row.epochs) == ("baseline", 2.0 * len(found.weights), 0)
    assert row.valid.accuracy == found.unseen.accuracy
    (board,) = leaderboard([results, out]).boards
    assert board.notes == ()
    assert {entry.name for entry in board.entries if entry.group} >= {"greedy_ensemble", "svm"}
    first = (out / "predictions.npz").read_bytes()
    greedy_ensemble(results, family="baselines", settings=QUICK, out=out)
    assert (out / "predictions.npz").read_bytes() == first
    with pytest.raises(SettingsError, match="at least two baselines, got 0"):
        greedy_ensemble(out, family="baselines", out=tmp_path / "again")  # it is no candidate


def test_baselines_cannot_be_exported_and_it_says_so(results, tmp_path):
    found = greedy_ensemble(results, family="all", settings=QUICK, out=tmp_path / "out")
    reason = f"models of scikit-learn cannot be parts of one model: {', '.join(found.weights)}"
    assert found.not_exported_because == reason
    with pytest.raises(SettingsError, match=f"holds predictions but no model: {reason}"):
        found.run()


def test_the_choice_does_not_depend_on_test_songs(results):
    candidates = find_candidates([results])
    before = choose(candidates, GreedySettings(**QUICK)).selection
    for candidate in candidates:
        with np.load(candidate.run / "predictions.npz") as stored:
            arrays = {name: value for name, value in stored.items() if not name.startswith("test")}
        np.savez(candidate.run / "predictions.npz", **arrays)
    assert choose(candidates, GreedySettings(**QUICK)).selection == before


def test_songs_out_of_fold_choose_and_validation_songs_are_a_part_of_them(tmp_path):
    for name in ("svm", "trees"):
        add_baseline(tmp_path, name, splits=("valid", "test", "out_of_fold"))
        path = tmp_path / f"runs/{name}-1/predictions.npz"
        with np.load(path) as stored:
            arrays = dict(stored)
        order = np.argsort(arrays["out_of_fold_ids"])
        half = {f"valid_{part}": arrays[f"out_of_fold_{part}"][order[::2]] for part in ("ids", "y", "logits")}
        np.savez(path, **{**arrays, **half})
    choice = choose(find_candidates([tmp_path]), GreedySettings(**QUICK))
    stored = choice.predictions()
    assert list(stored) == ["out_of_fold", "valid", "test"]
    assert stored["out_of_fold"]["logits"] is choice.unseen
    np.testing.assert_array_equal(stored["valid"]["logits"], choice.unseen[::2])
    np.testing.assert_array_equal(stored["valid"]["ids"], stored["out_of_fold"]["ids"][::2])


def test_a_model_that_is_best_alone_is_no_ensemble(tmp_path):
    add_baseline(tmp_path / "results", "oracle", skill=30.0)
    add_baseline(tmp_path / "results", "guess")
    with pytest.raises(SettingsError, match=r"no ensemble of the 2 models is better than oracle alone; use .*oracle-1"):
        greedy_ensemble(tmp_path / "results", family="all", settings=QUICK, out=tmp_path / "out")


def test_what_cannot_be_is_refused(results, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").touch()
    with pytest.raises(SettingsError, match=r"full is not empty \(other\)"):
        greedy_ensemble(results, family="all", settings=QUICK, out=tmp_path / "full")
    with pytest.raises(UnknownNameError, match="unknown family 'both'"):
        greedy_ensemble(results, family="both", out=tmp_path / "out")
    with pytest.raises(UnknownNameError, match="unknown setting of the selection 'bag'"):
        greedy_ensemble(results, family="all", settings={"bag": 3}, out=tmp_path / "out")
    with pytest.raises(SettingsError, match="bags"):
        greedy_ensemble(results, family="all", settings={"bags": 0}, out=tmp_path / "out")
    with pytest.raises(SettingsError, match="songs must be a SongSet"):
        greedy_ensemble(results, family="all", songs="songs.npz", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_songs_of_a_repeated_split_are_dealt_again(tmp_path):
    songs = make_songs()
    save_songs(songs, tmp_path / "songs" / f"toy-{songs.checksum()[:12]}")
    split = repeated_split(songs, 2)
    facts = {"data": "toy", "provenance": "repeated, stratified", "key": "k", "recipe": "r", "family": "zoo", "seed": 2}
    found = _stored_songs([tmp_path], CellFacts(**facts, checksum=split.checksum(), repeat=2))
    assert found.checksum() == split.checksum()
    with pytest.raises(SettingsError, match="none of the folders holds the songs"):
        _stored_songs([tmp_path], CellFacts(**facts, checksum=split.checksum()))
