"""Feature tables with one row per song and a column of labels: CSV files, or Parquet files with pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrezoo.archive import regular_size
from genrezoo.datasets._table import MAX_BYTES, read_table, to_numbers
from genrezoo.errors import DataError
from genrezoo.registry import DATASETS
from genrezoo.songs import SongSet
from genrezoo.songs.columns import GROUPS, IDS

if TYPE_CHECKING:
    import pandas as pd

LABELS = ("genre", "label", "class", "target")
"""Default columns of the labels; the first existing one is used."""

NAMES = (*IDS, "index", "unnamed: 0", "")
"""Default columns of the ids; the first existing one is used. A nameless one holds the index of a data frame."""

SPLIT = "split"
"""Default column of the splits."""

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

    Columns that are named like labels, ids, groups or splits (`LABELS`, `NAMES`, `genrezoo.songs.columns.GROUPS` and
    `SPLIT`, in small or capital letters) have that role if no other column is passed for it, and are never features
    unless ``features`` names them: a number of the row, the artist or a second label would give the genre away.

    Args:
        path: A CSV file (UTF-8, with a header) or a Parquet file, which needs pyarrow.
        label: Column of the labels; the default is the first existing one of `LABELS`.
        group: Column of groups that a split must not divide, such as artists.
        id: Column of the songs' ids.
        split: Column of the splits, ``train``, ``valid`` and ``test``; blank for none.
        features: Columns of the features; the default is all that are not named like another role.
        genres: As in `SongSet.from_frame`.
        provenance: As in `SongSet.from_frame`; the default for the column `SPLIT` is ``official``.
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
    taken = {label, group, id, split, *(features or ())}
    free = {str(column).strip().lower(): column for column in table.columns if column not in taken}
    label = label or _first(LABELS, free)
    if label is None:
        what = f"no column of labels; it has {', '.join(map(str, table.columns[:20]))}"
        raise DataError(what, path=path, remedy="pass its name: label=… (--set label=…)")
    group, id, split = group or _first(GROUPS, free), id or _first(NAMES, free), split or free.get(SPLIT)  # noqa: A001
    if provenance is None and str(split).lower() == SPLIT:
        provenance = "official"
    others = {label, group, id, split} | {free.get(name) for name in (*LABELS, *GROUPS, *NAMES, SPLIT)}
    chosen = [str(column) for column in table.columns if column not in others] if features is None else list(features)
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


def _first(names: Sequence[str], columns: Mapping[str, str]) -> str | None:
    """Returns the column with the first of these names that exists."""
    return next((columns[name] for name in names if name in columns), None)


def _check_numbers(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Rejects a text column with a message that says what to do."""
    for column in columns:
        if not any(_is_number(cell) for cell in table[column].head(100)):
            what, where = f"is not numeric ({table[column].iloc[0]!r}, …)", f"column {column!r}"
            remedy = (
                "pass the names of the features (features=[…]), or pass the column as label, group, id or split. If "
                "several rows belong to one recording, its name must be their group"
            )
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
