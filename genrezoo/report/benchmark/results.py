"""Reading and checking folders of results: rows, suites, stored predictions and histories."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.errors import DataError, check_type
from genrezoo.files import existing_path, read_columns, read_json, sha256_of
from genrezoo.rows import FILE, AccuracyRow, Row, read_row_file
from genrezoo.runs import predictions


@dataclass(frozen=True)
class Source:
    """One folder of results.

    Attributes:
        folder: Its path, as it was passed.
        rows: Number of rows in its file, including replaced ones.
        sha256: sha256 of ``rows.jsonl``.
        suite: The suite that was run; None without ``suite.json``.
    """

    folder: str
    rows: int
    sha256: str
    suite: Any


@dataclass(frozen=True)
class Predictions:
    """Predictions of one run for the test songs: ``ids (songs,)``, ``y (songs,)``, ``logits (songs, classes)``."""

    ids: np.ndarray
    y: np.ndarray
    logits: np.ndarray


def read_folders(
    folders: str | Path | Iterable[str | Path],
) -> tuple[list[tuple[Row, Path]], list[Source], list[str]]:
    """Reads the rows of one or several folders of results.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``. Of rows with the same kind and key the last
            counts; of the same row in two folders, that of the later folder.

    Returns:
        The rows that count, in the order of their first occurrence, each with its folder; the folders; and notes on
        skipped rows.

    Raises:
        DataError: A folder is missing or without rows, or a row is not what the benchmark writes.
    """
    latest: dict[tuple[str, str, str], tuple[Row, Path]] = {}
    sources, notes, replaced, unknown = [], [], 0, 0
    for folder in as_paths(folders):
        path = folder / FILE
        if not path.is_file():
            raise DataError(f"has no {FILE}", path=folder, remedy="specify a folder that genrezoo benchmark wrote")
        found = read_row_file(path)
        if not found.rows and not found.unknown:
            raise DataError(
                f"none of its {found.torn} lines is a row", path=path, remedy="run genrezoo benchmark again"
            )
        if found.torn:
            notes.append(f"Torn lines of {path} that were skipped: {found.torn}.")
        for row in found.rows:
            replaced += row.identity in latest
            latest[row.identity] = (row, folder)
        unknown += found.unknown
        suite = read_json(folder / "suite.json") if (folder / "suite.json").is_file() else None
        sources.append(Source(str(folder), len(found.rows) + found.unknown, sha256_of(path), suite))
    if not sources:
        raise DataError("no folder was passed", remedy="specify a folder that genrezoo benchmark wrote")
    if replaced:
        notes.append(f"Rows that were replaced by later rows of the same cell: {replaced}.")
    if unknown:
        notes.append(f"Rows of a kind that this report does not show: {unknown}.")
    return list(latest.values()), sources, notes


def as_paths(folders: str | Path | Iterable[str | Path]) -> list[Path]:
    """Returns one or several folders as a list; a text is one folder.

    Args:
        folders: One or several folders.

    Raises:
        DataError: A folder does not exist.
        SettingsError: It is something else.
    """
    check_type("folders", folders, (str, Path, Iterable), "a folder or several")
    return [existing_path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders)]


def read_predictions(row: AccuracyRow, folder: Path) -> Predictions:
    """Reads the test predictions of a row's run, in the order of the songs' ids.

    Args:
        row: The row.
        folder: Its folder of results.

    Raises:
        DataError: The file is missing or damaged, or its accuracy differs from the row.
    """
    path = _run_file(row, folder, predictions.FILE)
    found = predictions.read_predictions(path.parent, "test", len(row.genres))
    ids, y, logits = (found[name] for name in ("ids", "y", "logits"))
    order = np.argsort(ids, kind="stable")
    accuracy = float((logits.argmax(axis=1) == y).mean())
    if not math.isclose(row.test.accuracy, accuracy, abs_tol=1e-6):
        raise DataError(
            f"has accuracy {accuracy:.4f}, its row {row.test.accuracy:.4f}", path=path, remedy="run the cell again"
        )
    return Predictions(ids[order], y[order], logits[order])


def read_history(row: AccuracyRow, folder: Path) -> dict[str, list[float]]:
    """Reads the history of a row's run: one list per column, with one value per epoch.

    Args:
        row: The row.
        folder: Its folder of results.

    Raises:
        DataError: The file is missing or not a table of numbers.
    """
    path = _run_file(row, folder, "history.csv")
    history = read_columns(path)
    for name in ("epoch", "loss", "accuracy", "valid_loss", "valid_accuracy"):
        if not np.isfinite(history.get(name, [np.nan])).all():
            raise DataError(f"is not a history: no finite {name}", path=path, remedy="run the cell again")
    return history


def _run_file(row: AccuracyRow, folder: Path, name: str) -> Path:
    run = folder / row.run
    if not run.resolve().is_relative_to(folder.resolve()):
        raise DataError("lies outside its folder of results", path=run, remedy="fix `run` in the row")
    return run / name
