import dataclasses
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from here_executor import HereExecutor
from toys import make_songs

from genrezoo import benchmarking, exporting, files, parallel
from genrezoo.benchmarking import Suite, benchmark, cell
from genrezoo.datasets.arrays import load_arrays
from genrezoo.errors import DataError, ResourceError, SettingsError, UnknownNameError
from genrezoo.evaluation import METRICS, evaluate
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.report import render
from genrezoo.rows import AccuracyRow, HeadScores, NotMeasured, SpeedRow
from genrezoo.runs import load_run
from genrezoo.songs import splits
from genrezoo.songs.storage import save_songs
from genrezoo.training import fitted

pytestmark = pytest.mark.usefixtures("one_thread")

SUITE = """
name = "tiny"
summary = "Two recipes that train, one that cannot take the songs, one that diverges, and a baseline"
seeds = 2
passes = 3
train_scores = true
baselines = ["logistic_regression_flat"]
data = [{{source = "{songs}"}}]
recipes = [
    {{recipe = "fully_connected", label = "small", study = "size", axes = {{units = 4}}, changes = {{units = [4]}}}},
    {{recipe = "snippet_lstm", changes = {{units = 2, snippets = 99}}}},
    {{recipe = "lstm", name = "diverging", changes = {{units = 2, learning_rate = 1e38, optimizer = "sgd"}}}},
]
[changes]
epochs = 2
[[figures]]
kind = "difficulty"
title = "Difficulty"
entrants = ["size"]
[[figures]]
kind = "weights"
title = "Kernels"
entrants = ["fully_connected"]
layers = "hidden_*"
"""


def test_what_rests_on_weights_from_elsewhere_says_so():
    embedding = {"kind": "embedding", "weights": ["vgg_tagger.msd", "musicnn.mtt"]}
    known = benchmarking.pretrained(embedding)
    assert sorted(known) == ["musicnn.mtt", "vgg_tagger.msd"]
    assert "MagnaTagATune" in known["musicnn.mtt"]
    assert "may hold recordings of GTZAN" in known["vgg_tagger.msd"]
    assert benchmarking.pretrained({"kind": "log_mel"}, get_recipe("lstm")) == {}
    tuned = Recipe(
        name="own", summary="s", reference="r", model="ensemble", members={"a": "tagger_finetuned", "b": "lstm"}
    )
    assert list(benchmarking.pretrained({}, tuned)) == ["vgg_tagger.msd"]
    assert list(benchmarking.pretrained({}, get_recipe("resnet50"))) == [
        "resnet50.imagenet"
    ]  # its recipe says "imagenet"


SMALL = {"recipe": "fully_connected", "changes": {"units": [4]}}


@pytest.fixture(scope="module")
def songs_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "toy"
    save_songs(make_songs(), folder)
    return folder


@pytest.fixture(autouse=True)
def _cells_in_this_process(monkeypatch):
    monkeypatch.setattr(parallel, "ProcessExecutor", HereExecutor)


@pytest.fixture(scope="module")
def finished(songs_folder, tmp_path_factory):
    """One small benchmark for the tests below."""
    folder = tmp_path_factory.mktemp("benchmark")
    path = folder / "tiny.toml"
    path.write_text(SUITE.format(songs=songs_folder))
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "ProcessExecutor", HereExecutor)
        benchmark(path, out=folder / "out", on_cell=lambda *cell: seen.append(cell))
    return folder / "out", path, seen


@pytest.mark.slow  # each of the processes imports TensorFlow
def test_processes_of_their_own_give_the_same_rows(finished, tmp_path, monkeypatch):
    folder, path, _ = finished
    monkeypatch.undo()
    models = ["fully_connected", "snippet_lstm", "logistic_regression_flat"]
    benchmark(path, models=models, seeds=1, out=tmp_path / "out")
    for kind, number in (("accuracy", 3), ("speed", 3), ("passes", 2)):
        there, here = (
            {(row["key"], row.get("engine")): row for row in rows_of(one, kind)} for one in (tmp_path / "out", folder)
        )
        assert there.keys() <= here.keys()
        assert len(there) == number
        for key, row in there.items():
            assert row["status"] == here[key]["status"]
            assert row["status"] != "ok" or row["environment"]["threads"] == 1
            if kind == "accuracy" and row["status"] == "ok":
                assert row["test"]["accuracy"] == pytest.approx(here[key]["test"]["accuracy"], abs=0.1)
    speed = {row["engine"]: row for row in rows_of(tmp_path / "out", "speed") if row["family"] == "zoo"}
    assert 0.5 < speed["keras"]["first_prediction_seconds"] < 120
    assert 0 < speed["onnx"]["first_prediction_seconds"] < speed["keras"]["first_prediction_seconds"]
    assert speed["onnx"]["peak_memory_mb"] < speed["keras"]["peak_memory_mb"] / 2  # Keras was in another process


