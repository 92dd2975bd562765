"""Drops files that were made to do harm on the page of `genrezoo demo`, and looks at what becomes of each.

Every file and every forged call must come to one clear message or an answer: never a traceback, a path of the server, a
connection to others, a crash, more than 3 GB, or a file that is left. The seed decides all damage. Files go
to ffmpeg too where it is on the PATH.

Usage: python benchmarks/hostile_uploads.py [--model MODEL] [--files 500] [--seed 1] [--visitors 4]
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import http.client
import io
import json
import os
import pickle
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE, MOST_MB, MOST_SECONDS = 8000, 2, 20
LIMIT_SECONDS, LIMIT_BYTES = 60.0, 3 * 2**30
ENDINGS = ("wav", "flac", "ogg", "mp3", "aiff", "au", "m4a", "webm", "aac", "wma", "ape", "txt", "html")
NAMES = (
    "../../../../etc/cron.d/x.wav", "/etc/passwd", "..", "....//....//x.wav", "%2e%2e%2f%2e%2e%2fx.wav",
    "..\\..\\x.wav", "a" * 300 + ".wav", "a" * 6000 + ".wav", "é" * 200 + ".wav", "🎵🎶.wav", "\u202egpj.vaw",
    "a\u0000b.wav", "a\nb\rc.wav", "<script>alert(1)</script>.wav", "<img src=x onerror=alert(1)>.wav", "\"'><b>.wav",
    "&lt;b&gt;.wav", "-rf.wav", "--help.wav", ".wav", "wav", " .wav", "CON.wav", "~root.wav", "$(touch x).wav",
    "`id`.wav", "a;b.wav", "concat:a.wav", "http:__x.wav", "file:a.wav", "pipe:0.wav", "data:text/html,x.wav", "a.wav/",
    "a.wav\\", "{{7*7}}.wav", "${7*7}.wav", "%s%n.wav", "[a]{b}*.wav", "a" * 100 + "." + "b" * 200, "\ud800.wav",
)  # fmt: skip
"""Names of whole recordings."""


@dataclass(frozen=True)
class Case:
    """Something to do to the page: a file under a name, or a forged call."""

    kind: str
    name: str
    content: bytes
    call: dict[str, Any] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    what: str
    message: str
    seconds: float
    fault: str


def main() -> None:
    """Serves the page, does everything to it, and prints a table of the outcomes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="what genrezoo demo takes; a small run is trained if left out")
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--visitors", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, Listener() as listener:
        model = options.model or str(_trained(Path(place) / "run"))
        temporary = Path(place) / "temporary"
        temporary.mkdir()
        page = Page(model, temporary)
        cases = list(_cases(np.random.default_rng(options.seed), options.files, listener.port))
        with concurrent.futures.ThreadPoolExecutor(options.visitors) as pool:
            outcomes = list(pool.map(page.do, cases))
        outcomes.append(page.do(Case("after all that", "song.wav", _sound("WAV", 2.0))))
        cases.append(Case("after all that", "song.wav", b""))
        kept = page.uploads()
        left = page.end()
        _report(cases, outcomes)
        memory = [f"{part / 2**20:,.0f} MB" for part in (page.peak, page.first)]
        print(f"\nmemory of the server and its processes: {memory[0]} at most, {memory[1]} before")
        print(f"uploads that a page still showed at the end: {len(kept)}, of {options.visitors + 1} visitors at most")
        print(f"left when the command had ended (exit code {page.code}): {left or 'nothing'}")
        print(f"connections to others: {listener.connections}; ffmpeg: {shutil.which('ffmpeg') or 'none'}")
        faults = [one.fault for one in outcomes if one.fault]
        tracebacks = page.errors().count("Traceback (most recent call last)")
        forged = sum(case.call is not None for case in cases)
        print(f"tracebacks in the terminal: {tracebacks}, of {forged} forged calls")
        if page.peak > LIMIT_BYTES or left or page.code or listener.connections or tracebacks > forged:
            faults.append("the server: " + page.errors()[-2000:])
        if len(kept) > options.visitors + 1 or outcomes[-1].what != "answered":
            faults.append("uploads are left, or no answer after all that")
    print("\n".join(["faults:", *faults]) if faults else "no faults")
    sys.exit(bool(faults))


