"""Decoding of audio files to mono samples at one rate, in constant memory, with warnings about damage.

wav, flac, ogg, mp3, aiff and au are read by libsndfile, other formats by an ``ffmpeg`` on the PATH. The format is
determined by the content, never by the name. Headers are checked for plausible values and compared with the decoded
audio: files that are truncated, damaged, silent or not audio are rejected or flagged, and never treated as short quiet
songs.

The mono signal is the mean of the channels, resampled by soxr at quality HQ: the same numbers as
``librosa.load(path, sr=rate)``, to the bit.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from genrezoo.audio._declared import Declared, read_declared
from genrezoo.audio.ffmpeg import FfmpegStream
from genrezoo.audio.sniff import Kind, sniff
from genrezoo.errors import DataError, SettingsError
from genrezoo.files import open_regular

RATES = (4_000, 384_000)
"""Supported range of sample rates, Hz."""

MAX_CHANNELS = 32
"""Largest number of channels of a file."""

MAX_SECONDS = 12 * 3600.0
"""Longest audio that is decoded, in seconds, unless an excerpt is requested."""

MIN_SECONDS = 0.1
"""Shortest audio of a file, in seconds; `MIN_SECONDS_DAMAGED` for a damaged one."""

MIN_SECONDS_DAMAGED = 0.5
"""Shortest decodable audio of a damaged file, in seconds."""

MAX_LEVEL = 16.0
"""Largest absolute sample (full scale is 1); larger ones indicate a malicious file or a wrong data type."""

SILENCE = 1e-4
"""Peak below which audio is silent: -80 dB re full scale."""

_CANCELLED = 1e-4  # share of the channels' power that is left in their mean when they cancel
_CHUNK = 2**14  # frames decoded at a time
_SEEKS_EXACTLY = ("WAV", "AIFF", "AU", "FLAC")  # libsndfile's seek in ogg and mp3 lands beside the place asked for


def import_audio(name: str) -> ModuleType:
    """Imports an optional audio library.

    Args:
        name: ``"soundfile"``, ``"soxr"``, ``"librosa"`` or ``"numba"``.

    Raises:
        SettingsError: It is not installed, or lacks a system library.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        what = f"audio needs {name}, and {name} needs the extra `audio`: pip install 'genrezoo[audio]' ({error})"
        raise SettingsError(what) from error


@dataclass(frozen=True)
class AudioInfo:
    """The header of an audio file.

    Attributes:
        path: The file.
        format: Container, e.g. ``"WAV"``.
        subtype: Coding, e.g. ``"PCM_16"``.
        rate: Sampling rate, Hz.
        channels: Number of channels.
        seconds: Duration; NaN if the header does not declare it.
    """

    path: Path
    format: str
    subtype: str
    rate: int
    channels: int
    seconds: float

    def describe(self) -> dict[str, Any]:
        """Returns the header as plain data; an unknown duration is None."""
        seconds = None if math.isnan(self.seconds) else round(self.seconds, 6)
        return {**vars(self), "path": str(self.path), "seconds": seconds}


@dataclass(frozen=True, eq=False)
class Audio:
    """Decoded audio.

    Attributes:
        samples: float32 (n,), mono; full scale is 1.
        rate: Sampling rate, Hz.
        warnings: Warnings about damage, e.g. ``"ends after 1.3 of 3.0 s: the file is truncated"``.
    """

    samples: np.ndarray
    rate: int
    warnings: tuple[str, ...] = ()


