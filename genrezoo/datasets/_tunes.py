"""Small pieces of music made of notes and drums: what the recordings of `genrezoo.datasets.tones` are played from.

A genre is a function that writes *parts* (notes of one length, or strokes of one drum) for a number of beats. An artist
is an instrument, a key, a tempo and a way of recording. Genres differ in rhythm, harmony and the length of their notes;
instruments and tempi overlap, so that no single number tells the genres apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from genrezoo.lazy import LazyModule

signal = LazyModule("scipy.signal")

PERIOD, OVERTONES = 2048, 10  # the period is a power of two
_WAVES = np.sin(2 * np.pi * np.outer(np.arange(1, OVERTONES + 1), np.arange(PERIOD) / PERIOD))  # one period of each
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)  # semitones of the scale's steps


@dataclass(frozen=True)
class Notes:
    """Notes of one length: beginnings in beats, MIDI pitches (69 is 440 Hz), length in beats, decay in seconds."""

    beats: np.ndarray
    pitches: np.ndarray
    length: float
    decay: float
    gain: float


@dataclass(frozen=True)
class Strokes:
    """Strokes of a drum (``"kick"``, ``"snare"`` or ``"hat"``): beginnings in beats."""

    beats: np.ndarray
    drum: str
    gain: float


Part = Notes | Strokes


@dataclass(frozen=True, eq=False)
class Artist:
    """What all recordings of an artist have in common.

    Attributes:
        tempo: Where in the genre's range of tempi, 0 to 1.
        key: MIDI pitch of the tonic, 45 (110 Hz) to 56.
        scale: Semitones of the seven steps above it.
        overtones: The instrument: level of each overtone, ``(OVERTONES,)``.
        attack: Seconds in which a note reaches its full level.
        cutoff: Corner of the recording's low-pass, Hz.
        hiss: Noise of the recording, as a share of the music's level.
        seed: Seed of the drums' sound.
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
    """An artist of any genre; the genre has no say in it."""
    overtones = np.arange(1, OVERTONES + 1) ** -draws.uniform(0.7, 2.5) * draws.uniform(0.3, 1, OVERTONES)
    overtones[1::2] *= draws.choice([0.1, 1.0])  # without even overtones: hollow, as a clarinet
    return Artist(
        tempo=draws.uniform(),
        key=int(draws.integers(45, 57)),
        scale=_MINOR if draws.uniform() < 0.5 else _MAJOR,
        overtones=overtones / np.linalg.norm(overtones),
        attack=draws.uniform(0.003, 0.03),
        cutoff=np.exp(draws.uniform(np.log(1500), np.log(9000))),
        hiss=10 ** draws.uniform(-3, -1.3),
        seed=int(draws.integers(2**32)),
    )


def play(
    genre: str, artist: Artist, draws: np.random.Generator, *, rate: int, seconds: float, blend: float
) -> np.ndarray:
    """Draws a tune and plays it.

    Args:
        genre: A name of `GENRES`.
        artist: Who plays.
        draws: Generator of the tune.
        rate: Samples a second.
        seconds: Length.
        blend: Probability that parts of another genre are played along.

    Returns:
        ``(seconds * rate,)`` float32, whole numbers of 16-bit steps, so that a 16-bit file holds the same samples.
    """
    slow, fast, write = GENRES[genre]
    tempo = (slow + artist.tempo * (fast - slow)) * draws.uniform(0.95, 1.05)
    n_beats = int(np.ceil(seconds * tempo / 60))
    parts = [(part, 1.0) for part in write(n_beats, artist, draws)]
    if draws.uniform() < blend:
        guest = str(draws.choice([name for name in GENRES if name != genre]))
        share = draws.uniform(0.4, 1.0)
        parts += [(part, share) for part in GENRES[guest][2](n_beats, artist, draws)]
    out = np.zeros(round(seconds * rate), np.float32)
    for part, share in parts:
        starts = np.rint(part.beats * (60 / tempo * rate)).astype(np.int64)
        if isinstance(part, Strokes):
            sounds = [_drum(part.drum, artist, rate)]
            which = np.zeros(len(starts), np.int64)
        else:
            pitches, which = np.unique(part.pitches, return_inverse=True)
            sounds = [_note(pitch, part, artist, rate, 60 / tempo) for pitch in pitches]
        for start, sound in zip(starts, which, strict=True):
            room = out[start : start + len(sounds[sound])]
            room += np.float32(share * part.gain) * sounds[sound][: len(room)]
    return _record(out, artist, draws, rate)


