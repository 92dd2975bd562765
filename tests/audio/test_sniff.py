"""What a file is by its first bytes."""

import io

import pytest
from made_audio import encode, id3, tone, whole, without_table

from genrezoo.audio._mpeg import frame_header, walk_frames
from genrezoo.audio.sniff import sniff

ADTS = bytes.fromhex("fff15080479ffcda004c617663")


def test_sounds_are_known_by_their_content():
    for kind in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU"):
        assert sniff(io.BytesIO(whole(kind)))[:2] == (kind, "soundfile")


@pytest.mark.parametrize(
    ("data", "name", "decoder"),
    [
        (encode(tone(0.2), "RF64"), "WAV", "soundfile"),
        (encode(tone(0.2), "CAF"), "CAF", "ffmpeg"),
        (encode(tone(0.2), "VOC"), "unknown data, which begin with b'Creative'", None),
        (without_table(whole("MP3")), "MP3", "soundfile"),
        (id3() + whole("MP3"), "MP3", "soundfile"),
        (id3() + id3(5000) + whole("FLAC"), "FLAC", "soundfile"),
        (id3() + bytes(50) + whole("MP3"), "MP3", "soundfile"),
        (id3(), "a tag (ID3) without audio", None),
        (id3() + ADTS, "AAC", "ffmpeg"),
        (ADTS, "AAC", "ffmpeg"),
        (b"OggS" + bytes(24) + b"Speex   " + bytes(99), "OGG", "ffmpeg"),
        (b"\0\0\0\x20ftypM4A " + bytes(20), "M4A", "ffmpeg"),
        (b"\x1aE\xdf\xa3" + bytes(20), "WebM", "ffmpeg"),
        (b"MAC \x96\x0f", "APE", "ffmpeg"),
        (bytes.fromhex("3026b2758e66cf11a6d9"), "WMA", "ffmpeg"),
        (b"wvpk" + bytes(20), "WavPack", "ffmpeg"),
        (b"MThd" + bytes(20), "MIDI, which contains notes and no audio", None),
        (b"RIFF\0\0\0\0AVI LIST", "AVI", None),
        (b"RIFF\0\0", "RIFF of another kind, or with a truncated header", None),
        (b"\x89PNG\r\n\x1a\n\0", "PNG", None),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG", None),
        (b"%PDF-1.7", "PDF", None),
        (b"PK\x03\x04\x14", "ZIP", None),
        (b"\x1f\x8b\x08\0", "gzip", None),
        (b"\x89HDF\r\n\x1a\n", "HDF5", None),
        (b"  \n<!DOCTYPE html>", "HTML", None),
        (b"<HTML><head>", "HTML", None),
        (b"\xef\xbb\xbf<?xml version='1.0'?><html>", "HTML", None),
        (b"<?xml version='1.0'?><Error>", "XML", None),
        (b'{"error": 404}', "JSON", None),
        (b"Not Found\n", "text", None),
        ("Zurück".encode() * 1000, "text", None),
        (("x" * 4095 + "ü").encode(), "text", None),  # a character cut by the end of what is looked at
        (bytes(100), "nothing but zeros", None),
        (b"\x00\x01\x02\x03 \xfe", "unknown data, which begin with b'\\x00\\x01\\x02\\x03 \\xfe'", None),
        (
            b"\xff\xfb\x90\x64" + b"\xfe" * 5000,
            "unknown data, which begin with b'\\xff\\xfb\\x90d\\xfe\\xfe\\xfe\\xfe'",
            None,
        ),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else None,
)
def test_kinds(data, name, decoder):
    file = io.BytesIO(data)
    assert sniff(file)[:2] == (name, decoder)
    assert file.tell() == 0


def test_every_kind_for_ffmpeg_names_its_container():
    for data in (ADTS, b"MAC \x96", b"\x1aE\xdf\xa3", b"\0\0\0\x20ftypM4A ", b"wvpk", b"caff"):
        assert sniff(io.BytesIO(data)).demuxer


@pytest.mark.parametrize(
    ("header", "n_bytes", "samples", "rate"),
    [
        ("fffb9064", 417, 1152, 44100),  # MPEG 1 layer 3, 128 kbit/s: 144 * 128000 / 44100
        ("fffb9264", 418, 1152, 44100),  # padded
        ("fff380c4", 208, 576, 22050),  # MPEG 2 layer 3, 64 kbit/s: 72 * 64000 / 22050
        ("ffe340c4", 208, 576, 11025),  # MPEG 2.5, 32 kbit/s
        ("fffd8004", 417, 1152, 44100),  # layer 2, 128 kbit/s
        ("ffff4004", 136, 384, 44100),  # layer 1, 128 kbit/s: (12 * 128000 / 44100) * 4
    ],
)
def test_lengths_of_mpeg_frames(header, n_bytes, samples, rate):
    assert frame_header(bytes.fromhex(header)) == (n_bytes, samples, rate)


@pytest.mark.parametrize("header", ["00000000", "fffbf064", "fffb0064", "fffb9c64", "ffeb9064", "fff99064", "fffb"])
def test_what_is_no_mpeg_frame(header):
    assert frame_header(bytes.fromhex(header)) is None


FRAME = bytes.fromhex("fff380c4") + bytes(204)
OTHER = bytes.fromhex("fffb9064") + bytes(413)


@pytest.mark.parametrize(
    ("data", "frames", "gaps", "gap_bytes", "incomplete"),
    [
        (FRAME * 5, 5, 0, 0, False),
        (id3() + FRAME * 5 + b"TAG" + bytes(125), 5, 0, 0, False),
        (FRAME * 5 + bytes(999), 5, 0, 0, False),
        (FRAME * 5 + b"APETAGEX" + bytes(99), 5, 0, 0, False),
        (FRAME * 5 + FRAME[:-1], 5, 0, 0, True),
        (FRAME * 5 + b"x" * 100 + FRAME * 5, 10, 1, 100, False),
        (FRAME * 5 + FRAME[50:] + FRAME * 5 + b"y" + FRAME * 3, 13, 2, 159, False),
        (FRAME * 5 + OTHER * 2, 5, 1, 834, False),
        (b"garbage" + FRAME * 5, 5, 0, 0, False),
        (FRAME * 5 + b"z" * 99, 5, 1, 99, False),
    ],
)
def test_a_walk_counts_frames_and_what_lies_between(data, frames, gaps, gap_bytes, incomplete):
    walk = walk_frames(data)
    assert walk.seconds == pytest.approx(frames * 576 / 22050)
    assert (walk.gaps, walk.gap_bytes, walk.incomplete, walk.declared) == (gaps, gap_bytes, incomplete, None)


def test_a_walk_ends_where_it_is_told_to():
    walk = walk_frames(FRAME * 100 + b"x" * 100 + FRAME * 100, until=1.0)
    assert 1.0 < walk.seconds < 1.0 + 2 * 576 / 22050
    assert walk.gaps == 0


def test_the_table_of_an_mp3_is_read_and_is_no_sound():
    walk = walk_frames(whole("MP3"))
    assert walk.declared == pytest.approx(walk.seconds) == pytest.approx(3.1, abs=0.05)  # 3 s and the encoder's delay
    assert walk_frames(without_table(whole("MP3"))).declared is None
    assert walk_frames(b"no frame at all") is None