class Page:
    """The page, served by the command in a process of its own with a temporary folder of its own."""

    def __init__(self, model: str, temporary: Path):
        self.temporary, self._log = temporary, temporary.with_name("errors.txt")
        limits = ["--max-mb", str(MOST_MB), "--max-seconds", str(MOST_SECONDS)]
        command = [sys.executable, "-m", "genrezoo", "demo", model, *limits]
        with self._log.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ | {"TMPDIR": str(temporary)}
            )
        assert self.process.stdout is not None
        found = re.match(r"http://([\d.]+):(\d+)", self.process.stdout.readline())
        if found is None:
            sys.exit(self.errors())
        self.host, self.port = found[1], int(found[2])
        config = json.loads(self._ask("GET", "/config")[1])
        self._event = next(one for one in config["dependencies"] if one["targets"][0][1] == "upload")
        self._choices = [model["props"]["value"] for model in config["components"] if model["type"] == "dropdown"]
        self.first = self.peak = self.code = 0
        self._over = threading.Event()
        self._watch()
        self.first = self.peak
        self._watcher = threading.Thread(target=self._watching)
        self._watcher.start()

    def do(self, case: Case) -> Outcome:
        """Uploads a file and asks for an answer, or makes a forged call."""
        start, visitor = time.monotonic(), f"visitor{threading.get_ident()}"
        try:
            what, message = self._done(case, visitor)
        except (OSError, http.client.HTTPException, ValueError) as error:
            what, message = "no reply", repr(error)
        seconds = time.monotonic() - start
        fault = ""
        for sign in ("Traceback", str(self.temporary), "/site-packages/", "no reply"):
            if sign in message or sign == what:
                fault = f"{case.kind}: {case.name[:60]!r}: {sign} in {message[:500]!r}"
        if seconds > LIMIT_SECONDS:
            fault = f"{case.kind}: {case.name[:60]!r} took {seconds:.0f} s"
        return Outcome(what, message, seconds, fault)

    def uploads(self) -> list[Path]:
        """Files that are still there."""
        return [path for path in self.temporary.rglob("uploads/*/*") if path.is_file()]

    def errors(self) -> str:
        """What the command has said."""
        return self._log.read_text(errors="replace")

    def end(self) -> list[str]:
        """Ends the command as Ctrl-C does; what is left of it."""
        self._over.set()
        self._watcher.join()
        self.process.send_signal(signal.SIGINT)
        self.code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return sorted(path.name for path in self.temporary.iterdir())

    def _done(self, case: Case, visitor: str) -> tuple[str, str]:
        if case.call is None:
            status, text = self._upload(case.name, case.content)
            if status != 200:
                return f"refused ({status})", text
            path = json.loads(text)[0]
            data: list[Any] = [{"path": path, "meta": {"_type": "gradio.FileData"}}, *self._choices]
            body = {"data": data, "fn_index": self._event["id"], "session_hash": visitor}
        else:
            body = {"fn_index": self._event["id"], "session_hash": visitor} | case.call
        status, text = self._ask("POST", "/gradio_api/queue/join", json.dumps(body).encode(), "application/json")
        if status != 200:
            return f"refused ({status})", text
        return self._answer(visitor)

    def _answer(self, visitor: str) -> tuple[str, str]:
        """Reads the events of a visitor's call to its end."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT_SECONDS)
        try:
            connection.request("GET", f"/gradio_api/queue/data?session_hash={visitor}")
            response = connection.getresponse()
            for line in response:
                if not line.startswith(b"data:"):
                    continue
                event = json.loads(line[5:])
                if event["msg"] != "process_completed":
                    continue
                if not event["success"]:
                    return "refused (call)", str(event["output"].get("error"))
                shown = event["output"]["data"][1]
                shown = shown["value"] if isinstance(shown, dict) else shown
                if "gz-refusal" in shown:
                    return "explained", " ".join(re.sub("<[^>]*>", " ", shown).split())
                return ("answered" if "gz-player" in shown else "nothing shown"), ""
            return "no reply", "the events ended"
        finally:
            connection.close()

    def _upload(self, name: str, content: bytes) -> tuple[int, str]:
        quoted = name.encode("utf-8", "surrogatepass").replace(b'"', b"%22")
        head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="' + quoted + b'"\r\n\r\n'
        kind = "multipart/form-data; boundary=b"
        return self._ask("POST", "/gradio_api/upload", head + content + b"\r\n--b--\r\n", kind)

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT_SECONDS)
        try:
            connection.request(method, path, body, {"Content-Type": kind} if kind else {})
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def _watching(self) -> None:
        while not self._over.wait(0.2):
            self._watch()

    def _watch(self) -> None:
        """Memory of the server and of all processes below it, pages that several share counted in each."""
        waiting, total = [self.process.pid], 0
        while waiting:
            number = waiting.pop()
            try:
                total += int(Path(f"/proc/{number}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
                for task in Path(f"/proc/{number}/task").iterdir():
                    waiting += map(int, (task / "children").read_text().split())
            except OSError:  # it has ended
                continue
        self.peak = max(self.peak, total)


class Listener:
    """A port of this machine that files point to; nobody must connect."""

    def __enter__(self) -> Listener:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.connections = self._socket.getsockname()[1], 0
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                self._socket.accept()[0].close()
            except OSError:
                return
            self.connections += 1


def _cases(generator: np.random.Generator, number: int, port: int) -> Iterator[Case]:
    """As many cases, of all kinds in turn."""
    makers = [_noise, _cut, _flipped, _forged, _text, _named, _containers, _sizes, _calls]
    shares = [0.12, 0.18, 0.18, 0.12, 0.12, 0.08, 0.1, 0.05, 0.05]
    counts = [round(number * share) for share in shares]
    counts[0] += number - sum(counts)
    for maker, count in zip(makers, counts, strict=True):
        for at in range(count):
            yield maker(generator, at, port)


def _sound(kind: str, seconds: float, *, channels: int = 1, rate: int = RATE) -> bytes:
    """A recording in one of libsndfile's formats."""
    time = np.arange(round(seconds * rate)) / rate
    tone = 0.3 * np.sin(2 * np.pi * 300 * time) + 0.03 * np.random.default_rng(1).standard_normal(len(time))
    buffer = io.BytesIO()
    soundfile.write(buffer, np.repeat(tone[:, None], channels, axis=1), rate, format=kind)
    return buffer.getvalue()


