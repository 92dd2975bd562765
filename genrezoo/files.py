"""The only place that writes files, whole or not at all, and that decides what may be read.

Every file is written beside its target, flushed to the disk and moved into place, so that a reader (or a process killed
at any instant) sees the old content or the new, never a part. Appending is one line, one write, one fsync. Only regular
files are read; whatever the system refuses is told with the path and what to do about it.
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
import shutil
import stat
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from genrezoo.errors import SCARCE, DataError, GenrezooError, ResourceError, check_known

if TYPE_CHECKING:
    import numpy as np

MOST_LEVELS = 100
"""How deep lists and tables of a file or an option may be nested."""


def checked_path(path: Any) -> Path:
    """The path, if it is one that the system can look at; whether anything is there is not asked.

    Raises:
        DataError: It is no path, or the system refuses it: too long a name, a folder that may not be read.
    """
    if not isinstance(path, str | os.PathLike):
        raise DataError(f"{path!r} is no path", remedy="pass text or a pathlib.Path")
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), told(path, "read"):
        os.stat(path)
    return Path(path)


def existing_path(path: Any, remedy: str = "check the path") -> Path:
    """The path, if something is there.

    Args:
        path: The path.
        remedy: What to do where nothing is there.

    Raises:
        DataError: Nothing is there, or it is no path that can be looked at.
    """
    place = checked_path(path)
    if not place.exists():
        raise DataError("no such file or folder", path=path, remedy=remedy)
    return place


@contextlib.contextmanager
def told(path: Any, what: str = "written") -> Iterator[None]:
    """Turns what the system refuses of a path within the block into an error that names it.

    Args:
        path: The path.
        what: What cannot be done with it.

    Raises:
        DataError: The path is at fault; nothing there and no folder on the way are left as they are when reading.
        ResourceError: Something is missing that may be there later, such as room on the disk.
    """
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        missing = isinstance(error, FileNotFoundError | NotADirectoryError) and what == "read"
        if isinstance(error, GenrezooError) or missing or not isinstance(error, OSError) and "null" not in str(error):
            raise
        reason = getattr(error, "strerror", None) or error
        if getattr(error, "errno", None) in SCARCE:
            advice = "free some space or use another folder, then run the same command again"
            raise ResourceError(f"{path}: cannot be {what} ({reason}). Remedy: {advice}.") from error
        raise DataError(f"cannot be {what} ({reason})", path=path, remedy="use another path") from error


def open_regular(path: str | Path, *, empty: bool = False) -> BinaryIO:
    """Opens a regular file for unbuffered reading; a pipe or device is not even opened.

    Args:
        path: The file.
        empty: Whether it may have no bytes.

    Raises:
        DataError: Nothing is there, it may not be read, has no bytes, or is a folder, pipe or device.
    """
    try:
        status = os.stat(path)  # does not open: opening a pipe would wait for its writer
        if stat.S_ISREG(status.st_mode):
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            status = os.fstat(handle)  # of what was opened, if it was exchanged meanwhile
            if stat.S_ISREG(status.st_mode) and (status.st_size or empty):
                return os.fdopen(handle, "rb", buffering=0)
            os.close(handle)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot be read ({reason})", path=path, remedy="check the path") from error
    if stat.S_ISREG(status.st_mode):
        raise DataError("is empty (0 bytes)", path=path, remedy="fetch or make the file again")
    what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
    raise DataError(f"is {what}, not a file", path=path, remedy="pass a regular file")


def read_bytes(path: str | Path, *, most: int = 64 * 2**20, empty: bool = False) -> bytes:
    """The whole of a regular file.

    Args:
        path: The file.
        most: Bytes that it may have.
        empty: Whether it may have none.

    Raises:
        DataError: See `open_regular`; or it is larger.
    """
    with open_regular(path, empty=empty) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            what = f"has {size:,} bytes, the limit is {most:,}"
            raise DataError(what, path=path, remedy="it was not written by genrezoo")
        return b"".join(iter(lambda: file.read(2**20), b""))


def from_json(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: It is not JSON, or is nested deeper than `MOST_LEVELS`.

    Example:
        >>> from_json("[" * 1000 + "]" * 1000)
        Traceback (most recent call last):
            ...
        ValueError: nested more than 100 levels deep
    """
    return _shallow(json.loads, text)


def _shallow(parse: Callable[[Any], Any], text: str | bytes) -> Any:
    """What a parser makes of a text, unless it is nested too deep for whoever walks through it."""
    problem = f"nested more than {MOST_LEVELS} levels deep"
    try:
        value = parse(text)
    except RecursionError:
        raise ValueError(problem) from None
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS + 1):
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        if not parts:
            return value
        level = [inner for part in parts for inner in part]
    raise ValueError(problem)


