"""AudioSet embeddings: outputs of the network VGGish for each second of ten-second clips, without their audio.

Content: clips of up to 10 s of YouTube videos, labelled by people with 527 sound classes. Each second is described by
128 numbers of VGGish, PCA-whitened and quantised to whole numbers (no unit, 0 to 255). Size: 2,084,320 clips as
TensorFlow records, in folders of balanced training, unbalanced training and evaluation clips (2.4 GB). Music genres are
among the classes; labels are weak, and a clip may have several; only clips with exactly one of the chosen genres are
kept. The publishers do not provide the audio.

Reference: J. F. Gemmeke et al., "Audio Set: An ontology and human-labeled dataset for audio events", ICASSP 2017; the
embeddings: S. Hershey et al., "CNN Architectures for Large-Scale Audio Classification", ICASSP 2017.
Licence: CC BY 4.0 (Google Inc.); the ontology CC BY-SA 4.0.
"""

from __future__ import annotations

import os
import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.archive import regular_size
from genrezoo.datasets._audio import holds_mostly, walk_files
from genrezoo.datasets._table import read_table
from genrezoo.datasets.npz import load_npz
from genrezoo.errors import DataError, SettingsError
from genrezoo.files import open_regular
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet

GENRES: Mapping[str, tuple[str, ...]] = {
    "Blues": ("/m/0155w",),
    "Classical": ("/m/0ggq0m",),
    "Country": ("/m/01lyv",),
    "Disco": ("/m/026z9",),
    "Hip hop": ("/m/0glt670",),
    "Jazz": ("/m/03_d0",),
    "Heavy metal": ("/m/03lty",),
    "Pop": ("/m/064t9",),
    "Reggae": ("/m/06cqb",),
    "Rock": ("/m/06by7",),
    "Electronic": ("/m/02lkt",),
    "Folk": ("/m/02w4v",),
    "Funk": ("/m/02x8m",),
    "Soul/R&B": ("/m/0gywn", "/m/06j6l"),
    "Ska": ("/m/06rqw",),
}
"""The default choice of fifteen genres, with the identifiers of their classes (soul and rhythm and blues are one)."""

SECONDS = 10
"""Largest number of embeddings of a clip."""

_EMBEDDING = 128  # numbers a second
_MAX_RECORD = 2**20  # bytes; a real one has about 1,500
_LABELS = "class_labels_indices.csv"
_INSTRUCTIONS = (
    "Get features.tar.gz and class_labels_indices.csv from https://research.google.com/audioset/download.html, unpack "
    "the first and put the second beside it"
)


