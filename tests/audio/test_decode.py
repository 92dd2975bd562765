"""From a file to mono samples: the same numbers however they are asked for, and nothing odd passes silently."""

import contextlib
import json
import os
import stat
import subprocess
import sys
import time
import wave

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from made_audio import (
    RATE,
    au_stream,
    encode,
    flac_length,
    gap,
    half,
    hole,
    id3,
    tone,
    wav_header,
    whole,
    without_table,
)

from genrezoo.audio import decode
from genrezoo.audio.decode import AudioReader, inspect_audio, read_audio
from genrezoo.errors import DataError, GenrezooError, SettingsError

FORMATS = ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU")
STEREO = tone(2.0, channels=2)
FLOATS = tone(1.0)


def changed(samples, place, value):
    samples = samples.copy()
    samples[place] = value
    return samples


GOOD = {
    **{kind: lambda kind=kind: whole(kind) for kind in FORMATS},
    "opus": lambda: encode(tone(2.0, rate=24000), "OGG", rate=24000, subtype="OPUS"),
    "8 bit": lambda: encode(tone(), subtype="PCM_U8"),
    "24 bit": lambda: encode(tone(), subtype="PCM_24"),
    "double": lambda: encode(tone(), subtype="DOUBLE"),
    "mu-law": lambda: encode(tone(), "AU", subtype="ULAW"),
    "ADPCM": lambda: encode(tone(), subtype="IMA_ADPCM"),
    "wavex": lambda: encode(tone(), "WAVEX"),
    "rf64": lambda: encode(tone(), "RF64"),
    "big-endian wav": lambda: encode(tone(), endian="BIG"),
    "24 channels": lambda: encode(tone(0.5, channels=24)),
    "32 channels": lambda: encode(tone(0.5, channels=32)),
    "4 kHz": lambda: encode(tone(rate=4000), rate=4000),
    "384 kHz": lambda: encode(tone(0.5, rate=384000), rate=384000),
    "a tag before mp3": lambda: id3() + whole("MP3"),
    "a tag before flac": lambda: id3() + whole("FLAC"),
    "a tag after mp3": lambda: whole("MP3") + b"TAG" + b"\0" * 125,
    "zeros after ogg": lambda: whole("OGG") + bytes(3000),
    "zeros after flac": lambda: whole("FLAC") + bytes(3000),
    "louder than full scale": lambda: encode(4 * tone(), subtype="FLOAT"),
    "a tenth of a second": lambda: encode(tone(0.1)),
}

