"""A table of many files' answers: as `predict_audio` gives them, and the same however often the work was killed."""

import concurrent.futures
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as parquet
import pytest
from here_executor import HereExecutor
from toys import write_noise
from typer.testing import CliRunner

import genrezoo as gz
from genrezoo import files
from genrezoo.audio.settings import feature_settings
from genrezoo.cli import app
from genrezoo.errors import DataError, ResourceError, SettingsError, UnknownNameError
from genrezoo.parallel import ChildError
from genrezoo.predict import bulk, predict_audio
from genrezoo.predict.table import Row, write_table
from genrezoo.songs import SongSet

SETTINGS = feature_settings("mfcc_statistics", rate=8000)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An exported run that reads chunks of a second."""
    folder = tmp_path_factory.mktemp("model")
    x = np.random.default_rng(1).normal(0, 30, (24, 3, len(SETTINGS.names))).astype(np.float32)
    about = {"features": SETTINGS.model_dump(mode="json"), "feature_names": list(SETTINGS.names)}
    splits = {"train": np.arange(12), "valid": np.arange(12, 18), "test": np.arange(18, 24)}
    y = np.arange(24) % 3
    songs = SongSet(x=x, y=y, genres=("a", "b", "file"), splits=splits, provenance="random", about=about)
    changes = {"units": [4], "epochs": 1, "chunks": {"segments": 1, "hop": 1}}
    gz.train(gz.get_recipe("fully_connected").changed(changes), songs, seed=1, out=folder / "run")
    gz.export(folder / "run", "onnx", folder / "run.onnx")
    return folder / "run.onnx"


@pytest.fixture
def music(tmp_path):
    """Nine files, two of which are bad."""
    for number in range(7):
        write_noise(tmp_path / "music" / f"{number}.wav", 1.5, seed=number, rate=8000)
    (tmp_path / "music" / "3.mp3").write_text("<html>not found</html>")
    (tmp_path / "music" / os.fsdecode(b"b\xff.wav")).write_text("not sound")
    return tmp_path / "music"


@pytest.fixture
def here(monkeypatch):
    """Calls are made in this process, of two files each; which files are answered is noted."""
    monkeypatch.setattr("genrezoo.parallel.ProcessExecutor", HereExecutor)
    monkeypatch.setattr(bulk, "SHARD_FILES", (2, 2))
    extract, read = bulk.extract_file, []

    def noted(path, settings):
        read.append(os.path.basename(path))
        return extract(path, settings)

    monkeypatch.setattr(bulk, "extract_file", noted)
    return read


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_holds_the_answers_of_the_prediction_and_a_reason_where_there_is_none(model, music, here, tmp_path):
    seen = []
    found = gz.predict_table(model, music, out=tmp_path / "t.csv", on_files=lambda *now: seen.append(now))
    expected = predict_audio(model, music, cache=tmp_path / "cache")
    rows = rows_of(tmp_path / "t.csv")
    assert list(rows[0]) == ["file", "genre", "a", "b", "genre file", "seconds", "warnings", "reason"]
    assert [row["file"] for row in rows] == [
        os.fsencode(one.path).decode(errors="backslashreplace") for one in expected
    ]
    for row, one in zip(rows, expected, strict=True):
        assert (row["genre"], row["reason"].rstrip(".")) == (one.genre or "", one.reason or "")
        if one.reason is None:
            scores = [float(row[name]) for name in ("a", "b", "genre file")]
            np.testing.assert_allclose(scores, one.probabilities, atol=1e-6)
            assert float(row["seconds"]) == one.seconds
            assert row["warnings"] == "; ".join(one.warnings)
        else:
            assert row["a"] == row["seconds"] == ""
    assert (found.files, found.rejected, found.seconds) == (9, 2, sum(one.seconds for one in expected))
    assert seen[0] == (0, 9, 0)
    assert seen[-1] == (9, 9, 2)
    assert sorted(tmp_path.iterdir()) == sorted([music, tmp_path / "cache", tmp_path / "t.csv"])


def test_parquet_holds_the_same_and_says_where_it_comes_from(model, music, here, tmp_path):
    gz.predict_table(model, music, out=tmp_path / "t.csv")
    gz.predict_table(model, music, out=tmp_path / "t.parquet")
    table = parquet.read_table(tmp_path / "t.parquet")
    assert [str(field.type) for field in table.schema] == [*["string"] * 2, *["float"] * 3, "double", *["string"] * 2]
    for there, row in zip(table.to_pylist(), rows_of(tmp_path / "t.csv"), strict=True):
        assert {name: value if isinstance(value, str) else None for name, value in there.items()} == {
            name: None if name in ("a", "b", "genre file", "seconds") or not row[name] and name != "warnings" else value
            for name, value in row.items()
        }
        assert [there[name] for name in ("a", "seconds")] == [
            pytest.approx(float(row[name])) if row[name] else None for name in ("a", "seconds")
        ]
    about = json.loads(table.schema.metadata[b"genrezoo"])
    assert about["model"] == "fully_connected"
    assert about["digest"] == files.sha256_of(model)


@pytest.mark.parametrize("until", range(6))
def test_an_interrupted_table_is_continued_and_no_shard_is_answered_again(model, music, here, tmp_path, until):
    gz.predict_table(model, music, out=tmp_path / "whole.csv")
    here.clear()

    def interrupt(done, total, rejected):
        if done >= 2 * until or done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gz.predict_table(model, music, out=tmp_path / "t.csv", on_files=interrupt)
    assert not (tmp_path / "t.csv").exists()
    shards = [files.read_json(path) for path in (tmp_path / "t.csv.parts").glob("0*.json")]
    finished = {os.path.basename(row[0]) for rows in shards for row in rows}
    assert len(finished) >= min(2 * until, 8)
    write_noise(music / "late.wav", 1.5, rate=8000)  # the list was made by the first call
    gz.predict_table(model, music, out=tmp_path / "t.csv")
    read = [os.fsencode(name).decode(errors="backslashreplace") for name in here]
    assert len(set(read)) == 9
    assert [name for name in finished if read.count(name) > 1] == []
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_kill_between_the_table_and_the_end_of_its_folder_costs_nothing(model, music, here, tmp_path, monkeypatch):
    def fail(parts):
        for shard in parts.glob("0*.json"):
            shard.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bulk, "_remove", fail)
        with pytest.raises(KeyboardInterrupt):
            gz.predict_table(model, music, out=tmp_path / "t.csv")
    here.clear()
    before = (tmp_path / "t.csv").read_bytes()
    found = gz.predict_table(model, music, out=tmp_path / "t.csv")
    assert (found.files, found.rejected, here) == (9, 2, [])
    assert (tmp_path / "t.csv").read_bytes() == before
    assert not (tmp_path / "t.csv.parts").exists()
    with pytest.raises(DataError, match="t.csv: already exists"):
        gz.predict_table(model, music, out=tmp_path / "t.csv")


def test_a_folder_of_another_command_or_a_damaged_one_is_refused(model, music, here, tmp_path):
    def interrupt(done, total, rejected):
        if done:
            raise KeyboardInterrupt

    given = {"model": model, "paths": music, "out": tmp_path / "t.csv"}
    with pytest.raises(KeyboardInterrupt):
        gz.predict_table(**given, on_files=interrupt)
    for different, told in (({"rule": "product"}, "rule"), ({"paths": [music, music]}, "files"), ({"hop": 2}, "hop")):
        with pytest.raises(DataError, match=f"parts: belongs to another command .*{told}.* Remedy: repeat"):
            gz.predict_table(**{**given, **different})
    parts = tmp_path / "t.csv.parts"
    (shard,) = parts.glob("0*.json")
    shard.write_text("[]")
    with pytest.raises(DataError, match=r"000000000-000000002.json: is damaged"):
        gz.predict_table(**given)
    (parts / "files.txt").write_text("")
    with pytest.raises(DataError, match="files.txt"):
        gz.predict_table(**given)
    (parts / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="manifest.json: is not the manifest of a table"):
        gz.predict_table(**given)


def test_what_cannot_be_is_refused_before_any_work(model, music, tmp_path, monkeypatch):
    with pytest.raises(UnknownNameError, match="unknown table format '.xlsx'"):
        gz.predict_table(model, music, out=tmp_path / "t.xlsx")
    with pytest.raises(SettingsError, match="pass either workers or scheduler"):
        gz.predict_table(model, music, out=tmp_path / "t.csv", workers=1, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(SettingsError, match="hop must be at most the window"):
        gz.predict_table(model, music, out=tmp_path / "t.csv", hop=3, window=2)
    with pytest.raises(DataError, match="no paths were passed"):
        gz.predict_table(model, [], out=tmp_path / "t.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingsError, match=r"pip install 'genrezoo\[parquet\]', or write a .csv"):
        gz.predict_table(model, music, out=tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == [music]


def test_a_file_that_kills_its_worker_is_a_row_with_the_reason(model, music, here, tmp_path, monkeypatch):
    def send(self, order, reads=(), writes=()):
        if any(name.endswith("5.wav") for _, name, _ in order["args"][0]):
            return _failed(ChildError("the worker process ended with signal SIGSEGV", died=True))
        return HereExecutor.send(self, order)

    monkeypatch.setattr("genrezoo.parallel.ProcessExecutor", type("Dying", (HereExecutor,), {"send": send}))
    found = gz.predict_table(model, music, out=tmp_path / "t.csv")
    (row,) = (row for row in rows_of(tmp_path / "t.csv") if row["file"].endswith("5.wav"))
    assert row["reason"] == "its prediction failed: the worker process ended with signal SIGSEGV"
    assert found.rejected == 3


def test_a_full_disk_ends_the_work_and_is_no_reason_in_the_table(model, music, here, tmp_path, monkeypatch):
    full = type("Full", (HereExecutor,), {"send": lambda self, order, *_: _failed(ChildError("full", scarce=True))})
    monkeypatch.setattr("genrezoo.parallel.ProcessExecutor", full)
    with pytest.raises(ResourceError, match="full"):
        gz.predict_table(model, music, out=tmp_path / "t.csv")
    monkeypatch.setattr("genrezoo.parallel.ProcessExecutor", HereExecutor)
    assert gz.predict_table(model, music, out=tmp_path / "t.csv").rejected == 2


def _failed(error):
    future = concurrent.futures.Future()
    future.set_exception(error)
    return future


def test_names_that_hold_no_file_and_files_of_another_machine_have_reasons(model, tmp_path, here):
    path = write_noise(tmp_path / "a.wav", 1.5, rate=8000)
    gz.predict_table(model, [path, tmp_path / "*.flac", tmp_path / "gone.wav", path], out=tmp_path / "t.csv")
    reasons = [row["reason"].split(" (")[0] for row in rows_of(tmp_path / "t.csv")]
    assert reasons == ["", "no file matches", "cannot be read"]
    order = {"model": str(model), "options": {"excerpt": False}, "folder": "/", "elsewhere": True}
    (row,) = bulk.answer_files([[0, str(tmp_path / "gone.wav"), None]], order)["rows"]
    assert "does not see it; use a folder that all machines see" in row[-1]


def test_many_rows_are_written_in_groups(tmp_path):
    rows = [Row(f"{number}.wav", "a", (1.0, 0.0), 1.0) for number in range(10)]
    for path in (tmp_path / "t.csv", tmp_path / "t.parquet"):
        write_table(path, ["a", "b"], (rows[first : first + 4] for first in range(0, 10, 4)), {})
    assert parquet.ParquetFile(tmp_path / "t.parquet").num_row_groups == 3
    assert [row["file"] for row in rows_of(tmp_path / "t.csv")] == [row.file for row in rows]


def test_the_command_says_what_the_table_holds(model, music, here, tmp_path):
    command = ["predict", str(model), str(music), "--out", str(tmp_path / "t.csv")]
    answer = CliRunner().invoke(app, command)
    assert (answer.exit_code, "9 files, 0.00 hours of audio, 2 without an answer" in answer.stdout) == (0, True)
    answer = CliRunner().invoke(app, [*command[:2], str(music / "3.mp3"), "--out", str(tmp_path / "bad.csv")])
    assert answer.exit_code == 2
    assert rows_of(tmp_path / "bad.csv")[0]["reason"].startswith("not a supported audio file")
    with pytest.raises(SettingsError, match="leave out --json, --csv, --timeline, --strict and --data-cache"):
        CliRunner().invoke(app, [*command, "--strict"], catch_exceptions=False)


@pytest.mark.slow
def test_a_command_that_is_killed_again_and_again_writes_the_same_table(model, tmp_path):
    for number in range(300):
        write_noise(tmp_path / "music" / f"{number:03d}.wav", 1.5, seed=number, rate=8000)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "genrezoo", "predict", str(model), str(tmp_path / "music"), "--workers", "2"]

    def start(out):
        options = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen([*command, "--out", str(tmp_path / out)], **options)

    with start("whole.csv") as process:
        assert process.wait() == 0
    draws, kills = random.Random(1), 0
    while not (tmp_path / "t.csv").exists() or (tmp_path / "t.csv.parts").exists():  # it may be killed when it is done
        with start("t.csv") as process:
            try:
                assert process.wait(draws.uniform(0.5, 3 + kills)) == 0, process.stderr.read()
            except subprocess.TimeoutExpired:
                process.send_signal(draws.choice([signal.SIGKILL, signal.SIGINT]))
                kills += process.wait() != 0
            assert kills < 50
    assert kills
    assert (tmp_path / "t.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    time.sleep(1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["music", "t.csv", "whole.csv"]