def _note(pitch: float, part: Notes, artist: Artist, rate: int, beat: float) -> np.ndarray:
    time = np.arange(max(1, round(part.length * beat * rate)), dtype=np.float32) / np.float32(rate)
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    heard = min(OVERTONES, max(1, int(rate / 2 / frequency)))  # the others would come back as wrong tones
    period = (artist.overtones[:heard] @ _WAVES[:heard]).astype(np.float32)
    phase = (np.arange(len(time)) * (frequency / rate * PERIOD)).astype(np.int64) & (PERIOD - 1)
    level = np.minimum(1, time / artist.attack) * np.minimum(1, (time[-1] - time) / 0.01)  # no clicks at either end
    return np.asarray(period[phase] * (level * np.exp(-time / part.decay)), np.float32)


def _drum(name: str, artist: Artist, rate: int) -> np.ndarray:
    draws = np.random.default_rng(artist.seed)
    time = np.arange(round(0.25 * rate)) / rate
    noise = draws.standard_normal(len(time))
    if name == "kick":  # a falling tone
        lowest = draws.uniform(40, 70)
        return np.asarray(np.sin(2 * np.pi * (lowest * time - 4 * np.exp(-time / 0.03))) * np.exp(-time / 0.1))
    if name == "hat":  # the difference of noise: its high frequencies
        return np.asarray(np.diff(noise, prepend=0.0) * np.exp(-time / draws.uniform(0.01, 0.04)))
    tone = np.sin(2 * np.pi * draws.uniform(150, 250) * time)
    return np.asarray((0.7 * noise + tone) * np.exp(-time / draws.uniform(0.04, 0.1)))


def _record(music: np.ndarray, artist: Artist, draws: np.random.Generator, rate: int) -> np.ndarray:
    """Low-pass, hiss, level, and 16 bits."""
    pole = np.exp(-2 * np.pi * artist.cutoff / rate)
    heard: np.ndarray = signal.lfilter([1 - pole], [1, -pole], music)
    heard += artist.hiss * np.sqrt(np.mean(heard**2)) * draws.standard_normal(len(heard))
    heard *= 10 ** draws.uniform(-0.6, -0.05) * 32767 / np.abs(heard).max()
    heard = np.rint(heard) / 32768
    return heard.astype(np.float32)


