"""The page's parts, without a browser and without gradio."""

import asyncio
import base64
import json
import os
import re
import socket
import wave
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import soundfile
from here_executor import HereExecutor
from typer.testing import CliRunner

from genrezoo.audio.settings import feature_settings
from genrezoo.cli import app
from genrezoo.demo import markup
from genrezoo.demo.guard import LOOPBACK, MOST_BYTES, Guard, is_upload, only_uploads, refusal
from genrezoo.demo.models import Tried, open_models
from genrezoo.demo.page import check_address, check_gradio
from genrezoo.demo.upload import Limits, Reader, Uploads
from genrezoo.errors import DataError, ResourceError, SettingsError
from genrezoo.parallel import ChildError
from genrezoo.predict import Prediction

RATE = 8000
GENRES = ("low <b>", "high", "middle", "loud")


def answer(features):
    """One window a second; the genre is high where the first feature is above its mean, low elsewhere."""
    number = len(features.x)
    windows = np.zeros((number, 4), np.float32)
    windows[:, 0], windows[:, 1], windows[:, 3] = 0.75, 0.25, 0.5
    return Prediction(
        path=Path(), genres=GENRES, probabilities=windows.mean(axis=0), rule="mean",
        starts=features.edges[:-1], ends=features.edges[1:], windows=windows, other_tags=1, scores="activations",
    )  # fmt: skip


MODEL = Tried("made up", "recipe none, 3 genres", feature_settings("mfcc_statistics", rate=RATE), answer, GENRES)


def prediction(windows, **facts):
    windows = np.array(windows, np.float32)
    starts = np.arange(len(windows), dtype=float)
    given = {"genres": GENRES[: windows.shape[1]], "rule": "mean", "starts": starts, "ends": starts + 1} | facts
    return Prediction(path=Path("a <i>.wav"), probabilities=windows.mean(axis=0), windows=windows, **given)


