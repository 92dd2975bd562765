"""Predictions for any number of audio files as one table.

The table is made of shards, so that an interrupted command continues and memory does not grow with the number of files.

Beside the table ``answers.parquet`` is the folder ``answers.parquet.parts`` until the table is complete. It contains
``files.txt``, the list of files with one JSON line each; ``manifest.json``, the model and its options; and the shards,
e.g. ``000000032-000000064.json`` with the rows of these files of the list. A shard is written when all of its files are
predicted, and it is not computed again.

A worker process opens the model, predicts the files of one shard, and ends. A shard takes about `SHARD_SECONDS`: the
start of a process is then a small fraction of its work, and an interruption costs no more. A prediction depends on its
file alone, so the table is the same however often the command was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from genrezoo import files, parallel
from genrezoo.audio.extract import extract_file
from genrezoo.datasets._audio import spelt_out
from genrezoo.environment import AUDIO_PACKAGES, keras_backend, versions
from genrezoo.errors import DataError, differences
from genrezoo.exported import Exported
from genrezoo.predict.audio import answering, open_model
from genrezoo.predict.audio_files import iterate_audio
from genrezoo.predict.table import ROWS, Row, check_table, write_table
from genrezoo.reading import Answering
from genrezoo.weights import WEIGHTS

SHARD_SECONDS = 5
SHARD_FILES = (16, 1024)
"""Seconds that a shard should take, and its least and largest number of files; the first shards have the least."""

MANIFEST, LIST = "manifest.json", "files.txt"

_PRELOAD = ("genrezoo.predict.bulk", "genrezoo.audio.decode", "scipy.fft", "soundfile")
_PRELOAD_KERAS = ("keras", "genrezoo.runs")
"""Modules that are imported once for all workers. ONNX Runtime takes 20 ms and is not one of them: it starts a thread,
and then workers could not be forked."""

Task = tuple[int, str, str | None]
"""A file: its number in the list, its path, and the reason if it is already known that it has no prediction."""


@dataclass(frozen=True)
class Answered:
    """The numbers of a complete table.

    Attributes:
        files: Number of rows.
        rejected: Number of rows with a reason instead of a prediction.
        seconds: Seconds of audio that were read.
    """

    files: int
    rejected: int
    seconds: float


def predict_table(
    model: Answering | str | Path,
    paths: str | Path | Iterable[str | Path],
    *,
    out: str | Path,
    rule: str | None = None,
    window: float | None = None,
    hop: float | None = None,
    excerpt: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    on_files: Callable[[int, int, int], None] | None = None,
) -> Answered:
    """Predicts the genre of any number of audio files and writes a table with one row per file.

    The predictions are those of `predict_audio` for whole recordings. After an interruption, call it again with the
    same arguments: the first call lists the files, and later calls skip the files of finished shards. Memory does not
    grow with the number of files, and features are not cached.

    The columns are ``file``, ``genre``, one per genre (of a tagger: per tag) with its score, ``seconds``, ``warnings``
    and ``reason``, why a file has no prediction.

    Args:
        model: As in `predict_audio`.
        paths: As in `predict_audio`.
        out: The table, ``.parquet`` (needs the extra ``parquet``) or ``.csv``; it must not exist.
        rule: As in `predict_audio`.
        window: As in `predict_audio`.
        hop: As in `predict_audio`.
        excerpt: As in `predict_audio`.
        workers: Processes with one thread each; one a core if left out.
        scheduler: Address of a Dask scheduler whose workers predict instead of this machine; the workers must see the
            files and the model under the same paths.
        on_files: Called at the start and after each shard, with the number of finished files, of all files, and of
            those that this call has rejected.

    Returns:
        The numbers of files and of seconds.

    Raises:
        DataError: As `predict_audio`; no paths are passed; the table exists; or its unfinished part belongs to another
            command or is damaged.
        SettingsError: As `predict_audio`; PyArrow is missing; or both ``workers`` and ``scheduler`` are passed.
        ResourceError: The disk is full, or no worker of the cluster sees the files and the model; call again to
            continue.
        UnknownNameError: The table has another ending.

    Example:
        >>> predict_table("run", "music", out="answers.xlsx")
        Traceback (most recent call last):
            ...
        genrezoo.errors.UnknownNameError: unknown table format '.xlsx'. Known: .csv, .parquet.
    """
    out = check_table(out)
    parallel.check_place(workers, scheduler)
    opened = open_model(model) if isinstance(model, str | Path) else model
    options: dict[str, Any] = {"rule": rule, "window": window, "hop": hop, "excerpt": excerpt}
    settings, _ = answering(opened, **options)
    settings.prepare()
    place = str(Path(opened.where).absolute()) if os.path.exists(opened.where) else opened.where
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise DataError("no paths were passed", remedy="pass audio files, folders of them, or shell patterns")
    record = {
        "model": opened.reading.name,
        "digest": _digest(opened),
        "options": options,
        "files": [spelt_out(Path(path).absolute()) for path in given],
        "versions": versions((*AUDIO_PACKAGES, "keras", keras_backend(), "onnxruntime")),
    }
    parts = out.with_name(f"{out.name}.parts")
    if os.path.lexists(out) and not os.path.exists(parts / MANIFEST):
        raise DataError("already exists", path=out, remedy="use another file, or delete it")
    with files.lock_folder(parts):
        files.drop_parts(parts)
        manifest = _begin(parts, record, given)
        if manifest["done"] is None or not os.path.exists(out):
            keras = () if isinstance(opened, Exported) else _PRELOAD_KERAS
            preload = (*_PRELOAD, *keras, *settings.preload)
            order = {"model": place, "options": options, "folder": os.getcwd(), "elsewhere": scheduler is not None}
            reads = [Path(manifest["root"]), *([Path(place)] if os.path.exists(place) else [])]
            with parallel.make_executor(workers, scheduler, preload=preload) as executor:
                _answer_all(parts, manifest, executor, order, reads, on_files)
            found = _merge(parts, manifest, opened.reading.genres, out, record)
            manifest["done"] = asdict(found)
            files.write_json(parts / MANIFEST, manifest)
        _remove(parts)
    return Answered(**manifest["done"])


def answer_files(tasks: Sequence[Sequence[Any]], order: Mapping[str, Any]) -> dict[str, Any]:
    """Predicts files in a worker process.

    Args:
        tasks: The files, as `Task`.
        order: The model, its options, the folder that paths are relative to, and whether that is on another machine.

    Returns:
        The rows without the names of the files, and the seconds that they took, as plain data.
    """
    settings, answer = answering(open_model(order["model"]), **order["options"])
    begin, rows = time.monotonic(), []
    for _, name, reason in tasks:
        place = os.path.join(order["folder"], name)
        if reason is None and order["elsewhere"] and not os.path.lexists(place):
            reason = f"the worker on {platform.node()} does not see it; use a folder that all machines see"
        if reason is None:
            try:
                features, warnings = extract_file(place, settings)
                found = answer(features)
            except DataError as error:
                reason = error.reason
            else:
                scores = [round(float(score), 6) for score in found.probabilities]
                remarks = spelt_out("; ".join((*warnings, *found.warnings)))
                rows.append([found.genre, scores, round(found.seconds, 3), remarks, None])
                continue
        rows.append([None, [], None, "", spelt_out(reason)])
    return {"rows": rows, "seconds": time.monotonic() - begin}


def _digest(model: Answering) -> str:
    """Returns the sha256 of an exported file, of a run's card, or of published weights, which identifies the model."""
    if os.path.isdir(model.where):
        return files.sha256_of(Path(model.where) / "card.json")
    if os.path.isfile(model.where):
        return files.sha256_of(model.where)
    entry = WEIGHTS.get(model.where)
    return str(entry.weights_sha256 or entry.source)


