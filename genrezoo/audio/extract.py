"""Features of many audio files: in parallel, kept on disk, resumable, and not stopped by a bad file.

The features of a file are kept in a cache under the sha256 of its content, the digest of the feature settings and a
digest of the code that computes them, so that they are computed once, whatever the file is called and whoever asks.
Audio is decoded in child processes alone: a file that kills a decoder costs that child and is rejected, no more.
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
"""Files of one child process, at most: its start (1 to 4 s) is then a small share of its work."""

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
    """Options of `extract_files`, which all that extract features pass on; see there."""

    cache: str | Path | None
    workers: int | None
    scheduler: str | None
    strict: bool
    on_file: Callable[[Path, str | None], None] | None
    on_start: Callable[[int], None] | None


@dataclass(frozen=True)
class Extracted:
    """What became of the files.

    Attributes:
        paths: The good files, in the order given.
        rejected: Why each of the others has no features.
        warnings: What was odd about good files, for those of which anything was.
        shapes: Shape of each good file's features.
        computed: How many files were computed, the others were in the cache.
        entries: Where in the cache each good file's features are.
    """

    paths: tuple[Path, ...]
    rejected: Mapping[Path, str]
    warnings: Mapping[Path, tuple[str, ...]]
    shapes: Mapping[Path, tuple[int, ...]]
    computed: int
    entries: Mapping[Path, Path]

    def features(self, path: str | Path) -> Features:
        """The features of one good file, read from the cache.

        Raises:
            DataError: They are no longer there.
        """
        found = _read_entry(self.entries[Path(path)])
        if found is None:
            raise DataError("its features are no longer in the cache", path=path, remedy="run the same command again")
        return found.features


def extract_file(path: str | Path, settings: FeatureSettings) -> tuple[Features, tuple[str, ...]]:
    """The features of one audio file, computed in this process.

    Args:
        path: Audio file.
        settings: What to compute; its ``offset`` and ``duration`` say of which excerpt.

    Returns:
        The features, and what was odd about the file (cut short, silent).

    Raises:
        DataError: Not an audio file, damaged, or too short for the features.
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
    """The features of many audio files, in child processes, from the cache where they are in it.

    Killed at any moment and called again it goes on: what was finished is in the cache.

    Args:
        paths: Audio files.
        settings: What to compute.
        cache: Folder of the cache; `default_cache` if left out.
        workers: Child processes at a time, one thread each; the number of cores if left out. With 0 this process
            computes what needs no library that children preload, and a file that kills a decoder kills it.
        scheduler: Address of a Dask scheduler whose workers compute, in place of this machine; they need to see the
            files and the cache under the same paths.
        strict: Stop at the first file that has no features.
        on_file: Called with each finished file and None, or the reason why it was rejected; in no certain order.
        on_start: Called first, with the number of files.

    Returns:
        What became of the files; their features are read one by one with `Extracted.features`.

    Raises:
        DataError: With ``strict``, the first bad file.
        SettingsError: The cache cannot be written, the libraries that decode audio are missing, workers together with a
            scheduler, or a cluster that cannot be used.
        ResourceError: The disk is full, or no worker of the cluster sees the files and the cache; run the same again.

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
    """A file to compute, as plain data: its place, where its entry goes, by what one sees a change."""

    path: str
    place: str
    entry: str
    size: int
    changed: int


class _Entry(NamedTuple):
    """What the cache holds of one file."""

    features: Features
    warnings: tuple[str, ...]


def _identify(path: Path, folder: Path) -> _Job | str:
    """Where the features of a file belong, or why it can have none."""
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
    """Yields each job with its entry, or with why it has none, soon after it is finished."""
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
    """As many chunks for each worker, of at most `CHUNK` files, small and large files dealt evenly."""
    number = min(len(jobs), workers * -(-len(jobs) // (workers * CHUNK)))
    by_size = sorted(jobs, key=lambda job: job.size, reverse=True)
    return [by_size[first::number] for first in range(number)]


def _extract_chunk(jobs: Sequence[Sequence[Any]], settings: Mapping[str, Any]) -> dict[str, str]:
    """The child's side: computes features into the cache and says why files have none."""
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
    """What the cache holds under that name; None if nothing or damaged."""
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
    """16 hex of the code and the libraries that compute features: values of another release are not mixed in."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    digest.update(str(versions(AUDIO_PACKAGES)).encode())
    return digest.hexdigest()[:16]
