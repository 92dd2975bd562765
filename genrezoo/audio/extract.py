"""Features of many audio files: in parallel, cached on disk, resumable, and robust to bad files.

The features of a file are cached under the sha256 of its content, the digest of the feature settings and a digest of
the code that computes them, so that they are computed once, regardless of the file's name. Audio is decoded only in
child processes: a file that crashes a decoder ends its child process and is rejected.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from genrezoo.audio.settings import Features, FeatureSettings, extract, feature_settings
from genrezoo.environment import AUDIO_PACKAGES, cores, default_cache, versions
from genrezoo.errors import DataError, SettingsError
from genrezoo.files import sha256_of, told, write_atomic
from genrezoo.parallel import ChildError, check_place, in_chunks, make_executor

CHUNK = 128
"""Largest number of files per child process, so that its start (1 to 4 s) is a small fraction of its work."""

_LOOK = 0.5  # seconds between two looks at what the workers have finished
_BROKEN = (  # what zipfile and NumPy raise on damaged bytes
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,
    MemoryError,
    SyntaxError,
)


class Extraction(TypedDict, total=False):
    """Options of `extract_files` that other functions pass on; see there."""

    cache: str | Path | None
    workers: int | None
    scheduler: str | None
    strict: bool
    on_file: Callable[[Path, str | None], None] | None
    on_start: Callable[[int], None] | None


@dataclass(frozen=True)
class Extracted:
    """The result of feature extraction.

    Attributes:
        paths: The good files, in the order passed.
        rejected: Reasons why the other files have no features.
        warnings: Warnings about good files, for those that have any.
        shapes: Shape of each good file's features.
        computed: Number of files whose features were computed; the others were in the cache.
        entries: Paths of the good files' features in the cache.
    """

    paths: tuple[Path, ...]
    rejected: Mapping[Path, str]
    warnings: Mapping[Path, tuple[str, ...]]
    shapes: Mapping[Path, tuple[int, ...]]
    computed: int
    entries: Mapping[Path, Path]

    def features(self, path: str | Path) -> Features:
        """Reads the features of one good file from the cache.

        Raises:
            DataError: They are no longer in the cache.
        """
        found = _read_entry(self.entries[Path(path)])
        if found is None:
            raise DataError("its features are no longer in the cache", path=path, remedy="run the same command again")
        return found.features


def extract_file(path: str | Path, settings: FeatureSettings) -> tuple[Features, tuple[str, ...]]:
    """Computes the features of one audio file in this process.

    Args:
        path: Audio file.
        settings: Settings of the features; ``offset`` and ``duration`` select an excerpt.

    Returns:
        The features, and warnings about the file (truncated, silent).

    Raises:
        DataError: The file is not audio, damaged, or too short for the features.
        SettingsError: The libraries that decode audio are missing.

    Example:
        >>> import tempfile, wave
        >>> path = Path(tempfile.mkdtemp()) / "noise.wav"
        >>> with wave.open(str(path), "wb") as file:
        ...     file.setparams((1, 2, 22050, 0, "NONE", "none"))
        ...     file.writeframes(np.random.default_rng(1).integers(-9999, 9999, 44100).astype("<i2").tobytes())
        >>> features, warnings = extract_file(path, feature_settings("log_mel"))
        >>> features.x.shape, warnings
        ((42, 128), ())
    """
    from genrezoo.audio.decode import AudioReader  # here, because it loads the optional libraries

    try:
        with AudioReader(path, rate=settings.rate, offset=settings.offset, duration=settings.duration) as sound:
            features = extract(settings, sound.blocks())
        if not np.isfinite(features.x).all():
            raise DataError("its features are not finite", remedy="check the file: its samples are out of range")
    except DataError as error:
        raise DataError(error.what, path=path, where=error.where, remedy=error.remedy) from error
    return features, tuple(sound.warnings)


def extract_files(
    paths: Iterable[str | Path],
    settings: FeatureSettings,
    *,
    cache: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    on_file: Callable[[Path, str | None], None] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> Extracted:
    """Computes the features of many audio files in child processes, or takes them from the cache.

    Call it again after an interruption to continue: finished files are in the cache.

    Args:
        paths: Audio files.
        settings: Settings of the features.
        cache: Folder of the cache; the default is `default_cache`.
        workers: Number of parallel child processes, one thread each; the default is the number of cores. With 0 this
            process computes features that need no preloaded library, and a file that crashes a decoder crashes it.
        scheduler: Address of a Dask scheduler whose workers compute instead of this machine; they need to see the files
            and the cache under the same paths.
        strict: Stop at the first bad file.
        on_file: Called with each finished file and None, or the reason if it was rejected; in no particular order.
        on_start: Called first, with the number of files.

    Returns:
        The result; read the features file by file with `Extracted.features`.

    Raises:
        DataError: With ``strict``, the first bad file.
        SettingsError: The cache cannot be written, the libraries that decode audio are missing, workers and a scheduler
            are passed together, or the cluster cannot be used.
        ResourceError: The disk is full, or no worker of the cluster sees the files and the cache; run the same command
            again.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "song.mp3").write_text("<html>not found</html>")
        >>> found = extract_files(folder.glob("*.mp3"), feature_settings("log_mel"), cache=folder / "cache")
        >>> len(found.paths), len(found.rejected)
        (0, 1)
    """
    files = list(dict.fromkeys(Path(path) for path in paths))
    check_place(workers or None, scheduler)
    folder = Path(cache or default_cache()).absolute() / "features" / f"{settings.digest()}-{_code_digest()}"
    shapes: dict[Path, tuple[int, ...]] = {}
    warnings: dict[Path, tuple[str, ...]] = {}
    rejected: dict[Path, str] = {}

    def accept(job: _Job, entry: _Entry) -> None:
        shapes[Path(job.path)], warnings[Path(job.path)] = entry.features.x.shape, entry.warnings
        if on_file:
            on_file(Path(job.path), None)

    def reject(path: Path, reason: str) -> None:
        if strict:
            raise DataError(reason, path=path)
        rejected[path] = reason
        if on_file:
            on_file(path, reason)

    settings.prepare()
    if on_start:
        on_start(len(files))
    entries, todo = {}, []
    with concurrent.futures.ThreadPoolExecutor(workers or cores()) as pool:
        try:
            for path, job in zip(files, pool.map(lambda path: _identify(path, folder), files), strict=True):
                if isinstance(job, str):
                    reject(path, job)
                    continue
                entries[path] = Path(job.entry)
                if entry := _read_entry(entries[path]):
                    accept(job, entry)
                else:
                    with contextlib.suppress(OSError):  # not there, or where nothing can be: said when it is written
                        entries[path].unlink()  # damaged
                    todo.append(job)
        finally:
            pool.shutdown(cancel_futures=True)
    with contextlib.closing(_compute(todo, settings, folder, workers, scheduler)) as outcomes:
        for job, outcome in outcomes:
            if isinstance(outcome, str):
                reject(Path(job.path), outcome)
            else:
                accept(job, outcome)
    good = tuple(path for path in files if path in shapes)
    return Extracted(
        paths=good,
        rejected={path: rejected[path] for path in files if path in rejected},
        warnings={path: warnings[path] for path in good if warnings[path]},
        shapes=shapes,
        computed=sum(Path(job.path) in shapes for job in todo),
        entries={path: entries[path] for path in good},
    )


class _Job(NamedTuple):
    """A file to compute, as plain data: its path, the path of its cache entry, and data to detect changes."""

    path: str
    place: str
    entry: str
    size: int
    changed: int


class _Entry(NamedTuple):
    """The cache entry of one file."""

    features: Features
    warnings: tuple[str, ...]


def _identify(path: Path, folder: Path) -> _Job | str:
    """Returns the path of a file's cache entry, or the reason why it can have none."""
    try:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):  # a pipe would be waited for
            return "is not a regular file"
        name = sha256_of(path)
    except DataError as error:
        return error.what
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    return _Job(
        str(path), str(path.absolute()), str(folder / name[:2] / f"{name}.npz"), facts.st_size, facts.st_mtime_ns
    )


