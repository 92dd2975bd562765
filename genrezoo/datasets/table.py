"""Feature tables with one row per song and a column of labels: CSV files, or Parquet files with pyarrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrezoo.archive import regular_size
from genrezoo.datasets._table import MAX_BYTES, read_table, to_numbers
from genrezoo.errors import DataError
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet

if TYPE_CHECKING:
    import pandas as pd

LABELS = ("genre", "label", "class", "target")
"""Default columns of the labels; the first existing one is used."""

ENDINGS = (".csv", ".parquet")


@DATASETS.register(
    "table",
    summary="A CSV or Parquet file of features with one row per song and a column of labels",
    reference="genrezoo.datasets.table",
    licence="that of the songs",
    detects=lambda path: path.suffix.lower() in ENDINGS and path.is_file(),
)
def load_table(
    path: str | Path,
    *,
    label: str | None = None,
    group: str | None = None,
    id: str | None = None,  # noqa: A002  # as in SongSet.from_frame
    split: str | None = None,
    features: Sequence[str] | None = None,
    genres: Sequence[str] | None = None,
    provenance: str | None = None,
    name: str | None = None,
) -> SongSet:
    r"""Loads songs from a feature table.

    Args:
        path: A CSV file (UTF-8, with a header) or a Parquet file, which needs pyarrow.
        label: Column of the labels; the default is the first existing one of `LABELS`.
        group: As in `SongSet.from_frame`.
        id: As in `SongSet.from_frame`.
        split: As in `SongSet.from_frame`.
        features: As in `SongSet.from_frame`.
        genres: As in `SongSet.from_frame`.
        provenance: As in `SongSet.from_frame`.
        name: Name of the set in tables; the default is the file's name.

    Returns:
        The checked songs, one segment each.

    Raises:
        DataError: A column is missing, a cell is not a number (the message names row and column), or the songs cannot
            be trained on.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "songs.csv"
        >>> _ = path.write_text("file,tempo,genre\na,90,jazz\nb,120,blues\nc,95,jazz\nd,110,blues\n")
        >>> load_table(path, id="file").genres
        ('blues', 'jazz')
    """
    path = Path(path)
    parquet = path.suffix.lower() == ".parquet"
    table = _parquet(path) if parquet else read_table(path)
    if label is None:
        known = [column for column in table.columns if str(column).lower() in LABELS]
        label = min(known, key=lambda column: LABELS.index(column.lower()), default=None)
        if label is None:
            what = f"no column of labels; it has {', '.join(map(str, table.columns[:20]))}"
            raise DataError(what, path=path, remedy="pass its name: label=… (--set label=…)")
    roles = [column for column in (label, group, id, split) if column is not None]
    chosen = [str(column) for column in table.columns if column not in roles] if features is None else list(features)
    if not parquet:
        missing = [column for column in chosen if column not in table.columns]
        if not missing:  # from_frame names one that is
            _check_numbers(table, chosen, path)
            table[chosen] = to_numbers(table, chosen, path=path)
        for column in (column for column in (label, group, id) if column in table.columns):
            blank = [row for row, cell in enumerate(table[column]) if not cell.strip()]
            if blank:
                where = f"row {blank[0] + 2}, column {column!r}"
                raise DataError("the cell is blank", path=path, where=where, remedy="fill it in or remove the row")
    songs = SongSet.from_frame(
        table, label=label, group=group, id=id, split=split, features=chosen, genres=genres,
        provenance=provenance, name=name or path.stem,
    )  # fmt: skip
    return songs.validate(path)


def _check_numbers(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Rejects a text column with a message that says what to do."""
    for column in columns:
        if not any(_is_number(cell) for cell in table[column].head(100)):
            what, where = f"is not numeric ({table[column].iloc[0]!r}, …)", f"column {column!r}"
            remedy = "pass the names of the features (features=[…]), or pass the column as label, group, id or split"
            raise DataError(what, path=path, where=where, remedy=remedy)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    if regular_size(path) > MAX_BYTES:
        raise DataError(f"is larger than {MAX_BYTES:,} bytes", path=path, remedy="split it into smaller files")
    try:
        return pd.read_parquet(path, engine="pyarrow").reset_index(drop=True)
    except ImportError as error:
        remedy = "pip install 'genrezoo[parquet]', or save the table as CSV"
        raise DataError("reading Parquet files needs pyarrow", path=path, remedy=remedy) from error
    except Exception as error:  # pyarrow's own, many kinds
        remedy = "save it again, or as CSV"
        raise DataError(f"cannot be read as Parquet ({error})", path=path, remedy=remedy) from error