def rows_of(folder, kind="accuracy"):
    return [row for row in files.read_json_lines(folder / "rows.jsonl") if row["kind"] == kind]


def test_every_cell_has_a_row_whatever_became_of_it(finished):
    folder, _, seen = finished
    status = {(row["recipe"], row["seed"]): row["status"] for row in rows_of(folder)}
    assert status == {
        ("fully_connected", 1): "ok",
        ("fully_connected", 2): "ok",
        ("snippet_lstm", 1): "refused",
        ("snippet_lstm", 2): "refused",
        ("diverging", 1): "refused",
        ("diverging", 2): "refused",
        ("logistic_regression_flat", 1): "ok",
    }
    assert [finished for *_, finished, _ in seen][-1] == seen[-1][-1] == 7 + 2 * 4 + 3  # a baseline has no export
    reasons = {row["recipe"]: row["reason"] for row in rows_of(folder) if row["status"] == "refused"}
    assert "snippets" in reasons["snippet_lstm"]
    assert "diverged" in reasons["diverging"]


def test_rows_hold_what_the_design_says(finished):
    folder, _, _ = finished
    row = next(row for row in rows_of(folder) if row["recipe"] == "fully_connected")
    assert row["provenance"] == "random"
    assert row["sizes"] == {"train": 36, "valid": 12, "test": 12}
    assert row["parameters"] == 6 * 4 * 4 + 4 + 4 * 3 + 3
    assert row["multiply_adds"] == 6 * 4 * 4 + 4 * 3
    assert row["epochs"] == 2
    assert row["schema"] == 2
    assert row["environment"]["parallel"] >= 1
    low, high = row["test"]["intervals"]["accuracy"]
    assert low <= row["test"]["accuracy"] <= high
    with np.load(folder / row["run"] / "predictions.npz") as stored:
        assert (stored["test_logits"].argmax(1) == stored["test_y"]).mean() == row["test"]["accuracy"]


def test_scores_are_of_all_three_sides_and_evaluation_is_timed(finished):
    folder, _, _ = finished
    done = [row for row in rows_of(folder) if row["status"] == "ok"]
    assert {row["family"] for row in done} == {"zoo", "baseline"}
    for row in done:
        assert set(row["train"]) == {*METRICS, "macro_precision", "macro_recall"}
        assert 0 < row["evaluation_seconds"] < 60
        with np.load(folder / row["run"] / "predictions.npz") as stored:
            figures = {side: evaluate(stored[f"{side}_logits"], stored[f"{side}_y"]) for side in ("valid", "test")}
        for side, expected in figures.items():
            assert row[side]["macro_precision"] == expected["macro_precision"]
            assert row[side]["macro_recall"] == expected["macro_recall"]
    row = next(row for row in done if row["family"] == "zoo")
    train = load_arrays(next((folder / "songs").iterdir())).split("train")
    assert row["train"]["accuracy"] == evaluate(load_run(folder / row["run"]).logits(train), train.y)["accuracy"]


def test_difficulty_and_kernels_are_measured_of_those_that_figures_name_and_drawn(finished, tmp_path):
    folder, _, _ = finished
    train, hardest_lines = load_arrays(next((folder / "songs").iterdir())).split("train"), []
    for row in (row for row in rows_of(folder) if row["status"] == "ok"):
        if row["family"] == "baseline":
            assert row["difficulty"] is row["weights"] is None
            continue
        run = load_run(folder / row["run"])
        logits = run.logits(train).astype(np.float64)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = -logits[np.arange(len(train)), train.y]
        assert row["difficulty"]["mean"] == pytest.approx(expected.mean(), rel=1e-5)
        hardest = train.ids[np.argsort(-expected, kind="stable")[:10]].tolist()
        assert [song["id"] for song in row["difficulty"]["hardest"]] == hardest
        hardest_lines.append(f"| {hardest[0]} | {expected.max():.5f} |")
        kernel = run.network.get_layer("hidden_1").kernel.numpy()
        assert row["weights"]["counts"] == {"hidden_1/kernel": np.histogram(kernel, 50)[0].tolist()}
    render(folder, tmp_path)
    text = (tmp_path / "leaderboard.md").read_text(encoding="utf-8")
    assert "| Easiest song | Cross entropy (nats) | Hardest song | Cross entropy (nats) |" in text
    assert any(line in text for line in hardest_lines)  # those of the representative run
    names = [path.name for path in (tmp_path / "figures").iterdir() if "study" in path.name]
    assert len(names) == 2
    (table,) = (tmp_path / "tables").iterdir()
    assert len(table.read_text(encoding="utf-8").splitlines()) == 1 + 2 * 10