WARNED = {
    "half wav": (lambda: half(whole("WAV")), r"ends after 1\.5 of 3\.0 s: the file is truncated"),
    "half aiff": (lambda: half(whole("AIFF")), r"ends after 1\.5 of 3\.0 s: the file is truncated"),
    "half au": (lambda: half(whole("AU")), r"ends after 1\.5 of 3\.0 s: the file is truncated"),
    "half rf64": (lambda: half(encode(tone(), "RF64")), r"ends after 1\.5 of 3\.0 s: the file is truncated"),
    "half ADPCM": (
        lambda: half(encode(tone(), subtype="IMA_ADPCM")),
        r"ends after 1\.5 of 3\.0 s: the file is "
        r"truncated",
    ),
    "half mp3": (lambda: half(whole("MP3")), r"ends after 1\.4 of 3\.\d s: the file is truncated"),
    "half flac": (
        lambda: half(whole("FLAC")),
        r"only 1\.5 of 3\.0 s could be decoded: the file is truncated or "
        r"damaged",
    ),
    "half ogg": (lambda: half(whole("OGG")), "its last page is missing: the file is truncated"),
    "ogg without its last page": (
        lambda: whole("OGG")[: whole("OGG").rindex(b"OggS")],
        "its last page is missing: the file is truncated",
    ),
    "half opus": (
        lambda: half(encode(tone(3.0, rate=24000), "OGG", rate=24000, subtype="OPUS")),
        "its last page is missing: the file is truncated",
    ),
    "mp3 without a table, half": (
        lambda: half(without_table(encode(tone(10.0), "MP3"))),
        "last frame is incomplete|could be decoded",
    ),
    "mp3 of varying bit rate without a table": (lambda: without_table(whole("MP3")), "without the table .Xing."),
    "the last hundredth of mp3 is missing": (lambda: whole("MP3")[:-300], "incomplete|is cut"),
    "the last of wav is missing": (
        lambda: whole("WAV")[:-1000],
        r"ends after 2\.977 of 3\.000 s: the file is "
        r"truncated",
    ),
    "bytes changed in mp3": (lambda: hole(whole("MP3")), r"only 1\.\d of 3\.\d s could be decoded|are not audio"),
    "bytes missing in mp3": (lambda: gap(whole("MP3")), "bytes in one place are not audio|could be decoded"),
    "bytes changed in flac": (lambda: hole(whole("FLAC")), r"only 1\.\d of 3\.0 s could be decoded"),
    "bytes missing in flac": (lambda: gap(whole("FLAC")), r"only 1\.\d of 3\.0 s could be decoded"),
    "bytes changed in ogg": (lambda: hole(whole("OGG")), r"only \d\.\d of 3\.0 s could be decoded"),
    "bytes missing in ogg": (lambda: gap(whole("OGG")), r"only \d\.\d of 3\.0 s could be decoded"),
    "wav claims 4 GB": (lambda: wav_header(whole(), n_bytes=2**32 - 1), "does not declare a length"),
    "wav claims 1 GB": (lambda: wav_header(whole(), n_bytes=2**30), r"ends after 3\.0 of 2434\d\.\d s"),
    "flac claims 4 s": (lambda: flac_length(whole("FLAC"), 4 * RATE), r"only 3\.0 of 4\.0 s could be decoded"),
    "flac of unknown length": (lambda: flac_length(whole("FLAC"), 0), "does not declare a length"),
    "mp3 twice in one file": (lambda: whole("MP3") * 2, r"only 3\.0 of 6\.\d s could be decoded"),
    "silence": (lambda: encode(np.zeros(RATE)), r"silent \(all samples are zero\)"),
    "dither alone": (lambda: encode(np.full(RATE, 2**-15), subtype="PCM_16"), r"silent \(no sample above -80 dB\)"),
    "silence in flac": (lambda: encode(np.zeros((RATE, 2)), "FLAC"), r"silent \(all samples are zero\)"),
    "channels against each other": (
        lambda: encode(np.stack([FLOATS, -FLOATS], axis=1), subtype="FLOAT"),
        "the channels cancel each other",
    ),
}

REFUSED = {
    "nothing": (lambda: b"", r"is empty \(0 bytes\)"),
    **{
        f"{kind} with a truncated header": (lambda kind=kind: whole(kind)[:20], "cannot be decoded|looks like")
        for kind in FORMATS
    },
    "wav without samples": (lambda: encode(np.zeros(0)), r"no audio \(0 samples\)"),
    "flac without samples": (lambda: encode(np.zeros(0), "FLAC"), "."),
    "one sample": (lambda: encode(np.ones(1)), r"0\.00 s of audio could be decoded, but at least 0\.1 s are needed"),
    "a twentieth of a second": (lambda: encode(tone(0.05)), r"0\.05 s of audio .* at least 0\.1 s"),
    "wav cut after 0.3 s": (lambda: whole("WAV")[:13274], r"0\.30 s .* 0\.5 s.*ends after 0\.3 of 3\.0 s"),
    "flac cut after 0.3 s": (lambda: whole("FLAC")[:10900], r"at least 0\.5 s are needed; only 0\.\d of"),
    "flac header alone": (lambda: whole("FLAC")[:500], r"0\.00 s of audio could be decoded"),
    "not a number": (lambda: encode(changed(FLOATS, 11025, np.nan), subtype="FLOAT"), r"0\.500 s: .*NaN or infinite"),
    "infinite": (lambda: encode(changed(STEREO, (4410, 1), np.inf), subtype="FLOAT"), r"0\.200 s: .*NaN or infinite"),
    "1e30": (lambda: encode(changed(FLOATS, 0, 1e30), subtype="FLOAT"), "a sample of 1e.30"),
    "-17": (lambda: encode(changed(FLOATS, 0, -17), subtype="FLOAT"), "a sample of 17, where 1 is full scale"),
    "0 Hz": (lambda: wav_header(whole(), rate=0), "cannot be decoded"),
    "1 Hz": (lambda: wav_header(whole(), rate=1), "its header declares 1 Hz"),
    "655,350 Hz": (lambda: wav_header(whole(), rate=655350), "declares 655,350 Hz"),
    "4e9 Hz": (lambda: wav_header(whole(), rate=4_000_000_000), "cannot be decoded|4,000,000,000"),
    "no channels": (lambda: wav_header(whole(), channels=0), "Channel count is zero"),
    "33 channels": (lambda: wav_header(whole(), channels=33), "declares 33 channels"),
    "1024 channels": (lambda: wav_header(whole(), channels=1024), "declares 1,024 channels"),
    "32767 channels": (lambda: wav_header(whole(), channels=32767), "Too many channels"),
    "flac claims 36 days": (
        lambda: flac_length(whole("FLAC"), 68_000_000_000),
        "declares 856.6 hours; the limit is 12",
    ),
    "GSM 6.10": (lambda: encode(tone(rate=8000), rate=8000, subtype="GSM610"), "GSM610, which cannot be read safely"),
    "G.721": (lambda: encode(tone(rate=8000), "AU", rate=8000, subtype="G721_32"), "G721_32, which cannot be"),
    "a web page": (lambda: b"<!DOCTYPE html><html>404</html>", r"not a supported audio file \(looks like HTML\)"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(99), r"\(looks like PNG\)"),
    "text": (lambda: b"track, genre\n1, rock\n", r"\(looks like text\)"),
    "zeros": (lambda: bytes(9999), r"\(looks like nothing but zeros\)"),
    "noise": (lambda: np.random.default_rng(3).bytes(9999), "looks like unknown data, which begin with"),
    "a tag alone": (id3, r"looks like a tag \(ID3\) without audio"),
}


