"""The prediction for one recording: its windows, and the combination of their answers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from genrezoo.audio.settings import Features
from genrezoo.errors import DataError, SettingsError, check_known
from genrezoo.evaluation import log_softmax, softmax
from genrezoo.predict.prediction import Prediction
from genrezoo.reading import Answering, Reading
from genrezoo.rules import RULES, aggregate
from genrezoo.songs import SongSet
from genrezoo.songs.chunks import chunk_starts, windows_at

WINDOW = 10.0
"""Seconds of a window where a run reads any length and no other window is specified."""

MOST_SEGMENTS = 20_000
"""Longest recording, in segments, that a model of any length reads at once; a longer one is read in windows."""

_BLOCK_BYTES = 64 * 2**20  # most features that the model reads at once


def predict_features(
    model: Answering,
    features: Features,
    *,
    rule: str | None = None,
    window: float | None = None,
    hop: float | None = None,
) -> Prediction:
    """Predicts one recording from its features.

    Args:
        model: A run, an exported model or published weights.
        features: As in the training songs, not standardised, with the times of the segments.
        rule: As in `predict_audio`.
        window: As in `predict_audio`.
        hop: As in `predict_audio`.

    Returns:
        The prediction; its path is empty.

    Raises:
        DataError: The features differ from those of the training songs, there are none, the recording is too short for
            the model, or the hop is longer than a window.
        SettingsError: ``window`` or ``hop`` does not fit the model.
    """
    if not len(features.x):
        raise DataError("no segments", remedy="use a longer recording")
    answer = _of_weights if model.reading.source == "weights" else _of_run
    return answer(model, features, rule, window, hop)


def check_options(reading: Reading, *, rule: str | None, window: float | None, hop: float | None) -> None:
    """Refuses options that do not fit a model, whatever the recording.

    Args:
        reading: The model's input and answers.
        rule: As in `predict_audio`.
        window: As in `predict_audio`.
        hop: As in `predict_audio`.

    Raises:
        SettingsError: ``window`` or ``hop`` is out of range, or an option does not fit the model.
        UnknownNameError: There is no such rule.
    """
    if reading.output != "logits":
        raise SettingsError(
            f"{reading.name} was exported without its output layer, so it has no genres; export the whole model"
        )
    if rule is not None:
        check_known("rule", [rule], RULES)
        if reading.source == "weights":
            raise SettingsError(f"rule must be left out: the answer of {reading.name} is the mean of its windows")
    for name, seconds in (("window", window), ("hop", hop)):
        if seconds is not None and not 1e-3 <= seconds <= 1e6:
            raise SettingsError(f"{name} must be from 0.001 to 1,000,000 seconds, got {seconds}")
    if window is not None and hop is not None and hop > window:
        raise SettingsError(f"hop must be at most the window, got {hop} and {window} s: parts would not be read")
    images = reading.kind == "image"
    if window is not None and (reading.chunks is not None or not reading.any_length):
        length = "images" if images else f"{reading.trained_segments or reading.input_shape[0]} segments at a time"
        raise SettingsError(f"window must be left out: {reading.name} reads {length}")
    if hop is not None and images:
        raise SettingsError(f"hop must be left out: {reading.name} reads images, which do not overlap")


def _of_run(
    model: Answering, features: Features, rule: str | None, window: float | None, hop: float | None
) -> Prediction:
    """Predicts by a run: combines the windows' posteriors by a rule, or reads the whole recording at once."""
    x, edges, reading = features.x, features.edges, model.reading
    warnings = []
    length, step = _window(reading, features, window, hop)
    if len(x) < length:
        if not reading.masks_padding:
            what = f"{len(x)} segments ({edges[-1] - edges[0]:.1f} s), {reading.name} reads {length} at a time"
            remedy = "use a longer recording, or train a model that masks padding (`genrezoo list`)"
            raise DataError(f"{what} and does not mask padding", remedy=remedy)
        warnings.append(f"shorter than the {length} segments that the model reads: padded")
    starts = chunk_starts(len(x), length, step)
    logits = _logits(model, x, starts, length)
    whole = rule is None and reading.chunks is None and reading.any_length
    if whole and len(x) > MOST_SEGMENTS:
        warnings.append(f"longer than {MOST_SEGMENTS:,} segments: the answer is the mean of the windows")
        whole = False
    if whole:
        rule, probabilities = None, softmax(_logits(model, x, np.zeros(1, np.int64), len(x)))[0]
    else:
        rule = rule or (reading.chunks.rule if reading.chunks else "mean")
        temperature = reading.temperature or 1.0  # it is fitted for combined chunks, not for single ones
        combined = aggregate(log_softmax(logits * temperature)[None].astype(np.float32), rule=rule)
        probabilities = softmax(np.asarray(combined) / temperature)[0]
    return Prediction(
        path=Path(),
        genres=reading.genres,
        probabilities=probabilities.astype(np.float32),
        rule=rule,
        starts=edges[starts],
        ends=edges[np.minimum(starts + length, len(x))],
        windows=reading.scores(logits),
        warnings=tuple(warnings),
    )