@pytest.mark.parametrize(
    ("row", "asked", "kept"),
    [
        (None, False, False),
        (AccuracyRow.model_construct(), False, True),
        (AccuracyRow.model_construct(), True, False),
        (AccuracyRow.model_construct(train={}), True, True),
        (SpeedRow.model_construct(), True, True),
        (NotMeasured.model_construct(status="refused"), True, True),
        (NotMeasured.model_construct(status="failed"), False, False),
    ],
)
def test_a_row_without_the_scores_asked_for_is_measured_again(row, asked, kept):
    made = cell.Cell.model_construct(train_scores=asked)
    assert benchmarking.is_measured(row, made) is kept


@pytest.mark.parametrize(("asked", "name"), [({"difficulty": True}, "difficulty"), ({"kernels": "conv_*"}, "weights")])
def test_a_row_without_what_a_figure_needs_is_measured_again(asked, name):
    made = cell.Cell.model_construct(**asked)
    assert not benchmarking.is_measured(AccuracyRow.model_construct(), made)
    assert benchmarking.is_measured(AccuracyRow.model_construct(**{name: {}}), made)


def test_recipes_for_other_features_are_passed_over_and_songs_get_the_name_asked_for(tmp_path):
    songs = dataclasses.replace(make_songs(), about={"features": {"kind": "log_mel"}})
    save_songs(songs, tmp_path / "mel")
    recipes = [{"recipe": "lstm", "feature_kinds": ["segments"]}]
    data = [{"source": str(tmp_path / "mel"), "name": "mel songs"}]
    plan = Suite(name="own", summary="s", recipes=recipes, baselines=["logistic_regression_flat"], data=data)
    (row,) = rows_of(benchmark(plan, out=tmp_path / "out"))
    assert (row["recipe"], row["data"]) == ("logistic_regression_flat", "mel songs")
    with pytest.raises(SettingsError, match="none of the recipes is for the features of these songs"):
        benchmark(plan.model_copy(update={"baselines": ()}), out=tmp_path / "none")


def test_speed_is_measured_apart_once_per_recipe_and_engine(finished):
    folder, _, _ = finished
    speed = {(row["recipe"], row["engine"]): row for row in rows_of(folder, "speed")}
    recipe = "fully_connected"
    assert set(speed) == {(recipe, "keras"), (recipe, "onnx"), ("logistic_regression_flat", "scikit-learn")}
    for row in (speed[recipe, "keras"], speed[recipe, "onnx"]):
        latency = row["latency_ms"]
        assert latency["calls"] >= 200
        assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"]
        assert row["bulk_songs_per_second"] > 0
        assert row["first_prediction_seconds"] is not None  # from the start of its process: the slow test above
        assert row["peak_memory_mb"] > 50
        assert row["environment"]["parallel"] == 1
    assert speed[recipe, "onnx"]["latency_ms"]["p50"] < speed[recipe, "keras"]["latency_ms"]["p50"]
    keys = {other["key"] for other in rows_of(folder) if other["seed"] == 1}
    assert {other["key"] for other in speed.values()} <= keys


def test_rows_say_where_they_stand_in_a_study(finished):
    folder, _, _ = finished
    for row in files.read_json_lines(folder / "rows.jsonl"):
        expected = ("size", {"units": 4}, "small") if row["recipe"] == "fully_connected" else (None, None, None)
        assert (row.get("study"), row.get("axes"), row.get("label")) == expected


