"""Common arguments and results of all procedures, and inference over many songs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Required, TypeAlias, TypedDict

import numpy as np

from genrezoo.lazy import keras

Inputs: TypeAlias = np.ndarray | list[np.ndarray]
"""A model's input for some songs: one array, or one per input."""

HISTORY = ("epoch", "seconds", "learning_rate", "loss", "accuracy", "valid_loss", "valid_accuracy", "valid_macro_f1")
"""Columns of a history with one row per epoch, counted from 1. If several outputs of a model are trained, each adds its
unweighted loss without regularisation, ``NAME_loss`` and ``valid_NAME_loss``, with the name ``logits`` for the
genre."""


class Options(TypedDict, total=False):
    """Keyword arguments of every procedure besides the model, the songs and the settings.

    Attributes:
        seed: Seed of the order of the songs; weights and dropout depend on the seed that the model was built with.
        checkpoint_path: File that every finished epoch is saved to; if it exists, training continues from it, and the
            result is bit-identical to an uninterrupted training. None or left out: no checkpoint.
        on_epoch: Called with each finished epoch's history record.
        logits: Logits of the members that the procedure learns from, ``(n_songs, classes)`` by name; for `stagewise`
            those of members whose predictions for some songs cannot be used, because they were trained on them.
    """

    seed: Required[int]
    checkpoint_path: Path | None
    on_epoch: Callable[[dict[str, float]], None] | None
    logits: Mapping[str, np.ndarray] | None


@dataclass(frozen=True)
class Fitted:
    """A trained model and its history.

    Attributes:
        model: The model with the selected weights.
        history: One record per epoch with the columns `HISTORY`, and the losses of each head if there are several.
        best_epoch: Epoch (from 1) of the selected weights.
        outputs: Outputs for the songs of ``train`` and ``valid``, by split and name, if they differ from the model's:
            in a composition, predictions for songs that a member was trained on come from models that were not.
    """

    model: keras.Model
    history: list[dict[str, float]]
    best_epoch: int
    outputs: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Training time including validation, in seconds."""
        return float(sum(row["seconds"] for row in self.history))


def epoch_record(
    epoch: int, start: float, learning_rate: float, loss: float, accuracy: float, valid: Mapping[str, Any]
) -> dict[str, float]:
    """Builds one row of a history.

    Args:
        epoch: Number of the epoch, from 1.
        start: `time.perf_counter` at its beginning.
        learning_rate: Learning rate at its end.
        loss: Loss on the training songs.
        accuracy: Accuracy on the training songs.
        valid: Metrics of the validation songs, from `genrezoo.evaluation.evaluate`.
    """
    scores = (valid["log_loss"], valid["accuracy"], valid["macro_f1"])
    values = (epoch, time.perf_counter() - start, learning_rate, loss, accuracy, *scores)
    return dict(zip(HISTORY, values, strict=True))


def songs_per_batch(shape: Sequence[int]) -> int:
    """Returns how many songs of a shape are predicted together: 256, or fewer if long songs would fill the memory.

    Attention over a song holds a number for each pair of its segments, in each head.

    Args:
        shape: Shape of a song: segments and features, or height, width and channels.

    Example:
        >>> songs_per_batch((120, 25)), songs_per_batch((1292, 128)), songs_per_batch((3303, 25))
        (256, 40, 6)
    """
    return max(1, min(256, 2**23 // math.prod(shape), 2**26 // shape[0] ** 2))


def forward(model: keras.Model, x: Inputs, batch_size: int | None = None) -> dict[str, np.ndarray]:
    """Runs a model in inference mode over any number of songs.

    Args:
        model: A model whose output is its logits or a dict with the key ``logits``.
        x: Model input, ``(n_songs, n_segments, n_features)`` float32, padding as NaN; a list for several inputs.
        batch_size: Songs per batch; `songs_per_batch` if left out.

    Returns:
        Float32 arrays by output name, with first axis ``n_songs``; the key ``logits`` is always present.
    """
    given = x if isinstance(x, list) else [x]
    batch_size = batch_size or songs_per_batch(given[0].shape[1:])
    parts: list[dict[str, Any]] = []
    for start in range(0, len(given[0]), batch_size):
        batch = [np.ascontiguousarray(part[start : start + batch_size]) for part in given]
        output = model.predict_on_batch(batch if isinstance(x, list) else batch[0])
        parts.append(output if isinstance(output, dict) else {"logits": output})
    return {name: np.concatenate([np.asarray(part[name], np.float32) for part in parts]) for name in parts[0]}
