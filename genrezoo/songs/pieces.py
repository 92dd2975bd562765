"""Songs cut into overlapping pieces of one length, for models that take no other."""

from __future__ import annotations

import dataclasses

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.songs.songset import SongSet


def cut_pieces(songs: SongSet, *, segments: int, hop: int) -> tuple[SongSet, np.ndarray]:
    """Cuts songs into pieces.

    A song's last piece ends where the song ends, so every segment is in a piece; a song shorter than a piece is one
    piece with padding. Pieces of one song stand on one side of the split and in one group.

    Args:
        songs: Songs.
        segments: Segments of a piece, from 1.
        hop: Segments from one piece to the next, from 1; no more than ``segments``, or some would be lost.

    Returns:
        The pieces, with ids ``SONG#1``, ``SONG#2``, …; and for each piece the position of its song, ``(n_pieces,)``.

    Raises:
        SettingsError: A number is out of range.

    Example:
        >>> songs = SongSet(x=np.arange(14.0).reshape(2, 7, 1), y=[0, 1], genres=("blues", "jazz"))
        >>> pieces, owner = cut_pieces(songs, segments=4, hop=2)
        >>> pieces.x[:, 0, 0].tolist(), owner.tolist()
        ([0.0, 2.0, 3.0, 7.0, 9.0, 10.0], [0, 0, 0, 1, 1, 1])
    """
    if segments < 1 or not 1 <= hop <= segments:
        raise SettingsError(f"segments must be at least 1 and hop from 1 to segments, got {segments} and {hop}")
    starts = [piece_starts(int(length), segments, hop) for length in songs.lengths]
    owner = np.repeat(np.arange(songs.n_songs), [len(part) for part in starts])
    begin = np.concatenate([*starts, np.array([], np.int64)])
    x = np.zeros((len(owner), segments, songs.n_features), np.float32)
    for piece, (song, start) in enumerate(zip(owner, begin, strict=True)):
        part = songs.x[song, start : start + segments]
        x[piece, : len(part)] = part
    number = np.arange(len(owner)) - np.searchsorted(owner, owner) + 1
    groups = songs.ids if songs.groups is None else songs.groups
    pieces = dataclasses.replace(
        songs,
        x=x,
        y=songs.y[owner],
        lengths=np.minimum(songs.lengths[owner], segments),
        ids=np.array([f"{songs.ids[song]}#{place}" for song, place in zip(owner, number, strict=True)], dtype=str),
        groups=groups[owner],
        splits={name: np.flatnonzero(np.isin(owner, index)) for name, index in songs.splits.items()},
        about={**songs.about, "pieces": {"segments": segments, "hop": hop, "songs": songs.n_songs}},
    )
    return pieces, owner


def piece_starts(length: int, segments: int, hop: int) -> np.ndarray:
    """Where the pieces of one song begin."""
    last = max(length - segments, 0)
    starts = np.arange(0, last + 1, hop)
    return starts if starts[-1] == last else np.append(starts, last)
