"""A folder of audio files: a sub-folder for each genre, or a table that says which file is what.

The way to train on music of one's own. Files are told by their content, not by their endings; those that cannot be used
are rejected one by one, with the reason, and stop nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from genrezoo.datasets._audio import (
    NOT_AUDIO,
    AudioFile,
    check_provenance,
    plain_name,
    songs_from_audio,
    spelt_out,
    walk_files,
)
from genrezoo.datasets._table import read_table
from genrezoo.errors import DataError
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet
from genrezoo.songs.columns import SIDES

if TYPE_CHECKING:
    from genrezoo.audio.settings import FeatureSettings


@DATASETS.register(
    "folder",
    summary="Audio files in a sub-folder for each genre, or named by a CSV table",
    reference="genrezoo.datasets.folder",
    licence="that of the music in it",
    detects=lambda path: path.is_dir() and any(inner.is_dir() for inner in path.glob("[!.]*")),
)
def load_folder(
    path: str | Path,
    *,
    features: str | Mapping[str, Any] | FeatureSettings = "log_mel",
    manifest: str | Path | None = None,
    name: str | None = None,
    provenance: str | None = None,
    cache: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    on_file: Callable[[Path, str | None], None] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> SongSet:
    """Songs from a folder of audio files.

    Without a manifest the first folder on the way to a file is its genre, whatever folders follow
    (``jazz/artist/album/song.flac``). Hidden files, files in no genre's folder and files that are known not to be audio
    (``.txt``, ``.csv``, ``.json``, ``.jpg``, …) are passed over.

    Args:
        path: The folder.
        features: Kind of features, e.g. ``"log_mel"`` (see `genrezoo.audio.settings.KINDS`), or a dict of settings with
            ``kind``, or a settings record.
        manifest: CSV table in place of the tree: the columns ``path`` (from the folder, or absolute) and ``genre``,
            and, if there are such, ``id``, ``artist`` (songs of one artist are a group, which no split tears apart; a
            song without one is a group of its own) and ``split`` (train, valid, test, or blank for none).
        name: What the set is called in tables; the folder's name if left out.
        provenance: Where the manifest's split comes from, one of `genrezoo.songs.PROVENANCES`; ``official`` if left
            out.
        cache: Folder of the feature cache; `genrezoo.environment.default_cache` if left out.
        workers: Files at a time, one process each; the number of cores if left out.
        scheduler: Address of a Dask scheduler whose workers compute the features, in place of this machine.
        strict: Stop at the first bad file.
        on_file: Called with each finished file and None, or why it was rejected.
        on_start: Called first, with the number of files.

    Returns:
        The checked songs, without a split unless the manifest has one. Ids are ``genre/file.ext`` (the path from the
        folder). ``about`` holds the feature settings, the number of good ``files``, and ``rejected``, ``warnings`` and
        ``passed_over``.

    Raises:
        DataError: No folder, fewer than two genres with good files (the reasons for the others are listed), a manifest
            that contradicts itself; with ``strict`` the first bad file.
        SettingsError: ``provenance`` without a split, or wrong feature settings.

    Example:
        >>> import tempfile
        >>> from genrezoo.datasets.synthetic_audio import render_audio
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = render_audio(folder / "synthetic_audio", seconds=1, n_genres=2, n_train=2, n_valid=2, n_test=2)
        >>> load_folder(folder / "synthetic_audio", cache=folder / "cache")
        SongSet('synthetic_audio_log_mel': 6 songs x 21 segments x 128 features, 2 genres, no split)
    """
    root = Path(path)
    rejected: dict[str, str] = {}
    about: dict[str, Any] = {}
    if manifest is None:
        files, rejected, about["passed_over"] = read_tree(root)
    else:
        files = _from_table(root, Path(manifest))
    has_split = any(file.split for file in files)
    return songs_from_audio(
        files,
        path=root,
        name=name or root.resolve().name,
        features=features,
        provenance=check_provenance(provenance, has_split=has_split, path=Path(manifest or root)),
        rejected=rejected,
        about=about,
        cache=cache,
        workers=workers,
        scheduler=scheduler,
        strict=strict,
        on_file=on_file,
        on_start=on_start,
    )


class Tree(NamedTuple):
    """What a folder of genres' folders holds.

    Attributes:
        files: The audio files with their genres, in sorted order; their ids are the paths from the folder.
        rejected: Files whose names cannot be ids, and why.
        passed_over: How many files are not audio by their endings, or in no genre's folder.
    """

    files: list[AudioFile]
    rejected: dict[str, str]
    passed_over: dict[str, int]


def read_tree(root: str | Path) -> Tree:
    """The audio files of a folder and their genres: the one rule for everything that labels files by their folders.

    The first folder below ``root`` is the genre, whatever folders follow. Files right in ``root`` have none: they are
    counted, not labelled.

    Args:
        root: The folder.

    Returns:
        The files, those with names that cannot be stored, and what was passed over; no audio is looked at.

    Raises:
        DataError: It is not a folder, has no audio files in genres' folders, or all of them lie deeper in one folder,
            which then seems to be the one to name; or its folders are the sides of a split.

    Example:
        >>> import tempfile
        >>> from genrezoo.files import write_atomic
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("jazz/artist/a.wav", "loose.wav", "rock/b.wav"):
        ...     _ = write_atomic(root / name, b"")
        >>> tree = read_tree(root)
        >>> [file.genre for file in tree.files], tree.passed_over
        (['jazz', 'rock'], {"in no genre's folder": 1})
    """
    root = Path(root)
    files, rejected, passed_over = [], {}, Counter[str]()
    for path in walk_files(root):
        parts = path.relative_to(root).parts
        if path.suffix.lower() in NOT_AUDIO:
            passed_over[path.suffix.lower()] += 1
        elif len(parts) < 2:
            passed_over["in no genre's folder"] += 1
        else:
            try:
                inside = [plain_name(part) for part in parts]
            except DataError as error:
                rejected[spelt_out(Path(*parts))] = str(error)
            else:
                files.append(AudioFile(path, id="/".join(inside), genre=inside[0]))
    if not files and not rejected:
        told = ", ".join(f"{number} x {kind}" for kind, number in passed_over.items()) or "nothing"
        raise DataError(f"contains no audio files in genre folders; it contains {told}", path=root, remedy=_LAYOUT)
    if len({file.genre for file in files}) == 1 and all(file.id.count("/") > 1 for file in files):
        remedy = f"pass {root / files[0].genre} if the folders in it are genres"
        raise DataError(f"all files are in {files[0].genre}/", path=root, remedy=remedy)
    sides = sorted({file.genre for file in files if file.genre.lower() in SIDES})
    if len(sides) > 1 or len(sides) == len({file.genre for file in files}) > 0:
        what = f"its folders {' and '.join(map(repr, sides))} are sides of a split, not genres"
        remedy = "pass a manifest (--manifest) with the columns path, genre and split, or pass the folder of one split"
        raise DataError(what, path=root, remedy=remedy)
    return Tree(files, rejected, dict(sorted(passed_over.items())))


_LAYOUT = "put the audio files of each genre into a folder named after it, or pass a manifest"


def _from_table(root: Path, manifest: Path) -> list[AudioFile]:
    """The files that a manifest names."""
    if not root.is_dir():
        raise DataError(
            "is not a folder", path=root, remedy="pass the folder that the manifest's paths are relative to"
        )
    table = read_table(manifest, required=("path", "genre"))
    files = []
    seen: dict[tuple[str, str], int] = {}
    for line, row in enumerate(table.to_dict("records"), start=2):

        def refuse(column: str, what: str, remedy: str, line: int = line) -> DataError:
            return DataError(what, path=manifest, where=f"row {line}, column {column!r}", remedy=remedy)

        for column in ("path", "genre"):
            if not row[column].strip():
                raise refuse(column, "is blank", "fill it in or remove the row")
        split = row.get("split", "").strip().lower()
        if split and split not in SIDES:
            raise refuse("split", f"{row['split']!r} is not a split", "use train, valid, test or nothing")
        file = AudioFile(
            path=root / row["path"],
            id=plain_name(row.get("id", "").strip() or Path(row["path"]).as_posix()),
            genre=plain_name(row["genre"].strip()),
            group=plain_name(row["artist"].strip()) or None if "artist" in row else None,
            split=SIDES.get(split),
        )
        for column, value in (("path", str(file.path)), ("id", file.id)):
            if (first := seen.setdefault((column, value), line)) != line:
                raise refuse(column, f"{value!r} is also in row {first}", "list each song once")
        files.append(file)
    return files