@pytest.mark.slow
def test_bagged_entrants_are_cells_that_share_no_member(songs_folder, tmp_path):
    entrant = {**SMALL, "bagged": 2}
    entrant["changes"] = {**SMALL["changes"], "epochs": 1}
    other = {**entrant, "name": "wider", "changes": {**entrant["changes"], "units": [5]}}
    data = [{"source": str(songs_folder)}]
    suite = Suite(name="own", summary="s", data=data, recipes=[entrant, other], seeds=2)
    folder = benchmark(suite, out=tmp_path / "out")
    rows = [row for row in rows_of(folder) if row["kind"] == "accuracy"]
    rows.sort(key=lambda row: (row["recipe"], row["seed"]))
    assert [(row["recipe"], row["folds"]) for row in rows] == [("bagged_fully_connected", 2)] * 2 + [("wider", 2)] * 2
    assert [row["multiply_adds"] for row in rows[::2]] == [2 * (6 * 4 * n + n * 3) for n in (4, 5)]
    assert len({row["out_of_fold"]["accuracy"] for row in rows}) > 1
    assert len(list((folder / "runs").glob("fully_connected-*/card.json"))) == 2 * 2 * 2  # recipes, seeds and folds
    assert {row["status"] for row in rows_of(folder)} == {"ok"}
    assert render([folder]).exists()


def test_passes_over_all_training_and_validation_songs_are_timed(finished):
    folder, _, _ = finished
    found = {row["recipe"]: row for row in rows_of(folder, "passes")}
    assert set(found) == {"fully_connected", "logistic_regression_flat"}
    for row in found.values():
        seconds = row["seconds"]
        assert (row["status"], row["songs"], row["passes"]) == ("ok", 48, 3)
        assert 0 < seconds["min"] <= seconds["mean"] <= seconds["max"]
        assert 0 <= seconds["variance"] <= (seconds["max"] - seconds["min"]) ** 2
        assert row["environment"]["parallel"] == 1


def test_auxiliary_outputs_are_judged_by_themselves():
    y = np.array([0, 1, 1])
    right, wrong = np.eye(2)[y], np.eye(2)[1 - y]
    arrays = {"ids": y.astype(str), "y": y, "logits": right, "expert_1": wrong, "song": np.zeros((3, 7, 2))}
    stored = {"valid": arrays, "test": {**arrays, "expert_1": right}}
    assert cell.head_scores(stored) == {"expert_1": HeadScores(valid=0.0, test=1.0)}


def test_finished_cells_are_kept(finished):
    folder, path, _ = finished
    before = (folder / "rows.jsonl").read_bytes()
    seen = []
    benchmark(path, out=folder, on_cell=lambda name, status, *_: seen.append(status))
    assert set(seen) == {"kept"}
    assert (folder / "rows.jsonl").read_bytes() == before


