"""The feature table as a CSV file in the format of the well-known ``features_30_sec.csv``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Unpack

from genrezoo.audio.extract import Extraction, extract_files
from genrezoo.audio.table import FeatureTable
from genrezoo.errors import DataError
from genrezoo.files import csv_text, write_text


@dataclass(frozen=True)
class WrittenTable:
    """The result of writing the table.

    Attributes:
        rows: Number of rows written.
        rejected: Reasons why the other files have no row.
        warnings: Warnings about the files in the table.
    """

    rows: int
    rejected: Mapping[Path, str]
    warnings: Mapping[Path, tuple[str, ...]]


def write_feature_table(
    files: Mapping[Path, str],
    out: str | Path,
    *,
    settings: FeatureTable | None = None,
    **options: Unpack[Extraction],
) -> WrittenTable:
    """Writes one row per clip: name, length, the 57 feature columns and genre.

    A recording that is long enough for several windows has one row per window, ``NAME.0.wav``, ``NAME.1.wav``, …, as in
    the three-second table. Files with equal names, such as tracks of albums, are written with their path relative to
    the common folder, so that the name of every row is unique.

    Args:
        files: Audio files and their genres.
        out: CSV file to write atomically; nothing is written without rows.
        settings: Length of a window, rate and excerpt; the default is 30 seconds at 22,050 Hz.
        **options: Options of `genrezoo.audio.extract.extract_files`: ``cache``, ``workers``, ``scheduler``, ``strict``,
            ``on_file``, ``on_start``.

    Returns:
        The number of rows, and the rejected files. ``length`` counts samples at the settings' rate.

    Raises:
        DataError: ``out`` cannot be written, which is checked before anything is computed, or two rows would have the
            same name (``a.wav`` in several windows beside a file ``a.0.wav``); with ``strict`` also for the first bad
            file.
        SettingsError: The libraries that decode audio are missing.

    Example:
        >>> import tempfile
        >>> from genrezoo.datasets.synthetic_audio import render_audio
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = render_audio(folder / "music", n_train=2, n_valid=2, n_test=2, n_genres=2, seconds=2.0)
        >>> files = {path: path.parent.name for path in folder.rglob("*.wav")}
        >>> write_feature_table(files, folder / "features.csv", cache=folder / "cache").rows
        6

    Reference: document E, section Data Preparation.
    """
    settings, out = settings or FeatureTable(), Path(out)
    _check_target(out)
    names = _names(files)
    rejected = {path: _NAME for path, name in names.items() if not _is_text(name) or not _is_text(files[path])}
    if options.get("strict") and rejected:
        raise DataError(_NAME, path=next(iter(rejected)), remedy="rename it")
    nameable = [path for path in files if path not in rejected]
    found = extract_files(nameable, settings, **options)
    rows: list[list[object]] = [["filename", "length", *settings.names, "label"]]
    written: dict[str, Path] = {}
    for path in found.paths:
        features = found.features(path)
        for number, (row, start, end) in enumerate(zip(features.x, features.edges, features.edges[1:], strict=False)):
            name = names[path] if len(features.x) == 1 else _numbered(names[path], number)
            if name in written:
                raise DataError(
                    f"would have the same row name {name!r} as {written[name]}", path=path, remedy="rename one"
                )
            written[name] = path
            rows.append([name, round((end - start) * settings.rate), *row.tolist(), files[path]])
    if written:
        try:
            write_text(out, csv_text(rows))
        except OSError as error:
            raise DataError(f"cannot be written ({error.strerror})", path=out, remedy="use another file") from error
    return WrittenTable(rows=len(written), rejected={**rejected, **found.rejected}, warnings=found.warnings)


_NAME = "its name or genre is not UTF-8, the encoding of the table"


def _check_target(out: Path) -> None:
    """Rejects a path that cannot be written, before the work."""
    if out.exists() and not out.is_file():
        what = "is a folder, a file was expected" if out.is_dir() else "is not a regular file"
        raise DataError(what, path=out, remedy="use a file that ends in .csv")
    folder = next(folder for folder in out.absolute().parents if folder.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        what = "no permission" if folder.is_dir() else "a file, not a folder"
        raise DataError(f"cannot be written ({folder}: {what})", path=out, remedy="use another file")


def _names(files: Iterable[Path]) -> dict[Path, str]:
    """Returns the files' names in the table; equal names become paths relative to the common folder."""
    paths = {path: path.absolute() for path in files}
    if not paths:
        return {}
    root = os.path.commonpath([path.parent for path in paths.values()])
    times = Counter(path.name for path in paths)
    return {
        path: path.name if times[path.name] == 1 else whole.relative_to(root).as_posix()
        for path, whole in paths.items()
    }


def _numbered(name: str, number: int) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}.{number}{path.suffix}"))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
