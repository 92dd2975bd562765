"""How much sound a file should hold by its own account, and what is missing, found without decoding.

libsndfile cuts a header's claim down to what is there and says nothing, so a half-fetched file would pass for a short
song. Here the claim is read from the container itself: the size of a chunk, the frames of an MP3, the last page of an
Ogg file, the count in a FLAC header.
"""

from __future__ import annotations

import math
import mmap
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from genrezoo.audio._mpeg import Bytes, walk_frames

_STREAMED = 0x7FFFF000  # from this size on, writers into a pipe mean "not known yet"
_NO_LENGTH = "its header does not say how long it is, so that a cut would go unseen"
_MAX_CHUNKS = 10_000
_MAX_PAGE = 2**17  # bytes in which the last Ogg page and some bytes after it lie


@dataclass
class Claim:
    """What a file claims.

    Attributes:
        seconds: Sound that it should hold, from its very beginning; None if it does not say.
        cut: Whether its end is known to be missing.
        reason: Why less than that may be decoded where the end is there.
        tolerance: Seconds by which the decoder's count may be smaller for reasons other than damage.
        inside: Faults before the end, in words.
        at_end: Faults of the end, in words, for those who read so far.
    """

    seconds: float | None = None
    cut: bool = False
    reason: str = "damaged, or its header is wrong"
    tolerance: float = 0.0
    inside: list[str] = field(default_factory=list)
    at_end: list[str] = field(default_factory=list)


def read_claim(file: BinaryIO, kind: str, *, decoded: float, codec: str, rate: int, until: float) -> Claim:
    """Reads what a file claims.

    Args:
        file: The open file; its position does not move.
        kind: Its name by `genrezoo.audio.sniff.sniff`.
        decoded: Seconds that the decoder promises (for FLAC this is the header's claim; NaN if it has none).
        codec: The decoder's name of the coding, e.g. ``"VORBIS"``.
        rate: Sampling rate, Hz.
        until: Seconds from the beginning that will be decoded.
    """
    if kind == "FLAC":
        return Claim(at_end=[_NO_LENGTH]) if math.isnan(decoded) else Claim(decoded)
    with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        if kind == "MP3":
            return _of_mpeg(view, until)
        if kind == "OGG":
            return _of_ogg(view, codec, rate)
        return _of_bytes(chunk_sizes(view), decoded)


def chunk_sizes(view: Bytes) -> tuple[int, int] | None:
    """Bytes of sound that a WAV, AIFF or AU header claims, and that are there; None if it does not say.

    Example:
        >>> chunk_sizes(b"RIFF????WAVE" + b"data" + (100).to_bytes(4, "little") + bytes(60))
        (100, 60)
    """
    form = view[0:4]
    order: Literal["little", "big"] = "little" if form in (b"RIFF", b"RF64", b"dns.") else "big"
    if form in (b".snd", b"dns."):
        start, claimed = (int.from_bytes(view[place : place + 4], order) for place in (4, 8))
        return (claimed, max(0, len(view) - start)) if claimed < 2**32 - 1 else None
    position = 12
    long_size = None
    for _ in range(_MAX_CHUNKS):
        name, size = view[position : position + 4], int.from_bytes(view[position + 4 : position + 8], order)
        if len(name) < 4:
            break
        if name == b"ds64":
            long_size = int.from_bytes(view[position + 16 : position + 24], order)
        if name in (b"data", b"SSND"):
            if size == 2**32 - 1 and long_size is not None:
                size = long_size
            return size, max(0, len(view) - position - 8)
        position += 8 + size + (size & 1)
    return None


def _of_bytes(sizes: tuple[int, int] | None, decoded: float) -> Claim:
    if sizes is None:
        return Claim(at_end=[_NO_LENGTH])
    claimed, there = sizes
    if claimed <= there or not there:
        return Claim(decoded)
    if _STREAMED <= claimed < 2**32:
        return Claim(at_end=[_NO_LENGTH])
    return Claim(decoded * claimed / there, cut=True, tolerance=0.01)


def _of_ogg(view: Bytes, codec: str, rate: int) -> Claim:
    tail = view[max(0, len(view) - _MAX_PAGE) : len(view)]
    page = tail[max(0, tail.rfind(b"OggS\0")) :]
    bodies = page[27 : 27 + page[26]] if len(page) > 26 else b""
    whole = len(page) > 26 and len(bodies) == page[26] and len(page) >= 27 + len(bodies) + sum(bodies)
    if not whole or not page[5] & 4:  # the flag of the last page
        return Claim(cut=True, at_end=["its last page is missing: the file is cut"])
    granule = int.from_bytes(page[6:14], "little", signed=True)
    start = view[0:4096]
    if codec == "OPUS":  # counts at 48 kHz, and what the encoder put before the sound
        head = start.find(b"OpusHead")
        granule, rate = granule - int.from_bytes(start[head + 10 : head + 12], "little"), 48_000
    return Claim(granule / rate, tolerance=0.02) if granule >= 0 else Claim()


def _of_mpeg(view: Bytes, until: float) -> Claim:
    walk = walk_frames(view, until=until)
    if walk is None:
        return Claim()
    inside = []
    if walk.gaps:
        places = "one place" if walk.gaps == 1 else f"{walk.gaps:,} places"
        inside = [f"{walk.gap_bytes:,} bytes in {places} are not sound: the file is damaged"]
    at_end = ["its last frame is incomplete: the file is cut"] if walk.incomplete else []
    claimed = walk.seconds if walk.claimed is None else max(walk.seconds, walk.claimed)
    cut = walk.seconds < claimed - walk.frame_seconds and not walk.gaps
    # an encoder's silence before and after the sound, which the decoder drops: up to four frames
    claim = Claim(claimed, cut, tolerance=4 * walk.frame_seconds, inside=inside, at_end=at_end)
    if walk.claimed is None:
        claim.reason = "damaged, or lacks the table (Xing) without which a varying bit rate is cut short; convert it"
    return claim
