import os

import pytest

from genrezoo.errors import DataError
from genrezoo.parallel.cluster import _Folder, _write
from genrezoo.parallel.folders import EMPTY, digest, inside, join, listing


@pytest.fixture
def folder(tmp_path):
    """A folder with files of its own and in folders below."""
    for name in ("a", "run1/card", "run1/weights", "run2/card"):
        path = tmp_path / "it" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "it"


def test_a_listing_is_of_the_content_and_follows_every_change(folder, tmp_path):
    first = listing(folder)
    assert sorted(first) == ["a", "run1/card", "run1/weights", "run2/card"]
    for name in (".lock", ".a.x1.part"):
        (folder / name).write_text("")
    assert listing(folder) == first
    (folder / "a").write_text("b")
    assert digest(listing(folder)) != digest(first)
    (folder / "a").write_text("a")
    assert digest(listing(folder)) == digest(first)
    (folder / "a").rename(folder / "c")
    assert digest(listing(folder)) != digest(first)
    assert digest(listing(tmp_path / "nothing")) == EMPTY


def test_what_cannot_be_sent_is_refused(folder):
    (folder / "file").symlink_to(folder / "a")  # has a content
    assert listing(folder)["file"] == listing(folder)["a"]
    (folder / "link").symlink_to(folder / "run1")
    with pytest.raises(DataError, match="link: only plain files"):
        listing(folder)
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(DataError, match="pipe: only plain files"):
        listing(folder)


@pytest.mark.parametrize("name", ["../out", "/etc/out", "run1/../../out", "", ".", "link/out"])
def test_names_that_lead_out_of_a_folder_are_refused(folder, tmp_path, name):
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(DataError, match="not a file in it"):
        inside(folder, name)


def test_a_file_is_joined_from_its_blocks(tmp_path):
    parts = [tmp_path / str(number) for number in range(3)]
    for number, part in enumerate(parts):
        part.write_bytes(bytes([number]) * 3)
    join(tmp_path / "new" / "all", parts)
    join(tmp_path / "new" / "none", [])
    assert (tmp_path / "new" / "all").read_bytes() == b"\0\0\0\1\1\1\2\2\2"
    assert (tmp_path / "new" / "none").read_bytes() == b""


def test_results_are_written_in_the_order_of_their_making(folder, monkeypatch):
    written = []
    monkeypatch.setattr("genrezoo.files.write_atomic", lambda path, content: written.append((path.name, content)))
    change = {"changed": [("z", b"1"), ("b", b"2"), ("run3/x", b"3")], "removed": ["run2/card"]}
    _write(_Folder(folder, listing(folder), "work/0/bases/0"), change)
    assert written == [("z", b"1"), ("b", b"2"), ("x", b"3")]
    assert not (folder / "run2" / "card").exists()


def test_what_another_call_has_brought_stays_whole(folder):
    asked = _Folder(folder, listing(folder), "work/0/bases/0")
    (folder / "run3").mkdir()
    (folder / "run3" / "card").write_text("of the first")
    (folder / "run2" / "card").write_text("of the first")
    change = {
        "changed": [("run3/card", b"of the second"), ("run3/weights", b"of the second"), ("a", b"of the second")],
        "removed": ["run2/card", "run1/card"],
    }
    _write(asked, change)
    found = {name: (folder / name).read_text() for name in listing(folder)}
    assert found == {
        "a": "of the second",
        "run1/weights": "run1/weights",
        "run2/card": "of the first",
        "run3/card": "of the first",
    }


def test_a_worker_writes_nothing_outside_the_folder(folder):
    with pytest.raises(DataError, match="not a file in it"):
        _write(_Folder(folder, listing(folder), "work/0/bases/0"), {"changed": [("../out", b"")], "removed": []})
    assert not (folder.parent / "out").exists()
