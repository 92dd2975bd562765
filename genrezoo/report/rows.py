"""Folders of results, read and checked: rows, suites, stored predictions and histories."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.errors import DataError
from genrezoo.evaluation import METRICS
from genrezoo.files import read_columns, read_json, read_json_lines, sha256_of

SCHEMA = 1
STATUSES = ("ok", "refused", "failed")
KINDS = ("accuracy", "speed", "passes")


@dataclass(frozen=True)
class Row:
    """One row, and the folder that its run lies in."""

    values: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True)
class Source:
    """One folder of results.

    Attributes:
        folder: As it was given.
        rows: Number of rows in its file, replaced ones included.
        sha256: Of ``rows.jsonl``.
        suite: The suite as run, or None without ``suite.json``.
    """

    folder: str
    rows: int
    sha256: str
    suite: Any


@dataclass(frozen=True)
class Predictions:
    """What one run answered to the test songs: ``ids (songs,)``, ``y (songs,)``, ``logits (songs, classes)``."""

    ids: np.ndarray
    y: np.ndarray
    logits: np.ndarray


def read_folders(folders: str | Path | Iterable[str | Path]) -> tuple[list[Row], list[Source], list[str]]:
    """Reads the rows of one or several folders of results.

    Args:
        folders: One or several folders written by ``genrezoo benchmark``. Of rows with the same kind and key the last
            counts; of the same row in two folders, that of the later folder.

    Returns:
        The rows that count in their first order, the folders, and notes on what was passed over.

    Raises:
        DataError: A folder is missing or without rows, or a row is not what the benchmark writes.
    """
    latest: dict[tuple[str, str], Row] = {}
    sources, notes, replaced, others = [], [], 0, 0
    for folder in as_paths(folders):
        path = folder / "rows.jsonl"
        if not path.is_file():
            raise DataError("has no rows.jsonl", path=folder, remedy="name a folder that genrezoo benchmark wrote")
        values = read_json_lines(path)
        lines = sum(bool(line.strip()) for line in path.read_text(encoding="utf-8", errors="replace").split("\n"))
        if not values:
            raise DataError(f"none of its {lines} lines is a row", path=path, remedy="run genrezoo benchmark again")
        if lines > len(values):
            notes.append(f"{lines - len(values)} torn lines of {path} were passed over.")
        for number, value in enumerate(values, 1):
            _check_row(value, path, number)
            if value["kind"] not in KINDS:
                others += 1
                continue
            name = (value["kind"], value["key"])
            replaced += name in latest
            latest[name] = Row(value, folder)
        suite = folder / "suite.json"
        sources.append(Source(str(folder), len(values), sha256_of(path), read_json(suite) if suite.is_file() else None))
    if not sources:
        raise DataError("no folder was given", remedy="name a folder that genrezoo benchmark wrote")
    if replaced:
        notes.append(f"{replaced} rows were replaced by later rows of the same cell.")
    if others:
        notes.append(f"{others} rows are of a kind that this report does not show.")
    return list(latest.values()), sources, notes


def as_paths(folders: str | Path | Iterable[str | Path]) -> list[Path]:
    """One folder or several as a list; a text is one folder, not an iterable of letters."""
    return [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]


def read_predictions(row: Row) -> Predictions:
    """The test predictions of a row's run, in the order of the songs' ids.

    Raises:
        DataError: The file is missing, broken, or does not give the accuracy that the row claims.
    """
    path = _run_file(row, "predictions.npz")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            ids, y, logits = (arrays[f"test_{name}"] for name in ("ids", "y", "logits"))
    except FileNotFoundError as error:
        raise DataError("is missing", path=path, remedy="run the cell again") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot be read ({error})", path=path, remedy="run the cell again") from error
    classes = len(row.values["genres"])
    if ids.ndim != 1 or y.shape != ids.shape or y.dtype.kind not in "iu" or logits.shape != (len(ids), classes):
        raise DataError(f"has logits of shape {logits.shape}", path=path, remedy="run the cell again")
    order = np.argsort(ids, kind="stable")
    claimed, found = row.values["test"]["accuracy"], float((logits.argmax(axis=1) == y).mean())
    if not math.isclose(claimed, found, abs_tol=1e-6):
        raise DataError(
            f"gives accuracy {found:.4f}, its row says {claimed:.4f}", path=path, remedy="run the cell again"
        )
    return Predictions(ids[order], y[order], logits[order])


def read_history(row: Row) -> dict[str, list[float]]:
    """The history of a row's run: one list a column, one value an epoch.

    Raises:
        DataError: The file is missing or not a table of numbers.
    """
    path = _run_file(row, "history.csv")
    history = read_columns(path)
    for name in ("epoch", "loss", "accuracy", "valid_loss", "valid_accuracy"):
        if not np.isfinite(history.get(name, [np.nan])).all():
            raise DataError(f"is not a history: no finite {name}", path=path, remedy="run the cell again")
    return history


def _check_row(row: Mapping[str, Any], path: Path, number: int) -> None:
    def refuse(what: str) -> None:
        raise DataError(what, path=path, where=f"row {number}", remedy="remove the line or run its cell again")

    if row.get("schema") != SCHEMA:
        refuse(f"schema is {row.get('schema')!r}, this version reads {SCHEMA}")
    for name in ("kind", "key", "recipe", "data", "checksum", "status"):
        if not isinstance(row.get(name), str):
            refuse(f"{name} is {row.get(name)!r}, a text was expected")
    if row["status"] not in STATUSES:
        refuse(f"status is {row['status']!r}, expected one of {', '.join(STATUSES)}")
    for name in ("environment", "sizes", "ceilings", "settings", "axes", "heads", "train"):
        if not isinstance(row.get(name), dict | None):
            refuse(f"{name} is {row[name]!r}, an object was expected")
    for name, value in {"duplicates": row.get("duplicates"), **(row.get("sizes") or {})}.items():
        if value is not None and not _is_number(value):
            refuse(f"{name} is {value!r}, a number was expected")
    shape = row.get("shape")
    if not (shape is None or (isinstance(shape, list) and len(shape) == 3 and all(map(_is_number, shape)))):
        refuse(f"shape is {shape!r}, height, width and channels were expected")
    if not all(isinstance(genre, str) for genre in row.get("genres") or []):
        refuse("genres are texts")
    for name in ("study", "label"):
        if not isinstance(row.get(name), str | None):
            refuse(f"{name} is {row[name]!r}, a text was expected")
    for head in row.get("heads") or {}:
        if not _is_number(_of(row, "heads", head, "valid")):
            refuse(f"heads.{head}.valid is {_of(row, 'heads', head, 'valid')!r}, a number was expected")
    if row["kind"] == "accuracy":
        for name in ("provenance", "family"):
            if not isinstance(row.get(name), str):
                refuse(f"{name} is {row.get(name)!r}: a figure without its {name} is not reported")
        if row["status"] == "ok":
            if not isinstance(row.get("seed"), int):
                refuse(f"seed is {row.get('seed')!r}, an integer was expected")
            if not isinstance(row.get("genres"), list) or not isinstance(row.get("run"), str):
                refuse("genres and run are needed")
            for side in ("test", "valid"):
                for metric in METRICS:
                    if not _is_number(_of(row, side, metric)):
                        refuse(f"{side}.{metric} is {_of(row, side, metric)!r}, a number was expected")
            for metric in METRICS:
                bounds = _of(row, "test", "intervals", metric)
                if not isinstance(bounds, list) or len(bounds) != 2 or not all(map(_is_number, bounds)):
                    refuse(f"test.intervals.{metric} is {bounds!r}, two numbers were expected")
    elif row["kind"] == "speed" and row["status"] == "ok":
        for name in ("p50", "p90", "p99"):
            value = _of(row, "latency_ms", name)
            if not _is_number(value) or value <= 0:
                refuse(f"latency_ms.{name} is {value!r}, a positive number was expected")
    elif row["kind"] == "passes" and row["status"] == "ok":
        for name in ("mean", "min", "max", "variance"):
            if not _is_number(_of(row, "seconds", name)):
                refuse(f"seconds.{name} is {_of(row, 'seconds', name)!r}, a number was expected")


def _of(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _run_file(row: Row, name: str) -> Path:
    run = row.folder / str(row.values["run"])
    if not run.resolve().is_relative_to(row.folder.resolve()):
        raise DataError("lies outside its folder of results", path=run, remedy="mend the row")
    return run / name
