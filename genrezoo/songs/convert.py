"""Conversion of arrays and data frames to the fields of a `SongSet`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genrezoo.errors import DataError
from genrezoo.songs.columns import SIDES, to_array, to_float32, to_names

if TYPE_CHECKING:
    import pandas as pd


def fields_of_arrays(
    x: Any,
    y: Any,
    *,
    genres: Sequence[str] | None = None,
    lengths: Any = None,
    split: Any = None,
    name: str = "songs",
    **columns: Any,
) -> dict[str, Any]:
    """Returns the fields of a set from arrays; `SongSet.from_arrays` documents the arguments."""
    if is_ragged(x):
        if lengths is not None:
            raise DataError(
                "is a list of songs", path=name, where="x", remedy="leave lengths out: they follow from the songs"
            )
        x, lengths = stacked(x, name)
    else:
        x = to_array(x, path=name, where="x")
        if x.ndim == 2:
            x = x[:, None]  # (songs, 1, features)
    labels, known = labels_in(y, genres, name)
    if split is not None:
        columns["splits"] = _sides(split, len(labels), name)
    kind = "image" if x.ndim == 4 else "segments"
    return {"x": x, "y": labels, "genres": tuple(known), "lengths": lengths, "name": name, "kind": kind, **columns}


def fields_of_frame(
    frame: pd.DataFrame,
    *,
    label: Hashable,
    group: Hashable | None = None,
    id: Hashable | None = None,  # noqa: A002  # the word of SongSet
    split: Hashable | None = None,
    features: Sequence[Hashable] | None = None,
    name: str = "songs",
    **options: Any,
) -> dict[str, Any]:
    """Returns the fields of a set from a data frame; `SongSet.from_frame` documents the arguments."""
    roles = {"label": label, "group": group, "id": id, "split": split}
    named = {role: column for role, column in roles.items() if column is not None}
    for role, column in [*named.items(), *(("features", column) for column in features or ())]:
        if column not in frame.columns:
            what = f"no column {column!r}; it has {', '.join(map(str, frame.columns[:20]))}"
            raise DataError(what, path=name, where=role, remedy="use the name of a column of the table")
    if len(set(frame.columns)) < frame.shape[1]:
        raise DataError("two columns have the same name", path=name, remedy="rename one")
    chosen = [column for column in frame.columns if column not in named.values()] if features is None else [*features]
    if not chosen:
        raise DataError("no feature columns", path=name, remedy="add numeric columns")
    x = np.empty((len(frame), len(chosen)), np.float32)
    for place, column in enumerate(chosen):
        x[:, place] = _feature(frame[column], name)
    columns: dict[str, Any] = {}
    if group is not None:
        columns["groups"] = _texts(frame[group], "group", name)
    if id is not None:
        columns["ids"] = _texts(frame[id], "id", name)
    if split is not None:
        columns["split"] = frame[split].to_numpy()
    about = {"feature_names": [str(column) for column in chosen]}
    return fields_of_arrays(x, frame[label].to_numpy(), name=name, about=about, **columns, **options)


def is_ragged(x: Any) -> bool:
    """Whether it is a list of songs, each an array of segments and features, that differ in length."""
    return isinstance(x, list | tuple) and len({np.shape(song)[:1] for song in x if np.ndim(song) == 2}) > 1


def stacked(songs: Sequence[Any], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns songs of unequal length in one array, padded with zeros, and their lengths."""
    arrays = []
    for place, song in enumerate(songs):
        array = to_array(song, path=name, where=f"x[{place}]")
        if array.ndim != 2 or array.dtype.kind not in "fiu" or array.shape[1] != np.shape(songs[0])[-1]:
            what = f"shape {array.shape} and type {array.dtype}, but the first song has {np.shape(songs[0])}"
            remedy = "pass each song as numbers (segments, features)"
            raise DataError(what, path=name, where=f"x[{place}]", remedy=remedy)
        arrays.append(to_float32(array, path=name, where=f"x[{place}]"))
    lengths = np.array([len(array) for array in arrays])
    x = np.zeros((len(arrays), lengths.max(), arrays[0].shape[1]), np.float32)
    for row, array in zip(x, arrays, strict=True):
        row[: len(array)] = array
    return x, lengths