def _whole(at: int) -> tuple[str, bytes]:
    kind = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU")[at % 6]
    return kind.lower(), _sound(kind, 2.0)


def _noise(generator: np.random.Generator, at: int, port: int) -> Case:
    starts = (
        b"",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"fLaC",
        b"OggS",
        b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
        b"\xff\xfb\x90\x64",
        b"FORM",
    )
    content = starts[at % len(starts)] + generator.bytes(int(generator.integers(1, 20_000)))
    return Case("random bytes", f"noise.{ENDINGS[at % len(ENDINGS)]}", content)


def _cut(generator: np.random.Generator, at: int, port: int) -> Case:
    ending, content = _whole(at)
    most = 100 if at % 2 else len(content)
    return Case("cut recordings", f"cut.{ending}", content[: int(generator.integers(0, most))])


def _flipped(generator: np.random.Generator, at: int, port: int) -> Case:
    ending, content = _whole(at)
    damaged = np.frombuffer(content, np.uint8).copy()
    reach = 128 if at % 2 else len(damaged)  # in the header, or anywhere
    places = generator.integers(0, reach, int(generator.integers(1, 20)))
    damaged[places] = generator.integers(0, 256, len(places))
    return Case("changed bytes", f"flipped.{ending}", damaged.tobytes())