@pytest.fixture
def write(tmp_path):
    def to_file(data, name="sound"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return to_file


@pytest.mark.parametrize("case", GOOD)
def test_whole_sound_passes_without_a_word(write, case):
    data = GOOD[case]()
    sound = read_audio(write(data))
    assert sound.warnings == ()
    assert sound.samples.dtype == np.float32
    assert sound.samples.ndim == 1
    assert np.abs(sound.samples).max() > 0.1


@pytest.mark.parametrize("case", WARNED)
def test_what_is_odd_is_said_and_the_rest_is_kept(write, case):
    make, words = WARNED[case]
    sound = read_audio(write(make()))
    assert len(sound.samples) > RATE // 2
    with pytest.raises(UserWarning, match=words):
        raise UserWarning("; ".join(sound.warnings))


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_by_name(write, case):
    make, words = REFUSED[case]
    path = write(make())
    with pytest.raises(DataError, match=words) as caught:
        read_audio(path)
    assert caught.value.path == path
    assert caught.value.what
    assert caught.value.remedy
    assert "Error opening" not in str(caught.value)


def test_enough_cases():
    assert len(GOOD) + len(WARNED) + len(REFUSED) >= 80


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", ["song.wav", "song.mp3", "song.txt", "song", "a\nb ü.ogg"])
def test_the_content_decides_not_the_name(write, kind, name):
    assert inspect_audio(write(whole(kind), name)).format == kind


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU"])
@pytest.mark.parametrize("rate", [None, RATE, 16000])
def test_blocks_of_any_length_make_the_whole(write, kind, rate):
    path = write(encode(tone(2.0, rate=44100, channels=2), kind, rate=44100))
    expected = read_audio(path, rate=rate).samples
    for seconds in (0.01, 0.37, 1.0, 99.0):
        with AudioReader(path, rate=rate) as sound:
            blocks = list(sound.blocks(seconds))
            assert {len(block) for block in blocks[:-1]} <= {round(seconds * sound.rate)}
            np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_a_second_pass_gives_the_same(write):
    with AudioReader(write(half(whole("OGG"))), rate=16000) as sound:
        first = np.concatenate(list(sound.blocks(0.5)))
        warnings = sound.warnings
        next(sound.blocks())  # begun and left
        np.testing.assert_array_equal(np.concatenate(list(sound.blocks())), first)
        assert sound.warnings == warnings != ()


@pytest.mark.slow
@pytest.mark.parametrize("native", [4000, 8000, 11025, 22050, 44100, 48000, 192000])
@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_samples_are_those_of_librosa(write, native, rate):
    path = write(encode(tone(1.2345, rate=native, channels=2), rate=native, subtype="FLOAT"))
    mono = librosa.to_mono(soundfile.read(path, dtype="float32")[0].T)  # what librosa.load does
    expected = librosa.resample(mono, orig_sr=native, target_sr=rate, res_type="soxr_hq")
    samples = read_audio(path, rate=rate).samples
    assert samples.shape == expected.shape
    np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("offset", [0.0, 0.5, 1.25])
def test_an_excerpt_is_a_part_of_the_whole(write, kind, offset):
    path = write(encode(tone(3.0, channels=2), kind))
    every = read_audio(path, rate=None).samples
    start = round(offset * RATE)
    excerpt = read_audio(path, rate=None, offset=offset, duration=1.0)
    np.testing.assert_array_equal(excerpt.samples, every[start : start + RATE])
    assert excerpt.warnings == ()
    np.testing.assert_array_equal(read_audio(path, rate=None, offset=offset).samples, every[start:])
    assert len(read_audio(path, rate=None, offset=offset, duration=50.0).samples) == len(every) - start


@pytest.mark.parametrize("kind", ["WAV", "MP3", "OGG", "FLAC"])
def test_an_excerpt_before_the_cut_is_not_blamed_for_it(write, kind):
    path = write(half(whole(kind)))
    assert read_audio(path, duration=0.4).warnings == ()
    assert read_audio(path).warnings != ()


@pytest.mark.parametrize("kind", FORMATS)
def test_an_excerpt_beyond_the_end_is_refused(write, kind):
    with pytest.raises(DataError, match=r"begins at 3\.5 s, but the file ends at 3\.0 s"):
        read_audio(write(whole(kind)), offset=3.5)


def test_an_excerpt_beyond_the_cut_is_refused(write):
    with pytest.raises(DataError, match=r"0\.00 s of audio could be decoded.*only .* of 3\.0 s"):
        read_audio(write(half(whole("FLAC"))), offset=2.5)


def test_an_excerpt_of_a_file_that_claims_too_much_is_read(write):
    path = write(flac_length(whole("FLAC"), 68_000_000_000))
    assert len(read_audio(path, duration=2.0).samples) == 2 * RATE


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": 3999}, "rate must be 4,000 to 384,000 Hz"),
        ({"rate": 10**9}, "rate must be"),
        ({"offset": -1}, "offset must be at least 0 s"),
        ({"offset": np.nan}, "offset must be"),
        ({"duration": 0}, "duration must be at least 0.1 s"),
        ({"duration": np.inf}, "duration must be"),
    ],
)
def test_arguments_out_of_range_are_refused(write, options, words):
    with pytest.raises(SettingsError, match=words):
        read_audio(write(whole()), **options)