def _of_weights(
    model: Answering, features: Features, rule: str | None, window: float | None, hop: float | None
) -> Prediction:
    """Predicts by published weights: the mean of the windows' scores."""
    x, edges, reading = features.x, features.edges, model.reading
    warnings: tuple[str, ...] = ()
    per_second = len(x) / (edges[-1] - edges[0])
    length = reading.input_shape[0] or max(1, round((window or reading.window or WINDOW) * per_second))
    step = length if hop is None else max(1, round(hop * per_second))
    if step > length:
        what = f"hop of {hop} s is {step} segments, more than the {length} of a window"
        raise SettingsError(f"{what}: parts would not be read; use a smaller hop")
    if len(x) < length:
        x = x[np.arange(length) % len(x)]
        warnings = (f"shorter than the {length} segments that the network reads: repeated",)
    starts = np.arange(0, len(x) - length + 1, step)
    scores = reading.scores(_logits(model, x, starts, length))
    return Prediction(
        path=Path(),
        genres=reading.genres,
        probabilities=scores.mean(axis=0),
        rule="mean",
        starts=edges[starts],
        ends=edges[np.minimum(starts + length, len(edges) - 1)],
        windows=scores,
        warnings=warnings,
        other_tags=reading.other_tags,
        scores="activations" if reading.activation == "sigmoid" else "probabilities",
    )


def _window(reading: Reading, features: Features, window: float | None, hop: float | None) -> tuple[int, int]:
    """Returns the segments of a window, and those from the start of one window to the next."""
    n_segments = len(features.x)
    if reading.kind == "image":
        return 1, 1
    per_second = n_segments / (features.edges[-1] - features.edges[0])
    length = reading.trained_segments or 1
    if reading.chunks:
        step = reading.chunks.hop
    else:
        if reading.any_length:
            wanted = max(1, round((window or WINDOW) * per_second))
            length = min(wanted if window else min(wanted, length), n_segments)
        step = max(1, round(length / 4))
    if hop is not None:
        step = max(1, round(hop * per_second))
        if step > length and n_segments > length:
            what = f"hop of {hop} s is {step} segments of this recording, more than the {length} of a window"
            raise DataError(f"{what}: parts would not be read", remedy="use a smaller hop")
    return length, step


def _logits(model: Answering, x: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Computes the logits of windows, ``(n_windows, n_genres)``, in blocks that need little memory."""
    reading = model.reading
    images = reading.kind == "image"
    size = max(1, _BLOCK_BYTES // (4 * length * math.prod(x.shape[1:])))
    parts = []
    for first in range(0, len(starts), size):
        begin = starts[first : first + size]
        if images:
            block, lengths = x[begin], np.full(len(begin), x.shape[1])
        else:
            block = windows_at(x, begin, length)  # (windows, segments, features)
            lengths = np.minimum(len(x) - begin, length)
        songs = SongSet(
            x=block, y=np.zeros(len(begin), np.int64), genres=reading.genres, lengths=lengths, name="recording",
            kind=reading.kind,
        )  # fmt: skip
        parts.append(model.logits(songs))
    return np.concatenate(parts)
