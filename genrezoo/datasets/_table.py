"""Safe reading of untrusted CSV files: every cell as its literal text, or one clear error.

By default pandas turns the first column into an index if a row is too long, reads "NA" as missing and 007 as 7, unpacks
archives, and downloads URLs. Here a regular file is read as text, every row must have as many cells as the header, and
columns are converted to numbers one by one.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrezoo.archive import regular_size
from genrezoo.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 2**30
"""Largest size of a table, in bytes."""

MAX_COLUMNS = 5_000
"""Largest number of columns of a table."""


def read_table(
    path: str | Path,
    *,
    required: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    header: int = 1,
    max_bytes: int = MAX_BYTES,
) -> pd.DataFrame:
    r"""Reads a comma-separated UTF-8 file with a header; every cell is text, a blank one is ``""``.

    Args:
        path: A regular local file.
        required: Columns that must exist.
        columns: Columns to keep, which must exist; None for all.
        header: Number of header lines. With several, the name of a column is the text above it, joined by dots, e.g.
            ``track.genre_top``; repeated and blank parts are left out.
        max_bytes: Largest size of the file in bytes.

    Returns:
        The rows, with the columns in the order of ``columns`` or of the file.

    Raises:
        DataError: The file does not exist, is not regular, too large, not UTF-8 or has no rows; a row is longer or
            shorter than the header; a column has no name or a duplicate one; or a required column is missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "songs.csv"
        >>> _ = path.write_text("path,genre\n007.wav,NA\n")
        >>> read_table(path, required=("path", "genre")).to_dict("records")
        [{'path': '007.wav', 'genre': 'NA'}]
    """
    import pandas as pd  # here, because every list of data sets imports this file

    path = Path(path)
    size = regular_size(path)
    if size > max_bytes:
        raise DataError(
            f"has {size:,} bytes, the limit is {max_bytes:,}", path=path, remedy="split it into smaller files"
        )
    # by the standard library's reader: pandas fills a short row silently and takes names out of a long one
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            try:
                names = _names(path, [row for _, row in zip(range(header), reader, strict=False)], header)
                _check_present(path, names, (*required, *(columns or ())))
                keep = [names.index(name) for name in (columns or names)]
                rows = [[row[place] for place in keep] for row in _body(path, reader, len(names))]
            except csv.Error as error:
                where = f"line {reader.line_num}"
                raise DataError(
                    f"is not a CSV table ({error})", path=path, where=where, remedy="fix the file"
                ) from error
    except UnicodeDecodeError as error:
        where = f"line {_bad_line(path)}"
        raise DataError("is not UTF-8 text", path=path, where=where, remedy="save it as CSV UTF-8") from error
    if not rows:
        raise DataError("has a header but no rows", path=path, remedy="add at least one row")
    return pd.DataFrame(rows, columns=pd.Index(columns or names), dtype=str)


def to_numbers(table: pd.DataFrame, columns: Sequence[str], *, path: str | Path, header: int = 1) -> np.ndarray:
    """Converts the named columns to float64 numbers, ``(rows, columns)``.

    Raises:
        DataError: A cell is not a finite number; the message names row (as an editor counts) and column.
    """
    numbers = np.empty((len(table), len(columns)))
    for place, column in enumerate(columns):
        for row, cell in enumerate(table[column]):
            try:
                value = float(cell)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise DataError(
                    f"{cell!r} is not a finite number",
                    path=path,
                    where=f"row {row + header + 1}, column {column!r}",
                    remedy="fix the cell or remove the row",
                )
            numbers[row, place] = value
    return numbers


def _names(path: Path, rows: list[list[str]], lines: int) -> list[str]:
    """Returns the names of the columns from the header lines."""
    if len(rows) < lines or not any(rows):
        raise DataError("is empty" if not any(rows) else "has no header", path=path, remedy="add a header and rows")
    width = max(map(len, rows))
    if width > MAX_COLUMNS:
        raise DataError(f"has {width:,} columns, the limit is {MAX_COLUMNS:,}", path=path, remedy="use fewer columns")
    names = []
    for column in range(width):
        parts = [row[column].strip() if column < len(row) else "" for row in rows]
        names.append(".".join(dict.fromkeys(part for part in parts if part)))
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        where = f"header, column {names.index(name) + 1}"
        what = f"column {name!r} occurs {times} times" if name else f"{times} columns have no name"
        raise DataError(what, path=path, where=where, remedy="give each column a unique name")
    return names


def _check_present(path: Path, names: list[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            whole = len(names) == 1 and any(sign in names[0] for sign in ";\t|")
            told = f"{', '.join(names[:20])}{', …' if len(names) > 20 else ''}"
            what = f"no column {name!r}; it has {told}{'; use commas as separators' if whole else ''}"
            remedy = f"add the required columns {', '.join(dict.fromkeys(wanted))}"
            raise DataError(what, path=path, remedy=remedy)


def _body(path: Path, reader: Any, width: int) -> Iterator[list[str]]:
    """Yields the rows after the header, without blank lines."""
    for row in reader:
        if not row:
            continue
        if len(row) != width or any("\0" in cell for cell in row):
            what = f"{len(row)} cells, but the header has {width}"
            if len(row) == width:
                what = "a zero byte: not a text file"
            remedy = 'fix the row; a cell with a comma needs quotes: "a, b"'
            raise DataError(what, path=path, where=f"line {reader.line_num}", remedy=remedy)
        yield row


def _bad_line(path: Path) -> int:
    """Returns the number of the first line that is not UTF-8."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