def write_atomic(path: str | Path, content: bytes | Callable[[BinaryIO], None]) -> Path:
    """Writes a file whole or not at all.

    Args:
        path: Target; its folder is made if missing.
        content: The bytes, or a function that writes them to the open temporary file.

    Returns:
        The target as a `Path`.

    Raises:
        DataError: It cannot be written: a file or folder is in its place or on the way, its name is too long.
        ResourceError: There is no room for it.
    """
    path = _writable_name(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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


def copy_folder(source: str | Path, path: str | Path) -> Path:
    """Copies a folder whole or not at all, and replaces what is there: a folder, a file or a link.

    Raises:
        DataError: It cannot be written.
        ResourceError: There is no room for it.
    """
    path = _writable_name(path)
    temporary, before = (path.with_name(f".{path.name}.{secrets.token_hex(4)}.part") for _ in range(2))
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(source, temporary)
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, before)
            os.replace(temporary, path)
        except BaseException:
            if before.exists():
                os.replace(before, path)
            raise
        finally:
            for rest in (temporary, before):
                if rest.is_dir() and not rest.is_symlink():
                    shutil.rmtree(rest, ignore_errors=True)
                else:
                    rest.unlink(missing_ok=True)
        _sync_folder(path.parent)
    return path


def write_text(path: str | Path, text: str) -> Path:
    """Writes UTF-8 text whole or not at all; half a pair of surrogates, which is no text, is written as its code."""
    return write_atomic(path, text.encode(errors="backslashreplace"))


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
        DataError: The file is missing, no regular one, too large (64 MiB), not JSON, or nested too deep.
    """
    try:
        return from_json(read_bytes(path))
    except ValueError as error:
        if isinstance(error, GenrezooError):
            raise
        raise DataError(f"not valid JSON ({error})", path=path, remedy="restore the file or make it again") from error


def read_toml(path: str | Path | Traversable) -> dict[str, Any]:
    """Reads a TOML file, of the file system or of a package.

    Raises:
        DataError: The file is missing, no regular one, too large, not TOML, or nested too deep.
    """
    content = read_bytes(path) if isinstance(path, str | Path) else path.read_bytes()
    try:
        table: dict[str, Any] = _shallow(lambda text: tomllib.loads(text.decode()), content)
    except ValueError as error:
        raise DataError(f"not valid TOML ({error})", path=str(path), remedy="fix the file") from error
    return table


def toml_names(folder: Traversable) -> list[str]:
    """Names of the TOML files in a folder of a package."""
    return sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".toml"))


def read_named(kind: str, name: str | Path, folder: Traversable) -> Any:
    """Reads what a user names: a JSON or TOML file by its path, or one that comes with the package by its name.

    Args:
        kind: What it is, for the message.
        name: Path or name.
        folder: Folder of the package's own TOML files.

    Raises:
        UnknownNameError: The package has none of that name.
        DataError: As `read_json` and `read_toml`.
    """
    suffix = checked_path(name).suffix
    if suffix == ".json":
        return read_json(name)
    if suffix != ".toml":
        check_known(kind, [str(name)], toml_names(folder))
    return read_toml(name if suffix == ".toml" else folder / f"{name}.toml")


def append_line(path: str | Path, line: str) -> None:
    """Appends one line with one write and one fsync; concurrent writers do not mix their lines.

    A last line torn by a crash is closed first, so that it cannot swallow this one.
    """
    if "\n" in line:
        raise ValueError("append_line takes one line")
    path = Path(path)
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            open_regular(path, empty=True).close()
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
    open_regular(path, empty=True).close()
    with told(path), open(path, "rb+") as file:
        whole = file.read().rfind(b"\n") + 1
        if whole != file.seek(0, os.SEEK_END):
            file.truncate(whole)
            os.fsync(file.fileno())


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
        for line in read_bytes(path, most=2**30, empty=True).decode(errors="replace").split("\n"):  # not at U+2028
            with contextlib.suppress(ValueError):
                row = from_json(line)
                if isinstance(row, dict):
                    rows.append(row)
    return rows


def read_columns(path: str | Path) -> dict[str, list[float]]:
    """Reads a CSV file of numbers: one list a column.

    Raises:
        DataError: The file is missing, has no rows, or is not a table of numbers.
    """
    if not os.path.exists(path):
        raise DataError("is missing", path=path, remedy="make it again")
    content = read_bytes(path)
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
        return {name: [float(row[name]) for row in rows] for name in rows[0]}
    except (ValueError, IndexError, TypeError, csv.Error) as error:
        raise DataError(f"is not a table of numbers ({error!r})", path=path, remedy="make it again") from error


def sha256_of(path: str | Path) -> str:
    """The sha256 of a regular file as 64 hex digits.

    Raises:
        DataError: See `open_regular`.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # it has readinto


def _writable_name(path: str | Path) -> Path:
    """Refuses names that no card, table or page could hold."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise DataError("its name is not UTF-8", path=path, remedy="write to a path whose name is") from error
    return Path(path)


@contextlib.contextmanager
def lock_folder(folder: str | Path, *, wait: bool = False) -> Iterator[Path]:
    """Makes the folder if missing and holds it for this process until the block ends.

    Args:
        folder: The folder.
        wait: Wait until another process that holds it is done, instead of refusing.

    Raises:
        DataError: It cannot be made, or another process holds it. The lock ends with its process, however that ends.
    """
    folder = _writable_name(checked_path(folder))
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise DataError("is a file, a folder was expected", path=folder, remedy="use another folder")
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
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
