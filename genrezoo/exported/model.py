"""`Exported`: a model from one file, run by ONNX Runtime, with neither TensorFlow nor Keras in the process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from genrezoo import files
from genrezoo.archive import available_bytes
from genrezoo.errors import DataError, ResourceError, SettingsError
from genrezoo.exported.container import read_model
from genrezoo.exported.metadata import Metadata
from genrezoo.parallel import ChildError, ProcessExecutor
from genrezoo.reading import Reading
from genrezoo.songs import SongSet
from genrezoo.songs.chunks import combine_chunks, cut_chunks

MOST_MEMORY = 2**32
"""Most memory of ONNX Runtime in a process, in bytes, for all models together.

The limit is half of the memory that is free at its first use, if that is less.
"""

_NUMBERS = 2**18  # most features in a batch: more do not fit into the processor's caches
_BATCH = 256  # most songs in a batch


class Exported:
    """An exported model: one file with its genres, feature settings and metadata.

    Attributes:
        path: The file.
        metadata: Its metadata.
        threads: Threads of one answer. To use more cores, divide the songs among processes, see `logits`.
    """

    def __init__(self, path: str | Path, content: bytes, metadata: Metadata, *, threads: int = 1):
        if threads < 1:
            raise SettingsError(f"threads must be at least 1, got {threads}")
        self.path, self.metadata, self.threads = Path(path), metadata, threads
        self._content = content

    def __repr__(self) -> str:
        return f"Exported({self.metadata.name!r}, {str(self.path)!r})"

    @property
    def where(self) -> str:
        """The file, for errors."""
        return str(self.path)

    @property
    def reading(self) -> Reading:
        """The model's input, and its answers."""
        return self.metadata

    @property
    def genres(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.metadata.genres

    @functools.cached_property
    def session(self) -> Any:
        """ONNX Runtime's session, which is created at its first use.

        Raises:
            DataError: ONNX Runtime refuses the file.
            SettingsError: It is not installed.
        """
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # errors are raised, so they need not be logged
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry("optimization.constant_folding_max_output_size_in_bytes", str(2**24))
        try:
            return runtime.InferenceSession(self._content, options, providers=["CPUExecutionProvider"])
        except _faults() as error:
            raise self._fault("cannot be loaded by ONNX Runtime", error) from error

    def answers(self, x: np.ndarray) -> np.ndarray:
        """Runs the graph on songs, without any preparation.

        Args:
            x: ``(n_songs, *reading.input_shape)`` float32, padding as NaN.

        Returns:
            ``(n_songs, n_outputs)`` float32.

        Raises:
            DataError: ONNX Runtime cannot compute it.
        """
        try:
            (found,) = self.session.run(None, {"songs": x})
        except _faults() as error:
            raise self._fault(f"ONNX Runtime cannot compute the answers to songs of shape {x.shape}", error) from error
        if found.shape != (len(x), self.metadata.n_outputs):
            what = f"gave answers of shape {found.shape}, expected {(len(x), self.metadata.n_outputs)}"
            raise DataError(what, path=self.path, remedy="export the model again with `genrezoo export`")
        answer: np.ndarray = found
        return answer

    def logits(self, songs: SongSet, *, workers: int = 1) -> np.ndarray:
        """Computes the logits of songs. Songs of similar length share a batch.

        Args:
            songs: The songs, with all features of the training songs.
            workers: Processes among which the songs are divided, with one thread each. They take half a second to
                start, so they pay off for songs that take longer than that.

        Returns:
            ``(n_songs, n_genres)`` float32; of an embedding ``(n_songs, n_outputs)``.

        Raises:
            DataError: The songs have other features, or a length that the model cannot read; or ONNX Runtime refuses
                the file.
            SettingsError: ``workers`` is below 1.
            ResourceError: A worker process was killed, or lacked memory or room on the disk.
        """
        if workers < 1:
            raise SettingsError(f"workers must be at least 1, got {workers}")
        self.metadata.check(songs)
        owner, chunks = None, self.metadata.chunks
        if chunks:
            songs, owner = cut_chunks(songs, segments=chunks.segments, hop=chunks.hop)
        logits = self._divided(songs, workers) if workers > 1 else self._in_batches(songs)
        if not np.isfinite(logits).all():
            what = "the answers are not finite numbers: the features are far from those of the training songs"
            raise songs.error(what, remedy="use songs with the same features as the training songs")
        if owner is None or chunks is None:
            return logits
        combined = combine_chunks(logits, owner, rule=chunks.rule)
        temperature = self.metadata.temperature
        return combined if temperature is None else combined / np.float32(temperature)

    def predict(self, x: np.ndarray, lengths: np.ndarray | None = None, *, workers: int = 1) -> np.ndarray:
        """Computes the probability of each genre; for a tagger, the independent activation of each tag.

        Args:
            x: Features as in the training songs, not standardised: ``(n_songs, n_segments, n_features)``, or one song
                as ``(n_segments, n_features)``; images as ``(n_songs, height, width, channels)`` or one without the
                first axis.
            lengths: Real segments of each song; all of them if left out.
            workers: As in `logits`.

        Returns:
            ``(n_songs, n_genres)`` float32; probabilities sum to 1.

        Raises:
            DataError: The shape is wrong, a length is out of range, or features outside of padding are not finite.
            SettingsError: The model was exported without its output layer; `logits` returns its embedding.
        """
        if self.metadata.output != "logits":
            what = "was exported without its output layer, so it has no genres"
            raise SettingsError(f"{self.path}: {what}. Use `logits` for its embedding, or export the whole model")
        songs = self.metadata.songs(x, lengths, path=self.where)
        return self.metadata.scores(self.logits(songs, workers=workers))

    def _in_batches(self, songs: SongSet) -> np.ndarray:
        """Computes the answers to songs (or chunks) in batches of similar length."""
        free, image = self.metadata.input_shape[0] is None, self.metadata.kind == "image"
        logits = np.empty((len(songs), self.metadata.n_outputs), np.float32)
        order = np.argsort(songs.lengths, kind="stable")
        size = songs_per_batch(songs.song_shape)
        for first in range(0, len(order), size):
            index = order[first : first + size]
            lengths = songs.lengths[index]
            longest = int(lengths.max()) if free else songs.n_segments
            x = np.array(songs.x[index, :longest], np.float32)  # (songs, segments, features)
            if not image:
                x[np.arange(longest) >= lengths[:, None]] = np.nan
            logits[index] = self.answers(x)
        return logits

    def _divided(self, songs: SongSet, workers: int) -> np.ndarray:
        """Computes the answers to songs (or chunks) in worker processes, which read the songs from files."""
        with tempfile.TemporaryDirectory(prefix="genrezoo-") as place:
            folder = Path(place)
            (folder / "model.onnx").write_bytes(self._content)
            np.save(folder / "x.npy", songs.x)
            np.save(folder / "lengths.npy", songs.lengths)
            n_parts = min(2 * workers, len(songs))  # two a worker, so that a slow worker delays only half of its songs
            parts = [np.arange(first, len(songs), n_parts) for first in range(n_parts)]
            for number, part in enumerate(parts):
                np.save(folder / f"part{number}.npy", part)
            # ONNX Runtime is not preloaded: it starts a thread when it is imported, and then workers cannot be forked.
            with ProcessExecutor(workers, threads=1, preload=("genrezoo.exported.model",)) as executor:
                calls = [executor.submit(answer_part, place, number) for number in range(len(parts))]
                try:
                    for call in calls:
                        call.result()
                except ChildError as error:
                    if error.user:
                        raise DataError(str(error)) from error
                    if error.died or error.scarce:
                        raise ResourceError(f"{error}. Remedy: free memory, or use fewer workers.") from error
                    raise
            logits = np.empty((len(songs), self.metadata.n_outputs), np.float32)
            for number, part in enumerate(parts):
                logits[part] = np.load(folder / f"logits{number}.npy")
        return logits

    def _fault(self, what: str, error: Exception) -> DataError:
        """Makes an error of one line from an error of ONNX Runtime."""
        reason = " ".join(str(error).split())[:500]
        remedy = "export the model again with `genrezoo export`; if memory is short, free some or pass fewer segments"
        return DataError(f"{what} ({reason})", path=self.path, remedy=remedy)


def songs_per_batch(shape: tuple[int, ...]) -> int:
    """Returns how many songs (or chunks) of a shape an exported model predicts together.

    Example:
        >>> songs_per_batch((120, 25)), songs_per_batch((1292, 128))
        (87, 1)
    """
    return min(max(1, _NUMBERS // int(np.prod(shape))), _BATCH)


def load_exported(path: str | Path, *, threads: int = 1) -> Exported:
    """Opens an exported model, with neither TensorFlow nor Keras. ONNX Runtime is loaded at its first use.

    The file need not be trusted: it is validated first, and it cannot use more memory than `MOST_MEMORY`.

    Args:
        path: A file that `genrezoo.export` wrote.
        threads: Threads of one answer. One is best for small models; for many songs see `Exported.logits`.

    Returns:
        The model.

    Raises:
        DataError: The file is not an exported model, is damaged or was changed, or contains parts that no exported
            model has.
        SettingsError: ``threads`` is below 1.

    Example:
        >>> load_exported("song.mp3")
        Traceback (most recent call last):
            ...
        genrezoo.errors.DataError: song.mp3: cannot be read (No such file or directory). Remedy: check the path.
    """
    path = files.checked_path(path)
    content, metadata = read_model(path)
    return Exported(path, content, metadata, threads=threads)


def answer_part(folder: str, number: int) -> None:
    """Computes the answers to a part of the songs in a folder; the worker's side of `Exported.logits`."""
    place = Path(folder)
    x, lengths = np.load(place / "x.npy", mmap_mode="r"), np.load(place / "lengths.npy")
    part = np.load(place / f"part{number}.npy")
    model = load_exported(place / "model.onnx")
    names, kind = model.genres or ("embedding",), model.metadata.kind
    y = np.zeros(len(part), np.int64)
    songs = SongSet(x=x[part], y=y, genres=names, lengths=lengths[part], name="songs", kind=kind)
    np.save(place / f"logits{number}.npy", model._in_batches(songs))


@functools.cache
def _runtime() -> Any:
    """Returns ONNX Runtime, after limiting the memory that its models share."""
    try:
        import onnxruntime
    except ImportError as error:
        what = f"exported models need the extra `export`: pip install 'genrezoo[export]' ({error})"
        raise SettingsError(what) from error
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    most = min(MOST_MEMORY, available_bytes() // 2)
    limits = onnxruntime.OrtArenaCfg({"max_mem": most, "arena_extend_strategy": 1})  # 1: only as much as is requested
    onnxruntime.create_and_register_allocator(memory, limits)
    return onnxruntime


def _faults() -> tuple[type[Exception], ...]:
    """Returns the exceptions of ONNX Runtime."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "EPFail",
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotImplemented",
        "RuntimeException",
    )
    return (*(getattr(state, name) for name in names), RuntimeError, ValueError, MemoryError)
