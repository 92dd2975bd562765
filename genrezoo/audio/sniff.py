"""Detection of a file's format by its first bytes, regardless of its name.

Decoders only get files that look like audio, and a web page saved under the name of a song is reported as a web page.
"""

from __future__ import annotations

import re
from typing import BinaryIO, Literal, NamedTuple

from genrezoo.audio._mpeg import frame_header, tag_bytes

_HEAD = 4096  # bytes that decide


class Kind(NamedTuple):
    """A detected format.

    Attributes:
        name: Name of the format, e.g. ``"WAV"`` or ``"HTML"``.
        decoder: ``"soundfile"`` or ``"ffmpeg"``; None for files that are not audio or cannot be read.
        demuxer: ffmpeg's name of the container, so that it does not guess (and cannot be tricked into reading a
            playlist).
    """

    name: str
    decoder: Literal["soundfile", "ffmpeg"] | None = None
    demuxer: str | None = None


_STARTS: tuple[tuple[bytes, Kind], ...] = (
    (b"fLaC", Kind("FLAC", "soundfile")),
    (b".snd", Kind("AU", "soundfile")),
    (b"dns.", Kind("AU", "soundfile")),
    (b"\x1aE\xdf\xa3", Kind("WebM", "ffmpeg", "matroska")),
    (b"MAC ", Kind("APE", "ffmpeg", "ape")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Kind("WMA", "ffmpeg", "asf")),
    (b"caff", Kind("CAF", "ffmpeg", "caf")),
    (b"wvpk", Kind("WavPack", "ffmpeg", "wv")),
    (b"ADIF", Kind("AAC", "ffmpeg", "aac")),
    (b"MThd", Kind("MIDI, which contains notes and no audio")),
    (b"\x89PNG\r\n\x1a\n", Kind("PNG")),
    (b"\xff\xd8\xff", Kind("JPEG")),
    (b"GIF8", Kind("GIF")),
    (b"%PDF", Kind("PDF")),
    (b"PK\x03\x04", Kind("ZIP")),
    (b"PK\x05\x06", Kind("ZIP")),
    (b"\x1f\x8b", Kind("gzip")),
    (b"BZh", Kind("bzip2")),
    (b"7z\xbc\xaf\x27\x1c", Kind("7-Zip")),
    (b"\xfd7zXZ\x00", Kind("xz")),
    (b"Rar!", Kind("RAR")),
    (b"\x89HDF\r\n\x1a\n", Kind("HDF5")),
    (b"\x93NUMPY", Kind("a NumPy array")),
    (b"\x80\x04\x95", Kind("a Python pickle")),
    (b"\x7fELF", Kind("a program")),
    (b"SQLite format 3\x00", Kind("SQLite")),
)
_FORMS = {
    (b"RIFF", b"WAVE"): Kind("WAV", "soundfile"),
    (b"RIFX", b"WAVE"): Kind("WAV", "soundfile"),
    (b"RF64", b"WAVE"): Kind("WAV", "soundfile"),
    (b"FORM", b"AIFF"): Kind("AIFF", "soundfile"),
    (b"FORM", b"AIFC"): Kind("AIFF", "soundfile"),
    (b"RIFF", b"AVI "): Kind("AVI"),
    (b"RIFF", b"WEBP"): Kind("WebP"),
}
_OGG_CODECS = ((b"\x01vorbis", "soundfile"), (b"OpusHead", "soundfile"), (b"\x7fFLAC", "soundfile"))


def sniff(file: BinaryIO) -> Kind:
    """Detects the format of an open file; a tag before the audio (ID3) is skipped.

    Args:
        file: Open for reading in binary; left at its beginning.

    Example:
        >>> import io
        >>> sniff(io.BytesIO(b"fLaC and more"))
        Kind(name='FLAC', decoder='soundfile', demuxer=None)
        >>> sniff(io.BytesIO(b"<!DOCTYPE html><title>Not found</title>")).name
        'HTML'
    """
    start = 0
    for _ in range(8):  # tags may follow each other
        file.seek(start)
        head = file.read(_HEAD)
        if not (length := tag_bytes(head)):
            break
        start += length
    file.seek(0)
    if start and not head.strip(b"\0"):
        return Kind("a tag (ID3) without audio")
    if start and head[:1] == b"\0":  # padding that the tag does not count; the decoder finds the first frame
        head = head.lstrip(b"\0")
    return _of_bytes(head)


def _of_bytes(head: bytes) -> Kind:
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    form = _FORMS.get((head[:4], head[8:12]))
    if form is not None:
        return form
    if head.startswith(b"OggS"):
        codec = head[28:36]
        known = any(codec.startswith(name) for name, _ in _OGG_CODECS)
        return Kind("OGG", "soundfile") if known or len(head) < 36 else Kind("OGG", "ffmpeg", "ogg")
    if head[4:8] == b"ftyp":
        return Kind("M4A", "ffmpeg", "mov")
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0:  # the layer is 0: not MPEG audio, but AAC
        return Kind("AAC", "ffmpeg", "aac")
    if head.startswith(b"RIFF") or head.startswith(b"FORM"):
        return Kind(f"{head[:4].decode()} of another kind, or with a truncated header")
    frame = frame_header(head[:4])
    if frame is not None and (frame_header(head[frame.n_bytes : frame.n_bytes + 4]) or frame.n_bytes + 4 > len(head)):
        return Kind("MP3", "soundfile")
    return _of_text(head)


def _of_text(head: bytes) -> Kind:
    if not head.strip(b"\0"):
        return Kind("nothing but zeros")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return Kind("HTML")
    if re.match(rb"<(\?xml|svg|rss|[a-z]+[ >])", text):
        return Kind("HTML" if b"<html" in text else "XML")
    try:
        plain = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not a character cut by the end of what was read
            return Kind(f"unknown data, which begin with {head[:8]!r}")
        plain = head[: error.start].decode("utf-8")
    if any(character < " " and character not in "\t\n\r\f" for character in plain):
        return Kind(f"unknown data, which begin with {head[:8]!r}")
    return Kind("JSON" if plain.lstrip().startswith(("{", "[")) else "text")