class AudioReader(contextlib.AbstractContextManager["AudioReader"]):
    """A context manager that reads an audio file block by block, in constant memory.

    Choose it for long files; `read_audio` returns short ones as a whole, with the same samples.

    Args:
        path: The file.
        rate: Sampling rate to resample to, Hz, 4,000 to 384,000; None keeps the file's own.
        offset: Seconds to skip at the beginning.
        duration: Maximum seconds to read, at least 0.1; None reads to the end.

    Attributes:
        info: The header.
        rate: Sampling rate of the blocks, Hz.
        warnings: Warnings about damage; complete after the last block.

    Raises:
        DataError: The file is not audio or cannot be read: it is not regular, empty, of an unsupported format, has a
            truncated header, or a rate, number of channels or duration out of range.
        SettingsError: An argument is out of range, or the extra ``audio`` is not installed.

    Example:
        >>> import tempfile, wave
        >>> path = Path(tempfile.mkdtemp()) / "noise.wav"
        >>> with wave.open(str(path), "wb") as file:
        ...     file.setparams((1, 2, 44100, 0, "NONE", "none"))
        ...     file.writeframes(np.random.default_rng(1).integers(-9999, 9999, 44100).astype("<i2").tobytes())
        >>> with AudioReader(path, rate=22050) as sound:
        ...     [block.shape for block in sound.blocks(0.4)], sound.info.rate, sound.warnings
        ([(8820,), (8820,), (4410,)], 44100, ())
    """

    def __init__(
        self, path: str | Path, *, rate: int | None = 22050, offset: float = 0.0, duration: float | None = None
    ):
        if rate is not None and not RATES[0] <= rate <= RATES[1]:
            raise SettingsError(f"rate must be {RATES[0]:,} to {RATES[1]:,} Hz, or None, got {rate}")
        if not 0 <= offset < math.inf:
            raise SettingsError(f"offset must be at least 0 s, got {offset}")
        if duration is not None and not MIN_SECONDS <= duration < math.inf:
            raise SettingsError(f"duration must be at least {MIN_SECONDS} s, or None, got {duration}")
        self._path, self._offset, self._duration = Path(path), offset, duration
        self._file = open_regular(self._path)
        try:
            self._kind = sniff(self._file)
            self.info = self._read_header()
            self._check_header()
        except BaseException:
            self._file.close()
            raise
        self.rate = rate or self.info.rate
        self.warnings: tuple[str, ...] = ()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def blocks(self, seconds: float = 60.0) -> Iterator[np.ndarray]:
        """Yields consecutive blocks from the first requested sample; a second call starts again.

        Args:
            seconds: Length of a block; the last one is shorter.

        Yields:
            float32 (n,) mono samples at ``rate``. The samples do not depend on the length of the blocks.

        Raises:
            DataError: The samples are not audio, or there are too few.
        """
        if not 0 < seconds < math.inf:
            raise SettingsError(f"a block must last more than 0 s, got {seconds}")
        pieces = self._mono()
        if self.rate != self.info.rate:
            pieces = resampled(pieces, self.info.rate, self.rate)
        return _in_blocks(pieces, max(1, round(seconds * self.rate)))

    def _read_header(self) -> AudioInfo:
        if self._kind.decoder == "soundfile":
            with _opened(self._file, self._path, self._kind) as sound:
                if not sound.seekable():
                    raise DataError(
                        f"is {sound.format} coded as {sound.subtype}, which cannot be read safely",
                        path=self._path,
                        remedy="convert it to wav, flac, ogg or mp3",
                    )
                known = sound.frames < 2**62 and sound.samplerate > 0
                seconds = sound.frames / sound.samplerate if known else math.nan
                return AudioInfo(self._path, self._kind.name, sound.subtype, sound.samplerate, sound.channels, seconds)
        if self._kind.demuxer is not None:
            with FfmpegStream(self._path, self._kind.name, self._kind.demuxer, seconds=MIN_SECONDS) as stream:
                return AudioInfo(
                    self._path, self._kind.name, stream.codec, stream.rate, stream.channels, stream.duration
                )
        raise DataError(
            f"not a supported audio file (looks like {self._kind.name})",
            path=self._path,
            remedy="convert it to wav, flac, ogg, mp3, aiff or au",
        )

    def _check_header(self) -> None:
        info = self.info
        damaged = "the file is damaged or malicious; download or create it again"
        if not RATES[0] <= info.rate <= RATES[1]:
            what = f"its header declares {info.rate:,} Hz; {RATES[0]:,} to {RATES[1]:,} Hz are supported"
            raise DataError(what, path=self._path, remedy=damaged)
        if not 1 <= info.channels <= MAX_CHANNELS:
            what = f"its header declares {info.channels:,} channels; 1 to {MAX_CHANNELS} are supported"
            raise DataError(what, path=self._path, remedy=damaged)
        if info.seconds > MAX_SECONDS and self._duration is None:
            raise DataError(
                f"its header declares {info.seconds / 3600:,.1f} hours; the limit is {MAX_SECONDS / 3600:.0f}",
                path=self._path,
                remedy="request an excerpt (duration), or download the file again if it should be shorter",
            )
        if info.seconds == 0:
            raise DataError(
                "contains no audio (0 samples)", path=self._path, remedy="download or create the file again"
            )
        if self._offset >= info.seconds:
            what = f"the excerpt begins at {self._offset:g} s, but the file ends at {info.seconds:.1f} s"
            raise DataError(what, path=self._path, remedy="use a smaller offset")

    def _mono(self) -> Iterator[np.ndarray]:
        """Yields the checked mean of the channels at the file's rate; sets the warnings after the last chunk."""
        rate, seconds = self.info.rate, MAX_SECONDS if self._duration is None else self._duration
        start, count = round(self._offset * rate), round(seconds * rate)
        decoder = self._by_ffmpeg if self._kind.decoder == "ffmpeg" else self._by_soundfile
        faults = _Faults()
        level = _Level()
        n_samples = 0
        for chunk in decoder(start, count, faults):
            if not (chunk.max() <= MAX_LEVEL and chunk.min() >= -MAX_LEVEL):  # so written that NaN ends here too
                self._refuse_samples(chunk, (start + n_samples) / rate)
            mono = mean_of_channels(chunk)
            level.add(chunk, mono)
            n_samples += len(mono)
            yield mono
        if n_samples == count and self._duration is None:
            what = f"does not end within {MAX_SECONDS / 3600:.0f} hours"
            raise DataError(what, path=self._path, remedy="request an excerpt (duration)")
        found = faults.told(self.info, (start + n_samples) / rate, (start + count) / rate)
        least = MIN_SECONDS_DAMAGED if found else MIN_SECONDS
        if n_samples < min(round(least * rate), count):
            what = f"{n_samples / rate:.2f} s of audio could be decoded, but at least {least} s are needed"
            told = "; ".join([what, *found])
            raise DataError(told, path=self._path, remedy="download or create the file again, or use a smaller offset")
        self.warnings = (*found, *level.told())

    def _by_soundfile(self, start: int, count: int, faults: _Faults) -> Iterator[np.ndarray]:
        soundfile = import_audio("soundfile")
        with _opened(self._file, self._path, self._kind) as sound:
            until = (start + count) / sound.samplerate
            faults.declared = read_declared(self._file, self._kind.name, sound, seconds=self.info.seconds, until=until)
            drop = start
            if self._kind.name in _SEEKS_EXACTLY and start:
                try:
                    drop = start - sound.seek(start)
                except soundfile.LibsndfileError:  # cut before this place
                    faults.decoder = True
                    return
            left = drop + count
            while left:
                chunk = np.full((min(_CHUNK, left), sound.channels), np.nan, np.float32)
                try:
                    n_read = sound.buffer_read_into(chunk, dtype="float32")
                except soundfile.LibsndfileError:
                    faults.decoder = True
                    n_read = int(np.isfinite(chunk[:, 0]).sum())  # what was decoded before the fault
                left -= n_read
                chunk = chunk[min(drop, n_read) : n_read]
                drop = max(0, drop - n_read)
                if len(chunk):
                    yield chunk
                if faults.decoder or not n_read:
                    return

    def _by_ffmpeg(self, start: int, count: int, faults: _Faults) -> Iterator[np.ndarray]:
        assert self._kind.demuxer is not None  # what ffmpeg decodes has one
        seconds = (start + count) / self.info.rate + MIN_SECONDS  # its own rounding must not take a sample
        with FfmpegStream(self._path, self._kind.name, self._kind.demuxer, seconds=seconds) as stream:
            faults.declared = Declared(None if math.isnan(stream.duration) else stream.duration, tolerance=0.25)
            drop, left = start, count
            for chunk in stream.chunks(_CHUNK):
                n_read = len(chunk)
                chunk = chunk[min(drop, n_read) :][:left]
                drop = max(0, drop - n_read)
                left -= len(chunk)
                if len(chunk):
                    yield chunk
                if not left:
                    break
            faults.declared.inside = [f"ffmpeg reports: {words}" for words in stream.complaints[:3]]

    def _refuse_samples(self, chunk: np.ndarray, seconds: float) -> None:
        bad = ~np.isfinite(chunk)
        what = "contains samples that are NaN or infinite"
        if not bad.any():
            bad = np.abs(chunk) > MAX_LEVEL
            what = f"contains a sample of {np.abs(chunk).max():.3g}, where 1 is full scale and {MAX_LEVEL:g} the limit"
        seconds += int(bad.any(axis=1).argmax()) / self.info.rate
        raise DataError(
            what, path=self._path, where=f"{seconds:.3f} s", remedy="write the file again, scaled to a full scale of 1"
        )


