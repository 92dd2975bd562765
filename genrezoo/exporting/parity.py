"""The comparison of an export with its model."""

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
"""Largest difference that is accepted, as a fraction of the largest of the model's answers."""

BATCHES = (1, 3, 257)
"""Batch sizes of the random songs."""

MOST_REAL_SONGS = 512
_MOST_NUMBERS = 2**26  # in the output of a layer for a batch: 256 MB
_NUMBERS = 2**19  # in the input of Keras at a time

Answers = Callable[[np.ndarray], np.ndarray]
"""From raw features, padding as NaN, to logits."""


def compare(source: Source, answers: Answers, *, songs: SongSet | None = None) -> Parity:
    """Compares an export with its model.

    Random songs are drawn around the mean and standard deviation of the training songs, in batches of 1, 3 and 257 (of
    fewer songs if a layer would need more than 256 MB), with padding if the model masks it and of several lengths if
    the model reads any. Then the run and the export answer real songs, if they are passed.

    Args:
        source: The model.
        answers: Computes the answers of the export.
        songs: Songs with the same features as the run's training songs.

    Returns:
        The largest difference as a fraction of the largest answer.

    Raises:
        DataError: The difference is larger than `TOLERANCE`; the message names the song and its batch.
    """
    largest, scale, number = 0.0, 0.0, 0
    worst = ""
    for name, found, expected in _cases(source, answers, songs):
        if found.shape != expected.shape:
            raise DataError(f"{name}: the export's answers have the shape {found.shape}, expected {expected.shape}")
        scale, number = max(scale, float(np.abs(expected).max())), number + len(expected)
        away = np.abs(found.astype(np.float64) - expected)
        away[~np.isfinite(away)] = np.inf
        if away.max() > largest or not worst:
            song, output = np.unravel_index(away.argmax(), away.shape)
            largest = float(away.max())
            values = f"{found[song, output]:.7g} instead of {expected[song, output]:.7g}"
            worst = f"{name}, song {song}, output {output}: {values}"
    relative = largest / max(scale, 1e-30)
    if not relative <= TOLERANCE:
        what = f"the export differs from the model by {relative:.1e} of the largest answer ({worst})"
        raise DataError(f"{what}; the limit is {TOLERANCE:.0e}", remedy="choose another format")
    real = 0 if songs is None else min(songs.n_songs, MOST_REAL_SONGS)
    return Parity(largest_difference=relative, tolerance=TOLERANCE, songs=number, real_songs=real)


def _cases(source: Source, answers: Answers, songs: SongSet | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields the name of each batch, the answers of the export, and those of the model."""
    generator = np.random.default_rng(0)
    for size, length in sizes(source):
        x = random_songs(source, size, length, generator)
        yield f"a batch of {size} random songs of {length} segments", np.asarray(answers(x)), _answers_of(source, x)
    if songs is None or source.run is None:
        return
    run = source.run
    songs = songs.take(np.arange(min(songs.n_songs, MOST_REAL_SONGS)))
    cut, owner = run.preprocessing.cut(songs)
    yield "the run's songs", run.preprocessing.combine(np.asarray(answers(cut.padded())), owner), run.logits(songs)


def sizes(source: Source) -> Iterator[tuple[int, int]]:
    """Yields batch sizes, each with the number of segments of a song, or of rows of an image."""
    shape = source.reading.input_shape
    trained = source.reading.trained_segments or 187
    lengths: list[int] = [shape[0]] if shape[0] is not None else [trained, max(1, trained // 2), trained + 5]
    for number, size in enumerate(BATCHES):
        length = lengths[number % len(lengths)]
        fitting = _MOST_NUMBERS // _widest(source.model, length)
        yield max(1, min(size, fitting)), length


def _widest(model: Any, length: int) -> int:
    """Returns the size of the largest output of a layer for a song of ``length`` segments."""
    parts = [part for part in model._flatten_layers() if hasattr(part, "_nodes_by_depth")]
    nodes = [node for part in parts for nodes in part._nodes_by_depth.values() for node in nodes]
    tensors = [tensor for node in nodes for tensor in node.output_tensors]
    return max(math.prod(axis or length for axis in tensor.shape[1:]) for tensor in tensors)


def random_songs(source: Source, size: int, length: int, generator: np.random.Generator) -> np.ndarray:
    """Draws songs like those that the model reads, ``(size, …)`` float32; the first one has no padding."""
    shape = (size, length, *(axis or 1 for axis in source.reading.input_shape[1:]))
    x = generator.standard_normal(shape, np.float32) * source.spread + source.centre
    if source.reading.masks_padding:
        for song in x[1:]:
            song[generator.integers(1, len(song) + 1) :] = np.nan
    return np.asarray(x, np.float32)


def _answers_of(source: Source, x: np.ndarray) -> np.ndarray:
    """Computes the model's own answers, in parts so that large songs need little memory."""
    size = max(1, _NUMBERS // x[0].size)
    parts = [source.model(x[start : start + size], training=False) for start in range(0, len(x), size)]
    return np.concatenate([np.asarray(keras.ops.convert_to_numpy(part), np.float32) for part in parts])
