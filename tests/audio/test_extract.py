"""Extraction of many files: the values of one by one, kept, resumed, and stopped by nothing."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import odd_children
import pytest
from toys import write_noise

from genrezoo.audio import extract
from genrezoo.audio.extract import extract_file, extract_files
from genrezoo.audio.settings import feature_settings
from genrezoo.environment import default_cache
from genrezoo.errors import DataError, SettingsError

MEL = feature_settings("log_mel", n_mels=16)


@pytest.fixture
def odd(monkeypatch):
    """Children that obey the names of the files."""
    monkeypatch.setattr(extract, "_extract_chunk", odd_children.extract_chunk)


def test_values_are_those_of_one_by_one_and_are_kept(tmp_path):
    paths = [write_noise(tmp_path / f"{name}.wav", seconds, seed) for name, seconds, seed in
             (("b", 1, 1), ("a", 2, 2), ("é ü\n", 1, 3))]  # fmt: skip
    seen, totals = [], []
    found = extract_files(
        paths,
        MEL,
        cache=tmp_path / "cache",
        workers=2,
        on_file=lambda path, reason: seen.append((path, reason)),
        on_start=totals.append,
    )
    assert found.paths == tuple(paths)  # in the order given
    assert (found.computed, dict(found.rejected), dict(found.warnings), totals) == (3, {}, {}, [3])
    assert sorted(seen) == sorted((path, None) for path in paths)
    for path in paths:
        features, warnings = extract_file(path, MEL)
        assert (warnings, found.shapes[path]) == ((), features.x.shape)
        np.testing.assert_array_equal(found.features(path).x, features.x)
        np.testing.assert_array_equal(found.features(path).edges, features.edges)
    copy = tmp_path / "other name.mp3"
    copy.write_bytes(paths[0].read_bytes())
    again = extract_files([copy, paths[1]], MEL, cache=tmp_path / "cache")
    assert again.computed == 0  # by content, whatever the name
    np.testing.assert_array_equal(again.features(copy).x, found.features(paths[0]).x)


def test_an_entry_serves_its_content_and_settings_alone(tmp_path):
    path = write_noise(tmp_path / "a.wav", seed=1)
    first = extract_files([path], MEL, cache=tmp_path / "cache")
    write_noise(path, seed=2)
    changed = extract_files([path], MEL, cache=tmp_path / "cache")
    assert changed.computed == 1
    assert not np.array_equal(changed.features(path).x, first.features(path).x)
    wider = extract_files([path], feature_settings("log_mel", n_mels=20), cache=tmp_path / "cache")
    assert (wider.computed, wider.shapes[path]) == (1, (21, 20))


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_damaged_entry_is_computed_again(tmp_path, kept):
    path = write_noise(tmp_path / "a.wav")
    first = extract_files([path], MEL, cache=tmp_path / "cache")
    x = first.features(path).x
    entry = first.entries[path]
    content = entry.read_bytes()
    entry.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match="no longer in the cache"):
        first.features(path)
    again = extract_files([path], MEL, cache=tmp_path / "cache")
    assert again.computed == 1
    np.testing.assert_array_equal(again.features(path).x, x)


def test_no_flipped_byte_of_an_entry_changes_a_number(tmp_path):
    features = extract.Features(x=np.ones((3, 4), np.float32), edges=np.arange(4.0))
    path = tmp_path / "entry.npz"
    extract._write_entry(path, features, ["odd"])
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        if found := extract._read_entry(path):  # a byte that says nothing, such as a date
            np.testing.assert_array_equal(found.features.x, features.x)
            np.testing.assert_array_equal(found.features.edges, features.edges)
            assert found.warnings == ("odd",)


def bad_files(folder):
    (folder / "page.mp3").write_text("<html>not found</html>")
    (folder / "empty.wav").touch()
    (folder / "folder.wav").mkdir()
    os.mkfifo(folder / "pipe.wav")
    names = ("page.mp3", "empty.wav", "folder.wav", "pipe.wav", "missing.wav", "nul\0.wav")
    return [folder / name for name in names] + [write_noise(folder / "short.wav", 0.1)]


def test_bad_files_are_rejected_with_reasons_and_stop_nothing(tmp_path):
    bad = bad_files(tmp_path)
    good = write_noise(tmp_path / "good.wav")
    seen = {}
    found = extract_files([*bad, good], MEL, cache=tmp_path / "cache", on_file=seen.__setitem__)
    assert found.paths == (good,)
    assert list(found.rejected) == bad
    assert seen == {**found.rejected, good: None}
    reasons = {path.name: reason for path, reason in found.rejected.items()}
    assert reasons["folder.wav"] == reasons["pipe.wav"] == "is not a regular file"
    assert "No such file" in reasons["missing.wav"]
    assert "null byte" in reasons["nul\0.wav"]
    assert "HTML" in reasons["page.mp3"]
    assert "empty" in reasons["empty.wav"]
    assert reasons["short.wav"].startswith("0.10 s of audio, but 'log_mel' needs at least 1.00 s")
    assert not any(str(tmp_path) in reason for reason in reasons.values())  # the file is named beside it


def test_strict_stops_at_a_bad_file(tmp_path):
    good = write_noise(tmp_path / "good.wav")
    (tmp_path / "page.mp3").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=r"page\.mp3: .*HTML"):
        extract_files([good, tmp_path / "page.mp3"], MEL, cache=tmp_path / "cache", strict=True)
    with pytest.raises(DataError, match=r"missing\.wav: cannot be read"):
        extract_files([tmp_path / "missing.wav"], MEL, cache=tmp_path / "cache", strict=True)


@pytest.mark.usefixtures("odd")
def test_a_file_that_kills_the_decoder_is_found_and_rejected(tmp_path):
    names = ["c", "kills", "b", "fails", "a"]  # dealt by size: the first is the largest
    paths = [write_noise(tmp_path / f"{name}.wav", 1.5 - 0.1 * place, place) for place, name in enumerate(names)]
    found = extract_files(paths, MEL, cache=tmp_path / "cache", workers=1)
    assert [path.stem for path in found.paths] == ["c", "b", "a"]
    assert {path.stem: reason for path, reason in found.rejected.items()} == {
        "kills": "computing its features failed: the worker process ended with signal SIGKILL",
        "fails": "computing its features failed: TypeError: a defect",
    }


@pytest.mark.usefixtures("odd")
def test_a_file_that_changes_meanwhile_is_rejected(tmp_path):
    path = write_noise(tmp_path / "grows.wav")
    found = extract_files([path], MEL, cache=tmp_path / "cache")
    assert "was changed while it was read" in found.rejected[path]
    assert not list((tmp_path / "cache").rglob("*.npz"))


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path):
    folder, cache = tmp_path / "sounds", tmp_path / "cache"
    paths = [write_noise(folder / f"slow{number}.wav", seed=number) for number in range(12)]
    program = (
        "import sys; from pathlib import Path; import odd_children; from genrezoo.audio import extract\n"
        "from genrezoo.audio.settings import feature_settings\n"
        "extract._extract_chunk = odd_children.extract_chunk\n"
        "extract.extract_files(sorted(Path(sys.argv[1]).iterdir()), feature_settings('log_mel', n_mels=16),"
        " cache=sys.argv[2], workers=1)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(extract.__file__).parents[2])])
    child = subprocess.Popen([sys.executable, "-c", program, folder, cache], env={**os.environ, "PYTHONPATH": path})
    try:
        limit = time.monotonic() + 60
        while len(list(cache.rglob("*.npz"))) < 2 and time.monotonic() < limit:
            time.sleep(0.02)
    finally:
        child.kill()
        child.wait()
    time.sleep(0.5)  # the killed run's own child ends as well
    done = {entry: entry.stat().st_mtime_ns for entry in cache.rglob("*.npz")}
    assert 2 <= len(done) < 12
    found = extract_files(paths, MEL, cache=cache, workers=1)
    assert found.computed == 12 - len(done)
    assert found.paths == tuple(paths)
    assert all(entry.stat().st_mtime_ns == changed for entry, changed in done.items())


def test_a_cache_that_cannot_be_written_is_said_once(tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(SettingsError, match="the cache cannot be written"):
        extract_files([write_noise(tmp_path / "a.wav")], MEL, cache=tmp_path / "cache")


def test_there_must_be_a_worker(tmp_path):
    with pytest.raises(SettingsError, match="workers must be at least 1, got -1"):
        extract_files([write_noise(tmp_path / "a.wav")], MEL, cache=tmp_path / "cache", workers=-1)


def test_without_a_worker_this_process_computes_the_same(tmp_path, monkeypatch):
    paths = [write_noise(tmp_path / "a.wav"), tmp_path / "b.wav"]
    paths[1].write_text("no sound")
    there = extract_files(paths, MEL, cache=tmp_path / "there", workers=1)
    monkeypatch.setattr(subprocess, "Popen", None)
    here = extract_files(paths, MEL, cache=tmp_path / "here", workers=0)
    assert here.rejected == there.rejected
    assert np.array_equal(here.features(paths[0]).x, there.features(paths[0]).x)


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("GENREZOO_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == Path.home() / ".cache" / "genrezoo"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "genrezoo"
    monkeypatch.setenv("GENREZOO_CACHE", str(tmp_path / "here"))
    assert default_cache() == tmp_path / "here"


@pytest.mark.parametrize(("number", "workers", "chunks"), [(0, 2, 0), (1, 2, 1), (5, 2, 2), (499, 2, 4), (256, 1, 2)])
def test_chunks_are_even_in_number_and_size(number, workers, chunks):
    jobs = [extract._Job(str(job), "", "", job, 0) for job in range(number)]
    dealt = extract._chunks(jobs, workers)
    assert len(dealt) == chunks
    assert sorted(job for chunk in dealt for job in chunk) == sorted(jobs)
    assert all(len(chunk) <= extract.CHUNK for chunk in dealt)
    sizes = [sum(job.size for job in chunk) for chunk in dealt]
    assert not sizes or max(sizes) - min(sizes) <= number


def test_one_file_names_itself_in_its_error(tmp_path):
    with pytest.raises(DataError, match=r"short\.wav: 0\.20 s of audio"):
        extract_file(write_noise(tmp_path / "short.wav", 0.2), MEL)