def write(path, seconds=2.0, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, RATE, 0, "NONE", "none"))
        noise = np.random.default_rng(1).integers(-9999, 9999, round(seconds * RATE) * channels)
        file.writeframes(noise.astype("<i2").tobytes())
    return path


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Answers in this process: what worker processes do has tests of its own."""
    monkeypatch.setattr("genrezoo.demo.upload.ProcessExecutor", HereExecutor)
    work = tmp_path / "work"
    work.mkdir()
    with Reader(work, Limits(megabytes=0.2, seconds=4)) as made:
        yield made


def test_every_model_answers_to_an_upload_which_is_called_by_its_own_name(reader, tmp_path):
    steps = []
    found = reader.ask(write(tmp_path / "sóng.wav"), [MODEL, MODEL], lambda part, what: steps.append(part))
    assert [(one.path, one.genre) for one in found] == [(Path("sóng.wav"), "low <b>")] * 2
    assert found[0].windows.shape == (2, 4)
    assert steps == sorted(steps)
    assert 0 < steps[0] < steps[-1] < 1
    assert list(reader.folder.iterdir()) == []  # the features are gone


def flac_of_unknown_length(path):
    """Ten seconds, whose header says nothing of them."""
    soundfile.write(path, np.random.default_rng(1).uniform(-0.3, 0.3, 10 * RATE), RATE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the lowest 36 bits of 8 bytes from byte 18 on are the number of samples
    content[22:26] = bytes(4)
    path.write_bytes(content)


HOSTILE = {
    "large.wav": (lambda path: write(path, 15), r"has 0.23 MB; the limit of this page is 0.2 MB"),
    "long.wav": (lambda path: write(path, 5), r"lasts 5 s; the limit of this page is 4 s"),
    "empty.wav": (lambda path: path.write_bytes(b""), r"is empty \(0 bytes\)"),
    "text.mp3": (lambda path: path.write_text("#EXTM3U\nhttp://127.0.0.1:1/a.mp3\n"), r"looks like text"),
    "concat.wav": (lambda path: path.write_text("ffconcat version 1.0\nfile '/etc/passwd'"), r"looks like text"),
    "page.ogg": (lambda path: path.write_text("<html><script>alert(1)</script>"), r"looks like HTML"),
    "bytes.flac": (lambda path: path.write_bytes(bytes(range(1, 256)) * 9), r"looks like unknown data"),
    "head.wav": (
        lambda path: path.write_bytes(write(path).read_bytes()[:30]),
        r"truncated, damaged or in a rare format",
    ),
    "link.wav": (lambda path: path.symlink_to("/etc/passwd"), r"is not a regular file"),
    "pipe.wav": (os.mkfifo, r"is not a regular file"),
    "folder.wav": (os.mkdir, r"is not a regular file"),
    "gone.wav": (lambda path: None, r"is no longer there"),
    "<b>é" * 20 + ".wav": (lambda path: path.write_bytes(b"RIFF"), r"with a truncated header"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_upload_has_one_message_that_does_not_tell_where_it_is(reader, tmp_path, name):
    make, reason = HOSTILE[name]
    (tmp_path / "uploads").mkdir()
    make(tmp_path / "uploads" / name)
    with pytest.raises(DataError, match=reason) as caught:
        reader.ask(tmp_path / "uploads" / name, [MODEL])
    assert str(caught.value).startswith(f"{name}: ")
    assert str(tmp_path) not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert list(reader.folder.iterdir()) == []


def test_of_a_recording_that_does_not_say_how_long_it_is_no_more_is_read_than_is_taken(reader, tmp_path):
    flac_of_unknown_length(tmp_path / "endless.flac")
    (found,) = reader.ask(tmp_path / "endless.flac", [MODEL])
    assert len(found.windows) == 4
    assert found.warnings == ("only the first 4 s were read",)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ChildError("ended with signal 11", died=True), "reading the file crashed"),
        (ChildError("limit", late=True), "took longer than 120 s"),
        (ChildError("no room", scarce=True), "short of memory or disk"),
    ],
)
def test_a_file_that_ends_its_worker_process_is_refused(reader, tmp_path, monkeypatch, fault, reason):
    def crash(*_):
        raise fault

    monkeypatch.setattr(HereExecutor, "submit", crash)
    with pytest.raises(DataError, match=reason):
        reader.ask(write(tmp_path / "a.wav"), [MODEL])


@pytest.mark.parametrize("limits", [{"megabytes": 0}, {"megabytes": 1e9}, {"seconds": float("nan")}])
def test_limits_are_within_bounds(limits):
    with pytest.raises(SettingsError, match=r"max-(mb|seconds) must be from 0\.1 to"):
        Limits(**limits)


def test_an_upload_is_removed_when_its_last_visitor_leaves_it(tmp_path):
    first, second, uploads = write(tmp_path / "a.wav"), write(tmp_path / "b.wav"), Uploads()
    uploads.keep("one", first)
    uploads.keep("two", first)
    uploads.keep("one", second)
    assert first.exists()  # the other still sees it
    uploads.drop("two")
    assert not first.exists()
    assert uploads.get("one") == second
    uploads.keep("one", second)
    assert second.exists()
    uploads.drop("one")
    assert not second.exists()
    uploads.drop("one")
    assert uploads.get("one") is None


def test_a_file_that_was_uploaded_again_is_not_removed_with_the_first(tmp_path):
    path, uploads = write(tmp_path / "a.wav"), Uploads()
    uploads.keep("one", path)
    write(tmp_path / "again.wav").replace(path)  # by another visitor, who has not asked yet
    uploads.drop("one")
    assert path.exists()
    uploads.keep("two", path)
    uploads.drop("two")
    assert not path.exists()


def test_the_timeline_shows_the_highest_genres_and_marks_the_leading_one():
    html = markup.timeline_html(prediction([[0.1, 0.8, 0.1], [0.5, 0.3, 0.2]]), "mlp")
    data = json.loads(unescape(re.search('data-timeline="([^"]*)"', html)[1]))
    assert data["edges"] == [0, 1, 2]
    assert data["genres"] == ["high", "low <b>", "middle"]
    assert data["scores"] == [[0.8, 0.1, 0.1], [0.3, 0.5, 0.2]]
    leads = re.findall('class="gz-leads" x="([^"]*)" y="([^"]*)" width="([^"]*)"', html)
    assert leads == [("0.0", "16", "500.0"), ("500.0", "36", "500.0")]
    assert sorted(re.findall('fill-opacity="([^"]*)"', html)) == ["0.12", "0.12", "0.25", "0.38", "0.62", "1.0"]
    assert "0.80 where it is strongest" in html
    assert "mean of 2 windows" in html


def test_a_long_timeline_has_a_bounded_number_of_columns():
    html = markup.timeline_html(prediction(np.tile([[0.4, 0.6]], (10_000, 1))), "mlp")
    assert html.count("<rect") == 239 * 3  # 42 windows a column: two genres, and the mark of the higher one
    assert "mean of 42 windows" in html


def test_names_of_files_and_genres_are_never_markup():
    evil = prediction([[0.9, 0.1]], warnings=("<u>odd</u>",))
    shown = [
        markup.timeline_html(evil, "<script>"),
        markup.player_html('/up/a "><img>.wav', "a <i>.wav", evil),
        markup.refusal_html("<img src=x onerror=alert(1)>.wav", "looks like <script>"),
        markup.models_html([Tried("<script>", "<script>", MODEL.settings, answer, GENRES)]),
    ]
    for html in shown:
        assert "<script" not in html
        assert "<i>" not in html
        assert "<img" not in html
        assert "<u>" not in html
        assert "low <b>" not in html
    assert 'src="gradio_api/file=/up/a%20%22%3E%3Cimg%3E.wav"' in shown[1]


def test_the_answer_is_downloaded_as_json():
    html = markup.timeline_html(prediction([[0.9, 0.1]]), "mlp/../..")
    name, content = re.search('download="([^"]*)" href="data:application/json;base64,([^"]*)"', html).groups()
    assert name == "a _i_-mlp_.._...json"
    found = json.loads(base64.b64decode(content))
    assert (found["model"], found["file"], found["genre"]) == ("mlp/../..", "a <i>.wav", "low <b>")
    assert len(found["timeline"]) == 1


LOCAL = {"host": "127.0.0.1:7860"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", LOCAL, None),
        ("GET", "/", {"host": "[::1]:7860"}, None),
        ("GET", "/", {}, 403),
        ("GET", "/", {"host": "evil.example:7860"}, 403),  # a name that resolves to this machine
        ("GET", "/", {"host": "127.0.0.1.evil.example"}, 403),
        ("GET", "/", {"host": "[::1"}, 403),
        ("GET", "/assets/index.js", LOCAL, None),
        ("GET", "/assets/../../secret", LOCAL, 404),
        ("POST", "/gradio_api/upload", LOCAL | {"origin": "http://127.0.0.1:7860"}, None),
        ("POST", "/gradio_api/upload", LOCAL | {"origin": "http://127.0.0.1:8000"}, 403),
        ("POST", "/gradio_api/upload", LOCAL | {"origin": "null"}, 403),
        ("POST", "/gradio_api/upload", LOCAL | {"sec-fetch-site": "cross-site"}, 403),
        ("GET", "/", LOCAL | {"sec-fetch-site": "cross-site"}, None),  # a link to the page
        ("PUT", "/gradio_api/upload", LOCAL, 405),
        ("GET", "/gradio_api/proxy=http://example.org", LOCAL, 404),
        ("GET", "/gradio_api/file=http://example.org/a.wav", LOCAL, 404),
        ("GET", "/gradio_api/file=/etc/passwd", LOCAL, 404),
        ("POST", "/gradio_api/process_recording", LOCAL, 404),
        ("GET", "/monitoring", LOCAL, 404),
        ("GET", "/docs", LOCAL, 404),
    ],
)
def test_the_server_answers_only_its_own_page(tmp_path, method, path, headers, status):
    found = refusal(method, path, headers, folder=tmp_path, hosts=LOOPBACK)
    assert (found and found[0]) == status


def test_under_another_address_any_host_may_be_named(tmp_path):
    assert refusal("GET", "/", {"host": "studio.lan:7860"}, folder=tmp_path, hosts=None) is None


def test_only_uploads_are_read(tmp_path):
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "a.wav").touch()
    (folder / "link.wav").symlink_to("/etc/passwd")
    assert is_upload(str(folder / "a.wav"), folder)
    for path in (
        "/etc/passwd",
        f"{folder}/../secret",
        str(folder / "link.wav"),
        str(folder),
        f"{folder}/\0",
        "a" * 9999,
    ):
        assert not is_upload(path, folder), path

    def call(path):
        return json.dumps({"data": [{"path": path, "meta": {}}, "mlp"]}).encode()

    assert only_uploads(call(str(folder / "a.wav")), folder)
    assert not only_uploads(call("http://example.org/a.wav"), folder)
    assert not only_uploads(call("/etc/passwd"), folder)
    assert not only_uploads(b"[" * 100_000, folder)
    assert not only_uploads(b"no json", folder)


def exchange(folder, path, body=b"", *, method="POST", most_uploaded=100):
    """What the guard answers, and the body that the page's application has read."""
    seen, sent = [], []
    parts = [body[at : at + 10_000] for at in range(0, len(body), 10_000)] or [b""]
    waiting = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    waiting[-1]["more_body"] = False

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    async def page(scope, receive, send):
        message = await receive()
        seen.append(message["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    guard = Guard(page, folder, hosts=LOOPBACK, most_uploaded=most_uploaded)
    scope = {"type": "http", "method": method, "path": path, "headers": [(b"Host", b"localhost:1")]}
    asyncio.run(guard(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), seen


def test_the_guard_passes_a_call_on_with_its_body_and_adds_the_policy(tmp_path):
    body = json.dumps({"data": ["x" * 20_000]}).encode()
    status, headers, seen = exchange(tmp_path, "/gradio_api/queue/join", body)
    assert (status, seen) == (200, [body])
    assert b"default-src 'self'" in headers[b"content-security-policy"]
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_the_guard_refuses_large_calls_foreign_files_and_too_many_uploads(tmp_path):
    assert exchange(tmp_path, "/gradio_api/queue/join", b"1" * (MOST_BYTES + 1))[::2] == (413, [])
    assert exchange(tmp_path, "/gradio_api/queue/join", b'{"path": "https://a"}')[::2] == (403, [])
    (tmp_path / "a.wav").write_bytes(bytes(101))
    assert exchange(tmp_path, "/gradio_api/upload", b"")[::2] == (503, [])
    (tmp_path / "a.wav").write_bytes(bytes(99))
    assert exchange(tmp_path, "/gradio_api/upload", b"")[0] == 200


def test_without_a_model_the_command_says_what_to_name():
    found = CliRunner().invoke(app, ["demo"])  # the tests' cache holds no weights
    assert isinstance(found.exception, SettingsError)
    assert re.search("no model to try.*Pass a run folder, an exported model", str(found.exception))
    with pytest.raises(DataError, match="no-such-run: "):
        open_models(["no-such-run"])


def test_without_gradio_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'genrezoo\[demo\]'"):
        check_gradio()


def test_an_address_that_cannot_be_listened_on_is_refused_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port {port} is in use. Remedy: pass another --port"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)
    with pytest.raises(SettingsError, match=r"cannot be served at '192\.0\.2\.1', port any"):  # of no machine
        check_address("192.0.2.1", None)
    with pytest.raises(SettingsError, match=r"host must be the name or address of this machine, got '\.'"):
        check_address(".", None)