def test_a_failed_cell_is_tried_again_and_earlier_rows_of_schema_1_are_kept(finished, tmp_path):
    folder, path, _ = finished
    out = shutil.copytree(folder, tmp_path / "out")
    rows = files.read_json_lines(out / "rows.jsonl")
    for row in rows:
        row |= {"schema": 1, "family": "peer" if row["family"] == "baseline" else "zoo"}
        if row["recipe"] == "logistic_regression_flat" and row["kind"] == "speed":
            row |= {"status": "failed", "reason": "the process was killed"}
    (out / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seen = []
    benchmark(path, out=out, on_cell=lambda name, status, *_: seen.append((name, status)))
    assert [name for name, status in seen if status != "kept"] == ["logistic_regression_flat on toy, speed"]
    assert files.read_json_lines(out / "rows.jsonl")[:-1] == rows


def test_songs_are_searched_for_leaks_once_on_each_side_of_the_process(songs_folder, tmp_path, monkeypatch):
    found, original = [], splits.find_leaks
    monkeypatch.setattr(splits, "find_leaks", lambda songs: found.append(songs.name) or original(songs))
    plan = Suite(name="own", summary="s", seeds=1, recipes=[SMALL], data=[str(songs_folder)], changes={"epochs": 1})
    monkeypatch.setattr(cell, "speed_cell", lambda plain: {**plain["facts"], "kind": "speed", "status": "refused",
                                                           "reason": "not asked", "environment": {}})  # fmt: skip
    benchmark(plan, out=tmp_path / "out")
    assert len(found) <= 2


def test_an_export_that_fails_costs_its_own_row(songs_folder, tmp_path, monkeypatch):
    def refuse(*_, **options):
        raise SettingsError("this model cannot be exported")

    plan = Suite(name="own", summary="s", seeds=1, recipes=[SMALL], data=[str(songs_folder)], changes={"epochs": 1})
    monkeypatch.setattr(exporting, "export", refuse)
    monkeypatch.setattr(cell, "WARM_UP", 0)
    monkeypatch.setattr(cell, "CALLS", 2)
    rows = files.read_json_lines(benchmark(plan, out=tmp_path / "out") / "rows.jsonl")
    assert {(row["kind"], row.get("engine"), row["status"]) for row in rows} == {
        ("accuracy", None, "ok"), ("speed", "keras", "ok"), ("speed", "onnx", "refused"),
    }  # fmt: skip
    assert ["cannot be exported" in row["reason"] for row in rows if row["status"] == "refused"] == [True]
    seen = []
    benchmark(plan, out=tmp_path / "out", on_cell=lambda *given: seen.append(given[:2]))
    assert ("fully_connected on toy, speed with ONNX", "kept") in seen


def test_the_speed_of_a_run_that_is_gone_fails_until_it_is_back(finished, tmp_path, monkeypatch):
    folder, path, _ = finished
    monkeypatch.setattr(cell, "WARM_UP", 0)
    monkeypatch.setattr(cell, "CALLS", 2)
    out = shutil.copytree(folder, tmp_path / "out")
    (out / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(folder)))
    (out / "runs").rename(tmp_path / "runs")
    benchmark(path, models=["fully_connected"], engines=["keras"], out=out)
    row = rows_of(out, "speed")[-1]
    assert row["status"] == "failed"
    assert "card.json is missing. Remedy: restore the run, or delete the accuracy row" in row["reason"]
    shutil.copytree(tmp_path / "runs", out / "runs", dirs_exist_ok=True)
    monkeypatch.setattr(fitted, "songs_per_batch", lambda shape: 5)  # as for long songs
    benchmark(path, models=["fully_connected"], engines=["keras"], out=out)
    assert rows_of(out, "speed")[-1]["status"] == "ok"
    assert rows_of(out, "speed")[-1]["bulk_batch"] == 5


def test_a_cell_for_which_something_is_missing_is_tried_again(songs_folder, tmp_path, monkeypatch):
    plan = Suite(name="own", summary="s", seeds=1, baselines=["logistic_regression_flat"], data=[str(songs_folder)])
    with monkeypatch.context() as patch:
        patch.setattr(cell, "fit_baseline", lambda *_: (_ for _ in ()).throw(ResourceError("the disk is full")))
        benchmark(plan, out=tmp_path / "out")
    assert [(row["status"], row["reason"]) for row in rows_of(tmp_path / "out")] == [("failed", "the disk is full")]
    benchmark(plan, out=tmp_path / "out")
    assert [row["status"] for row in rows_of(tmp_path / "out")] == ["failed", "ok"]


def test_engines_are_those_that_are_installed_and_asked_for(monkeypatch):
    assert benchmarking.choose_engines(None) == ("keras", "onnx")
    assert benchmarking.choose_engines(["onnx"]) == ("onnx",)
    with pytest.raises(UnknownNameError, match="unknown engine 'onx'.*onnx"):
        benchmarking.choose_engines(["onx"])
    with pytest.raises(SettingsError, match="name at least one"):
        benchmarking.choose_engines([])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert benchmarking.choose_engines(None) == ("keras",)
    with pytest.raises(SettingsError, match=r"genrezoo\[export\]"):
        benchmarking.choose_engines(["onnx"])


def test_nothing_to_run_is_refused(songs_folder, tmp_path):
    empty = Suite(name="empty", summary="s", data=[str(songs_folder)])
    with pytest.raises(SettingsError, match="nothing to run"):
        benchmark(empty, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds: must be greater than or equal to 1, got 0"),
        ({"repeats": 1}, "repeats: must be greater than or equal to 2, got 1"),
        ({"data": []}, "data: .*at least 1 item"),
        ({"data": "songs.npz"}, r"data must be a list, got 'songs.npz'; pass \['songs.npz'\]"),
        ({"models": "lstm"}, r"models must be a list, got 'lstm'; pass \['lstm'\]"),
    ],
)
def test_arguments_out_of_range_are_refused_in_words(songs_folder, tmp_path, options, message):
    plan = Suite(name="own", summary="s", baselines=("logistic_regression_flat",), data=[str(songs_folder)])
    with pytest.raises(SettingsError, match=message):
        benchmark(plan, out=tmp_path / "out", **options)