def _compute(
    jobs: list[_Job], settings: FeatureSettings, folder: Path, workers: int | None, scheduler: str | None
) -> Generator[tuple[_Job, _Entry | str], None, None]:
    """Yields each job with its entry, or with the reason for a failure, soon after it is finished."""
    if not jobs:
        return
    plain, done = settings.model_dump(mode="json"), set()
    if workers == 0 and scheduler is None and not settings.preload:
        for job in jobs:
            reasons = _extract_chunk([job], plain)
            yield job, _read_entry(Path(job.entry)) or reasons.get(job.path, "its features could not be read back")
        return
    places: dict[str, list[Path]] = {}
    if scheduler is not None:
        with told(folder):
            folder.mkdir(parents=True, exist_ok=True)
        places = {"reads": [Path(os.path.commonpath([os.path.dirname(job.place) for job in jobs]))], "writes": [folder]}
    with make_executor(workers or None, scheduler, preload=settings.preload) as executor:
        chunks = _chunks(jobs, executor.workers)
        for chunk, reasons in in_chunks(executor, _extract_chunk, chunks, plain, look=_LOOK, **places):
            for job in chunk:
                if job in done:
                    continue
                if Path(job.entry).exists() and (entry := _read_entry(Path(job.entry))):
                    yield job, entry
                elif isinstance(reasons, ChildError):
                    yield job, f"computing its features failed: {reasons}"
                elif reasons is not None:
                    yield job, reasons.get(job.path, "its features could not be read back")
                else:
                    continue
                done.add(job)


