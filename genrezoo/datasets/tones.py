"""Recordings that NumPy plays: sound for suites, tests and machines on which no music may lie.

Eight made-up genres (see `genrezoo.datasets._tunes`) differ in rhythm, harmony and the length of their notes, while
instruments, tempi, keys and the quality of the recording belong to the artist. What a model earns on them says that the
way from sound to genre works; it says nothing about music.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from genrezoo.audio.settings import FeatureSettings, extract, feature_settings
from genrezoo.datasets import _tunes
from genrezoo.errors import SettingsError, UnknownNameError, first_problem
from genrezoo.files import write_atomic
from genrezoo.registry import DATASETS
from genrezoo.seeds import generator
from genrezoo.songs import SongSet


class TonesSettings(BaseModel):
    """All that the recordings depend on; the fields are options of `load_tones` and `render_tones`.

    Example:
        >>> TonesSettings(n_genres=3).genres
        ('drone', 'march', 'arpeggio')
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n_genres: int = Field(5, ge=2, le=len(_tunes.GENRES), description="Genres, the first ones of the list.")
    n_train: int = Field(150, ge=2, description="Training recordings.")
    n_valid: int = Field(50, ge=2, description="Validation recordings.")
    n_test: int = Field(50, ge=2, description="Test recordings.")
    seconds: float = Field(6.0, ge=1, le=600, description="Length of a recording.")
    songs_per_artist: int = Field(5, ge=1, description="Recordings of an artist: one instrument, key and tempo.")
    blend: float = Field(
        0.5, ge=0, le=1, description="Share of the recordings in which parts of another genre are heard too."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of artists and tunes.")

    @model_validator(mode="after")
    def _agree(self) -> TonesSettings:
        smallest = min(self.n_train, self.n_valid, self.n_test)
        if smallest < self.n_genres:
            raise ValueError(
                f"{smallest} recordings of {self.n_genres} genres; give each split at least one of each genre"
            )
        return self

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of the genres."""
        return tuple(_tunes.GENRES)[: self.n_genres]


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording: its name, its genre's number, its artist, its split, and mono ``samples`` (n,) float32."""

    id: str
    genre: int
    artist: str
    split: str
    samples: np.ndarray


@DATASETS.register(
    "tones",
    summary="synthesised recordings of made-up genres, through the audio features; not music",
    reference="genrezoo.datasets.tones",
    licence="MIT",
)
def load_tones(*, features: str | Mapping[str, Any] | FeatureSettings = "log_mel", **options: Any) -> SongSet:
    """Plays recordings and describes them by features of sound: the same options give the same songs.

    Choose it to test or time everything that begins with sound, without any files. Do not choose it to claim anything
    about music. Each split has its own artists and tunes, which do not depend on how many there are, so that a learning
    curve over ``n_train`` keeps its test songs.

    Args:
        features: Kind or settings of the features (see `genrezoo.audio.settings.feature_settings`); the recordings are
            played at its rate.
        options: Fields of `TonesSettings`, e.g. ``n_train=500, seed=2``.

    Returns:
        Songs named ``tones`` with artists as ``groups``, genres in equal numbers (up to one song a split), whole
        artists on one side of the split (provenance ``artist-filtered``); shorter songs are padded with NaN. ``about``
        holds ``synthetic_sound``, ``tones`` (the settings), ``features``, ``feature_names`` and ``feature_groups``. For
        spectrogram images ``x`` is (songs, height, width, 3), and a recording of several images is several songs.

    Raises:
        UnknownNameError: There is no such option or no such kind of features.
        SettingsError: An option is outside its range or at odds with another one, or the features need a package that
            is not installed.
        DataError: The recordings are too short for the features.

    Example:
        >>> load_tones(features="mfcc_statistics", n_genres=2, seconds=2, n_train=4, n_valid=2, n_test=2)
        SongSet('tones': 8 songs x 2 segments x 26 features, 2 genres, train 4, valid 2, test 2, artist-filtered)
    """
    settings, described = _settings(options), feature_settings(features)
    pictures = described.kind == "spectrogram_image"
    pieces: list[np.ndarray] = []  # one for each song
    y, ids, groups, splits = [], [], [], []
    first = round(described.offset * described.rate)
    last = None if described.duration is None else first + round(described.duration * described.rate)
    for recording in recordings(settings, described.rate):
        x = extract(described, [recording.samples[first:last]]).x
        pieces += list(x) if pictures else [x]
        songs = len(x) if pictures else 1
        y += [recording.genre] * songs
        ids += [recording.id] if songs == 1 else [f"{recording.id}#{number}" for number in range(1, songs + 1)]
        groups += [recording.artist] * songs
        splits += [recording.split] * songs
    return SongSet(
        x=np.stack(pieces).astype(np.float32) if pictures else _padded(pieces),
        y=np.array(y),
        genres=settings.genres,
        lengths=np.array([len(piece) for piece in pieces]),
        ids=np.array(ids),
        groups=np.array(groups),
        splits={split: np.flatnonzero(np.array(splits) == split) for split in ("train", "valid", "test")},
        provenance="artist-filtered",
        name="tones",
        kind="image" if pictures else "segments",
        about={
            "note": "synthesised recordings of made-up genres; they say nothing about music",
            "synthetic_sound": True,
            "tones": settings.model_dump(mode="json"),
            "features": described.model_dump(mode="json"),
            "feature_names": list(described.names),
            "feature_groups": dict(described.groups),
            "units": described.units,
        },
    ).validate()


def recordings(settings: TonesSettings, rate: int = 22050) -> Iterator[Recording]:
    """Plays the recordings one by one, training first.

    Example:
        >>> next(recordings(TonesSettings(seconds=2), 8000)).samples.shape
        (16000,)
    """
    for split in ("train", "valid", "test"):
        for song in range(getattr(settings, f"n_{split}")):
            genre = song % settings.n_genres
            name = settings.genres[genre]
            number = song // settings.n_genres // settings.songs_per_artist
            artist = _tunes.draw_artist(generator(settings.seed, "artist", split, name, number))
            tune = generator(settings.seed, "tune", split, song)
            samples = _tunes.play(name, artist, tune, rate=rate, seconds=settings.seconds, blend=settings.blend)
            yield Recording(f"{split}-{song}", genre, f"{name} {split} artist {number}", split, samples)


def render_tones(folder: str | Path, *, rate: int = 22050, **options: Any) -> list[dict[str, str]]:
    """Writes the recordings as 16-bit mono WAV files, ``<folder>/<genre>/<genre>.<number>.wav``.

    Choose it where a folder of sounds is wanted. The files hold the very samples that `load_tones` describes.

    Args:
        folder: Folder to write to; made if missing.
        rate: Samples a second.
        options: Fields of `TonesSettings`.

    Returns:
        For each file ``path`` (its place below the folder), ``genre``, ``artist`` and ``split``, in the order of
        `load_tones`: what a manifest needs.

    Raises:
        UnknownNameError: There is no such option.
        SettingsError: An option is outside its range or at odds with another one.

    Example:
        >>> import tempfile
        >>> rows = render_tones(tempfile.mkdtemp(), seconds=1, n_genres=2, n_train=2, n_valid=2, n_test=2)
        >>> rows[0]
        {'path': 'drone/drone.00000.wav', 'genre': 'drone', 'artist': 'drone train artist 0', 'split': 'train'}
    """
    settings = _settings(options)
    if isinstance(rate, bool) or not isinstance(rate, int) or not 4000 <= rate <= 48000:
        raise SettingsError(f"rate must be a whole number of samples a second from 4000 to 48000, got {rate!r}")
    rows: list[dict[str, str]] = []
    count = [0] * settings.n_genres
    for recording in recordings(settings, rate):
        genre = settings.genres[recording.genre]
        file = f"{genre}/{genre}.{count[recording.genre]:05}.wav"
        count[recording.genre] += 1
        write_atomic(Path(folder) / file, _wav(recording.samples, rate))
        rows.append({"path": file, "genre": genre, "artist": recording.artist, "split": recording.split})
    return rows


def _wav(samples: np.ndarray, rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32768).astype("<i2").tobytes())  # nothing is lost: whole steps of 16 bits
    return buffer.getvalue()


def _padded(pieces: list[np.ndarray]) -> np.ndarray:
    x = np.full((len(pieces), max(map(len, pieces)), pieces[0].shape[1]), np.nan, np.float32)
    for song, piece in zip(x, pieces, strict=True):
        song[: len(piece)] = piece
    return x


def _settings(options: Mapping[str, Any]) -> TonesSettings:
    for name in options:
        if name not in TonesSettings.model_fields:
            raise UnknownNameError("option of tones", name, ["features", *TonesSettings.model_fields])
    try:
        return TonesSettings.model_validate(dict(options))
    except ValidationError as error:
        raise SettingsError(f"tones: {first_problem(error)}") from error
