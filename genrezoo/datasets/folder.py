"""A folder of audio files, with a sub-folder per genre or a CSV table of genres.

Use it to train on your own music. Files are identified by their content, not by their extensions; unusable files are
rejected individually, with the reason, and do not stop the loading.
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
    summary="Audio files in one sub-folder per genre, or listed in a CSV table",
    reference="genrezoo.datasets.folder",
    licence="that of the recordings",
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
    """Loads songs from a folder of audio files.

    Without a manifest the first folder in a file's path is its genre, regardless of deeper folders
    (``jazz/artist/album/song.flac``). Hidden files, files outside genre folders and files that are known not to be
    audio (``.txt``, ``.csv``, ``.json``, ``.jpg``, …) are skipped.

    Args:
        path: The folder.
        features: Kind of features, e.g. ``"log_mel"`` (see `genrezoo.audio.settings.KINDS`), or a dict of settings with
            ``kind``, or a settings record.
        manifest: CSV table that replaces the genre folders, with the columns ``path`` (relative to the folder, or
            absolute) and ``genre``, and optionally ``id``, ``artist`` (songs of one artist form a group that splits do
            not divide; a song without one is a separate group) and ``split`` (train, valid, test, or blank for none).
        name: Name of the set in tables; the default is the folder's name.
        provenance: Provenance of the manifest's split, one of `genrezoo.songs.PROVENANCES`; the default is
            ``official``.
        cache: Folder of the feature cache; the default is `genrezoo.environment.default_cache`.
        workers: Number of files to process in parallel, one process each; the default is the number of cores.
        scheduler: Address of a Dask scheduler whose workers compute the features, in place of this machine.
        strict: Stop at the first bad file.
        on_file: Called with each finished file and None, or the reason if it was rejected.
        on_start: Called first, with the number of files.

    Returns:
        The checked songs, without a split unless the manifest has one. Ids are paths relative to the folder,
        ``genre/file.ext``. ``about`` holds the feature settings, the number of good ``files``, and ``rejected``,
        ``warnings`` and ``passed_over``.

    Raises:
        DataError: The folder does not exist, fewer than two genres have good files (the message lists why others were
            rejected), or the manifest is inconsistent; with ``strict`` also for the first bad file.
        SettingsError: ``provenance`` is passed without a split, or the feature settings are wrong.

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
    """The content of a folder of genre folders.

    Attributes:
        files: The audio files with their genres, in sorted order; their ids are paths relative to the folder.
        rejected: Files whose names cannot be ids, with the reason.
        passed_over: Number of files without an audio extension or outside genre folders.
    """

    files: list[AudioFile]
    rejected: dict[str, str]
    passed_over: dict[str, int]


def read_tree(root: str | Path) -> Tree:
    """Lists the audio files of a folder and their genres; all loaders that label files by folders use this rule.

    The first folder below ``root`` is the genre, regardless of deeper folders. Files directly in ``root`` have none;
    they are counted, not labelled.

    Args:
        root: The folder.

    Returns:
        The files, those with names that cannot be stored, and the number of skipped files; no audio is read.

    Raises:
        DataError: It is not a folder, has no audio files in genre folders, has all of them in one folder, which is
            probably the one to pass, or its folders are splits.

    Example:
        >>> import tempfile
        >>> from genrezoo.files import write_atomic
        >>> root = Path(tempfile.mkdtemp())
        >>> for name in ("jazz/artist/a.wav", "loose.wav", "rock/b.wav"):
        ...     _ = write_atomic(root / name, b"")
        >>> tree = read_tree(root)
        >>> [file.genre for file in tree.files], tree.passed_over
        (['jazz', 'rock'], {'outside genre folders': 1})
    """
    root = Path(root)
    files, rejected, passed_over = [], {}, Counter[str]()
    for path in walk_files(root):
        parts = path.relative_to(root).parts
        if path.suffix.lower() in NOT_AUDIO:
            passed_over[path.suffix.lower()] += 1
        elif len(parts) < 2:
            passed_over["outside genre folders"] += 1
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
        what = f"its folders {' and '.join(map(repr, sides))} are splits, not genres"
        remedy = "pass a manifest (--manifest) with the columns path, genre and split, or pass the folder of one split"
        raise DataError(what, path=root, remedy=remedy)
    return Tree(files, rejected, dict(sorted(passed_over.items())))


_LAYOUT = "put the audio files of each genre into a folder named after it, or pass a manifest"


def _from_table(root: Path, manifest: Path) -> list[AudioFile]:
    """Returns the files listed in a manifest."""
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
            raise refuse("split", f"{row['split']!r} is not a split", "use train, valid, test, or leave the cell blank")
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