def _forged(generator: np.random.Generator, at: int, port: int) -> Case:
    """Headers that declare what is not there: hours, thousands of channels, no length."""
    wave = bytearray(_sound("WAV", 2.0))
    flac = bytearray(_sound("FLAC", 30.0))
    kind = at % 6
    if kind == 0:  # channels, rate, bytes a frame, bits a sample
        place, code = ((22, "<H"), (24, "<I"), (32, "<H"), (34, "<H"))[at // 6 % 4]
        most = 2 ** (8 * struct.calcsize(code))
        struct.pack_into(code, wave, place, int(generator.integers(0, most)))
    elif kind == 1:  # sizes of the file and of its samples
        struct.pack_into("<I", wave, 4, 2**32 - 1)
        struct.pack_into("<I", wave, 40, int(generator.integers(2**20, 2**32)))
    elif kind in (2, 3):  # the lowest 36 bits of a flac's header are its samples: many, or none
        flac[21] = flac[21] & 0xF0 | (0xF if kind == 2 else 0)
        flac[22:26] = (b"\xff" if kind == 2 else b"\0") * 4
    elif kind == 4:
        wave = bytearray(
            b"RF64" + b"\xff" * 4 + b"WAVEds64" + struct.pack("<IQQQI", 28, 2**60, 2**60, 2**60, 2**20) + wave[12:]
        )
    else:  # silence that compresses to nothing
        flac = bytearray(_compressed_silence(int(generator.integers(60, 7200))))
    ending, content = ("flac", flac) if kind in (2, 3, 5) else ("wav", wave)
    return Case("forged headers", f"forged.{ending}", bytes(content))


def _compressed_silence(seconds: int) -> bytes:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", RATE, 1, format="FLAC") as file:
        for _ in range(seconds):
            file.write(np.zeros(RATE))
    return buffer.getvalue()


def _text(generator: np.random.Generator, at: int, port: int) -> Case:
    """What is no audio: playlists that name files and addresses, pages, archives, programs."""
    address = f"http://127.0.0.1:{port}/a.mp3"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("song.wav", bytes(2**20))
    kinds: tuple[bytes, ...] = (
        f"#EXTM3U\n#EXTINF:10,\n{address}\n".encode(),
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXTINF:10,\n{address}\n#EXT-X-ENDLIST\n".encode(),
        f"[playlist]\nFile1={address}\nNumberOfEntries=1\n".encode(),
        f"ffconcat version 1.0\nfile '/etc/passwd'\nfile '{address}'\n".encode(),
        f"concat:/etc/passwd|{address}".encode(),
        f"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM '{address}'>]><playlist>&e;</playlist>".encode(),
        f"<html><script src='{address}'></script></html>".encode(),
        f"<svg xmlns='http://www.w3.org/2000/svg' onload='fetch(\"{address}\")'/>".encode(),
        f"<asx version='3.0'><entry><ref href='{address}'/></entry></asx>".encode(),
        f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=audio {port} RTP/AVP 0\r\n".encode(),
        json.dumps({"song": address}).encode(), b"song,genre\n" * 1000, b"\xef\xbb\xbf" + "é".encode() * 1000,
        archive.getvalue(), pickle.dumps(os.getcwd), b"\x7fELF" + bytes(1000), b"%PDF-1.7\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100), b"SQLite format 3\0" + bytes(100), bytes(10_000),
    )  # fmt: skip
    return Case("no audio", f"file.{ENDINGS[at % len(ENDINGS)]}", kinds[at % len(kinds)])


def _named(generator: np.random.Generator, at: int, port: int) -> Case:
    return Case("odd names", NAMES[at % len(NAMES)], _sound("WAV", 1.0))


def _containers(generator: np.random.Generator, at: int, port: int) -> Case:
    """What goes to ffmpeg: containers that point to other files and addresses, and broken ones."""
    address = f"http://127.0.0.1:{port}/a.mp3\0".encode()
    if at % 3 == 0:
        place = address if at % 2 else b"file:///etc/passwd\0"
        return Case("containers for ffmpeg", "points.m4a", _quicktime(place))
    start = (
        b"\x1aE\xdf\xa3",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
        b"caff\0\1\0\0",
        b"wvpk",
        b"MAC \x96\x0f",
        b"\0\0\0\x18ftypM4A ",
        b"\xff\xf1",
    )
    content = start[at % len(start)] + generator.bytes(int(generator.integers(0, 5000)))
    return Case("containers for ffmpeg", f"broken.{ENDINGS[at % len(ENDINGS)]}", content)


def _quicktime(place: bytes) -> bytes:
    """A QuickTime file whose samples are elsewhere: its data reference is an address."""

    def box(name: bytes, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return struct.pack(">I", 8 + len(content)) + name + content

    reference = box(b"dref", struct.pack(">II", 0, 1), box(b"url ", bytes(4), place))
    sound = struct.pack(">I4s6xHHHIHHHHI", 36, b"sowt", 1, 0, 0, 0, 1, 16, 0, 0, RATE << 16)
    table = box(
        b"stbl", box(b"stsd", struct.pack(">II", 0, 1), sound), box(b"stts", struct.pack(">IIII", 0, 1, RATE, 1)),
        box(b"stsc", struct.pack(">IIIII", 0, 1, 1, RATE, 1)), box(b"stsz", struct.pack(">III", 0, 2, RATE)),
        box(b"stco", struct.pack(">III", 0, 1, 0)),
    )  # fmt: skip
    media = box(
        b"mdia", box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, RATE, RATE, 0, 0)),
        box(b"hdlr", struct.pack(">II4sIIIB", 0, 0, b"soun", 0, 0, 0, 0)),
        box(b"minf", box(b"smhd", bytes(8)), box(b"dinf", reference), table),
    )  # fmt: skip
    track = box(b"trak", box(b"tkhd", struct.pack(">IIIIII", 7, 0, 0, 1, 0, RATE), bytes(60)), media)
    head = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, RATE, RATE), bytes(80))
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", head, track)


