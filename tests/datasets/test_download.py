"""Downloads from a server on this machine, which breaks off, lies and forwards as servers do."""

import hashlib
import http.server
import stat
import threading
import zipfile

import pytest

from genrezoo.datasets import _download
from genrezoo.datasets._download import OFFLINE, fetch, unpack
from genrezoo.errors import DataError, SettingsError
from genrezoo.files import lock_folder

CONTENT = bytes(range(256)) * 2000
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What is asked is kept; ``cut`` bytes are sent of each of the first ``cuts`` answers."""

    def __init__(self):
        self.content, self.asked, self.cut, self.cuts, self.ranges, self.forward = CONTENT, [], 0, 0, True, None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked = self.headers.get("Range")
                outer.asked.append(asked)
                if outer.forward:
                    self.send_response(302)
                    self.send_header("Location", outer.forward)
                    self.end_headers()
                    return
                start = int(asked[6:-1]) if asked and outer.ranges else 0
                if self.path != "/file":
                    self.send_error(404)
                elif start and start >= len(outer.content):
                    self.send_error(416)
                else:
                    body = outer.content[start:]
                    self.send_response(206 if start else 200)
                    if start:
                        self.send_header(
                            "Content-Range", f"bytes {start}-{len(outer.content) - 1}/{len(outer.content)}"
                        )
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    if outer.cuts:
                        outer.cuts -= 1
                        body = body[: outer.cut]
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/file"


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
    digest = f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()}"
    seen = []
    target = fetch(server.url, tmp_path / "new" / "a", digest=digest, on_progress=lambda *told: seen.append(told))
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert not (tmp_path / "new" / "a.part").exists()
    assert fetch(server.url, target, digest=digest) == target
    assert len(server.asked) == 1


def test_an_interrupted_transfer_goes_on(server, tmp_path):
    server.cut, server.cuts = 100_000, 2
    assert fetch(server.url, tmp_path / "a", digest=SHA256, size=len(CONTENT)).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=200000-"]


def test_a_killed_process_leaves_a_part_that_the_next_goes_on_with(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT[:300_000])
    assert fetch(server.url, tmp_path / "a", digest=SHA256).read_bytes() == CONTENT
    assert server.asked == ["bytes=300000-"]


def test_a_part_that_is_whole_already_only_gets_its_name(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT)
    fetch(server.url, tmp_path / "a", digest=SHA256, size=len(CONTENT))
    assert server.asked == []
    (tmp_path / "b.part").write_bytes(CONTENT)
    fetch(server.url, tmp_path / "b", digest=SHA256)  # without a size the server says that nothing is missing
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_server_that_cannot_go_on_begins_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / "a.part").write_bytes(CONTENT[:300_000])
    assert fetch(server.url, tmp_path / "a", digest=SHA256).read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_thrown_away(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT + b"more")
    assert fetch(server.url, tmp_path / "a", digest=SHA256, size=len(CONTENT)).read_bytes() == CONTENT


def test_a_transfer_that_brings_nothing_is_given_up_and_its_part_kept(server, tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    server.cut, server.cuts = 0, 9
    with pytest.raises(DataError, match="broke off after 1,000 of 512000 bytes.*goes on from there"):
        fetch(server.url, tmp_path / "a", digest=SHA256)
    assert (tmp_path / "a.part").read_bytes() == CONTENT[:1000]
    assert not (tmp_path / "a").exists()


def test_wrong_bytes_are_refused_and_removed(server, tmp_path):
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(DataError, match=r"the sha256 of what http://127.* gave is .*it was removed"):
        fetch(server.url, tmp_path / "a", digest=SHA256)
    assert not list(tmp_path.glob("a*"))


def test_another_size_is_refused_before_it_is_taken(server, tmp_path):
    with pytest.raises(DataError, match="gives 512,000 bytes, not 7"):
        fetch(server.url, tmp_path / "a", digest=SHA256, size=7)
    assert not list(tmp_path.glob("a*"))


def test_a_changed_target_is_not_taken_for_the_file(server, tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(DataError, match="is there, but its sha256 is"):
        fetch(server.url, tmp_path / "a", digest=SHA256)
    assert (tmp_path / "a").read_bytes() == b"mine"


def test_offline_says_what_to_get_and_where_to_put_it(server, tmp_path, monkeypatch):
    monkeypatch.setenv(OFFLINE, "1")
    with pytest.raises(DataError, match=rf"{tmp_path}/a: is missing and GENREZOO_OFFLINE.*get {server.url} .sha256 "):
        fetch(server.url, tmp_path / "a", digest=SHA256)
    (tmp_path / "a").write_bytes(CONTENT)
    assert fetch(server.url, tmp_path / "a", digest=SHA256).exists()
    assert server.asked == []
    monkeypatch.setenv(OFFLINE, "0")
    assert fetch(server.url, tmp_path / "b", digest=SHA256).exists()


def test_a_full_disk_is_told_first(server, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(_download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="512,000 bytes are missing and there is room for 1,000"):
        fetch(server.url, tmp_path / "a", digest=SHA256)


def test_what_servers_answer(server, tmp_path):
    with pytest.raises(DataError, match="answers 404 Not Found"):
        fetch(f"{server.url}/none", tmp_path / "a", digest=SHA256)
    server.forward = "http://example.org/file"
    with pytest.raises(SettingsError, match="https addresses only, got 'http://example.org/file'"):
        fetch(server.url, tmp_path / "a", digest=SHA256)
    server.server.server_close()
    with pytest.raises(DataError, match=r"broke off .*refused.* after 0 of unknown bytes"):
        fetch("http://127.0.0.1:9/file", tmp_path / "a", digest=SHA256)


def test_two_processes_do_not_fetch_into_one_folder(server, tmp_path):
    with lock_folder(tmp_path), pytest.raises(DataError, match="another process is using this folder"):
        fetch(server.url, tmp_path / "a", digest=SHA256)


@pytest.mark.parametrize(
    "url", ["http://example.org/a", "file:///etc/passwd", "ftp://example.org/a", "/a", "http://127.0.0.1.example.org/"]
)
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(SettingsError, match="from https addresses only"):
        fetch(url, tmp_path / "a", digest=SHA256)


@pytest.mark.parametrize("digest", ["", "abc", "sha256:12", "crc32:" + 8 * "0", "md5:" + 32 * "g"])
def test_a_digest_is_needed(tmp_path, digest):
    with pytest.raises(SettingsError, match="a digest is one of sha256:<64"):
        fetch("https://example.org/a", tmp_path / "a", digest=digest)


def make_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content, **options)
    return path


def test_an_archive_is_unpacked_whole_and_once(tmp_path):
    archive = make_zip(tmp_path / "a.zip", [("set/", ""), ("set/000/1.mp3", b"one"), ("set/README", b"two")])
    folder = unpack(archive, tmp_path / "set", max_bytes=6)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")} == {"000", "000/1.mp3", "README"}
    assert (folder / "000" / "1.mp3").read_bytes() == b"one"
    archive.unlink()
    assert unpack(archive, folder, max_bytes=6) == folder
    assert {path.name for path in tmp_path.iterdir()} == {"set", ".lock"}


def test_only_what_is_wanted_is_unpacked(tmp_path):
    archive = make_zip(tmp_path / "a.zip", [("set/tracks.csv", "t"), ("set/features.csv", "much")])
    folder = unpack(archive, tmp_path / "set", max_bytes=1, only=("tracks.csv",))
    assert [path.name for path in folder.iterdir()] == ["tracks.csv"]
    with pytest.raises(DataError, match="does not hold genres.csv"):
        unpack(archive, tmp_path / "other", max_bytes=9, only=("genres.csv",))


def link(archive):
    info = zipfile.ZipInfo("a")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(info, "/etc/passwd")


def encrypted(archive):
    make_zip(archive, [("a", b"12345")])
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)


def torn(archive):
    info = make_zip(archive, [("a", bytes(range(256)))])
    content = bytearray(info.read_bytes())
    content[60] ^= 255
    archive.write_bytes(content)


HOSTILE = {
    "above": (lambda path: make_zip(path, [("../a", b"")]), "would lie outside the folder"),
    "far above": (lambda path: make_zip(path, [("set/../../a", b"")]), "would lie outside the folder"),
    "absolute": (lambda path: make_zip(path, [("/etc/a", b"")]), "would lie outside the folder"),
    "backslash": (lambda path: make_zip(path, [("..\\a", b"")]), "would lie outside the folder"),
    "link": (link, "is a link or a device"),
    "encrypted": (encrypted, "is encrypted"),
    "torn": (torn, "cannot be unpacked"),
    "twice": (lambda path: make_zip(path, [("a", b"1"), ("set/a", b"2")]), "stands in the archive twice"),
    "too large": (lambda path: make_zip(path, [("a", bytes(10**6))]), "1 files of 1,000,000 bytes, at most 1,000 are"),
    "empty": (lambda path: make_zip(path, []), "would unpack 0 files"),
    "no archive": (lambda path: path.write_bytes(b"<html>"), "cannot be unpacked .File is not a zip file"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_leave_nothing(tmp_path, case):
    forge, message = HOSTILE[case]
    forge(tmp_path / "a.zip")
    with pytest.raises(DataError, match=message):
        unpack(tmp_path / "a.zip", tmp_path / "set", max_bytes=1000)
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", ".lock"}
