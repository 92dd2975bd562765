"""Downloads from a server on this machine, which breaks off and lies as servers do."""

import hashlib
import http.server
import threading
import zipfile

import pytest

from genrezoo.datasets._download import OFFLINE, Published, fetch, unpack
from genrezoo.errors import DataError

CONTENT = bytes(range(256)) * 12_000  # three blocks
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server:
    """Counts what is asked of it, and sends at most ``cut`` bytes."""

    def __init__(self):
        self.content, self.cut, self.asked = CONTENT, None, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked += 1
                if self.path != "/file":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content[: outer.cut])

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.file = Published(f"http://127.0.0.1:{self.server.server_port}/file", SHA256)


@pytest.fixture
def server(monkeypatch):
    for name in (OFFLINE, "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.mark.parametrize("kind", ["sha256", "sha1", "md5"])
def test_a_file_is_fetched_once(server, tmp_path, kind):
    file = server.file._replace(digest=f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()}")
    seen = []
    target = fetch(file, tmp_path / "new" / "a", on_progress=lambda *told: seen.append(told))
    assert target.read_bytes() == CONTENT
    assert seen[0] == (2**20, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in target.parent.iterdir()] == ["a"]
    assert fetch(file, target) == target
    assert server.asked == 1


def test_a_file_that_is_not_the_published_one_is_fetched_again(server, tmp_path):
    (tmp_path / "a").write_bytes(CONTENT[:1000])
    assert fetch(server.file, tmp_path / "a").read_bytes() == CONTENT


def test_a_transfer_that_breaks_off_leaves_nothing_and_can_be_repeated(server, tmp_path):
    server.cut = 1_000_000
    with pytest.raises(DataError, match=r"a: http://127.* cannot be downloaded .*run the same command again"):
        fetch(server.file, tmp_path / "a")
    assert not list(tmp_path.iterdir())
    server.cut = None
    assert fetch(server.file, tmp_path / "a").read_bytes() == CONTENT


def test_wrong_bytes_are_refused_and_removed(server, tmp_path):
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(DataError, match=r"cannot be downloaded .SHA256 hash of downloaded file"):
        fetch(server.file, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_offline_says_what_to_get_and_where_to_put_it(server, tmp_path, monkeypatch):
    monkeypatch.setenv(OFFLINE, "1")
    with pytest.raises(
        DataError, match=rf"{tmp_path}/a: is missing and GENREZOO_OFFLINE.*download {server.file.url} .sha256:"
    ):
        fetch(server.file, tmp_path / "a")
    (tmp_path / "a").write_bytes(b"other")
    with pytest.raises(DataError, match="is not the published file and GENREZOO_OFFLINE"):
        fetch(server.file, tmp_path / "a")
    (tmp_path / "a").write_bytes(CONTENT)
    assert fetch(server.file, tmp_path / "a").exists()
    assert server.asked == 0
    monkeypatch.setenv(OFFLINE, "0")
    assert fetch(server.file, tmp_path / "b").exists()


def test_a_refusal_and_no_network_are_told(server, tmp_path):
    with pytest.raises(DataError, match="404 Client Error"):
        fetch(server.file._replace(url=f"{server.file.url}/none"), tmp_path / "a")
    with pytest.raises(DataError, match="cannot be downloaded .*refused"):
        fetch(server.file._replace(url="http://127.0.0.1:9/file"), tmp_path / "a")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be downloaded"):
        fetch(server.file, tmp_path / "file" / "a")


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_an_archive_is_unpacked_whole_and_once(tmp_path):
    archive = make_zip(tmp_path / "a.zip", [("set/", ""), ("set/000/1.mp3", b"one"), ("set/README", b"two")])
    folder = unpack(archive, tmp_path / "set")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")} == {"000", "000/1.mp3", "README"}
    assert (folder / "000" / "1.mp3").read_bytes() == b"one"
    archive.unlink()
    assert unpack(archive, folder) == folder
    assert {path.name for path in tmp_path.iterdir()} == {"set"}


def test_only_what_is_wanted_is_unpacked(tmp_path):
    archive = make_zip(tmp_path / "a.zip", [("set/tracks.csv", "t"), ("set/features.csv", "much")])
    folder = unpack(archive, tmp_path / "set", ("tracks.csv",))
    assert [path.name for path in folder.iterdir()] == ["tracks.csv"]


@pytest.mark.parametrize("damage", ["torn", "no archive", "another folder"])
def test_a_damaged_archive_leaves_nothing(tmp_path, damage):
    archive = make_zip(tmp_path / "a.zip", [("other/a" if damage == "another folder" else "set/a", bytes(range(256)))])
    content = bytearray(archive.read_bytes())
    content[60] ^= 255
    if damage != "another folder":
        archive.write_bytes(b"<html>" if damage == "no archive" else content)
    with pytest.raises(DataError, match="a.zip: cannot be unpacked"):
        unpack(archive, tmp_path / "set")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip"}