def _sizes(generator: np.random.Generator, at: int, port: int) -> Case:
    kind = at % 3
    if kind == 0:
        return Case("too large, long or empty", "large.wav", b"RIFF" + bytes(MOST_MB * 2**20))
    if kind == 1:
        return Case("too large, long or empty", "long.mp3", _sound("MP3", MOST_SECONDS + 5 + at))
    return Case("too large, long or empty", "empty.wav", b"")


def _calls(generator: np.random.Generator, at: int, port: int) -> Case:
    """Calls that name no upload, or are not what the page would send."""
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    calls: tuple[dict[str, Any], ...] = (
        {"data": [{"path": "/etc/passwd"}, "run", "no other model"]},
        {"data": [{"path": f"http://127.0.0.1:{port}/a.mp3"}, "run", "no other model"]},
        {"data": [{"path": "../../etc/passwd"}, "run", "no other model"]},
        {"data": [{"path": "", "url": f"http://127.0.0.1:{port}/a.mp3"}, "run", "no other model"]},
        {"data": [{"path": "/proc/self/environ"}, "run", "no other model"]},
        {"data": [None, "/etc/passwd", "no other model"]},
        {"data": [None, "run"]},
        {"data": []},
        {"data": [deep, "run", "no other model"]},
        {"data": ["x" * 100_000, "run", "no other model"]},
        {"data": [{"path": None}, "run", "no other model"]},
        {"data": [None, {"a": 1}, [1]]},
        {"data": [None, "run", "no other model"], "fn_index": 10**6},
        {"data": [None, "run", "no other model"], "fn_index": -1},
        {"data": [None, "run", "no other model"], "event_data": {"path": "/etc/passwd"}},
    )
    return Case("forged calls", f"call {at % len(calls)}", b"", calls[at % len(calls)])


def _trained(folder: Path) -> Path:
    """A small run on features of audio."""
    import genrezoo as gz
    from genrezoo.audio.settings import feature_settings
    from genrezoo.songs import SongSet

    settings, generator = feature_settings("mfcc_statistics", rate=RATE), np.random.default_rng(1)
    tones = [np.sin(2 * np.pi * (2500, 250)[song % 2] * np.arange(3 * RATE) / RATE) for song in range(24)]
    blocks = [[(0.3 * tone + 0.03 * generator.standard_normal(len(tone))).astype(np.float32)] for tone in tones]
    about = {"features": settings.model_dump(mode="json"), "feature_names": list(settings.names)}
    splits = {"train": np.arange(12), "valid": np.arange(12, 18), "test": np.arange(18, 24)}
    songs = SongSet(
        x=np.stack([settings.extract(block).x for block in blocks]), y=np.arange(24) % 2, genres=("high", "low"),
        splits=splits, provenance="random", about=about,
    )  # fmt: skip
    changes = {"units": [8], "epochs": 3, "chunks": {"segments": 1, "hop": 1}}
    gz.train(gz.get_recipe("fully_connected").changed(changes), songs, seed=1, out=folder)
    return folder


def _report(cases: list[Case], outcomes: list[Outcome]) -> None:
    """A table of what became of each kind, and the messages."""
    table: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    messages: collections.Counter[str] = collections.Counter()
    slowest: dict[str, float] = collections.defaultdict(float)
    for case, outcome in zip(cases, outcomes, strict=True):
        table[case.kind][outcome.what] += 1
        slowest[case.kind] = max(slowest[case.kind], outcome.seconds)
        if outcome.message:
            messages[_shape(outcome.message)] += 1
    columns = sorted({what for counts in table.values() for what in counts})
    print("| kind | cases |", " | ".join(columns), "| slowest |")
    print("| --- |", " | ".join(["---:"] * (len(columns) + 2)), "|")
    for kind, counts in table.items():
        cells = [str(counts.get(column, "")) for column in columns]
        print(f"| {kind} | {counts.total()} |", " | ".join(cells), f"| {slowest[kind]:.1f} s |")
    print("\nmessages, the most frequent ones:")
    for message, count in messages.most_common(40):
        print(f"{count:5d}  {message}")


def _shape(message: str) -> str:
    """A message without what differs from file to file: its name, numbers, and quoted bytes."""
    text = unescape(message).removeprefix("No answer ").partition(" Remedy:")[0]
    text = re.sub(r"^.{0,300}?\.\w+: ", "", text, flags=re.DOTALL)
    return re.sub(r"b'.*'|b\".*\"", "…", re.sub(r"\b\d[\d,.]*", "N", text))[:160]


if __name__ == "__main__":
    main()
