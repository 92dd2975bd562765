"""A benchmark of repeated splits: the same songs dealt anew, a training on each."""

import dataclasses
import json

import numpy as np
import pytest
from here_executor import HereExecutor
from toys import make_songs

from genrezoo import parallel, report
from genrezoo.benchmarking import Suite, benchmark, cell
from genrezoo.datasets.arrays import load_arrays
from genrezoo.errors import DataError
from genrezoo.files import read_json, read_json_lines
from genrezoo.runs.predictions import read_predictions
from genrezoo.songs import repeated_split
from genrezoo.songs.storage import save_songs

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Three splits of songs of which two are in no split: a recipe and a baseline."""
    folder = tmp_path_factory.mktemp("repeats")
    songs = make_songs()
    songs = songs.with_split({**songs.splits, "train": songs.splits["train"][2:]}, "official")
    save_songs(songs, folder / "songs")
    recipes = [{"recipe": "fully_connected", "changes": {"units": [4], "epochs": 2}}]
    data = [{"source": str(folder / "songs")}]
    plan = Suite(name="own", summary="s", recipes=recipes, baselines=["logistic_regression_flat"], data=data, seeds=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "ProcessExecutor", HereExecutor)
        patch.setattr(cell, "CALLS", 2)
        benchmark(plan, repeats=3, out=folder / "out", engines=["keras"])
    return folder / "out", songs


def rows_of(folder, kind):
    return [row for row in read_json_lines(folder / "rows.jsonl") if row["kind"] == kind]


def test_each_split_has_one_training_with_its_number_as_seed(finished):
    folder, songs = finished
    rows = rows_of(folder, "accuracy")
    assert sorted((row["recipe"], row["repeat"], row["seed"]) for row in rows) == [
        (name, number, number) for name in ("fully_connected", "logistic_regression_flat") for number in (1, 2, 3)
    ]
    assert {row["provenance"] for row in rows} == {"repeated, stratified"}
    assert len({row["key"] for row in rows}) == len({row["run"] for row in rows}) == 6
    assert len({row["checksum"] for row in rows}) == 3
    assert len({row["pooled"] for row in rows}) == 1
    assert all(row["sizes"] == {"train": 34, "valid": 12, "test": 12} for row in rows)
    speed = sorted((row["recipe"], row["repeat"]) for row in rows_of(folder, "speed"))
    assert speed == [("fully_connected", 1), ("logistic_regression_flat", 1)]
    assert len(list((folder / "songs").iterdir())) == 1  # stored once
    out = set(songs.ids.tolist()) - {song for index in songs.splits.values() for song in songs.ids[index].tolist()}
    for row in rows:
        tested = read_predictions(folder / row["run"], "test", 3)["ids"].tolist()
        split = repeated_split(songs, row["repeat"])
        assert tested == split.ids[split.splits["test"]].tolist()
        assert out.isdisjoint(split.ids.tolist())


def test_called_again_it_keeps_them_and_the_report_compares_them(finished, monkeypatch):
    folder, _ = finished
    before = (folder / "rows.jsonl").read_bytes()
    plan = read_json(folder / "suite.json")
    assert (plan["repeats"], plan["seeds"]) == (3, 1)
    seen = []
    monkeypatch.setattr(parallel, "ProcessExecutor", HereExecutor)
    benchmark(folder / "suite.json", out=folder, engines=["keras"], on_cell=lambda *one: seen.append(one[:2]))
    assert (folder / "rows.jsonl").read_bytes() == before
    assert ("fully_connected on toy, split 2", "kept") in seen
    (board,) = report.leaderboard(folder).repeated
    assert board.reference == "logistic_regression_flat"
    (entry,) = (entry for entry in board.entries if entry.family == "zoo")
    rows = {row["repeat"]: row["test"]["accuracy"] for row in rows_of(folder, "accuracy") if row["family"] == "zoo"}
    assert dict(entry.accuracies) == rows
    assert entry.speed["p50"] > 0


def test_a_child_that_deals_otherwise_is_refused(finished):
    folder, _ = finished
    row = rows_of(folder, "accuracy")[0]
    (stored,) = (folder / "songs").iterdir()
    facts = {**row, "checksum": "of another split"}
    facts = {key: value for key, value in facts.items() if key in cell.CellFacts.model_fields}
    plain = json.loads(cell.Cell(facts=facts, data=str(stored), run=str(folder / row["run"])).model_dump_json())
    with pytest.raises(DataError, match=f"split {row['repeat']} differs from"):
        cell.accuracy_cell(plain)
    assert load_arrays(stored).provenance == "official"  # its own split is still there


def test_a_repeated_split_has_the_sizes_of_the_songs_own_and_keeps_groups_whole():
    songs = make_songs(60)
    own = {name: len(index) for name, index in songs.splits.items()}
    found = [repeated_split(songs, number) for number in (1, 2, 1)]
    assert [{name: len(index) for name, index in one.splits.items()} for one in found] == [own] * 3
    np.testing.assert_array_equal(found[0].splits["test"], found[2].splits["test"])
    assert not np.array_equal(found[0].splits["test"], found[1].splits["test"])
    grouped = dataclasses.replace(songs, groups=np.arange(60) // 2, splits={}, provenance=None)
    split = repeated_split(grouped, 1)
    sides = {name: set(split.groups[index].tolist()) for name, index in split.splits.items()}
    assert sides["train"].isdisjoint(sides["test"] | sides["valid"])
    assert sum(map(len, split.splits.values())) == 60