def test_a_block_of_no_length_is_refused(write):
    with AudioReader(write(whole())) as sound, pytest.raises(SettingsError, match="more than 0 s"):
        sound.blocks(0)


def test_mono_is_the_mean_of_the_channels(write):
    path = write(encode(STEREO, subtype="FLOAT"))
    np.testing.assert_allclose(read_audio(path).samples, STEREO.mean(axis=1), atol=1e-7)


def test_what_the_header_says(write):
    path = write(encode(tone(1.5, rate=48000, channels=2), "FLAC", rate=48000))
    info = inspect_audio(path)
    assert (info.format, info.subtype, info.rate, info.channels, info.seconds) == ("FLAC", "PCM_16", 48000, 2, 1.5)
    assert json.loads(json.dumps(info.describe()))["seconds"] == 1.5
    assert inspect_audio(write(flac_length(whole("FLAC"), 0))).describe()["seconds"] is None


@pytest.mark.parametrize("case", ["1 Hz", "33 channels", "flac claims 36 days", "GSM 6.10", "a web page", "nothing"])
def test_the_header_alone_is_refused_for_the_same_reason(write, case):
    make, words = REFUSED[case]
    with pytest.raises(DataError, match=words):
        inspect_audio(write(make()))


def test_a_pipe_a_folder_and_nothing_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    started = time.monotonic()
    for path, words in (
        (tmp_path / "pipe.wav", "a pipe or device"),
        ("/dev/zero", "a pipe or device"),
        (tmp_path, "is a folder"),
        (tmp_path / "none.wav", "cannot be read"),
        ("a\0b", "cannot be read"),
    ):
        with pytest.raises(DataError, match=words):
            read_audio(path)
    assert time.monotonic() - started < 5


def test_a_link_is_followed(write, tmp_path):
    (tmp_path / "link").symlink_to(write(whole()))
    assert read_audio(tmp_path / "link").warnings == ()


def test_files_are_closed_whatever_happens(write):
    before = len(os.listdir("/proc/self/fd"))
    for make, _ in [*WARNED.values(), *REFUSED.values()][::3]:
        path = write(make())
        with contextlib.suppress(DataError):
            read_audio(path)
    assert len(os.listdir("/proc/self/fd")) == before


