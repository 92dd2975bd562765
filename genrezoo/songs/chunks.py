"""Cutting of songs into overlapping chunks of one length, for models with a fixed input length."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from genrezoo.archive import check_memory
from genrezoo.errors import SettingsError
from genrezoo.rules import aggregate_logits
from genrezoo.songs.songset import SongSet


class Chunks(BaseModel, frozen=True, extra="forbid"):
    """How songs are cut into overlapping chunks of one length, and how the chunks' predictions are combined."""

    segments: int = Field(ge=1, le=2**20, description="Segments per chunk.")
    hop: int = Field(ge=1, description="Segments from one chunk to the next.")
    rule: Literal["mean", "product"] = Field("mean", description="Rule that combines the posteriors of the chunks.")


def cut_chunks(songs: SongSet, *, segments: int, hop: int) -> tuple[SongSet, np.ndarray]:
    """Cuts songs into chunks.

    A song's last chunk ends where the song ends, so every segment is in a chunk; a song shorter than a chunk is one
    chunk with padding. Chunks of one song are in one split and one group.

    Args:
        songs: Songs.
        segments: Segments per chunk, at least 1.
        hop: Segments from one chunk to the next, from 1 to ``segments``, so that none are lost.

    Returns:
        The chunks, with ids ``SONG#1``, ``SONG#2``, …; and for each chunk the position of its song, ``(n_chunks,)``.

    Raises:
        SettingsError: A number is out of range, or the chunks would not fit into memory.

    Example:
        >>> songs = SongSet(x=np.arange(14.0).reshape(2, 7, 1), y=[0, 1], genres=("blues", "jazz"))
        >>> chunks, owner = cut_chunks(songs, segments=4, hop=2)
        >>> chunks.x[:, 0, 0].tolist(), owner.tolist()
        ([0.0, 2.0, 3.0, 7.0, 9.0, 10.0], [0, 0, 0, 1, 1, 1])
    """
    if segments < 1 or not 1 <= hop <= segments:
        raise SettingsError(f"segments must be at least 1 and hop from 1 to segments, got {segments} and {hop}")
    count = np.maximum(songs.lengths - segments, 0) // hop + 2
    check_memory(8 * int(count.sum()) * segments * songs.n_features, f"chunks of {segments:,} segments")
    starts = [chunk_starts(int(length), segments, hop) for length in songs.lengths]
    owner = np.repeat(np.arange(songs.n_songs), [len(part) for part in starts])
    begin = np.concatenate([*starts, np.array([], np.int64)])
    places = np.minimum(begin[:, None] + np.arange(segments), songs.n_segments - 1)  # (chunks, segments)
    number = np.arange(len(owner)) - np.searchsorted(owner, owner) + 1
    groups = songs.ids if songs.groups is None else songs.groups
    chunks = dataclasses.replace(
        songs,
        x=songs.x[owner[:, None], places],  # (chunks, segments, features)
        y=songs.y[owner],
        lengths=np.minimum(songs.lengths[owner], segments),
        ids=np.array([f"{songs.ids[song]}#{place}" for song, place in zip(owner, number, strict=True)], dtype=str),
        groups=groups[owner],
        weights=None if songs.weights is None else songs.weights[owner],
        splits={name: np.flatnonzero(np.isin(owner, index)) for name, index in songs.splits.items()},
        about={**songs.about, "chunks": {"segments": segments, "hop": hop, "songs": songs.n_songs}},
    )
    return chunks, owner


def chunk_starts(length: int, segments: int, hop: int) -> np.ndarray:
    """Returns the first segment of each chunk of a song of ``length`` segments, ``(n_chunks,)``."""
    last = max(length - segments, 0)
    starts = np.arange(0, last + 1, hop)
    return starts if starts[-1] == last else np.append(starts, last)


def windows_at(x: np.ndarray, starts: np.ndarray, segments: int) -> np.ndarray:
    """Returns windows of a song, ``(n_windows, segments, features)``; beyond the end, the last segment is repeated.

    Args:
        x: The song, ``(n_segments, features)``.
        starts: First segment of each window.
        segments: Segments of a window.
    """
    windows: np.ndarray = x[np.minimum(starts[:, None] + np.arange(segments), len(x) - 1)]
    return windows


def combine_chunks(logits: np.ndarray, owner: np.ndarray, *, rule: str) -> np.ndarray:
    """Combines the logits of chunks to logits of songs ``(n_songs, n_genres)``.

    Args:
        logits: ``(n_chunks, n_genres)``.
        owner: From `cut_chunks`.
        rule: A name in `genrezoo.rules.RULES`.
    """
    count = np.bincount(owner)
    real = np.arange(count.max()) < count[:, None]  # (songs, chunks): songs differ in their number of chunks
    padded = np.zeros((*real.shape, logits.shape[1]), np.float32)
    padded[real] = logits
    return aggregate_logits(list(padded.transpose(1, 0, 2)), rule=rule, mask=real)
