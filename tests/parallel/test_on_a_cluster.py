"""The commands' work on a real cluster: as here, and with one of two workers killed."""

import contextlib
import os
import signal
import threading

import numpy as np
import pytest
from clusters import HERE, start_cluster
from distributed import Client
from functions import wait_for
from toys import make_songs, write_noise

import genrezoo as gz
from genrezoo import benchmarking
from genrezoo.audio.extract import extract_files
from genrezoo.audio.settings import feature_settings
from genrezoo.errors import ResourceError, SettingsError
from genrezoo.recipes import get_recipe
from genrezoo.rows import AccuracyRow, SpeedRow, read_row_file
from genrezoo.runs import out_of_fold
from genrezoo.songs import SongSet
from genrezoo.songs.storage import save_songs

pytestmark = pytest.mark.slow
MEL = feature_settings("log_mel", n_mels=16)


@contextlib.contextmanager
def two_workers(folder):
    """A cluster of two workers, of which the first that makes a call is killed at once."""
    killed = []

    def kill(cluster):
        with Client(cluster.address, set_as_default=False) as client:
            wait_for(lambda: len(client.nthreads()) == 2)
            processes = client.run(os.getpid)
            ready.set()
            wait_for(lambda: any(client.processing().values()))
            killed[:] = [processes[name] for name, calls in client.processing().items() if calls][:1]
            os.kill(killed[0], signal.SIGKILL)

    with start_cluster(folder, 2) as cluster:
        ready = threading.Event()
        thread = threading.Thread(target=kill, args=[cluster])
        thread.start()
        assert ready.wait(60)
        yield cluster.address
        thread.join()
        assert [worker.wait(60) for worker in cluster.workers if worker.pid in killed] == [-signal.SIGKILL]


def test_features_are_those_of_this_machine_though_a_worker_dies(tmp_path):
    for number in range(24):
        write_noise(tmp_path / "music" / f"{number:02d}.wav", 2, seed=number)
    (tmp_path / "music" / "bad.mp3").write_text("<html>not found</html>")
    paths = sorted((tmp_path / "music").iterdir())
    with two_workers(tmp_path) as address:
        found = extract_files(paths, MEL, cache=tmp_path / "shared", scheduler=address)
    expected = extract_files(paths, MEL, cache=tmp_path / "own", workers=1)
    assert (found.paths, found.rejected, found.computed) == (expected.paths, expected.rejected, 24)
    for path in found.paths:
        np.testing.assert_array_equal(found.features(path).x, expected.features(path).x)


def test_workers_that_do_not_see_the_files_are_no_reason_to_reject_them(tmp_path):
    path = write_noise(tmp_path / "music" / "a.wav")
    with start_cluster(tmp_path, 1, preload=HERE / "blind_worker.py", HIDDEN=str(tmp_path / "music")) as cluster:
        with pytest.raises(ResourceError, match="does not see .*music; use a folder that all machines see"):
            extract_files([path], MEL, cache=tmp_path / "shared", scheduler=cluster.address)
        with pytest.raises(SettingsError, match="pass either workers or scheduler"):
            extract_files([path], MEL, workers=2, scheduler=cluster.address)


def test_folds_are_those_of_this_machine_though_a_worker_dies(tmp_path):
    songs, recipe = make_songs(), get_recipe("fully_connected").changed({"epochs": 2, "units": [4]})
    expected = out_of_fold(recipe, songs, n_folds=2, seed=1, out=tmp_path / "own", workers=2)
    with two_workers(tmp_path) as address:
        found = out_of_fold(recipe, songs, n_folds=2, seed=1, out=tmp_path / "shared", scheduler=address)
    assert found.weights_sha256 == expected.weights_sha256
    np.testing.assert_array_equal(found.logits, expected.logits)


def test_a_benchmark_has_a_row_for_each_cell_though_a_worker_dies(tmp_path):
    save_songs(make_songs(), tmp_path / "songs")
    given = {"data": [tmp_path / "songs"], "models": ["fully_connected", "logistic_regression_flat"], "seeds": 2}
    with two_workers(tmp_path) as address:
        folder = benchmarking.benchmark(
            "quick", **given, changes={"epochs": 2}, out=tmp_path / "shared", scheduler=address, engines=["keras"]
        )
    rows = read_row_file(folder / "rows.jsonl").rows
    assert [type(row) for row in rows].count(AccuracyRow) == 3  # the baseline has no seeds
    assert [type(row) for row in rows].count(SpeedRow) == 2
    assert len({row.identity for row in rows}) == len(rows) == 5


def test_a_table_is_that_of_this_machine_though_a_worker_dies(tmp_path):
    settings = feature_settings("mfcc_statistics", rate=8000)
    x = np.random.default_rng(1).normal(0, 30, (24, 3, len(settings.names))).astype(np.float32)
    about = {"features": settings.model_dump(mode="json"), "feature_names": list(settings.names)}
    splits = {"train": np.arange(12), "valid": np.arange(12, 18), "test": np.arange(18, 24)}
    given = {"y": np.arange(24) % 2, "genres": ("a", "b"), "splits": splits, "provenance": "random", "about": about}
    changes = {"units": [4], "epochs": 1, "chunks": {"segments": 1, "hop": 1}}
    gz.train(get_recipe("fully_connected").changed(changes), SongSet(x=x, **given), seed=1, out=tmp_path / "run")
    gz.export(tmp_path / "run", "onnx", tmp_path / "run.onnx")
    for number in range(60):
        write_noise(tmp_path / "music" / f"{number:02d}.wav", 1.5, seed=number, rate=8000)
    (tmp_path / "music" / "bad.mp3").write_text("<html>not found</html>")
    model, music = tmp_path / "run.onnx", tmp_path / "music"
    gz.predict_table(model, music, out=tmp_path / "here.csv", workers=2)
    with two_workers(tmp_path) as address:
        found = gz.predict_table(model, music, out=tmp_path / "there.csv", scheduler=address)
    assert (found.files, found.rejected) == (61, 1)
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    (tmp_path / "blind").mkdir()
    with (
        start_cluster(tmp_path / "blind", 1, preload=HERE / "blind_worker.py", HIDDEN=str(music)) as cluster,
        pytest.raises(ResourceError, match="does not see .*music; use a folder that all machines see"),
    ):
        gz.predict_table(model, music, out=tmp_path / "t.csv", scheduler=cluster.address)