def inspect_audio(path: str | Path) -> AudioInfo:
    """Reads the header of an audio file, without decoding it.

    Raises:
        DataError: `read_audio` would reject the file because of its header.
        SettingsError: The extra ``audio`` is not installed.
    """
    with AudioReader(path, rate=None) as sound:
        return sound.info


def read_audio(
    path: str | Path, *, rate: int | None = 22050, offset: float = 0.0, duration: float | None = None
) -> Audio:
    """Reads an audio file, or an excerpt of it, as a whole.

    Args:
        path: The file: wav, flac, ogg, mp3, aiff, au, or any format that the ``ffmpeg`` on the PATH reads.
        rate: Sample rate to resample to, Hz; None keeps the file's.
        offset: Seconds to skip at the beginning.
        duration: Maximum seconds to read; None reads to the end, at most `MAX_SECONDS`.

    Returns:
        The mono samples, and warnings about damage.

    Raises:
        DataError: The file is not audio, too short, too damaged or out of range; the message says which.
        SettingsError: An argument is out of range, or the extra ``audio`` is not installed.

    Example:
        >>> import tempfile, wave
        >>> path = Path(tempfile.mkdtemp()) / "silence.wav"
        >>> with wave.open(str(path), "wb") as file:
        ...     file.setparams((2, 2, 22050, 0, "NONE", "none"))
        ...     file.writeframes(bytes(4 * 22050))
        >>> sound = read_audio(path, duration=0.5)
        >>> sound.samples.shape, sound.warnings
        ((11025,), ('silent (all samples are zero)',))
    """
    with AudioReader(path, rate=rate, offset=offset, duration=duration) as sound:
        samples = np.concatenate(list(sound.blocks()))
        return Audio(samples, sound.rate, sound.warnings)


