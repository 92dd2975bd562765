"""Synthesised recordings: audio for suites, tests and machines without music.

Eight made-up genres differ in rhythm, harmony and note lengths, while instruments, tempi, keys and the recording
quality depend on the artist, so that no single feature separates the genres. Results on them show that the path from
audio to genre works; they say nothing about music.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, Field, model_validator

from genrezoo.audio.settings import FeatureSettings, extract, feature_settings
from genrezoo.datasets._audio import AudioFile, assemble_songs
from genrezoo.errors import SettingsError, check_known, checked
from genrezoo.files import write_atomic
from genrezoo.lazy import LazyModule
from genrezoo.registry import DATASETS
from genrezoo.seeds import generator
from genrezoo.songs import SongSet


class Voice(NamedTuple):
    """A voice of a piece: notes of one length, or drum strokes.

    Attributes:
        beats: Onsets of the notes in each bar.
        steps: Steps of the scale that notes are drawn from; a drum's name for strokes.
        octave: Octaves above the key.
        length: Beats that a note lasts.
        decay: Seconds in which a note falls to 37 %.
        gain: Level.
        in_chord: Whether steps are counted from the root of the bar's chord.
        in_turn: Whether the steps are played in turn instead of drawn at random.
        present: Fraction of the notes that are played.
        jitter: Standard deviation of the notes' beginnings, in beats.
    """

    beats: tuple[float, ...]
    steps: tuple[int, ...] | str
    octave: int = 0
    length: float = 1.0
    decay: float = 1.0
    gain: float = 0.4
    in_chord: bool = False
    in_turn: bool = False
    present: float = 1.0
    jitter: float = 0.0


class Genre(NamedTuple):
    """Slowest and fastest tempo in beats per minute, beats per bar, and voices."""

    tempo: tuple[int, int]
    bar: int
    voices: tuple[Voice, ...]


_HALVES, _QUARTERS = (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5), tuple(np.arange(16) / 4)
GENRES = {
    "drone": Genre((50, 90), 4, tuple(Voice((0,), (step,), -1, 4.2, 10.0, 0.4) for step in (0, 7, 11, 14))),
    "march": Genre((95, 130), 4, (
        Voice((0, 2), (0,), -2, 0.5, 0.1, 0.8), Voice((1, 3, 3.5), "snare"),
        Voice((0, 1, 2, 3), (0, 4), -1, 0.8, 0.4, 0.4, in_turn=True),
        Voice(_HALVES, tuple(range(8)), 1, 0.45, 0.5, 0.5, present=0.8),
    )),
    "arpeggio": Genre((80, 130), 4, (
        Voice(_QUARTERS, (0, 2, 4, 6, 4, 2), 1, 0.6, 0.15, 0.6, in_chord=True, in_turn=True),
        Voice((0,), (0,), -1, 3.8, 1.5, 0.3, in_chord=True),
    )),
    "noise_beat": Genre((85, 140), 4, (
        Voice(_HALVES, "hat", gain=0.3), Voice((0, 2, 2.5), (0,), -2, 0.5, 0.1, 1.0), Voice((1, 3), "snare", gain=0.5),
        Voice(_HALVES, (0, 0, 4, 6), -1, 0.4, 0.3, 0.5, present=0.4),
    )),
    "chorale": Genre((60, 110), 2, tuple(
        Voice((0,), (step,), 0, 1.95, 4.0, 0.35, in_chord=True) for step in (-7, 2, 4, 7)
    )),
    "waltz": Genre((100, 170), 3, (
        Voice((0,), (0,), -1, 0.9, 0.5, 0.7, in_chord=True),
        *(Voice((1, 2), (step,), 0, 0.5, 0.25, 0.3, in_chord=True) for step in (0, 2, 4)),
        Voice((0, 1, 2), tuple(range(8)), 1, 0.95, 0.8, 0.35),
    )),
    "bells": Genre((60, 120), 4, (
        Voice((0,), (0, 4), 1, 5.0, 1.5, 0.5), Voice(_HALVES, (0, 1, 2, 4, 5, 7), 2, 5.0, 1.0, 0.4, present=0.4),
    )),
    "scatter": Genre((60, 120), 4, (
        Voice(_QUARTERS[:12], tuple(range(-7, 14)), 0, 0.25, 0.1, 0.6, jitter=2.0),
        Voice((0, 1, 2), "snare", jitter=2.0),
    )),
}  # fmt: skip
"""The made-up genres; ``n_genres`` takes the first ones."""

signal = LazyModule("scipy.signal")

_OVERTONES = np.arange(1, 11)
_WAVES = np.sin(2 * np.pi * np.outer(_OVERTONES, np.arange(2048) / 2048))  # one period of each overtone
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # semitones of the steps: major, minor


class SyntheticAudioSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Settings of the recordings; the fields are options of `load_synthetic_audio` and `render_audio`.

    Example:
        >>> SyntheticAudioSettings(n_genres=3).genres
        ('drone', 'march', 'arpeggio')
    """

    n_genres: int = Field(5, ge=2, le=len(GENRES), description="Number of genres, the first ones of the list.")
    n_train: int = Field(150, ge=2, description="Training recordings.")
    n_valid: int = Field(50, ge=2, description="Validation recordings.")
    n_test: int = Field(50, ge=2, description="Test recordings.")
    seconds: float = Field(6.0, ge=1, le=600, description="Length of a recording, in seconds.")
    songs_per_artist: int = Field(5, ge=1, description="Recordings per artist, with one instrument, key and tempo.")
    blend: float = Field(0.5, ge=0, le=1, description="Fraction of the recordings with another genre mixed in.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of artists and pieces.")

    @model_validator(mode="after")
    def _agree(self) -> SyntheticAudioSettings:
        smallest = min(self.n_train, self.n_valid, self.n_test)
        if smallest < self.n_genres:
            raise ValueError(f"{smallest} recordings of {self.n_genres} genres; each split needs one of each genre")
        return self

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of the genres."""
        return tuple(GENRES)[: self.n_genres]


class Recording(NamedTuple):
    """One recording: its id, genre, artist and split, and mono ``samples`` (n,) float32."""

    id: str
    genre: str
    artist: str
    split: str
    samples: np.ndarray


@DATASETS.register(
    "synthetic_audio",
    summary="Synthesised recordings of made-up genres, with audio features; not music",
    reference="genrezoo.datasets.synthetic_audio",
    licence="MIT",
)
def load_synthetic_audio(*, features: str | Mapping[str, Any] | FeatureSettings = "log_mel", **options: Any) -> SongSet:
    """Synthesises recordings and computes their features; the same options give the same songs.

    Choose it to test or time anything that starts with audio, without any files. Do not use it for claims about music.
    Each split has separate artists and pieces, which do not depend on their number, so that a learning curve over
    ``n_train`` keeps its test songs.

    Args:
        features: Kind or settings of the features (see `genrezoo.audio.settings.feature_settings`); the recordings are
            synthesised at its rate.
        options: Fields of `SyntheticAudioSettings`, e.g. ``n_train=500, seed=2``.

    Returns:
        Songs named ``synthetic_audio`` with artists as ``groups``, equally many songs per genre (up to one song per
        split), and each artist in one split (provenance ``artist-filtered``). ``about`` holds ``synthetic_audio`` (the
        settings) and the entries of every set of audio files. Each image of a recording is a separate song.

    Raises:
        UnknownNameError: There is no such option or no such kind of features.
        SettingsError: An option is outside its range or at odds with another one, or the features need a package that
            is not installed.
        DataError: The recordings are too short for the features.

    Example:
        >>> sizes = {"n_genres": 2, "n_train": 4, "n_valid": 2, "n_test": 2}
        >>> load_synthetic_audio(features="mfcc_statistics", seconds=2, **sizes).x.shape
        (8, 2, 26)
    """
    settings, described = _settings(options), feature_settings(features)
    first = round(described.offset * described.rate)
    last = None if described.duration is None else first + round(described.duration * described.rate)
    files, values = [], []
    for recording in recordings(settings, described.rate):
        values.append(extract(described, [recording.samples[first:last]]).x)
        files.append(AudioFile(Path(), recording.id, recording.genre, recording.artist, recording.split))
    return assemble_songs(
        files,
        values,
        shapes=[x.shape for x in values],
        settings=described,
        genres=settings.genres,
        path=None,
        name="synthetic_audio",
        provenance="artist-filtered",
        about={
            "note": "synthesised recordings of made-up genres; they say nothing about music",
            "synthetic_audio": settings.model_dump(mode="json"),
        },
    )


def recordings(settings: SyntheticAudioSettings, rate: int = 22050) -> Iterator[Recording]:
    """Synthesises the recordings one by one, training first.

    Example:
        >>> next(recordings(SyntheticAudioSettings(seconds=2), 8000)).samples.shape
        (16000,)
    """
    for split in ("train", "valid", "test"):
        for song in range(getattr(settings, f"n_{split}")):
            genre = settings.genres[song % settings.n_genres]
            number = song // settings.n_genres // settings.songs_per_artist
            artist = draw_artist(generator(settings.seed, "artist", split, genre, number))
            draws = generator(settings.seed, "piece", split, song)
            samples = play(genre, artist, draws, rate=rate, seconds=settings.seconds, blend=settings.blend)
            yield Recording(f"{split}-{song}", genre, f"{genre} {split} artist {number}", split, samples)


def render_audio(folder: str | Path, *, rate: int = 22050, **options: Any) -> list[dict[str, str]]:
    """Writes the recordings as 16-bit mono WAV files, ``<folder>/<genre>/<genre>.<number>.wav``.

    Choose it if you need a folder of audio files. They hold the same samples that `load_synthetic_audio` uses.

    Args:
        folder: Folder to write to; created if missing.
        rate: Sample rate in Hz.
        options: Fields of `SyntheticAudioSettings`.

    Returns:
        For each file ``path`` (relative to the folder), ``genre``, ``artist`` and ``split``, in the order of
        `load_synthetic_audio`, as needed for a manifest.

    Raises:
        UnknownNameError: There is no such option.
        SettingsError: An option is outside its range or at odds with another one.

    Example:
        >>> import tempfile
        >>> rows = render_audio(tempfile.mkdtemp(), seconds=1, n_genres=2, n_train=2, n_valid=2, n_test=2)
        >>> rows[0]
        {'path': 'drone/drone.00000.wav', 'genre': 'drone', 'artist': 'drone train artist 0', 'split': 'train'}
    """
    settings = _settings(options)
    if isinstance(rate, bool) or not isinstance(rate, int) or not 4000 <= rate <= 48000:
        raise SettingsError(f"rate must be a whole number of Hz from 4000 to 48000, got {rate!r}")
    rows: list[dict[str, str]] = []
    for place, (_, genre, artist, split, samples) in enumerate(recordings(settings, rate)):
        number = sum(row["genre"] == genre for row in rows[:place])
        path = f"{genre}/{genre}.{number:05}.wav"
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", "none"))
            file.writeframes((samples * 32768).astype("<i2").tobytes())  # nothing is lost: whole steps of 16 bits
        write_atomic(Path(folder) / path, buffer.getvalue())
        rows.append({"path": path, "genre": genre, "artist": artist, "split": split})
    return rows


class Artist(NamedTuple):
    """The common properties of an artist's recordings.

    Attributes:
        tempo: Position in the genre's range of tempi, 0 to 1.
        key: MIDI pitch of the tonic (69 is 440 Hz), 45 to 56.
        scale: Semitones of the seven steps above it.
        overtones: The instrument: level of each of ten overtones.
        attack: Seconds in which a note reaches its full level.
        cutoff: Corner of the recording's low-pass, Hz.
        hiss: Noise of the recording, relative to the music's level.
        seed: Seed of the drums.
    """

    tempo: float
    key: int
    scale: tuple[int, ...]
    overtones: np.ndarray
    attack: float
    cutoff: float
    hiss: float
    seed: int


def draw_artist(draws: np.random.Generator) -> Artist:
    """Draws an artist of any genre; the genre has no influence on it."""
    overtones = _OVERTONES ** -draws.uniform(0.7, 2.5) * draws.uniform(0.3, 1, len(_OVERTONES))
    overtones[1::2] *= draws.choice([0.1, 1.0])  # without even overtones: hollow, as a clarinet
    return Artist(
        tempo=draws.uniform(),
        key=int(draws.integers(45, 57)),
        scale=_SCALES[draws.integers(2)],
        overtones=overtones / np.linalg.norm(overtones),
        attack=draws.uniform(0.003, 0.03),
        cutoff=np.exp(draws.uniform(np.log(1500), np.log(9000))),
        hiss=10 ** draws.uniform(-3, -1.3),
        seed=int(draws.integers(2**32)),
    )


def play(
    genre: str, artist: Artist, draws: np.random.Generator, *, rate: int, seconds: float, blend: float
) -> np.ndarray:
    """Draws a piece and synthesises it.

    Args:
        genre: A name of `GENRES`.
        artist: The artist.
        draws: Random generator of the piece.
        rate: Sample rate in Hz.
        seconds: Length.
        blend: Probability that another genre is mixed in.

    Returns:
        ``(seconds * rate,)`` float32, whole numbers of 16-bit steps, so that a 16-bit file holds the same samples.
    """
    slow, fast = GENRES[genre].tempo
    beat = 60 * rate / ((slow + artist.tempo * (fast - slow)) * draws.uniform(0.95, 1.05))  # samples
    mixed = [(genre, 1.0)]
    if draws.uniform() < blend:
        mixed.append((str(draws.choice([name for name in GENRES if name != genre])), draws.uniform(0.4, 1.0)))
    out = np.zeros(round(seconds * rate))
    for name, level in mixed:
        _, bar, voices = GENRES[name]
        n_bars = int(np.ceil(len(out) / beat / bar))
        roots = np.concatenate([[0], draws.choice([0, 3, 4, 5], n_bars - 1)])  # the first chord is the tonic's
        for voice in voices:
            beats = (bar * np.arange(n_bars)[:, None] + np.array(voice.beats, float)).ravel()
            beats += voice.jitter * draws.standard_normal(len(beats))
            pitches = _pitches(voice, artist, np.repeat(roots, len(voice.beats)), draws)
            present = (draws.uniform(size=len(beats)) < voice.present) & (beats >= 0)
            notes = {pitch: _note(voice, pitch, artist, rate, beat) for pitch in np.unique(pitches)}
            for start, pitch in zip(np.rint(beats * beat).astype(int)[present], pitches[present], strict=True):
                room = out[start : start + len(notes[pitch])]
                room += level * voice.gain * notes[pitch][: len(room)]
    pole = np.exp(-2 * np.pi * artist.cutoff / rate)
    out = signal.lfilter([1 - pole], [1, -pole], out)  # the recording: low-pass, hiss, level, 16 bits
    out += artist.hiss * np.sqrt(np.mean(out**2)) * draws.standard_normal(len(out))
    out *= 10 ** draws.uniform(-0.6, -0.05) * 32767 / np.abs(out).max()
    return np.asarray(np.rint(out) / 32768, np.float32)


def _pitches(voice: Voice, artist: Artist, roots: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """Returns MIDI pitches of a voice's notes (0 for drums); ``roots`` are the steps of the chords' roots."""
    if isinstance(voice.steps, str):
        return np.zeros(len(roots), int)
    steps = np.resize(voice.steps, len(roots)) if voice.in_turn else draws.choice(voice.steps, len(roots))
    octaves, steps = np.divmod(steps + roots * voice.in_chord, 7)
    return np.asarray(artist.key + 12 * (voice.octave + octaves) + np.array(artist.scale)[steps])


def _note(voice: Voice, pitch: int, artist: Artist, rate: int, beat: float) -> np.ndarray:
    """Returns the samples of a note or stroke."""
    if isinstance(voice.steps, str):
        time = np.arange(round(0.25 * rate)) / rate
        draws = np.random.default_rng(artist.seed)
        noise, decay = draws.standard_normal(len(time)), draws.uniform(0.04, 0.1)
        if voice.steps == "hat":  # the difference of noise: its high frequencies
            noise, decay = np.diff(noise, prepend=0.0), decay / 3
        return np.asarray(noise * np.exp(-time / decay))
    time = np.arange(max(2, round(voice.length * beat)), dtype=np.float32) / rate
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    below = min(len(_WAVES), max(1, int(rate / 2 / frequency)))  # the others would come back as wrong tones
    period = artist.overtones[:below] @ _WAVES[:below]
    phase = (time * (frequency * len(period))).astype(np.int64) % len(period)
    level = np.minimum(1, time / artist.attack) * np.minimum(1, (time[-1] - time) / 0.01)  # no clicks at either end
    return np.asarray(period[phase] * level * np.exp(-time / voice.decay))


def _settings(options: Mapping[str, Any]) -> SyntheticAudioSettings:
    check_known("option of synthetic_audio", options, ["features", *SyntheticAudioSettings.model_fields])
    return checked(lambda: SyntheticAudioSettings(**options), lambda what: SettingsError(f"synthetic_audio: {what}"))
