"""The table of a bulk prediction: one row per file, with a prediction or a reason, as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from genrezoo.errors import SettingsError, check_known
from genrezoo.files import checked_path, csv_text, json_text, write_atomic

FORMATS = (".parquet", ".csv")
FIXED = ("file", "genre", "seconds", "warnings", "reason")
"""Columns besides those of the genres."""

ROWS = 8192
"""Rows that are in memory at once, and in one row group of a Parquet file."""


class Row(NamedTuple):
    """The row of a file.

    Attributes:
        file: Its path; bytes that are not UTF-8 are escaped.
        genre: The most probable genre; None without a prediction.
        scores: Score of each genre, with six decimals; empty without a prediction.
        seconds: Seconds of audio that were read; None without a prediction.
        warnings: Unusual facts about the file.
        reason: Why there is no prediction; None if there is one.
    """

    file: str
    genre: str | None = None
    scores: tuple[float, ...] = ()
    seconds: float | None = None
    warnings: str = ""
    reason: str | None = None


def columns(genres: Sequence[str]) -> list[str]:
    """Returns the headings; a genre with the name of another column gets the prefix ``genre``.

    Example:
        >>> columns(["jazz", "file"])
        ['file', 'genre', 'jazz', 'genre file', 'seconds', 'warnings', 'reason']
    """
    return [*FIXED[:2], *(f"genre {name}" if name in FIXED else name for name in genres), *FIXED[2:]]


def check_table(path: str | Path) -> Path:
    """Checks that a table can be written, and returns its path.

    Args:
        path: The table.

    Raises:
        UnknownNameError: Its ending is none of `FORMATS`.
        SettingsError: PyArrow, which writes Parquet, is not installed.
    """
    path = checked_path(path)
    check_known("table format", [path.suffix.lower()], FORMATS)
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401  # only to see whether it is installed
        except ImportError as error:
            what = f"Parquet needs PyArrow ({error}): pip install 'genrezoo[parquet]', or write a .csv"
            raise SettingsError(what) from error
    return path


def write_table(path: Path, genres: Sequence[str], groups: Iterable[Sequence[Row]], about: dict[str, Any]) -> None:
    """Writes a table atomically, in constant memory.

    Args:
        path: A path that `check_table` has accepted.
        genres: Names of the genres.
        groups: The rows, in lists of some thousand.
        about: Facts about the predictions; stored under ``genrezoo`` in the metadata of a Parquet file.
    """
    write = _write_csv if path.suffix.lower() == ".csv" else _write_parquet
    write_atomic(path, lambda file: write(file, columns(genres), groups, about))


def _write_csv(file: BinaryIO, names: list[str], groups: Iterable[Sequence[Row]], about: dict[str, Any]) -> None:
    file.write(csv_text([names]).encode())
    empty = [""] * (len(names) - len(FIXED))
    for rows in groups:
        cells = (
            [row.file, row.genre, *(f"{score:.6f}" for score in row.scores), *([] if row.scores else empty)]
            + ["" if row.seconds is None else f"{row.seconds:.3f}", row.warnings, row.reason]
            for row in rows
        )
        file.write(csv_text(cells).encode())


def _write_parquet(file: BinaryIO, names: list[str], groups: Iterable[Sequence[Row]], about: dict[str, Any]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = {"file": pa.string(), "genre": pa.string(), "seconds": pa.float64()}
    types |= {"warnings": pa.string(), "reason": pa.string()}
    fields = [pa.field(name, types.get(name, pa.float32())) for name in names]
    schema = pa.schema(fields, metadata={"genrezoo": json_text(about)})
    width = len(names) - len(FIXED)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in groups:
            scores = [[row.scores[genre] if row.scores else None for row in rows] for genre in range(width)]
            fixed = {name: [getattr(row, name) for row in rows] for name in FIXED}
            values = [fixed["file"], fixed["genre"], *scores, *(fixed[name] for name in FIXED[2:])]
            arrays = [pa.array(column, field.type) for column, field in zip(values, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=ROWS)