def labels_in(y: Any, genres: Sequence[str] | None, name: str) -> tuple[np.ndarray, Sequence[str]]:
    """Returns labels as positions in the genres, and the genres; genres of text labels are sorted unless passed."""
    values = to_array(y, path=name, where="y")
    if values.ndim != 1:
        raise DataError(f"has shape {values.shape}", path=name, where="y", remedy="pass one label per song")
    missing = [place for place, value in enumerate(values.tolist()) if value is None or value != value]
    if missing:
        raise DataError("no label", path=name, where=f"y[{missing[0]}]", remedy="label the song or remove it")
    if values.dtype.kind in "OUS":
        texts = to_names(values, len(values), path=name, where="y")
        known = sorted(set(texts.tolist())) if genres is None else [str(genre) for genre in genres]
        places = {genre: place for place, genre in enumerate(known)}
        for song, text in enumerate(texts.tolist()):
            if text not in places:
                remedy = f"genres are {', '.join(known[:10])}"
                raise DataError(f"{text!r} is none of the genres", path=name, where=f"y[{song}]", remedy=remedy)
        return np.array([places[text] for text in texts.tolist()], np.int64), known
    if genres is not None:
        return values, genres
    known_labels, positions = np.unique(values, return_inverse=True)
    if known_labels.dtype.kind == "f" and not (known_labels == np.rint(known_labels)).all():
        remedy = "pass labels as text or integers"
        raise DataError(f"{known_labels[0]} is not a label", path=name, where="y", remedy=remedy)
    return positions, [str(int(label)) for label in known_labels]


def _sides(split: Any, n_songs: int, name: str) -> dict[str, np.ndarray]:
    """Returns the index arrays of a column with each song's split."""
    values = to_array(split, path=name, where="split")
    sides = np.array(["" if value is None or value != value else str(value) for value in values.ravel().tolist()])
    if values.shape != (n_songs,):
        raise DataError(f"shape {values.shape}", path=name, where="split", remedy=f"pass {n_songs} names of splits")
    for song, side in enumerate(sides.tolist()):
        if side and side.lower() not in SIDES:
            remedy = "use train, valid, test, or leave it blank for none"
            raise DataError(f"{side!r} is not a split", path=name, where=f"split[{song}]", remedy=remedy)
    named = np.array([SIDES.get(side.lower(), "") for side in sides.tolist()])
    return {side: np.flatnonzero(named == side) for side in ("train", "valid", "test") if side in named}


def _feature(column: pd.Series, name: str) -> np.ndarray:
    """Converts a column of a data frame to finite numbers."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if wrong.size == len(numbers) and wrong.size:
        remedy = "leave it out (features=[…]), or pass its name as label, group, id or split"
        raise DataError("is not numeric", path=name, where=f"column {str(column.name)!r}", remedy=remedy)
    if wrong.size:
        row = wrong[0]
        what, where = (
            f"{str(column.iloc[row])!r} is not a finite number",
            f"row {column.index[row]}, column {str(column.name)!r}",
        )
        raise DataError(what, path=name, where=where, remedy="impute the value or remove the row")
    return to_float32(numbers, path=name, where=f"column {str(column.name)!r}")


def _texts(column: pd.Series, role: str, name: str) -> list[str]:
    """Returns a column of names; missing names raise an error."""
    missing = np.flatnonzero(column.isna().to_numpy())
    if missing.size:
        where = f"row {column.index[missing[0]]}, column {str(column.name)!r}"
        raise DataError(f"no {role}", path=name, where=where, remedy="fill it in or remove the row")
    return [str(value) for value in column.tolist()]