class _Faults:
    """The result of decoding, for comparison with the declared length."""

    def __init__(self) -> None:
        self.declared = Declared()
        self.decoder = False

    def told(self, info: AudioInfo, end: float, asked: float) -> list[str]:
        """Describes the damage, for audio that was decoded up to ``end`` when ``asked`` seconds were requested."""
        declared = self.declared
        if end > asked - 0.5 / info.rate:
            return declared.inside
        if declared.seconds is not None and end < declared.seconds - declared.tolerance - 0.5 / info.rate:
            digits = 1 if declared.seconds - end >= 0.1 else 3
            if declared.cut:
                what = f"ends after {end:.{digits}f} of {declared.seconds:.{digits}f} s: the file is truncated"
            else:
                reason = "truncated or damaged" if self.decoder else declared.reason
                what = (
                    f"only {end:.{digits}f} of {declared.seconds:.{digits}f} s could be decoded: the file is {reason}"
                )
            return [what, *declared.inside]
        if declared.at_end:
            return [*declared.inside, *declared.at_end]
        if self.decoder and declared.seconds is None:
            return [*declared.inside, f"only {end:.1f} s could be decoded: the file is truncated or damaged"]
        return declared.inside


class _Level:
    """Peak and power of the samples read, to detect silence and channels that cancel each other."""

    def __init__(self) -> None:
        self.peak = self.power = self.mono_power = 0.0

    def add(self, chunk: np.ndarray, mono: np.ndarray) -> None:
        self.peak = max(self.peak, float(chunk.max()), -float(chunk.min()))
        self.mono_power += float(np.vdot(mono, mono))
        self.power += float(np.vdot(chunk, chunk)) / chunk.shape[1]

    def told(self) -> list[str]:
        if self.peak < SILENCE:
            return ["silent (all samples are zero)" if not self.peak else "silent (no sample above -80 dB)"]
        if self.mono_power < _CANCELLED * self.power:
            return ["silent in the mean of the channels: the channels cancel each other"]
        return []


@contextlib.contextmanager
def _opened(file: BinaryIO, path: Path, kind: Kind) -> Iterator[Any]:
    """Opens the file with libsndfile from its beginning, by descriptor, so that no other file can be opened."""
    soundfile = import_audio("soundfile")
    file.seek(0)
    try:
        sound = soundfile.SoundFile(file.fileno(), closefd=False)
    except soundfile.LibsndfileError as error:
        told = error.error_string.rstrip(".") or f"code {error.code}"
        what = f"looks like {kind.name}, but cannot be decoded ({told}): it is truncated, damaged or in a rare format"
        raise DataError(what, path=path, remedy="download the file again, or convert it to wav or flac") from error
    with sound:
        yield sound


def mean_of_channels(chunk: np.ndarray) -> np.ndarray:
    """The mean of the channels, ``(n, channels)``: column after column, ten times as fast as along short rows."""
    mono = chunk[:, 0].copy()
    for channel in range(1, chunk.shape[1]):
        mono += chunk[:, channel]
    mono /= chunk.shape[1]
    return mono


def resampled(pieces: Iterable[np.ndarray], rate: int, wanted: int) -> Iterator[np.ndarray]:
    """Resamples blocks of a mono signal, ``(n,)`` float32, to another rate in Hz."""
    stream = import_audio("soxr").ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    n_read = n_made = 0
    for piece in pieces:
        made = stream.resample_chunk(np.ascontiguousarray(piece))
        n_read, n_made = n_read + len(piece), n_made + len(made)
        yield made
    made = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    length = math.ceil(n_read * wanted / rate)  # soxr rounds; librosa's length rounds up
    yield np.pad(made, (0, max(0, length - n_made - len(made))))


def _in_blocks(pieces: Iterable[np.ndarray], n_samples: int) -> Iterator[np.ndarray]:
    kept: list[np.ndarray] = []
    n_kept = 0
    for piece in pieces:
        kept.append(piece)
        n_kept += len(piece)
        if n_kept >= n_samples:
            whole = np.concatenate(kept)
            cut = n_kept // n_samples * n_samples
            for start in range(0, cut, n_samples):
                yield whole[start : start + n_samples]
            kept, n_kept = [whole[cut:]], n_kept - cut
    if n_kept:
        yield np.concatenate(kept)