def test_what_is_named_twice_is_measured_once(songs_folder, tmp_path):
    plan = Suite(name="own", summary="s", seeds=1, data=[str(songs_folder)] * 2)
    out = benchmark(plan, models=["logistic_regression_flat"] * 2, out=tmp_path / "out")
    assert [row["recipe"] for row in rows_of(out)] == ["logistic_regression_flat"]


def test_a_benchmark_that_cannot_begin_leaves_the_suite_of_the_folder(finished, tmp_path):
    folder, path, _ = finished
    before = (folder / "suite.json").read_bytes()
    with pytest.raises(DataError, match="cannot be read"):
        benchmark(path, data=[str(tmp_path / "missing.npz")], out=folder)
    assert (folder / "suite.json").read_bytes() == before


@pytest.mark.slow
def test_an_interrupted_benchmark_goes_on(songs_folder, tmp_path):
    """Really kills the parent while cells run; baselines only, whose processes start fast."""
    baselines = ["logistic_regression_flat", "random_forest_flat"]
    suite = tmp_path / "baselines.toml"
    suite.write_text(
        f'name = "own"\nsummary = "s"\nseeds = 2\nbaselines = {json.dumps(baselines)}\ndata = ["{songs_folder}"]\n'
    )
    code = "import sys; from genrezoo.benchmarking import benchmark; benchmark(sys.argv[1], out=sys.argv[2], workers=1)"
    command = [sys.executable, "-c", code, str(suite), str(tmp_path / "out")]
    process = subprocess.Popen(command)
    rows = tmp_path / "out" / "rows.jsonl"
    while not (rows.exists() and len(rows.read_bytes().splitlines()) >= 2):
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = files.read_json_lines(rows)
    assert subprocess.run(command, check=False).returncode == 0
    after = files.read_json_lines(rows)
    assert after[: len(kept)] == kept
    names = [(row["kind"], row["recipe"], row["seed"]) for row in after]
    assert len(names) == len(set(names)) == 3 + 2


def test_songs_without_a_split_get_a_seeded_one(tmp_path):
    songs = make_songs(100).with_split({}, None)
    save_songs(songs, tmp_path / "plain")
    for out in ("a", "b"):
        plan = Suite(name="own", summary="s", baselines=("logistic_regression_flat",), data=[str(tmp_path / "plain")])
        benchmark(plan, out=tmp_path / out)
    one, other = (rows_of(tmp_path / out)[0] for out in ("a", "b"))
    assert one["provenance"] == "random"
    assert one["checksum"] == other["checksum"]
    assert one["sizes"] == {"train": 70, "valid": 15, "test": 15}
    assert one["test"] == other["test"]


@pytest.mark.slow
def test_reports_holds_the_measured_against_the_reported_on_the_documents_own_files(tmp_path, monkeypatch):
    """The suite as it is, on small files in the very form of the published ones: no test songs with labels."""
    generator = np.random.default_rng(0)
    for genres in (10, 25):
        folder = tmp_path / f"msd-{genres}"
        folder.mkdir()
        for split, number in (("train", 8 * genres), ("valid", 2 * genres)):
            x = generator.standard_normal((number, 120, 25)).astype(np.float32)
            names = np.array([f"genre {label}" for label in range(genres)])
            targets = np.arange(number) % genres
            np.savez(folder / f"msd-{genres}-genre-{split}.npz", inputs=x, targets=targets, label_map=names)
    monkeypatch.chdir(tmp_path)
    out = benchmark("reports", models=["fully_connected"], seeds=1, changes={"epochs": 1}, out="out")
    rows = {row["data"]: row for row in rows_of(out)}
    assert {name: row["status"] for name, row in rows.items()} == {"MSD-10": "ok", "MSD-25": "ok"}
    assert rows["MSD-10"]["sizes"] == {"train": 68, "valid": 20, "test": 12}
    assert rows["MSD-10"]["provenance"] == "random"
    text = (render(out).parent / "leaderboard.md").read_text(encoding="utf-8")
    board = text.split("\n## MSD-10\n")[1].split("\n## ")[0]  # boards stand in the order in which cells were done
    line = next(line for line in board.split("Measured and reported")[1].splitlines() if "fully_connected" in line)
    assert f"{100 * rows['MSD-10']['valid']['accuracy']:.1f}" in line
    assert "MSD-10 validation accuracy 0.50" in line
