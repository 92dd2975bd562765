"""The rows of a benchmark as a pandas data frame, for questions that the report does not ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrezoo.report.benchmark.results import read_folders

if TYPE_CHECKING:
    import pandas as pd

_WHOLE = ("settings", "pretrained", "difficulty", "weights")  # tables of their own, which stay in one column


def read_rows(folders: str | Path | Iterable[str | Path]) -> pd.DataFrame:
    """Reads the rows of benchmarks as a data frame: one row per cell, one column per value.

    Nested values have names with dots: ``test.accuracy``, ``valid.macro_f1``, ``latency_ms.p50``,
    ``environment.threads``. An interval has two columns, ``test.intervals.accuracy.low`` and ``….high``. ``settings``
    stays a dict, because each recipe has others. Columns that a row lacks hold NaN or None.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``. Of rows with the same kind and key the last
            counts, as in the report.

    Returns:
        One line a row in the order of the files, with ``folder`` and ``kind`` first: ``accuracy``, ``speed`` or
        ``passes``. Cells without a result have the ``status`` ``refused`` or ``failed`` and a ``reason``.

    Raises:
        DataError: A folder is missing or without rows, or a row is not what the benchmark writes.
    """
    import pandas as pd  # on first use: the package is imported without it

    rows, _, _ = read_folders(folders)
    return pd.DataFrame(
        [{"folder": str(folder), "kind": row.kind, **dict(_flat(row.to_plain()))} for row, folder in rows]
    )


def _flat(values: Mapping[str, Any], place: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        column = f"{place}{name}"
        if isinstance(value, Mapping) and column not in _WHOLE:
            yield from _flat(value, f"{column}.")
        elif place.endswith("intervals."):
            yield from zip((f"{column}.low", f"{column}.high"), value, strict=True)
        else:
            yield column, value