PEAK = """
import resource, sys, numpy, soundfile, soxr
from genrezoo.audio.decode import AudioReader, read_audio
read_audio(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
samples = read_audio(sys.argv[1], offset=1500.0, duration=10.0).samples
with AudioReader(sys.argv[1]) as sound:
    n = sum(len(block) for block in sound.blocks(60.0))
print(len(samples), n, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_an_hour_is_read_in_constant_memory(tmp_path, write):
    path = tmp_path / "hour.flac"
    with soundfile.SoundFile(path, "w", 8000, 1, format="FLAC", subtype="PCM_16") as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8000, np.int16))
    short = write(encode(tone(1.0, rate=8000), rate=8000))
    done = subprocess.run([sys.executable, "-c", PEAK, path, short], capture_output=True, text=True, check=True)
    n_excerpt, n_all, megabytes = map(int, done.stdout.split())
    assert (n_excerpt, n_all) == (10 * RATE, 3600 * RATE)
    assert megabytes < 40  # the hour at 22,050 Hz takes 318


def test_missing_libraries_are_named(monkeypatch, write):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(SettingsError, match=r"soundfile needs the extra `audio`: pip install 'genrezoo\[audio\]'"):
        read_audio(write(whole()))


def test_importing_loads_no_optional_library():
    program = "import sys, genrezoo.audio.decode; print(sorted({'soundfile', 'soxr', 'librosa'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@settings(max_examples=60)
@given(data=st.data())
def test_any_bytes_end_in_sound_or_an_error_of_ours(tmp_path_factory, kind, data):
    changed = bytearray(whole(kind, 0.6))
    places = st.integers(0, len(changed) - 1) | st.integers(0, 80)  # headers more often
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=30)):
        changed[place] = value
    kept = data.draw(st.integers(0, len(changed)) | st.just(len(changed)))
    path = tmp_path_factory.getbasetemp() / f"mutated_{kind}"
    path.write_bytes(changed[:kept])
    with contextlib.suppress(GenrezooError):  # anything else fails here
        sound = read_audio(path, duration=5.0)
        assert np.isfinite(sound.samples).all()
        assert RATE // 10 <= len(sound.samples) <= 5 * RATE + 1


FAKE = """#!{python}
import json, pathlib, sys, time
here = pathlib.Path(__file__).parent
(here / "arguments.json").write_text(json.dumps(sys.argv[1:]))
sys.stderr.write((here / "log").read_text())
sys.stderr.flush()
data = (here / "samples").read_bytes()
for start in range(0, len(data), 5000):
    sys.stdout.buffer.write(data[start : start + 5000])
    sys.stdout.buffer.flush()
time.sleep(float((here / "sleep").read_text()))
sys.exit(int((here / "status").read_text()))
"""
M4A = b"\0\0\0\x1cftypM4A \0\0\0\0" + bytes(99)
LOG = """[info] Input #0, mov, from 'file:x':
[info]   Duration: 00:00:03.00, start: 0.000000, bitrate: 65 kb/s
[info]   Stream #0:0[0x1](und): Audio: aac (LC) (mp4a / 0x6134706D), 22050 Hz, mono, fltp, 63 kb/s (default)
"""


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """A script in the place of ffmpeg, and what it writes."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def put(samples=b"", log=LOG, status=0, sleep=0.0):
        for name, content in (("log", log), ("status", str(status)), ("sleep", str(sleep))):
            (folder / name).write_text(content)
        (folder / "samples").write_bytes(samples)
        program = folder / "ffmpeg"
        program.write_text(FAKE.format(python=sys.executable))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder))
        return folder

    return put


def test_other_formats_go_through_ffmpeg(ffmpeg, write):
    x = tone(3.0, channels=2)
    folder = ffmpeg(au_stream(x))
    path = write(M4A, "-i evil;name")
    sound = read_audio(path)
    assert sound.warnings == ()
    np.testing.assert_allclose(sound.samples, x.mean(axis=1), atol=1e-7)
    info = inspect_audio(path)
    assert (info.format, info.subtype, info.rate, info.channels, info.seconds) == ("M4A", "aac", RATE, 2, 3.0)
    arguments = json.loads((folder / "arguments.json").read_text())
    assert arguments[arguments.index("-i") + 1] == f"file:{path}"
    assert arguments[arguments.index("-protocol_whitelist") + 1] == "file"
    assert arguments[arguments.index("-f") + 1] == "mov"
    assert "-nostdin" in arguments


