"""Decoding of formats that libsndfile does not read (m4a, aac, webm, ape, wma, …) by an ``ffmpeg`` on the PATH.

ffmpeg runs as a child process with a fixed list of arguments, without a shell, with an explicit container format (so
that a file cannot act as a playlist that refers to others) and with local files as the only protocol; its samples
arrive through a pipe as they are decoded.

Reference: ffmpeg's manual; Sun's AU format, whose header is six big-endian numbers, rate and channels among them.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from genrezoo.errors import DataError

TIME_LIMIT = 60.0
"""Seconds without output after which ffmpeg is stopped."""

_LOG_BYTES = 2**16  # of what ffmpeg says; the rest is dropped
_DURATION = re.compile(r"^\[info\]   Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_CODEC = re.compile(r"^\[info\]   Stream #0:.*: Audio: (\w+)", re.MULTILINE)
_COMPLAINT = re.compile(r"^(?:\[[^\]\n]*@[^\]\n]*\] )?\[(?:error|fatal|panic)\] (.+)$", re.MULTILINE)


def find_ffmpeg(path: str | Path, kind: str) -> str:
    """Finds ffmpeg.

    Raises:
        DataError: It is not on the PATH.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        what = f"is {kind}, which only ffmpeg decodes, and there is no `ffmpeg` on the PATH"
        raise DataError(what, path=path, remedy="install ffmpeg, or convert the file to wav, flac, ogg or mp3")
    return found


class FfmpegStream(contextlib.AbstractContextManager["FfmpegStream"]):
    """A context manager that decodes one file with ffmpeg and ends the process with its block.

    Args:
        path: The file.
        kind: Detected format, for messages.
        demuxer: ffmpeg's name of its container.
        seconds: Maximum seconds to decode, from the beginning.

    Attributes:
        rate: Sampling rate, Hz.
        channels: Channels, as many as the file has.
        codec: ffmpeg's name of the codec.
        duration: Seconds that the container declares; NaN if it does not, or ffmpeg only estimates it.
        complaints: Errors that ffmpeg reported; complete after the last sample.

    Raises:
        DataError: There is no ffmpeg, it finds no audio in the file, or it outputs nothing for `TIME_LIMIT` seconds.
    """

    def __init__(self, path: str | Path, kind: str, demuxer: str, *, seconds: float):
        self._path, self._kind = Path(path), kind
        arguments = (
            *("-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info"),
            *("-protocol_whitelist", "file", "-f", demuxer, "-i", f"file:{os.path.abspath(path)}"),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1", "-t", f"{seconds:.6f}"),
            *("-c:a", "pcm_f32be", "-f", "au", "pipe:1"),
        )
        self._log = bytearray()
        self._left = bytearray()
        self._ended = 0
        command = [find_ffmpeg(path, kind), *arguments]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, bufsize=0)
        except OSError as error:
            what = f"ffmpeg cannot be started ({error.strerror})"
            raise DataError(what, path=path, remedy="reinstall ffmpeg, or convert the file to wav") from error
        self._selector = selectors.DefaultSelector()
        try:
            for stream in (self._process.stdout, self._process.stderr):
                assert stream is not None  # both were asked for
                self._selector.register(stream, selectors.EVENT_READ, data=stream)
            self.rate, self.channels = self._header()
        except BaseException:
            self.close()
            raise
        told = self._told()
        codec, duration = _CODEC.search(told), _DURATION.search(told)
        self.codec = codec[1] if codec else "unknown"
        self.duration = math.nan
        if duration and "Estimating duration" not in told:
            hours, minutes, rest = duration.groups()
            self.duration = 3600 * int(hours) + 60 * int(minutes) + float(rest)

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def complaints(self) -> list[str]:
        """The errors that ffmpeg reported, each once."""
        told = list(dict.fromkeys(_COMPLAINT.findall(self._told())))
        return told or ([f"ended with status {self._ended}"] if self._ended else [])

    def chunks(self, n_frames: int) -> Iterator[np.ndarray]:
        """Yields consecutive chunks, float32 (n_frames, channels) each, the last one shorter.

        Raises:
            DataError: ffmpeg outputs nothing for `TIME_LIMIT` seconds.
        """
        frame = 4 * self.channels
        while data := self._read(n_frames * frame):
            samples = np.frombuffer(data[: len(data) // frame * frame], dtype=">f4").astype(np.float32)
            yield samples.reshape(-1, self.channels)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it has closed both pipes and will be stopped
            self._ended = self._process.wait(timeout=5)

    def close(self) -> None:
        """Ends the process, if it has not ended, and waits for it."""
        self._selector.close()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _header(self) -> tuple[int, int]:
        head = self._read(24)
        magic, start, _, coding, rate, channels = struct.unpack(">4s5I", head.ljust(24, b"\0"))
        if magic != b".snd" or coding != 6 or not 24 <= start <= 2**16:
            reason = "; ".join(self.complaints[:2]) or "it returned no samples"
            remedy = "download the file again, or convert it to wav or flac"
            raise DataError(f"is {self._kind} that ffmpeg cannot decode ({reason})", path=self._path, remedy=remedy)
        self._read(start - 24)
        return rate, channels

    def _read(self, n_bytes: int) -> bytes:
        """Reads a number of bytes of samples, fewer at the end, and collects ffmpeg's messages."""
        stop = time.monotonic() + TIME_LIMIT
        while len(self._left) < n_bytes and self._selector.get_map():
            ready = self._selector.select(timeout=max(0.0, stop - time.monotonic()))
            if not ready:
                remedy = "convert the file to wav or flac"
                raise DataError(f"ffmpeg returned nothing for {TIME_LIMIT:.0f} s", path=self._path, remedy=remedy)
            for key, _ in ready:
                self._take(key.data)
        data, self._left = bytes(self._left[:n_bytes]), self._left[n_bytes:]
        return data

    def _take(self, pipe: IO[bytes]) -> None:
        data = pipe.read(2**16)
        if not data:
            self._selector.unregister(pipe)
        elif pipe is self._process.stdout:
            self._left += data
        else:
            self._log += data[: _LOG_BYTES - len(self._log)]

    def _told(self) -> str:
        return self._log.decode("utf-8", errors="replace")