# ----- the folder of an unfinished table


def _begin(parts: Path, record: dict[str, Any], paths: Sequence[str | Path]) -> dict[str, Any]:
    """Returns the manifest of an interrupted call with the same arguments, or a new one with a list of files."""
    path = parts / MANIFEST
    if not os.path.exists(path):
        manifest = {"asked": record, **_write_list(parts / LIST, paths), "done": None}
        files.write_json(path, manifest)
        return manifest
    known = files.read_json(path)
    remedy = "repeat that command, use another file, or delete the folder"
    if not isinstance(known, dict) or set(known) != {"asked", "files", "sha256", "root", "done"}:
        raise DataError("is not the manifest of a table", path=path, remedy="delete its folder")
    if different := differences(known["asked"], json.loads(files.json_text(record))):
        raise DataError(f"belongs to another command ({different[0]})", path=parts, remedy=remedy)
    if known["done"] is None and files.sha256_of(parts / LIST) != known["sha256"]:
        raise DataError("was changed", path=parts / LIST, remedy="delete its folder")
    return known


def _write_list(path: Path, paths: Sequence[str | Path]) -> dict[str, Any]:
    """Writes the list of files; returns their number, the list's sha256, and their lowest common folder that exists."""
    digest, number, root = hashlib.sha256(), 0, ""

    def write(file: BinaryIO) -> None:
        nonlocal number, root
        for found, reason in iterate_audio(paths):
            line = f"{json.dumps([str(found), reason])}\n".encode()
            digest.update(line)
            file.write(line)
            number += 1
            folder = str(found.absolute().parent)
            root = os.path.commonpath([root, folder]) if root else folder

    files.write_atomic(path, write)
    while not os.path.isdir(root):  # none of the files may exist
        root = os.path.dirname(root)
    return {"files": number, "sha256": digest.hexdigest(), "root": root}


