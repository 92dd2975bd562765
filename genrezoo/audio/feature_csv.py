"""The table of features as a file: the form of the well-known ``features_30_sec.csv``, which it can replace."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from genrezoo.audio.extract import extract_files
from genrezoo.audio.table import FeatureTable
from genrezoo.files import write_text


@dataclass(frozen=True)
class WrittenTable:
    """What became of the files.

    Attributes:
        rows: Rows written.
        rejected: Why each of the other files has none.
        warnings: What was odd about files that have one.
    """

    rows: int
    rejected: Mapping[Path, str]
    warnings: Mapping[Path, tuple[str, ...]]


def write_feature_table(
    files: Mapping[Path, str],
    out: str | Path,
    *,
    settings: FeatureTable | None = None,
    workers: int | None = None,
    cache: str | Path | None = None,
    strict: bool = False,
    on_file: Callable[[Path, str | None], None] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> WrittenTable:
    """Writes the 57 columns of each clip, between its name and length and its genre.

    A recording that is long enough for several windows has a row for each, ``NAME.0.wav``, ``NAME.1.wav``, …, as the
    three-second table has them.

    Args:
        files: Sound files and their genres.
        out: CSV file to write, whole or not at all.
        settings: Length of a window, rate and excerpt; 30 seconds at 22,050 Hz if left out.
        workers: Child processes at a time; the number of cores if left out.
        cache: Folder of the features' cache.
        strict: Stop at the first bad file.
        on_file: Called with each finished file and None, or why it was rejected.
        on_start: Called first, with the number of files.

    Returns:
        How many rows were written, and what was rejected. ``length`` counts samples at the settings' rate.

    Raises:
        DataError: With ``strict`` the first bad file.
        SettingsError: The libraries that decode sound are missing.

    Example:
        >>> import tempfile
        >>> from genrezoo.datasets.tones import render_tones
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = render_tones(folder / "music", n_train=2, n_valid=2, n_test=2, n_genres=2, seconds=2.0)
        >>> files = {path: path.parent.name for path in folder.rglob("*.wav")}
        >>> write_feature_table(files, folder / "features.csv", cache=folder / "cache").rows
        6

    Reference: document E, section Data Preparation.
    """
    settings = settings or FeatureTable()
    found = extract_files(
        files, settings, cache=cache, workers=workers, strict=strict, on_file=on_file, on_start=on_start
    )
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["filename", "length", *settings.names, "label"])
    rows = 0
    for path in found.paths:
        features = found.features(path)
        for number, (row, start, end) in enumerate(zip(features.x, features.edges, features.edges[1:], strict=False)):
            name = path.name if len(features.x) == 1 else f"{path.stem}.{number}{path.suffix}"
            writer.writerow([name, round((end - start) * settings.rate), *map(repr, row.tolist()), files[path]])
            rows += 1
    write_text(out, buffer.getvalue())
    return WrittenTable(rows=rows, rejected=found.rejected, warnings=found.warnings)