@DATASETS.register(
    "audioset",
    summary="VGGish embeddings of AudioSet clips with one music genre, from TensorFlow records or an .npz file",
    reference="J. F. Gemmeke et al., Audio Set: An ontology and human-labeled dataset for audio events, ICASSP 2017",
    licence="CC BY 4.0",
    detects=lambda path: 2 * holds_mostly(path, ".tfrecord"),
)
def load_audioset(
    path: str | Path,
    *,
    genres: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    labels: str | Path | None = None,
    min_songs: int = 2,
    strict: bool = False,
) -> SongSet:
    """Loads AudioSet's embeddings of clips that have exactly one of the chosen genres.

    Load ``bal_train`` or ``eval`` separately instead of the folder above both, so that the evaluation clips stay
    separate. The artists are unknown, so a split of the clips is random.

    Args:
        path: A ``.tfrecord`` file, or a folder tree of them; or an ``.npz`` file with ``x``, ``y`` and ``class_names``
            (see `genrezoo.datasets.npz`; the other options do not apply).
        genres: Classes by their display names in AudioSet or by identifier; or for each genre a list of classes. The
            default is `GENRES`.
        labels: AudioSet's ``class_labels_indices.csv``; by default searched in the folder and those above it.
        min_songs: Genres with fewer clips are left out and counted; at least 2.
        strict: Stop at the first damaged file instead of rejecting it.

    Returns:
        The checked songs, ``(clips, 10, 128)`` with ``lengths`` in seconds; ids are the videos'. ``about`` holds the
        number of good ``files``, ``rejected`` (each bad file with its reason) and ``left_out`` (how many clips, and
        why).

    Raises:
        DataError: There are no records, no table of classes, or fewer than two genres; with ``strict`` also for a
            damaged file.
        SettingsError: A genre is not a class of AudioSet, or one class belongs to two genres.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "clips.npz"
        >>> np.savez(path, x=np.zeros((4, 10, 128), np.uint8), y=[0, 1, 0, 1], class_names=["Blues", "Ska"])
        >>> load_audioset(path)
        SongSet('clips': 4 songs x 10 segments x 128 features, 2 genres, no split)
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        if genres is not None or labels is not None or min_songs != 2 or strict:
            raise SettingsError("an .npz file already has its songs; leave out genres, labels, min_songs and strict")
        ready: SongSet = load_npz(path)
        return ready
    if min_songs < 2:
        raise SettingsError(f"min_songs must be at least 2, got {min_songs}: a genre of one clip cannot be split")
    files = [path] if path.is_file() else [file for file in walk_files(path) if file.suffix == ".tfrecord"]
    if not files:
        raise DataError("contains no .tfrecord files", path=path, remedy=_INSTRUCTIONS)
    table = Path(labels) if labels is not None else _find_labels(path)
    names, genre_of = _choose(table, GENRES if genres is None else genres)

    clips: dict[str, tuple[int, np.ndarray]] = {}
    rejected: dict[str, str] = {}
    left_out = Counter({"none of the genres": 0, "several of the genres": 0, "duplicate clip": 0})
    for file in files:
        try:
            read = list(_read_clips(file, genre_of))
        except DataError as error:
            if strict:
                raise
            place = f"{error.where}: " if error.where else ""
            rejected[file.name if file == path else file.relative_to(path).as_posix()] = f"{place}{error.what}"
            continue
        for video, chosen, x in read:
            if len(chosen) != 1:
                left_out["several of the genres" if chosen else "none of the genres"] += 1
            elif clips.setdefault(video, (chosen.pop(), x))[1] is not x:
                left_out["duplicate clip"] += 1
    count = Counter(genre for genre, _ in clips.values())
    kept = [genre for genre in range(len(names)) if count[genre] >= min_songs]
    if len(kept) < 2:
        told = ", ".join(f"{names[genre]} {number}" for genre, number in sorted(count.items())) or "none"
        what = f"fewer than two genres have {min_songs} clips in {len(files) - len(rejected)} good files: {told}"
        reason = f"; {len(rejected)} were rejected, the first: {next(iter(rejected.values()))}" if rejected else ""
        raise DataError(what + reason, path=path, remedy="choose other genres or more files")
    left_out[f"genre of fewer than {min_songs} clips"] = len(clips) - sum(count[genre] for genre in kept)
    chosen_clips = {video: clip for video, clip in clips.items() if clip[0] in kept}
    x = np.zeros((len(chosen_clips), SECONDS, _EMBEDDING), np.float32)
    for song, (_, embedding) in enumerate(chosen_clips.values()):
        x[song, : len(embedding)] = embedding
    songs = SongSet(
        x=x,
        y=np.array([kept.index(genre) for genre, _ in chosen_clips.values()]),
        genres=tuple(names[genre] for genre in kept),
        lengths=np.array([len(embedding) for _, embedding in chosen_clips.values()]),
        ids=np.array(list(chosen_clips)),
        name="audioset",
        about={
            "feature_names": [f"vggish{number}" for number in range(_EMBEDDING)],
            "feature_groups": {},
            "units": {"vggish": "quantised principal component, 0 to 255"},
            "files": len(files) - len(rejected),
            "rejected": rejected,
            "left_out": dict(left_out),
        },
    )
    return songs.validate(path)


def _find_labels(path: Path) -> Path:
    """Finds the table of classes in the folder or in one of the three above it."""
    here = path.resolve()
    for folder in [here, *here.parents][:4]:
        if (folder / _LABELS).is_file():
            return folder / _LABELS
    raise DataError(
        f"there is no {_LABELS} in it or in the folders above it", path=path, remedy=f"pass labels=… . {_INSTRUCTIONS}"
    )


def _choose(table: Path, genres: Sequence[str] | Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], dict[int, int]]:
    """Returns the names of the genres, and the genre of each class by its number."""
    rows = read_table(table, required=("index", "mid", "display_name"))
    number_of: dict[str, int] = {}
    for row, (index, mid, name) in enumerate(zip(rows["index"], rows["mid"], rows["display_name"], strict=True), 2):
        if not re.fullmatch(r"\d{1,6}", index):
            raise DataError(
                f"{index!r} is not a number", path=table, where=f"row {row}", remedy="download the table again"
            )
        for key in (mid, name):
            if number_of.setdefault(key, int(index)) != int(index):
                raise DataError(f"{key!r} occurs twice", path=table, where=f"row {row}", remedy="download it again")
    if isinstance(genres, str):
        raise SettingsError(f"genres must be a list of names, got {genres!r}")
    classes = genres if isinstance(genres, Mapping) else {genre: (genre,) for genre in genres}
    genre_of: dict[int, int] = {}
    for position, (genre, members) in enumerate(classes.items()):
        for member in (members,) if isinstance(members, str) else members:
            if member not in number_of:
                raise SettingsError(f"{genre}: {member!r} is not a class in {table}; use e.g. 'Blues' or '/m/0155w'")
            if genre_of.setdefault(number_of[member], position) != position:
                raise SettingsError(f"the class {member!r} belongs to two genres; list it once")
    return tuple(classes), genre_of


def _read_clips(path: Path, genre_of: Mapping[int, int]) -> Iterator[tuple[str, set[int], np.ndarray]]:
    """Yields the video, the chosen genres and the embeddings ``(seconds, 128)`` of each clip in a file.

    Raises:
        DataError: The record framing is invalid, the file is damaged, or a record is not a clip.
    """
    n_records = _count_records(path)
    import tensorflow as tf  # here, because it takes seconds

    try:
        for place, record in enumerate(tf.data.TFRecordDataset(os.fspath(path)).as_numpy_iterator()):  # sums checked
            yield _parse(path, f"record {place} of {n_records}", tf.train.SequenceExample.FromString(record), genre_of)
    except (tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        raise DataError(
            "its checksums are wrong: the file is damaged", path=path, remedy="download it again"
        ) from error
    except tf.errors.OpError as error:
        raise DataError(f"cannot be read ({error.message})", path=path, remedy="check the path") from error
    except _decode_error() as error:
        raise DataError(
            "contains records that are not tf.train.Example", path=path, remedy="download it again"
        ) from error


def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    error: type[Exception] = DecodeError
    return error


def _count_records(path: Path) -> int:
    """Checks the framing record by record, so that a malicious length is never trusted; returns their number."""
    size = regular_size(path)
    place = number = 0
    with open_regular(path) as file:
        while place < size:
            file.seek(place)
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else _MAX_RECORD + 1
            place += 16 + length  # length and its sum, the record, its sum
            if length > _MAX_RECORD or place > size:
                what = "ends within a record, or is damaged" if number else "is not a file of TensorFlow records"
                raise DataError(what, path=path, where=f"record {number}", remedy="download it again")
            number += 1
    return number


def _parse(path: Path, where: str, example: Any, genre_of: Mapping[int, int]) -> tuple[str, set[int], np.ndarray]:
    context, lists = example.context.feature, example.feature_lists.feature_list
    missing = [name for name in ("video_id", "labels") if name not in context]
    missing += [name for name in ("audio_embedding",) if name not in lists]
    videos = [] if missing else list(context["video_id"].bytes_list.value)
    frames = [] if missing else [list(frame.bytes_list.value) for frame in lists["audio_embedding"].feature]
    if missing or len(videos) != 1 or not videos[0].isascii() or any(len(frame) != 1 for frame in frames):
        reason = f"no {missing[0]}" if missing else "not one video and one row per second"
        what = f"not a clip of AudioSet's embeddings ({reason})"
        raise DataError(what, path=path, where=where, remedy="download it again, or leave the file out")
    rows = [frame[0] for frame in frames]
    if not 1 <= len(rows) <= SECONDS or {len(row) for row in rows} != {_EMBEDDING}:
        what = f"{len(rows)} seconds of {sorted({len(row) for row in rows})} numbers, expected 1 to 10 of 128"
        raise DataError(what, path=path, where=where, remedy="download it again, or leave the file out")
    chosen = {genre_of[label] for label in context["labels"].int64_list.value if label in genre_of}
    return videos[0].decode(), chosen, np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), _EMBEDDING)