def _chunks(jobs: list[_Job], workers: int) -> list[list[_Job]]:
    """Divides files into chunks of at most `CHUNK` files, equally many per worker, with small and large files mixed."""
    number = min(len(jobs), workers * -(-len(jobs) // (workers * CHUNK)))
    by_size = sorted(jobs, key=lambda job: job.size, reverse=True)
    return [by_size[first::number] for first in range(number)]


def _extract_chunk(jobs: Sequence[Sequence[Any]], settings: Mapping[str, Any]) -> dict[str, str]:
    """Runs in the child process: computes features into the cache and returns the reasons for failures."""
    made = feature_settings(settings)
    rejected = {}
    for job in map(_Job._make, jobs):
        if Path(job.entry).exists():  # by a worker that died of another file of the chunk
            continue
        try:
            features, warnings = extract_file(job.place, made)
            facts = os.stat(job.place)
            if (facts.st_size, facts.st_mtime_ns) != (job.size, job.changed):
                raise DataError("was changed while it was read", remedy="run the same command again")
        except DataError as error:
            rejected[job.path] = error.reason
            continue
        except FileNotFoundError:
            rejected[job.path] = "was removed while it was read"
            continue
        try:
            _write_entry(Path(job.entry), features, warnings)
        except DataError as error:
            raise SettingsError(f"the cache cannot be written: {error}") from error
    return rejected


def _write_entry(path: Path, features: Features, warnings: Sequence[str]) -> None:
    buffer = io.BytesIO()  # not compressed: it would take longer than to compute them, and save little
    np.savez(buffer, allow_pickle=False, x=features.x, edges=features.edges, warnings=np.array(warnings, str))
    write_atomic(path, buffer.getvalue())


def _read_entry(path: Path) -> _Entry | None:
    """Reads a cache entry; None if it is missing or damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            raw = {name: archive.read(f"{name}.npy") for name in ("x", "edges", "warnings")}  # checksums included
        x, edges, warnings = (np.lib.format.read_array(io.BytesIO(raw[name]), allow_pickle=False) for name in raw)
    except _BROKEN:
        return None
    if x.ndim < 2 or edges.shape != (len(x) + 1,) or warnings.dtype.kind != "U":
        return None
    return _Entry(Features(x=x, edges=edges), tuple(str(text) for text in warnings))


def _code_digest() -> str:
    """Digest (16 hex digits) of the code and the libraries that compute features, so that releases are not mixed."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    digest.update(str(versions(AUDIO_PACKAGES)).encode())
    return digest.hexdigest()[:16]
