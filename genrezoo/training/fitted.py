"""What every procedure returns, and the one way to run a model over many songs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from genrezoo.lazy import keras

Inputs: TypeAlias = np.ndarray | list[np.ndarray]
"""What a model is given for some songs: one array, or one for each of its inputs."""

HISTORY = ("epoch", "seconds", "learning_rate", "loss", "accuracy", "valid_loss", "valid_accuracy", "valid_macro_f1")
"""Columns of a history, one row an epoch, epochs counted from 1."""


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it came about.

    Attributes:
        model: The model with the weights to keep.
        history: One record an epoch with the columns `HISTORY`.
        best_epoch: Epoch (from 1) whose weights were kept.
    """

    model: keras.Model
    history: list[dict[str, float]]
    best_epoch: int

    @property
    def seconds(self) -> float:
        """Training time, validation included, in seconds."""
        return float(sum(row["seconds"] for row in self.history))


def forward(model: keras.Model, x: Inputs, batch_size: int = 256) -> dict[str, np.ndarray]:
    """Runs a model in inference mode over any number of songs.

    Args:
        model: A model whose output is its logits or a dict with the key ``logits``.
        x: Model input, ``(n_songs, n_segments, n_features)`` float32, padding as NaN; a list for several inputs.
        batch_size: Songs at a time.

    Returns:
        Output name to float32 array, first axis ``n_songs``; the key ``logits`` is always there.
    """
    given = x if isinstance(x, list) else [x]
    parts: list[dict[str, Any]] = []
    for start in range(0, len(given[0]), batch_size):
        batch = [np.ascontiguousarray(part[start : start + batch_size]) for part in given]
        output = model.predict_on_batch(batch if isinstance(x, list) else batch[0])
        parts.append(output if isinstance(output, dict) else {"logits": output})
    return {name: np.concatenate([np.asarray(part[name], np.float32) for part in parts]) for name in parts[0]}