def test_ffmpeg_gives_blocks_and_excerpts(ffmpeg, write):
    x = tone(3.0)
    ffmpeg(au_stream(x))
    path = write(M4A)
    with AudioReader(path, rate=16000) as sound:
        np.testing.assert_array_equal(np.concatenate(list(sound.blocks(0.3))), read_audio(path, rate=16000).samples)
    np.testing.assert_array_equal(read_audio(path, offset=1.0, duration=0.5).samples, x[RATE : RATE * 3 // 2])
    with pytest.raises(DataError, match=r"begins at 9 s, but the file ends at 3\.0 s"):
        read_audio(path, offset=9.0)


def test_what_ffmpeg_reports_is_passed_on(ffmpeg, write):
    ffmpeg(au_stream(tone(1.4)), LOG + "[aac @ 0x55] [error] Input buffer exhausted\n" * 5)
    assert read_audio(write(M4A)).warnings == (
        "only 1.4 of 3.0 s could be decoded: the file is damaged, or its header is wrong",
        "ffmpeg reports: Input buffer exhausted",
    )
    ffmpeg(au_stream(tone(3.0)), status=3)
    assert read_audio(write(M4A)).warnings == ("ffmpeg reports: ended with status 3",)


def test_a_duration_that_ffmpeg_estimates_is_no_claim(ffmpeg, write):
    estimate = "[aac @ 0x5] [warning] Estimating duration from bitrate, this may be inaccurate\n"
    ffmpeg(au_stream(tone(1.4)), estimate + LOG)
    path = write(M4A)
    assert read_audio(path).warnings == ()
    assert np.isnan(inspect_audio(path).seconds)


def test_what_ffmpeg_cannot_decode_is_refused_with_its_words(ffmpeg, write):
    ffmpeg(log="[mov,mp4 @ 0x55] [error] moov atom not found\n[error] file:x: Invalid data found\n", status=1)
    with pytest.raises(DataError, match="is M4A that ffmpeg cannot decode .moov atom not found; file:x: Invalid data"):
        read_audio(write(M4A))
    ffmpeg(b"not an AU header, but long enough for one")
    with pytest.raises(DataError, match="it returned no samples"):
        read_audio(write(M4A))


def test_samples_of_ffmpeg_are_checked_like_any(ffmpeg, write):
    ffmpeg(au_stream(changed(tone(3.0), 22050, np.nan)))
    with pytest.raises(DataError, match=r"1\.000 s: contains samples that are NaN"):
        read_audio(write(M4A))
    ffmpeg(au_stream(tone(3.0), rate=1))
    with pytest.raises(DataError, match="declares 1 Hz"):
        read_audio(write(M4A))


def test_an_ffmpeg_that_hangs_is_stopped(ffmpeg, write, monkeypatch):
    monkeypatch.setattr("genrezoo.audio.ffmpeg.TIME_LIMIT", 0.5)
    ffmpeg(sleep=60)
    started = time.monotonic()
    with pytest.raises(DataError, match="ffmpeg returned nothing for"):
        read_audio(write(M4A))
    assert time.monotonic() - started < 10


def test_without_ffmpeg_the_error_names_it(monkeypatch, write, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="is M4A, which only ffmpeg decodes, and there is no `ffmpeg` on the PATH"):
        read_audio(write(M4A, "song.mp3"))


def test_an_ffmpeg_that_cannot_be_started_is_named(monkeypatch, write, tmp_path):
    (tmp_path / "ffmpeg").write_bytes(b"\x7fELF, but no program")
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="ffmpeg cannot be started"):
        read_audio(write(M4A))


def test_endless_sound_is_not_read_for_ever(ffmpeg, write, monkeypatch):
    monkeypatch.setattr(decode, "MAX_SECONDS", 2.0)
    ffmpeg(au_stream(tone(3.0)), "")
    with pytest.raises(DataError, match="does not end within"):
        read_audio(write(M4A))
    assert len(read_audio(write(M4A), duration=2.5).samples) == round(2.5 * RATE)


def test_python_s_own_writer_is_read(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", "none"))
        file.writeframes((tone() * 32767).astype("<i2").tobytes())
    assert read_audio(tmp_path / "a.wav").warnings == ()
