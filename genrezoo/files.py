"""The only place that writes files: whole or not at all.

Every file is written beside its target, flushed to the disk and moved into place, so that a reader (or a process killed
at any instant) sees the old content or the new, never a part. Appending is one line, one write, one fsync.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
import re
import secrets
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from genrezoo.errors import DataError, GenrezooError

if TYPE_CHECKING:
    import numpy as np


def write_atomic(path: str | Path, content: bytes | Callable[[BinaryIO], None]) -> Path:
    """Writes a file whole or not at all.

    Args:
        path: Target; its folder is made if missing.
        content: The bytes, or a function that writes them to the open temporary file.

    Returns:
        The target as a `Path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)  # less what the umask takes
    try:
        with os.fdopen(handle, "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)
    return path


def write_text(path: str | Path, text: str) -> Path:
    """Writes UTF-8 text whole or not at all."""
    return write_atomic(path, text.encode())


def write_json(path: str | Path, value: Any) -> Path:
    """Writes readable, sorted, strict JSON (no NaN) whole or not at all."""
    return write_text(path, json_text(value, indent=2, sort_keys=True) + "\n")


def json_text(value: Any, **options: Any) -> str:
    """A value as strict JSON (no NaN) that UTF-8 can hold.

    Names of files need not be text; those that are not are escaped, and read again as they were.

    Args:
        value: Plain data.
        **options: Of ``json.dumps``.
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, **options)
    if re.search("[\ud800-\udfff]", text):
        return json.dumps(value, allow_nan=False, **options)
    return text


def drop_parts(folder: str | Path) -> None:
    """Removes temporary files of killed writers from a folder that this process holds alone."""
    for part in Path(folder).glob(".*.part"):
        if part.is_symlink() or not part.is_dir():
            part.unlink(missing_ok=True)


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes named arrays as a compressed npz, whole or not at all; arrays of objects are refused."""
    import numpy as np  # here, because commands that need no numbers use this file too

    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return write_atomic(path, buffer.getvalue())


def read_json(path: str | Path) -> Any:
    """Reads a JSON file.

    Raises:
        DataError: The file is missing, too large (64 MiB) or not JSON.
    """
    path = Path(path)
    try:
        if path.stat().st_size > 64 * 2**20:
            raise DataError("JSON file is larger than 64 MiB", path=path, remedy="it was not written by genrezoo")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path, remedy="check the path") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, GenrezooError):
            raise
        raise DataError(f"not valid JSON ({error})", path=path, remedy="restore the file or make it again") from error


def read_toml(path: str | Path | Traversable) -> dict[str, Any]:
    """Reads a TOML file, of the file system or of a package.

    Raises:
        DataError: The file is missing or not TOML.
    """
    path = Path(path) if isinstance(path, str) else path
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=str(path), remedy="check the path") from error
    except ValueError as error:
        raise DataError(f"not valid TOML ({error})", path=str(path), remedy="fix the file") from error


def append_line(path: str | Path, line: str) -> None:
    """Appends one line with one write and one fsync; concurrent writers do not mix their lines.

    A last line torn by a crash is closed first, so that it cannot swallow this one.
    """
    if "\n" in line:
        raise ValueError("append_line takes one line")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        end = file.seek(0, os.SEEK_END)
        torn = False
        if end:
            file.seek(end - 1)
            torn = file.read(1) != b"\n"
        file.write((b"\n" if torn else b"") + line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def cut_torn_line(path: str | Path) -> None:
    """Cuts off a last line that a crash has torn, so that the file ends with a whole one.

    Raises:
        DataError: It is no file that can be written.
    """
    try:
        with open(path, "rb+") as file:
            whole = file.read().rfind(b"\n") + 1
            if whole != file.seek(0, os.SEEK_END):
                file.truncate(whole)
                os.fsync(file.fileno())
    except (IsADirectoryError, PermissionError) as error:
        raise DataError(f"cannot be written ({error.strerror})", path=path, remedy="restore the file") from error


def link(path: str | Path, target: str | Path) -> Path:
    """Makes a symbolic link, relative to its own folder, in place of one that may be there.

    Raises:
        DataError: A folder is in its place.
    """
    path, target = Path(path), Path(target)
    aim = os.path.relpath(target, path.parent)
    if path.is_symlink() and os.readlink(path) == aim:
        return path
    if path.is_dir() and not path.is_symlink():
        raise DataError("is a folder, a link was expected", path=path, remedy="move it away")
    new = path.with_name(f".{path.name}.{os.getpid()}.part")
    new.unlink(missing_ok=True)
    new.symlink_to(aim)
    os.replace(new, path)
    _sync_folder(path.parent)
    return path


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows of cells as CSV, the headings first; floats in full precision."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def read_json_lines(path: str | Path) -> list[dict[str, Any]]:
    """Reads a file of one JSON object a line, passing over lines torn by a crash; a missing file is an empty list."""
    path = Path(path)
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):  # not at U+2028
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict):
                    rows.append(row)
    return rows


def read_columns(path: str | Path) -> dict[str, list[float]]:
    """Reads a CSV file of numbers: one list a column.

    Raises:
        DataError: The file is missing, has no rows, or is not a table of numbers.
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {name: [float(row[name]) for row in rows] for name in rows[0]}
    except FileNotFoundError as error:
        raise DataError("is missing", path=path, remedy="make it again") from error
    except (OSError, ValueError, IndexError, TypeError, csv.Error) as error:
        raise DataError(f"is not a table of numbers ({error!r})", path=path, remedy="make it again") from error


def sha256_of(path: str | Path) -> str:
    """The sha256 of a file as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def lock_folder(folder: str | Path, *, wait: bool = False) -> Iterator[Path]:
    """Makes the folder if missing and holds it for this process until the block ends.

    Args:
        folder: The folder.
        wait: Wait until another process that holds it is done, instead of refusing.

    Raises:
        DataError: It cannot be made, or another process holds it. The lock ends with its process, however that ends.
    """
    folder = Path(folder)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise DataError("is a file, a folder was expected", path=folder, remedy="use another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise DataError(f"cannot be written ({error.strerror})", path=folder, remedy="use another folder") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise DataError(
                "another process is using this folder", path=folder, remedy="wait for it or stop it"
            ) from error
        yield folder
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
