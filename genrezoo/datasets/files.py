"""A list of audio files and their labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrezoo.datasets._audio import AudioFile, check_provenance, plain_name, songs_from_audio
from genrezoo.errors import DataError
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet
from genrezoo.songs.columns import SIDES

if TYPE_CHECKING:
    from genrezoo.audio.settings import FeatureSettings


@DATASETS.register(
    "files",
    summary="A list of audio files with their labels",
    reference="genrezoo.datasets.files",
    licence="that of the files",
)
def load_files(
    paths: Sequence[str | Path],
    labels: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    split: Sequence[str | None] | None = None,
    provenance: str | None = None,
    name: str = "files",
    features: str | Mapping[str, Any] | FeatureSettings = "log_mel",
    cache: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    on_file: Callable[[Path, str | None], None] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> SongSet:
    """Loads songs from audio files at any location, with the labels passed.

    Args:
        paths: The files; their paths are the songs' ids.
        labels: The genre of each.
        groups: Group of each file that a split must not divide (an artist), one name per file.
        split: For each file ``"train"``, ``"valid"``, ``"test"``, or blank for none.
        provenance: Provenance of the split, one of `genrezoo.songs.PROVENANCES`; the default is ``official``.
        name: Name of the set in tables, without the kind of its features.
        features: Kind of features or their settings, as in `genrezoo.datasets.folder.load_folder`.
        cache: As in `load_folder`, like the next five.
        workers: Number of files to process in parallel.
        scheduler: Address of a Dask scheduler whose workers compute the features.
        strict: Stop at the first bad file.
        on_file: Called with each finished file and None, or the reason if it was rejected.
        on_start: Called first, with the number of files.

    Returns:
        The checked songs; ``about["rejected"]`` lists the other files with the reasons.

    Raises:
        DataError: The lists differ in length, a file occurs twice, or fewer than two genres have good files; with
            ``strict`` also for the first bad file.

    Example:
        >>> load_files(["a.mp3", "b.mp3"], ["jazz"])
        Traceback (most recent call last):
        ...
        genrezoo.errors.DataError: labels: 1 for 2 files. Remedy: pass one per file.
    """
    columns: dict[str, Sequence[Any]] = {"labels": labels}
    columns |= {key: column for key, column in (("groups", groups), ("split", split)) if column is not None}
    for key, column in columns.items():
        if isinstance(column, str) or len(column) != len(paths):
            what = "a text" if isinstance(column, str) else f"{len(column)} for {len(paths)} files"
            raise DataError(what, where=key, remedy="pass one per file")
    files, rejected, seen = [], {}, set()
    for place, path in enumerate(map(Path, paths)):
        side = (split[place] if split is not None else None) or None
        if side is not None and side.lower() not in SIDES:
            remedy = "use train, valid, test, or leave it blank for none"
            raise DataError(f"{side!r} is not a split", where=f"split[{place}]", remedy=remedy)
        if path in seen:
            raise DataError("occurs twice", path=path, where=f"paths[{place}]", remedy="pass each file once")
        seen.add(path)
        try:
            files.append(
                AudioFile(
                    path,
                    id=plain_name(path.as_posix()),
                    genre=plain_name(str(labels[place])),
                    group=None if groups is None else plain_name(str(groups[place])),
                    split=None if side is None else SIDES[side.lower()],
                )
            )
        except DataError as error:
            rejected[str(place)] = str(error)
    return songs_from_audio(
        files, path=Path(name), name=name, features=features, rejected=rejected,
        provenance=check_provenance(provenance, has_split=split is not None, path=Path(name)),
        cache=cache, workers=workers, scheduler=scheduler, strict=strict, on_file=on_file, on_start=on_start,
    )  # fmt: skip
