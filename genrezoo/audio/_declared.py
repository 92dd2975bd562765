"""The length that an audio file declares, and damage that decoders do not report.

libsndfile decodes whatever is present, so an incomplete download looks like a short song. For WAV, AIFF and AU its log
says which declared size it corrected. Two kinds of damage are not reported by any library: its log cannot distinguish a
truncated Ogg file from one with bytes after its last page, and damaged MP3 files, whose frames are counted in
`genrezoo.audio._mpeg`. Tag readers do not help: mutagen and tinytag accept a truncated Ogg file, a truncated MP3
without a length table, and an MP3 with a gap.
"""

from __future__ import annotations

import math
import mmap
import re
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from genrezoo.audio._mpeg import Bytes, walk_frames

_BYTES = re.compile(r"(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)")
_FRAMES = re.compile(r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)")
_MAX_LOG = 2047  # characters after which libsndfile drops the rest of its log
_MAX_PAGE = 2**17  # bytes in which the last Ogg page and some bytes after it lie
_STREAMED = 0x7FFFF000  # from this size on, writers into a pipe mean "not known yet"
_NO_LENGTH = "its header does not declare a length, so a truncation would go unnoticed"


@dataclass
class Declared:
    """The length that a file declares, and its damage.

    Attributes:
        seconds: Audio that it should hold, from its very beginning; None if it does not say.
        cut: Whether its end is known to be missing.
        reason: Why less may be decoded although the end is present.
        tolerance: Seconds by which the decoded length may be smaller for reasons other than damage.
        inside: Descriptions of damage before the end.
        at_end: Descriptions of damage at the end, for readers that reach it.
    """

    seconds: float | None = None
    cut: bool = False
    reason: str = "damaged, or its header is wrong"
    tolerance: float = 0.0
    inside: list[str] = field(default_factory=list)
    at_end: list[str] = field(default_factory=list)


def read_declared(file: BinaryIO, kind: str, sound: Any, *, seconds: float, until: float) -> Declared:
    """Reads the length that a file declares.

    Args:
        file: The open file; its position does not move.
        kind: Its format by `genrezoo.audio.sniff.sniff`.
        sound: The file as `soundfile.SoundFile`.
        seconds: Duration reported by the decoder (from the header of a FLAC or Ogg file; NaN if it has none).
        until: Seconds from the beginning that will be decoded.
    """
    if kind in ("MP3", "OGG"):
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
            return _of_mpeg(view, until) if kind == "MP3" else _of_ogg(view, seconds)
    log: str = sound.extra_info
    if math.isnan(seconds) or len(log) >= _MAX_LOG or re.search(r"Data Size *: -1", log):
        return Declared(at_end=[_NO_LENGTH])
    if found := _BYTES.search(log):
        declared, there = map(int, found.groups())
        if _STREAMED <= declared < 2**32:
            return Declared(at_end=[_NO_LENGTH])
    elif found := _FRAMES.search(log):
        there, declared = map(int, found.groups())
    if found and declared > there > 0:
        return Declared(seconds * declared / there, cut=True, tolerance=0.01)
    return Declared(seconds)


def _of_ogg(view: Bytes, seconds: float) -> Declared:
    tail = view[max(0, len(view) - _MAX_PAGE) : len(view)]
    page = tail[max(0, tail.rfind(b"OggS\0")) :]
    bodies = page[27 : 27 + page[26]] if len(page) > 26 else b""
    if bodies and len(page) >= 27 + page[26] + sum(bodies) and page[5] & 4:  # whole, and flagged as the last one
        return Declared(seconds, tolerance=0.02)
    return Declared(cut=True, at_end=["its last page is missing: the file is truncated"])


def _of_mpeg(view: Bytes, until: float) -> Declared:
    walk = walk_frames(view, until=until)
    if walk is None:
        return Declared()
    inside = []
    if walk.gaps:
        places = "one place" if walk.gaps == 1 else f"{walk.gaps:,} places"
        inside = [f"{walk.gap_bytes:,} bytes in {places} are not audio: the file is damaged"]
    at_end = ["its last frame is incomplete: the file is truncated"] if walk.incomplete else []
    seconds = walk.seconds if walk.declared is None else max(walk.seconds, walk.declared)
    cut = walk.seconds < seconds - walk.frame_seconds and not walk.gaps
    # an encoder's silence before and after the audio, which the decoder drops: up to four frames
    declared = Declared(seconds, cut, tolerance=4 * walk.frame_seconds, inside=inside, at_end=at_end)
    if walk.declared is None:
        declared.reason = "damaged, or has a variable bit rate without the table (Xing) that it needs; convert it"
    return declared