def _tasks(path: Path) -> Iterator[Task]:
    """Yields the files of the list, which is read line by line."""
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            yield (number, *json.loads(line))


def _shards(parts: Path) -> list[tuple[range, Path]]:
    """Returns the finished shards, each with the numbers of its files."""
    found = sorted(parts.glob("[0-9]*-[0-9]*.json"))
    return [(range(*map(int, path.stem.split("-"))), path) for path in found]


def _shard_size(pace: float | None) -> int:
    """Returns the number of files of the next shard.

    Args:
        pace: Seconds per file so far; None before the first shard.

    Example:
        >>> _shard_size(None), _shard_size(0.1), _shard_size(60), _shard_size(0.0001)
        (16, 50, 16, 1024)
    """
    least, most = SHARD_FILES
    return least if pace is None else min(max(round(SHARD_SECONDS / max(pace, 1e-6)), least), most)


def _answer_all(
    parts: Path,
    manifest: Mapping[str, Any],
    executor: parallel.CallExecutor,
    order: Mapping[str, Any],
    reads: Sequence[Path],
    on_files: Callable[[int, int, int], None] | None,
) -> None:
    """Predicts the files that are in no shard, and writes each shard when it is complete."""
    total, rejected = int(manifest["files"]), 0
    there = [numbers for numbers, _ in _shards(parts)]
    done = sum(map(len, there))
    if on_files:
        on_files(done, total, rejected)
    pace: float | None = None
    rows: dict[range, dict[int, list[Any]]] = {}  # of unfinished shards

    def missing() -> Iterator[list[Task]]:
        """Yields the files between the finished shards, in shards."""
        tasks, position = _tasks(parts / LIST), 0
        for stop, after in [(numbers.start, numbers.stop) for numbers in there] + [(total, total)]:
            while position < stop:
                shard = list(islice(tasks, min(_shard_size(pace), stop - position)))
                rows[range(position, position + len(shard))] = {}
                position += len(shard)
                yield shard
            position += sum(1 for _ in islice(tasks, after - stop))

    for tasks, found in parallel.in_chunks(executor, answer_files, missing(), order, reads=reads):
        if isinstance(found, parallel.ChildError):
            found = {"rows": [[None, [], None, "", f"its prediction failed: {found}"]], "seconds": None}
        elif found["seconds"]:
            pace = found["seconds"] / len(tasks)
        shard = next(shard for shard in rows if tasks[0][0] in shard)
        for (number, name, _), row in zip(tasks, found["rows"], strict=True):
            rows[shard][number] = [spelt_out(name), *row]
            rejected += row[-1] is not None
        if len(rows[shard]) == len(shard):
            whole = [row for _, row in sorted(rows.pop(shard).items())]
            files.write_text(parts / f"{shard.start:09d}-{shard.stop:09d}.json", files.json_text(whole))
        done += len(tasks)
        if on_files:
            on_files(done, total, rejected)


def _merge(
    parts: Path, manifest: Mapping[str, Any], genres: Sequence[str], out: Path, about: dict[str, Any]
) -> Answered:
    """Writes the table from the shards, in the order of the list."""
    total, rejected, seconds = int(manifest["files"]), 0, 0.0

    def groups() -> Iterator[list[Row]]:
        nonlocal rejected, seconds
        group: list[Row] = []
        position = 0
        for numbers, path in _shards(parts):
            rows = [Row(*row) for row in files.read_json(path)]
            if numbers.start != position or len(rows) != len(numbers):
                raise DataError("is damaged", path=path, remedy="delete it and run the same command again")
            position = numbers.stop
            rejected += sum(row.reason is not None for row in rows)
            seconds += sum(row.seconds or 0.0 for row in rows)
            group += rows
            if len(group) >= ROWS:
                yield group
                group = []
        if group:
            yield group

    write_table(out, genres, groups(), about)
    return Answered(files=total, rejected=rejected, seconds=round(seconds, 3))


def _remove(parts: Path) -> None:
    """Deletes the folder of a finished table; the manifest, which records that it is finished, is deleted last."""
    last = (parts / MANIFEST, parts / ".lock")
    for path in (*(path for path in parts.iterdir() if path not in last), *last):
        path.unlink(missing_ok=True)
    parts.rmdir()
