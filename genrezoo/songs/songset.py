"""`SongSet`: songs, labels, and where the split came from."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genrezoo.errors import DataError
from genrezoo.songs.columns import check_text, to_array, to_float32, to_integers, to_names, to_weights
from genrezoo.songs.convert import fields_of_arrays, fields_of_frame
from genrezoo.songs.storage import save_songs

if TYPE_CHECKING:
    import pandas as pd

PROVENANCES = ("official", "artist-filtered", "fault-filtered", "random")
"""Possible provenances of a split; metrics are not reported without one."""

KINDS = {
    "segments": "(songs, segments, features); a table has one segment",
    "image": "(songs, height, width, channels)",
}
"""The kinds of songs, segments in time or images, with the axes of their arrays."""

MOST_LETTERS = 1000
"""Letters of a genre's name; a run's card has the same limit."""

BLOCK_BYTES = 64 * 2**20  # features looked at together, so that a memory-mapped set is never loaded whole


class Song(NamedTuple):
    """One song of a set, ``songs[3]``.

    Attributes:
        id: Id of the song.
        x: Features without padding, ``(length, n_features)`` float32; for an image, the whole array.
        y: Label.
        genre: Name of the class.
        group: Group; None if the set has none.
    """

    id: str
    x: np.ndarray
    y: int
    genre: str
    group: str | None


@dataclass(frozen=True, eq=False)
class SongSet:
    """An immutable set of songs.

    The constructor checks shapes and types. `validate` checks the values; every loader and `genrezoo.train` call it.
    The set caches its checksum and the results of these checks, so do not change the arrays after you have passed them.

    Attributes:
        x: Features, ``(n_songs, n_segments, n_features)`` float32; may be memory-mapped. Values beyond a song's length
            are padding and have no meaning. A feature table has one segment. Images are ``(n_songs, height, width,
            channels)``.
        y: Labels, ``(n_songs,)`` int64, positions in ``genres``.
        genres: Names of the classes.
        lengths: Segments of each song, ``(n_songs,)`` int64; the default is all.
        ids: One unique name per song; the default is ``"0"``, ``"1"``, ….
        groups: Groups that a split must not divide (artists, clips), one name per song, or None.
        splits: Index arrays, usually ``train``, ``valid`` and ``test``; songs may be in none.
        provenance: Provenance of the split: one of `PROVENANCES`, or None without a split.
        name: Name of the set in tables.
        about: Further facts stored with the songs as plain data (units, source, generator settings).
        kind: Input kind, one of `KINDS`.
        weights: Weight of each song in training, ``(n_songs,)`` float32, at least 0; only their ratios matter. None for
            equal weights.

    Example:
        >>> import numpy as np
        >>> songs = SongSet(x=np.zeros((4, 120, 25)), y=np.array([0, 1, 0, 1]), genres=("blues", "jazz"))
        >>> songs.n_songs, songs.n_segments, songs.n_features
        (4, 120, 25)
        >>> songs.take([0, 2]).y
        array([0, 0])
    """

    x: np.ndarray
    y: np.ndarray
    genres: tuple[str, ...]
    lengths: np.ndarray = None  # type: ignore[assignment]  # filled in below
    ids: np.ndarray = None  # type: ignore[assignment]
    groups: np.ndarray | None = None
    splits: Mapping[str, np.ndarray] = field(default_factory=dict)
    provenance: str | None = None
    name: str = "songs"
    about: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "segments"
    weights: np.ndarray | None = None
    _known: dict[str, Any] = field(init=False, default_factory=dict)  # results of checks, by name

    def __post_init__(self) -> None:
        def keep(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        x = self.x if isinstance(self.x, np.memmap) and self.x.dtype == np.float32 else to_array(
            self.x, path=self.name, where="x"
        )  # fmt: skip
        if self.kind not in KINDS:
            raise self.error(f"kind {self.kind!r} is unknown", remedy=f"use one of {', '.join(KINDS)}")
        if x.ndim != (4 if self.kind == "image" else 3) or x.dtype.kind not in "fiu":
            what = f"x has shape {x.shape} and type {x.dtype}"
            raise self.error(what, "x", f"pass numbers of shape {KINDS[self.kind]}")
        n_songs, n_segments = x.shape[:2]
        keep("x", _frozen(to_float32(x, path=self.name, where="x")))
        keep("y", _frozen(to_integers(self.y, n_songs, path=self.name, where="y")))
        keep("genres", _in_order(self.genres, self))
        lengths = np.full(n_songs, n_segments) if self.lengths is None else self.lengths
        keep("lengths", _frozen(to_integers(lengths, n_songs, path=self.name, where="lengths")))
        ids = np.arange(n_songs) if self.ids is None else self.ids
        keep("ids", _frozen(to_names(ids, n_songs, path=self.name, where="ids")))
        if self.groups is not None:
            keep("groups", _frozen(to_names(self.groups, n_songs, path=self.name, where="groups")))
        if self.weights is not None:
            keep("weights", _frozen(to_weights(self.weights, n_songs, path=self.name, where="weights")))
        splits = {}
        for name, table in (("splits", self.splits), ("about", self.about)):
            if not isinstance(table, Mapping):
                raise self.error(f"{table!r} is not a dict", name, "pass a dict")
        for split, index in self.splits.items():
            index = to_array(index, path=self.name, where="splits")
            if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
                what = f"split {split!r} has shape {index.shape} and type {index.dtype}"
                raise self.error(what, "splits", "pass the positions of its songs as integers, in one dimension")
            outside = index[(index < 0) | (index >= n_songs)]
            if outside.size:
                raise self.error(
                    f"split {split!r} contains song {outside[0]}", "splits", f"songs are 0 to {n_songs - 1}"
                )
            splits[split] = _frozen(index.astype(np.int64))
        keep("splits", MappingProxyType(splits))
        keep("about", MappingProxyType(dict(self.about)))
        origins = ", ".join(PROVENANCES)
        if self.provenance not in (None, *PROVENANCES):
            raise self.error(f"provenance {self.provenance!r} is unknown", remedy=f"use one of {origins}")
        if self.splits and self.provenance is None:
            raise self.error("the split has no provenance", remedy=f"pass provenance, one of {origins}")

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        y: Any,
        *,
        genres: Sequence[str] | None = None,
        lengths: Any = None,
        split: Any = None,
        provenance: str | None = None,
        ids: Any = None,
        groups: Any = None,
        weights: Any = None,
        name: str = "songs",
        about: Mapping[str, Any] | None = None,
    ) -> SongSet:
        """Builds songs from arrays: tables, songs of unequal length, text labels.

        Args:
            x: A table ``(n_songs, n_features)``; ``(n_songs, n_segments, n_features)``; images ``(n_songs, height,
                width, channels)``; or a list of songs of unequal length, each ``(n_segments, n_features)``.
            y: One label per song, text or integers.
            genres: Names of the classes in their order. The default is the sorted labels; if ``genres`` is passed,
                integer labels are positions in it.
            lengths: Segments of each song; not for a list of songs, whose lengths are known.
            split: For each song ``"train"``, ``"valid"``, ``"test"``, or blank for none.
            provenance: Provenance of the split, one of `PROVENANCES`; needed with ``split``.
            ids: As in `SongSet`.
            groups: As in `SongSet`.
            weights: As in `SongSet`.
            name: As in `SongSet`.
            about: As in `SongSet`.

        Returns:
            The checked songs.

        Raises:
            DataError: The arrays do not fit each other, a label is missing, or the songs cannot be trained on.

        Example:
            >>> songs = [np.zeros((120, 25)), np.zeros((90, 25)), np.zeros((100, 25)), np.zeros((110, 25))]
            >>> found = SongSet.from_arrays(songs, ["jazz", "blues", "jazz", "blues"])
            >>> found.genres, found.y.tolist(), found.lengths.tolist()
            (('blues', 'jazz'), [1, 0, 1, 0], [120, 90, 100, 110])
        """
        fields = fields_of_arrays(
            x, y, genres=genres, lengths=lengths, split=split, name=name,
            ids=ids, groups=groups, weights=weights, provenance=provenance, about=about or {},
        )  # fmt: skip
        return cls(**fields).validate()

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        label: Hashable,
        group: Hashable | None = None,
        id: Hashable | None = None,  # noqa: A002  # as the attribute `ids`
        split: Hashable | None = None,
        features: Sequence[Hashable] | None = None,
        genres: Sequence[str] | None = None,
        provenance: str | None = None,
        name: str = "songs",
    ) -> SongSet:
        """Builds songs from a data frame with one row per song.

        Args:
            frame: The table.
            label: Column of the labels, text or integers.
            group: Column of groups that a split must not divide, such as artists.
            id: Column of the songs' ids.
            split: Column of the splits, ``train``, ``valid`` and ``test``; blank for none.
            features: Columns of the features; the default is all that have no other role.
            genres: As in `from_arrays`.
            provenance: As in `from_arrays`.
            name: As in `SongSet`.

        Returns:
            The checked songs, one segment each; ``about["feature_names"]`` holds the names of the columns.

        Raises:
            DataError: A column is missing or not numeric, a cell is blank or not a finite number (the message names row
                and column), or the songs cannot be trained on.

        Example:
            >>> import pandas as pd
            >>> frame = pd.DataFrame({"genre": ["jazz", "blues"] * 2, "tempo": [90, 120, 95, 110]})
            >>> frame["artist"] = list("abcd")
            >>> songs = SongSet.from_frame(frame, label="genre", group="artist")
            >>> songs.n_features, songs.genres, songs.groups.tolist()
            (1, ('blues', 'jazz'), ['a', 'b', 'c', 'd'])
        """
        fields = fields_of_frame(
            frame, label=label, group=group, id=id, split=split, features=features,
            genres=genres, provenance=provenance, name=name,
        )  # fmt: skip
        return cls(**fields).validate()

    def error(self, what: str, where: str | None = None, remedy: str | None = None) -> DataError:
        """Returns an error about these songs, to be raised; the arguments are those of `DataError`.

        Example:
            >>> songs = SongSet(x=np.zeros((1, 1, 1)), y=[0], genres=("jazz",), name="mine")
            >>> str(songs.error("one genre", "genres", "pass two"))
            'mine: genres: one genre. Remedy: pass two.'
        """
        return DataError(what, path=self.name, where=where, remedy=remedy)

    @property
    def n_songs(self) -> int:
        """Number of songs."""
        return int(self.x.shape[0])

    @property
    def n_segments(self) -> int:
        """Segments of the longest song, including padding; rows of an image."""
        return int(self.x.shape[1])

    @property
    def n_features(self) -> int:
        """Features per segment; channels of an image."""
        return int(self.x.shape[-1])

    @property
    def song_shape(self) -> tuple[int, ...]:
        """Shape of one song: segments and features, or height, width and channels."""
        return tuple(int(size) for size in self.x.shape[1:])

    @property
    def num_classes(self) -> int:
        """Number of genres."""
        return len(self.genres)

    @property
    def has_padding(self) -> bool:
        """Whether any song is shorter than the array."""
        return bool(self.n_songs and self.lengths.min() < self.n_segments)

    def __len__(self) -> int:
        return self.n_songs

    def __getitem__(self, index: int) -> Song:
        """Returns one song by its position; negative positions count from the end.

        Raises:
            IndexError: There is no such song.
            TypeError: The position is not an integer; use `take` for several.
        """
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise TypeError(f"songs[…] takes one position, got {index!r}; songs.take(…) takes several")
        if not -self.n_songs <= index < self.n_songs:
            raise IndexError(f"song {index} of {self.n_songs}")
        place = int(index) % self.n_songs
        length = self.n_segments if self.kind == "image" else int(self.lengths[place])
        return Song(
            id=str(self.ids[place]),
            x=np.asarray(self.x[place][:length]),
            y=int(self.y[place]),
            genre=self.genres[self.y[place]],
            group=None if self.groups is None else str(self.groups[place]),
        )

    def __repr__(self) -> str:
        split = ", ".join(f"{name} {len(index):,}" for name, index in self.splits.items()) or "no split"
        if self.kind == "image":
            size = "images of {} x {} pixels x {} channels".format(*self.song_shape)
        else:
            size = f"songs x {self.n_segments} segments x {self.n_features} features"
        return (
            f"SongSet({self.name!r}: {self.n_songs:,} {size}, "
            f"{self.num_classes} genres, {split}{f', {self.provenance}' if self.provenance else ''})"
        )

    def take(self, index: Any) -> SongSet:
        """Returns the songs of an index array (or mask), in that order, without a split.

        Raises:
            IndexError: An index is outside the set, or a mask has another length.
        """
        index = np.asarray(index)
        if index.dtype == bool:
            if index.shape != (self.n_songs,):
                raise IndexError(f"mask of shape {index.shape} for {self.n_songs} songs")
            index = np.flatnonzero(index)
        if not index.size:
            index = index.astype(np.int64)
        return self._derived(
            ("finite",),
            x=np.asarray(self.x[index]),
            y=self.y[index],
            lengths=self.lengths[index],
            ids=self.ids[index],
            groups=None if self.groups is None else self.groups[index],
            weights=None if self.weights is None else self.weights[index],
            splits={},
            provenance=None,
        )

    def split(self, name: str) -> SongSet:
        """Returns the songs of one split, e.g. ``songs.split("train")``.

        Raises:
            DataError: There is no such split.
        """
        if name not in self.splits:
            what = f"no split {name!r}; it has {', '.join(self.splits) or 'none'}"
            raise self.error(what, remedy="make one with `genrezoo data split` or genrezoo.songs.split_stratified")
        return self.take(self.splits[name])

    def select(self, columns: Sequence[int]) -> SongSet:
        """Returns the same songs with some of their features, in that order; ``about`` is adapted.

        Raises:
            DataError: A column does not exist, or the list is empty.
        """
        columns = [int(column) for column in columns]
        if not columns or min(columns) < 0 or max(columns) >= self.n_features:
            remedy = f"features are 0 to {self.n_features - 1}"
            raise self.error(f"features {columns[:10]} cannot be selected", remedy=remedy)
        about, groups = dict(self.about), self.feature_groups()
        if "feature_names" in about:
            about["feature_names"] = [about["feature_names"][column] for column in columns]
        if "feature_groups" in about:
            groups = {name: [columns.index(c) for c in group if c in columns] for name, group in groups.items()}
            about["feature_groups"] = {name: group for name, group in groups.items() if group}
        return self._derived(("finite",), x=self.x[..., columns], about=about)

    def feature_groups(self) -> dict[str, list[int]]:
        """Groups of features by name, e.g. chroma, timbre and loudness, each with its columns; empty if unknown.

        Raises:
            DataError: The groups in ``about`` do not fit the features.
        """
        groups = self.about.get("feature_groups") or {}
        try:
            found = {str(name): [int(column) for column in group] for name, group in dict(groups).items()}
            fits = all(0 <= column < self.n_features for group in found.values() for column in group)
            fits = fits and len(self.about.get("feature_names", range(self.n_features))) == self.n_features
        except (TypeError, ValueError):
            fits = False
        if not fits:
            what = f"feature_names or feature_groups do not fit {self.n_features} features"
            remedy = 'specify a name for each feature, and groups as {"timbre": [12, 13, …]}'
            raise self.error(what, "about", remedy)
        return found

    def with_split(self, splits: Mapping[str, np.ndarray], provenance: str) -> SongSet:
        """Returns the same songs with another split."""
        return self._derived(("finite", "valid"), splits=splits, provenance=provenance)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Writes the songs to a folder that `genrezoo.load_songs` reads; see `genrezoo.songs.storage.save_songs`."""
        return save_songs(self, folder, overwrite=overwrite)

    def named(self, name: str) -> SongSet:
        """Returns the same songs under another name."""
        return self._derived(tuple(self._known), name=name)

    def padded(self) -> np.ndarray:
        """Returns a copy of ``x`` as float32 with padding as NaN, the input of a run's `model`."""
        out = np.empty(self.x.shape, np.float32)
        for part, x in self.blocks():
            out[part] = x
        return out

    def blocks(self, size: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
        """Yields ``(slice, x of these songs)`` with padding as NaN, so that large sets are read block by block.

        Args:
            size: Songs per block; the default is as many as fill 64 MiB.
        """
        for part in self._parts(size):
            x = np.array(self.x[part], np.float32, order="C")
            x[np.arange(self.n_segments) >= self.lengths[part, None]] = np.nan  # (songs, segments)
            yield part, x

    def checksum(self) -> str:
        """Returns a sha256 over features, labels, lengths, weights, ids, genres and split."""
        if "checksum" in self._known:
            return str(self._known["checksum"])
        digest = hashlib.sha256()
        for _, x in self.blocks():
            digest.update(x.data)
        for array in (self.y, self.lengths, self.weights):
            digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
        digest.update("\0".join([*map(str, self.ids), "", *self.genres]).encode())
        for name in sorted(self.splits):
            digest.update(name.encode() + self.splits[name].tobytes())
        self._known["checksum"] = digest.hexdigest()
        return str(self._known["checksum"])

    def describe(self) -> dict[str, Any]:
        """Returns counts, lengths, features and split as plain data, for `genrezoo data describe` and for rows."""
        in_split = np.unique(np.concatenate([*self.splits.values()])) if self.splits else np.arange(self.n_songs)
        count = np.bincount(self.y, minlength=self.num_classes)
        return {
            "name": self.name,
            "kind": self.kind,
            "songs": self.n_songs,
            "segments": self.n_segments,
            "features": self.n_features,
            **({"shape": list(self.song_shape)} if self.kind == "image" else {}),
            "lengths": [int(self.lengths.min()), int(np.median(self.lengths)), int(self.lengths.max())],
            "genres": {genre: int(number) for genre, number in zip(self.genres, count, strict=True)},
            "groups": None if self.groups is None else int(len(np.unique(self.groups))),
            "splits": {name: len(index) for name, index in self.splits.items()},
            "in_no_split": self.n_songs - len(in_split),
            "provenance": self.provenance,
            "about": dict(self.about),
        }

    def validate(self, path: str | Path | None = None) -> SongSet:
        """Checks that the songs can be trained on and returns the set itself.

        Args:
            path: File that the songs came from, for the message.

        Raises:
            DataError: There are no songs, fewer than two genres, or a genre with fewer than two songs; labels are out
                of range or unused; ids or genres are repeated; lengths are below 1 or beyond the array; or features
                outside padding are NaN or infinite.
        """
        if "valid" in self._known:
            return self

        def refuse(what: str, where: str | None = None, remedy: str | None = None) -> None:
            raise DataError(what, path=path or self.name, where=where, remedy=remedy)

        if not self.n_songs or not self.n_segments or not self.n_features:
            refuse(f"no songs: x has shape {self.x.shape}", "x", "pass at least two songs of two genres")
        if self.num_classes < 2:
            number = "one genre" if self.num_classes else "no genre"
            refuse(number, "genres", "at least two genres are needed")
        if len(set(self.genres)) < self.num_classes:
            refuse("a genre name occurs twice", "genres", "use unique names")
        if not all(0 < len(genre) <= MOST_LETTERS for genre in self.genres):
            refuse(f"a genre name is empty or longer than {MOST_LETTERS} letters", "genres", "use short names")
        outside = np.flatnonzero((self.y < 0) | (self.y >= self.num_classes))
        if outside.size:
            refuse(
                f"label {self.y[outside[0]]} of song {str(self.ids[outside[0]])!r} is out of range",
                f"y[{outside[0]}]",
                f"labels are 0 to {self.num_classes - 1}, positions in the {self.num_classes} genre names",
            )
        count = np.bincount(self.y, minlength=self.num_classes)
        if count.min() == 0:
            missing = [self.genres[label] for label in np.flatnonzero(count == 0)]
            what = f"no song has the label of {', '.join(map(repr, missing[:5]))}"
            refuse(what, "y", "number the genres without gaps")
        if count.min() < 2:
            rare = ", ".join(repr(self.genres[label]) for label in np.flatnonzero(count < 2)[:5])
            what = f"genre {rare} has one song" if (count < 2).sum() == 1 else f"genres {rare} have one song each"
            refuse(what, "y", "remove the genre, or pass at least two songs of it")
        names, times = np.unique(self.ids, return_counts=True)
        if times.max() > 1:
            remedy = "use unique ids; if the examples are parts of one song, pass the songs as groups"
            refuse(f"id {str(names[times.argmax()])!r} occurs {times.max()} times", "ids", remedy)
        self.check_lengths(path)
        self.check_finite(path)
        self._known["valid"] = True
        return self

    def check_lengths(self, path: str | Path | None = None) -> None:
        """Rejects songs with a length below 1 or beyond the array; ``path`` is as in `validate`.

        Raises:
            DataError: There are some; the message names the first.
        """
        wrong = np.flatnonzero((self.lengths < 1) | (self.lengths > self.n_segments))
        if wrong.size:
            what = f"song {str(self.ids[wrong[0]])!r} has a length of {self.lengths[wrong[0]]} segments"
            where, remedy = f"lengths[{wrong[0]}]", f"lengths are 1 to {self.n_segments}"
            raise DataError(what, path=path or self.name, where=where, remedy=remedy)

    def check_finite(self, path: str | Path | None = None) -> None:
        """Rejects NaN or infinite features outside padding.

        Args:
            path: File that the songs came from, for the message.

        Raises:
            DataError: There are some; the message names the first.
        """
        for part in self._parts() if "finite" not in self._known else ():
            finite = np.isfinite(self.x[part])  # (songs, segments, features)
            if finite.all():
                continue
            real = np.arange(self.n_segments) < self.lengths[part, None]  # (songs, segments)
            bad = np.argwhere(~finite & real.reshape(*real.shape, *[1] * (finite.ndim - 2)))
            if bad.size:
                place = (int(bad[0][0]) + part.start, *map(int, bad[0][1:]))
                song, where = str(self.ids[place[0]]), f"x[{', '.join(map(str, place))}]"
                what = f"song {song!r} has {self.x[place]} in segment {place[1]}, feature {place[-1]}"
                remedy = "remove the song, fix the feature, or pass `lengths` if this is padding"
                raise DataError(what, path=path or self.name, where=where, remedy=remedy)
        self._known["finite"] = True

    def _derived(self, known: Sequence[str], **changes: Any) -> SongSet:
        """Returns the songs with other fields, and those check results that remain valid."""
        made = dataclasses.replace(self, **changes)
        made._known.update({name: self._known[name] for name in known if name in self._known})
        return made

    def _parts(self, size: int | None = None) -> Iterator[slice]:
        size = size or max(1, BLOCK_BYTES // max(1, 4 * math.prod(self.song_shape)))
        for start in range(0, self.n_songs, size):
            yield slice(start, min(start + size, self.n_songs))


def _in_order(genres: Any, songs: SongSet) -> tuple[str, ...]:
    """Checks genre names and returns them as texts; unordered collections are rejected, since their order is random."""
    if isinstance(genres, str | bytes | Mapping | Set) or not isinstance(genres, Iterable):
        remedy = "pass a list of names, in the order of the labels"
        raise songs.error(f"{genres!r} is not a list of names", "genres", remedy)
    return tuple(check_text(np.array([str(genre) for genre in genres], object), path=songs.name, where="genres"))


def _frozen(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
