"""Whether an export answers as the model does that it was made from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from genrezoo.errors import DataError
from genrezoo.exported import Parity
from genrezoo.exporting.source import Source
from genrezoo.lazy import keras
from genrezoo.songs import SongSet

TOLERANCE = 1e-4
"""Largest difference of an answer that an export may have, as a fraction of the largest of the model's answers."""

BATCHES = (1, 3, 257)
"""Songs that the export reads at once, in turn."""

MOST_REAL_SONGS = 512
_MOST_NUMBERS = 2**26  # that a layer gives for a batch: 256 MB
_NUMBERS = 2**19  # that Keras reads at once

Answers = Callable[[np.ndarray], np.ndarray]
"""From raw features, padding as NaN, to logits."""


def compare(source: Source, answers: Answers, *, songs: SongSet | None = None) -> Parity:
    """Compares an export with the model that it was made from.

    Random songs are drawn around the mean and standard deviation that the model was trained with, at batch sizes of 1,
    3 and 257 (fewer where a layer would give more than 256 MB), with padding where the model masks it and of several
    lengths where it reads any. Then real songs, if there are any, are answered by the run and by the export.

    Args:
        source: The model.
        answers: The export.
        songs: Songs with the features of those that the run was trained on.

    Returns:
        The largest difference as a fraction of the largest answer.

    Raises:
        DataError: It is beyond the tolerance; the message says for which song of which batch.
    """
    largest, scale, number = 0.0, 0.0, 0
    worst = ""
    for name, x, expected in _cases(source, songs):
        found = np.asarray(answers(x[0]) if x[1] is None else x[1](answers(x[0])))
        if found.shape != expected.shape:
            raise DataError(f"{name}: the export's answers have the shape {found.shape}, expected {expected.shape}")
        scale, number = max(scale, float(np.abs(expected).max())), number + len(expected)
        away = np.abs(found.astype(np.float64) - expected)
        away[~np.isfinite(found)] = np.inf
        if away.max() > largest or not worst:
            song, output = np.unravel_index(away.argmax(), away.shape)
            largest = float(away.max())
            there, here = found[song, output], expected[song, output]
            worst = f"{name}, song {song}, output {output}: {there:.7g} instead of {here:.7g}"
    relative = largest / max(scale, 1e-30)
    if not relative <= TOLERANCE:
        what = f"the export differs from the model by {relative:.1e} of its largest answer, {TOLERANCE:.0e} is allowed"
        raise DataError(f"{what} ({worst})", remedy="choose another format")
    real = 0 if songs is None else min(songs.n_songs, MOST_REAL_SONGS)
    return Parity(largest_difference=relative, tolerance=TOLERANCE, songs=number, real_songs=real)


def _cases(source: Source, songs: SongSet | None) -> Iterator[tuple[str, tuple[np.ndarray, Any], np.ndarray]]:
    """Name, the export's input with what combines its answers, and the model's answers."""
    generator = np.random.default_rng(0)
    for size, length in sizes(source):
        x = random_songs(source, size, length, generator)
        yield f"a batch of {size} random songs of {length} segments", (x, None), _answers_of(source, x)
    if songs is None or source.run is None:
        return
    run = source.run
    songs = songs.take(np.arange(min(songs.n_songs, MOST_REAL_SONGS)))
    cut, owner = run.preprocessing.cut(songs)
    yield "the run's songs", (cut.padded(), lambda found: run.preprocessing.combine(found, owner)), run.logits(songs)


def sizes(source: Source) -> Iterator[tuple[int, int]]:
    """Batch sizes, and numbers of segments or rows of an image."""
    shape = source.reading.input_shape
    trained = source.reading.trained_segments or 187
    lengths: list[int] = [shape[0]] if shape[0] is not None else [trained, max(1, trained // 2), trained + 5]
    for number, size in enumerate(BATCHES):
        length = lengths[number % len(lengths)]
        fitting = _MOST_NUMBERS // _widest(source.model, length)
        yield max(1, min(size, fitting)), length


def _widest(model: Any, length: int) -> int:
    """The most numbers that a layer gives for a song of so many segments."""
    parts = [part for part in model._flatten_layers() if hasattr(part, "_nodes_by_depth")]
    nodes = [node for part in parts for nodes in part._nodes_by_depth.values() for node in nodes]
    tensors = [tensor for node in nodes for tensor in node.output_tensors]
    return max(math.prod(axis or length for axis in tensor.shape[1:]) for tensor in tensors)


def random_songs(source: Source, size: int, length: int, generator: np.random.Generator) -> np.ndarray:
    """Songs as the model might read them, ``(size, …)`` float32; the first one without padding."""
    shape = (size, length, *(axis or 1 for axis in source.reading.input_shape[1:]))
    x = generator.standard_normal(shape, np.float32) * source.spread + source.centre
    if source.reading.masks_padding:
        for song in x[1:]:
            song[generator.integers(1, len(song) + 1) :] = np.nan
    return np.asarray(x, np.float32)


def _answers_of(source: Source, x: np.ndarray) -> np.ndarray:
    """The model's own answers; of many large songs one part after the other."""
    size = max(1, _NUMBERS // x[0].size)
    parts = [source.model(x[start : start + size], training=False) for start in range(0, len(x), size)]
    return np.concatenate([np.asarray(keras.ops.convert_to_numpy(part), np.float32) for part in parts])
