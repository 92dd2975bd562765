import errno
import json
import os
import subprocess
import sys
import threading

import pytest

from genrezoo import files
from genrezoo.errors import DataError, ResourceError


def test_writing_replaces_whole_and_leaves_nothing_beside(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    files.write_text(target, "old")
    files.write_text(target, "new")
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["a.txt"]


def test_a_failed_write_keeps_the_old_content(tmp_path):
    target = files.write_text(tmp_path / "a.txt", "old")

    def fail(file):
        file.write(b"half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        files.write_atomic(target, fail)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_process_killed_while_writing_keeps_the_old_content(tmp_path):
    target = files.write_text(tmp_path / "a.txt", "old")
    code = (
        "import os, signal, sys\nfrom genrezoo import files\n"
        "def die(file):\n    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_atomic(sys.argv[1], die)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode < 0
    assert target.read_text() == "old"


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        assert files.write_text(tmp_path / "a", "").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(old)


def test_json_is_strict(tmp_path):
    assert files.read_json(files.write_json(tmp_path / "a.json", {"ä": [1, None]})) == {"ä": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant|Out of range float"):
        files.write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_damaged_json_names_the_file(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.json: (not valid JSON|is empty)"):
        files.read_json(path)


def test_missing_json_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"a\.json: cannot be read"):
        files.read_json(tmp_path / "a.json")


def test_appended_lines_survive_a_torn_one(tmp_path):
    path = tmp_path / "rows.jsonl"
    files.append_line(path, json.dumps({"n": 1}))
    with path.open("a") as file:
        file.write('{"n": 2, "torn')
    files.append_line(path, json.dumps({"n": 3}))
    assert files.read_json_lines(path) == [{"n": 1}, {"n": 3}]
    with pytest.raises(ValueError, match="one line"):
        files.append_line(path, "a\nb")


def test_lines_of_several_writers_do_not_mix(tmp_path):
    path = tmp_path / "rows.jsonl"

    def write(number):
        for _ in range(20):
            files.append_line(path, json.dumps({"n": number, "pad": "x" * 5000}))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = files.read_json_lines(path)
    assert sorted(row["n"] for row in rows) == sorted([0, 1, 2, 3] * 20)


def test_a_missing_file_has_no_lines(tmp_path):
    assert files.read_json_lines(tmp_path / "none") == []


def test_a_locked_folder_is_refused_and_freed_when_its_process_dies(tmp_path):
    code = (
        "import sys, time\nfrom genrezoo import files\n"
        "with files.lock_folder(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(DataError, match="another process is using this folder"), files.lock_folder(tmp_path):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with files.lock_folder(tmp_path) as folder:
        assert folder == tmp_path


def test_a_file_cannot_be_locked_as_a_folder(tmp_path):
    path = files.write_text(tmp_path / "a", "")
    with pytest.raises(DataError, match="is a file, a folder was expected"), files.lock_folder(path):
        pass


def test_what_a_killed_writer_left_is_dropped_and_nothing_else(tmp_path):
    (tmp_path / ".a.json.0a1b2c3d.part").write_text("{")
    (tmp_path / ".best.12.part").symlink_to(".")
    (tmp_path / "b.part").write_text("")
    (tmp_path / ".c.part").mkdir()
    files.drop_parts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".c.part", "b.part"]


def test_names_that_are_no_text_come_back_from_json(tmp_path):
    assert files.read_json(files.write_json(tmp_path / "a.json", {"ä": "s\udcff"})) == {"ä": "s\udcff"}
    assert (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link to a pipe"])
@pytest.mark.parametrize(
    "read", [files.read_json, files.read_toml, files.read_columns, files.sha256_of, files.read_json_lines]
)
def test_only_regular_files_are_read(tmp_path, kind, read):
    path = tmp_path / "a"
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    with pytest.raises(DataError, match="is a (pipe or device|folder), not a file"):
        read(path)


def test_files_of_the_system_without_bytes_are_empty():
    with pytest.raises(DataError, match="is empty"):
        files.read_bytes("/proc/self/status")


def test_a_file_larger_than_its_kind_is_not_read(tmp_path):
    path = files.write_text(tmp_path / "a", "12345")
    with pytest.raises(DataError, match="has 5 bytes, the limit is 4"):
        files.read_bytes(path, most=4)


@pytest.mark.parametrize("levels", [101, 600, 10_000])
def test_what_is_nested_deep_is_refused(tmp_path, levels):
    deep = "[" * levels + "]" * levels
    with pytest.raises(DataError, match="not valid JSON .nested more than"):
        files.read_json(files.write_text(tmp_path / "a.json", deep))
    with pytest.raises(DataError, match="not valid TOML"):
        files.read_toml(files.write_text(tmp_path / "a.toml", f"a = {deep}"))
    assert files.read_json_lines(files.write_text(tmp_path / "a.jsonl", f'{deep}\n{{"n": 1}}\n')) == [{"n": 1}]


def test_100_levels_are_read(tmp_path):
    assert files.from_json("[" * 100 + "]" * 100)


@pytest.mark.parametrize("place", ["file/a", "folder", "a" * 300, "/proc/a.png"])
def test_where_nothing_can_be_written_is_told(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for write in (files.write_text, files.append_line):
        with pytest.raises(DataError, match="Remedy"):
            write(tmp_path / place, "text")
    if place != "folder":
        with pytest.raises(DataError, match="Remedy"), files.lock_folder(tmp_path / place):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_is_told_with_the_path_and_what_to_do(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"a\.json: cannot be written .No space left on device.*free some space"):
        files.write_json(tmp_path / "a.json", 1)
    assert not list(tmp_path.iterdir())


def test_what_is_no_name_is_refused(tmp_path):
    with pytest.raises(DataError, match="5 is no path"):
        files.read_named("suite", 5, tmp_path)


def test_names_that_are_not_utf_8_are_not_written(tmp_path):
    name = os.fsdecode(b"run\xff")
    with pytest.raises(DataError, match="its name is not UTF-8"):
        files.write_text(tmp_path / name, "text")
    with pytest.raises(DataError, match="its name is not UTF-8"), files.lock_folder(tmp_path / name):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("before", ["nothing", "folder", "file", "link"])
def test_a_copied_folder_replaces_what_is_there_and_leaves_nothing_beside(tmp_path, before):
    source, target = tmp_path / "source", tmp_path / "to" / "target"
    files.write_text(source / "new", "")
    target.parent.mkdir()
    if before == "folder":
        files.write_text(target / "old", "")
    elif before == "file":
        target.write_text("old")
    elif before == "link":
        target.symlink_to(source)
    files.copy_folder(source, target)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert not target.is_symlink()
    assert os.listdir(target.parent) == ["target"]
    assert (source / "new").exists()