def _chords(n_beats: int, every: int, artist: Artist, draws: np.random.Generator, notes: int = 3) -> np.ndarray:
    """A progression that begins at home: ``(changes, notes)`` MIDI pitches, a chord for each ``every`` beats."""
    roots = np.concatenate([[0], draws.choice([0, 3, 4, 5], max(0, -(-n_beats // every) - 1))])
    return artist.key + _pitch(roots[:, None] + 2 * np.arange(notes), artist)


def _pitch(steps: np.ndarray, artist: Artist) -> np.ndarray:
    """Semitones above the tonic of steps of the scale, which goes on in the next octave."""
    semitones: np.ndarray = np.array(artist.scale)[steps % 7] + 12 * (steps // 7)
    return semitones


def _drone(n_beats: int, artist: Artist, draws: np.random.Generator) -> Iterator[Part]:
    beats = np.arange(0.0, n_beats, 4)
    for semitones, gain in ((-12, 0.5), (0, 0.5), (7, draws.uniform(0.1, 0.4)), (12, draws.uniform(0.1, 0.3))):
        yield Notes(beats, np.full(len(beats), artist.key + semitones), 4.2, 10.0, gain)


def _march(n_beats: int, artist: Artist, draws: np.random.Generator) -> Iterator[Part]:
    beats = np.arange(float(n_beats))
    yield Strokes(beats[::2], "kick", 0.8)
    yield Strokes(np.sort(np.concatenate([beats[1::2], beats[3::4] + 0.5])), "snare", 0.4)
    yield Notes(beats, artist.key - 12 + 7 * (np.arange(n_beats) % 2), 0.8, 0.4, 0.4)
    eighths = np.arange(0, n_beats, 0.5)
    heard = draws.uniform(size=len(eighths)) < 0.8
    steps = np.abs(np.cumsum(draws.integers(-1, 2, len(eighths)))) % 8
    yield Notes(eighths[heard], artist.key + 12 + _pitch(steps, artist)[heard], 0.45, 0.5, 0.5)


def _arpeggio(n_beats: int, artist: Artist, draws: np.random.Generator) -> Iterator[Part]:
    chords = _chords(n_beats, 4, artist, draws, notes=4)
    figure = draws.permutation(4)
    sixteenths = np.arange(0, n_beats, 0.25)
    pitches = chords[(sixteenths // 4).astype(int), figure[np.arange(len(sixteenths)) % 4]]
    yield Notes(sixteenths, pitches + 12, 0.6, 0.15, 0.6)
    yield Notes(np.arange(0.0, n_beats, 4), chords[:, 0] - 12, 3.8, 1.5, 0.3)


def _noise_beat(n_beats: int, artist: Artist, draws: np.random.Generator) -> Iterator[Part]:
    beats = np.arange(float(n_beats))
    yield Strokes(np.arange(0, n_beats, 0.5), "hat", draws.uniform(0.15, 0.4))
    yield Strokes(np.sort(np.concatenate([beats[::2], beats[2::4] + 0.5])), "kick", 1.0)
    yield Strokes(beats[1::2], "snare", 0.5)
    heard = np.arange(0, n_beats, 0.5)[draws.uniform(size=2 * n_beats) < 0.4]
    yield Notes(heard, artist.key - 12 + draws.choice([0, 0, 7, 10], len(heard)), 0.4, 0.3, 0.5)


def _chorale(n_beats: int, artist: Artist, draws: np.random.Generator) -> Iterator[Part]:
    chords = _chords(n_beats, 2, artist, draws)
    beats = np.arange(0.0, n_beats, 2)
    for voice, octave in ((0, -12), (1, 0), (2, 0), (0, 12)):
        yield Notes(beats, chords[:, voice] + octave, 1.95, 4.0, 0.35)


def _waltz(n_beats: int, artist: Artist, draws: np.random.Generator) -> Iterator[Part]:
    chords = _chords(n_beats, 3, artist, draws)
    beats = np.arange(float(n_beats))
    bar, place = np.divmod(np.arange(n_beats), 3)
    yield Notes(beats[place == 0], chords[bar[place == 0], 0] - 12, 0.9, 0.5, 0.7)
    for voice in range(3):
        yield Notes(beats[place > 0], chords[bar[place > 0], voice], 0.5, 0.25, 0.3)
    yield Notes(beats, artist.key + 12 + _pitch(draws.integers(0, 8, n_beats), artist), 0.95, 0.8, 0.35)


def _bells(n_beats: int, artist: Artist, draws: np.random.Generator) -> Iterator[Part]:
    beats = np.arange(0, n_beats, 0.5)
    beats = beats[(draws.uniform(size=len(beats)) < 0.4) | (beats == 0)]
    pitches = artist.key + 12 + draws.choice([0, 2, 4, 7, 9, 12], len(beats))
    for above, decay, gain in ((0.0, 1.5, 0.5), (17.6, 0.6, 0.25), (29.2, 0.3, 0.1)):  # a bar's overtones: 2.76, 5.4
        yield Notes(beats, pitches + above, 5.0, decay, gain)


def _scatter(n_beats: int, artist: Artist, draws: np.random.Generator) -> Iterator[Part]:
    times = np.sort(draws.uniform(0, n_beats, (2, 3 * n_beats)))  # in no metre
    yield Notes(times[0], artist.key + draws.integers(-12, 25, 3 * n_beats), 0.25, 0.1, 0.6)
    yield Strokes(times[1, ::4], "snare", 0.3)


GENRES: dict[str, tuple[float, float, Callable[[int, Artist, np.random.Generator], Iterator[Part]]]] = {
    "drone": (50, 90, _drone),
    "march": (95, 130, _march),
    "arpeggio": (80, 130, _arpeggio),
    "noise_beat": (85, 140, _noise_beat),
    "chorale": (60, 110, _chorale),
    "waltz": (100, 170, _waltz),
    "bells": (60, 120, _bells),
    "scatter": (60, 120, _scatter),
}
"""Each genre's slowest and fastest tempo in beats a minute, and the function that writes its parts."""
