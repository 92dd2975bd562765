"""The table of a bulk prediction: a row a file, whether it was answered or not, as CSV or Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from genrezoo.errors import SettingsError, check_known
from genrezoo.files import checked_path, csv_text, json_text, write_atomic

FORMATS = (".parquet", ".csv")
FIXED = ("file", "genre", "seconds", "warnings", "reason")
"""Columns beside the genres'."""

ROWS = 8192
"""Rows that are in memory together, and one row group of a Parquet file."""


class Row(NamedTuple):
    """What is known of a file.

    Attributes:
        file: Its path; bytes of it that are no UTF-8 are spelt out.
        genre: The most probable genre; None if it was not answered.
        scores: Of each genre, six decimals; empty if it was not answered.
        seconds: Seconds of audio that were read.
        warnings: What is unusual about it.
        reason: Why it was not answered.
    """

    file: str
    genre: str | None = None
    scores: tuple[float, ...] = ()
    seconds: float | None = None
    warnings: str = ""
    reason: str | None = None


def columns(genres: Sequence[str]) -> list[str]:
    """Headings: the genres are columns; one that is called like another column is told apart.

    Example:
        >>> columns(["jazz", "file"])
        ['file', 'genre', 'jazz', 'genre file', 'seconds', 'warnings', 'reason']
    """
    return [*FIXED[:2], *(f"genre {name}" if name in FIXED else name for name in genres), *FIXED[2:]]


def check_table(path: str | Path) -> Path:
    """The path of a table that can be written.

    Raises:
        UnknownNameError: Its ending is none of `FORMATS`.
        SettingsError: Parquet is written by PyArrow, which is not installed.
    """
    path = checked_path(path)
    check_known("table format", [path.suffix.lower()], FORMATS)
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401  # whether it is there
        except ImportError as error:
            what = f"Parquet needs PyArrow ({error}): pip install 'genrezoo[parquet]', or write a .csv"
            raise SettingsError(what) from error
    return path


def write_table(path: Path, genres: Sequence[str], groups: Iterable[Sequence[Row]], about: dict[str, Any]) -> None:
    """Writes a table whole or not at all, in constant memory.

    Args:
        path: A path that `check_table` has accepted.
        genres: Names of the scores.
        groups: The rows, in lists of some thousand.
        about: Where the answers come from; kept as metadata of a Parquet file, under ``genrezoo``.
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
