"""Counting of the frames of an MPEG audio file (MP3) without decoding.

A decoder silently skips missing bytes, or stops there. Every frame declares its length, so following the headers shows
how much audio the file holds, where bytes are not audio, and whether the end is truncated.

Reference: ISO/IEC 11172-3 and 13818-3 (frame header); the "Xing" header as LAME writes it.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, Protocol

_SAME = 0xFFFE0C00  # bits of the header that all frames of a file share: sync, version, layer, sampling rate
_SIZED = 0xFFFEFE00  # and those that decide how long the frame is; not channels, copyright or protection
_RATES = ((11025, 12000, 8000), None, (22050, 24000, 16000), (44100, 48000, 32000))  # by version: 2.5, -, 2, 1
_KBITS = {  # by (version 1?, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_TAGS = (b"TAG", b"APETAGEX", b"ID3", b"LYRICSBEGIN", b"3DI")  # what may follow the last frame
_MAX_GAPS = 1000  # after which a walk gives up: the file is not MPEG audio, or hopeless


class Frame(NamedTuple):
    """Length of one frame in bytes, and the samples (of each channel) and rate in Hz that it decodes to."""

    n_bytes: int
    samples: int
    rate: int


class Walk(NamedTuple):
    """Result of following the frames.

    Attributes:
        seconds: Audio in the frames.
        declared: Seconds that the file's own table (Xing, Info or VBRI) declares; None if it has none.
        gaps: Number of places inside the file where bytes are not frames.
        gap_bytes: Number of such bytes.
        incomplete: Whether the last frame extends beyond the end of the file.
        frame_seconds: Audio in one frame.
    """

    seconds: float
    declared: float | None
    gaps: int
    gap_bytes: int
    incomplete: bool
    frame_seconds: float


class Bytes(Protocol):
    """Bytes or a memory-mapped file."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: slice, /) -> bytes: ...
    def find(self, sub: bytes, start: int = ..., end: int = ..., /) -> int: ...


def frame_header(four: bytes) -> Frame | None:
    """Parses four bytes as a frame header; None if they are not one, or have a free bit rate."""
    return _sized(int.from_bytes(four, "big") & _SIZED) if len(four) == 4 else None


@functools.lru_cache(maxsize=4096)
def _sized(header: int) -> Frame | None:
    version, layer = header >> 19 & 3, 4 - (header >> 17 & 3)
    rates, bits, third = _RATES[version], header >> 12 & 15, header >> 10 & 3
    if header >> 21 != 0x7FF or rates is None or layer == 4 or bits in (0, 15) or third == 3:
        return None
    kbits, rate, padding = _KBITS[version == 3, layer][bits], rates[third], header >> 9 & 1
    if layer == 1:
        return Frame((12_000 * kbits // rate + padding) * 4, 384, rate)
    samples = 576 if layer == 3 and version != 3 else 1152
    return Frame(samples // 8 * 1000 * kbits // rate + padding, samples, rate)


def walk_frames(view: Bytes, *, until: float = math.inf) -> Walk | None:
    """Follows the frames of a file, from the first to the last or for a number of seconds.

    Args:
        view: The file's bytes, or the file mapped into memory.
        until: Seconds of audio after which to stop.

    Returns:
        The result; None if there is no frame.
    """
    end = len(view) - 128 if view[len(view) - 128 : len(view) - 125] == b"TAG" else len(view)
    position = 0
    while length := tag_bytes(view[position : position + 10]):
        position += length
    same = -1
    samples = gaps = gap_bytes = 0
    first: tuple[int, Frame] | None = None
    incomplete = False
    while position + 4 <= end and gaps < _MAX_GAPS:
        header = int.from_bytes(view[position : position + 4], "big")
        frame = _sized(header & _SIZED)
        if frame is None or (same >= 0 and header & _SAME != same):
            found = _next_frame(view, position + 1, end, same)
            if found is None and view[position : position + 16].startswith(_TAGS):
                break
            if first is not None and (found is not None or view[position : position + 4096].strip(b"\0")):
                gaps, gap_bytes = gaps + 1, gap_bytes + (end if found is None else found) - position
            if found is None:
                break
            position = found
            continue
        if position + frame.n_bytes > end:
            incomplete = True
            break
        if first is None:
            first, same = (position, frame), header & _SAME
        samples += frame.samples
        if samples > until * frame.rate:
            break
        position += frame.n_bytes
    if first is None:
        return None
    start, frame = first
    declared = _declared_frames(view[start : start + frame.n_bytes])
    if declared is not None:
        samples -= frame.samples  # the frame of the table holds no audio
    seconds = frame.samples / frame.rate
    total = None if declared is None else declared * seconds
    return Walk(samples / frame.rate, total, gaps, gap_bytes, incomplete, seconds)


def tag_bytes(head: bytes) -> int:
    """Length of the tag (ID3v2) at the beginning of these bytes; 0 if there is none."""
    if head[:3] != b"ID3" or len(head) < 10 or max(head[6:10]) > 127:
        return 0
    first, second, third, fourth = head[6:10]
    return 10 + (first << 21 | second << 14 | third << 7 | fourth) + (10 if head[5] & 0x10 else 0)


def _next_frame(view: Bytes, position: int, end: int, same: int) -> int | None:
    """Finds the next header that is followed by another at its declared distance."""
    while (position := view.find(b"\xff", position, end)) >= 0:
        header = int.from_bytes(view[position : position + 4], "big")
        frame = _sized(header & _SIZED)
        if frame is not None and same in (-1, header & _SAME):
            after = view[position + frame.n_bytes : position + frame.n_bytes + 4]
            following = int.from_bytes(after, "big")
            if len(after) == 4 and following & _SAME == header & _SAME and _sized(following & _SIZED) is not None:
                return position
        position += 1
    return None


def _declared_frames(frame: bytes) -> int | None:
    for place in (13, 21, 36):  # after the side information of mono and stereo, MPEG 2 and 1
        if frame[place : place + 4] in (b"Xing", b"Info") and frame[place + 7] & 1:
            return int.from_bytes(frame[place + 8 : place + 12], "big")
    return int.from_bytes(frame[50:54], "big") if frame[36:40] == b"VBRI" else None
