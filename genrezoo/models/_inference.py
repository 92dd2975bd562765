"""Batched inference with few distinct batch sizes."""

from __future__ import annotations

from typing import Any

import numpy as np


def in_batches(model: Any, x: np.ndarray, batch_size: int) -> np.ndarray:
    """Returns a network's outputs; batches are padded to powers of two, so that only few sizes are compiled.

    Args:
        model: A built network with one input and one output.
        x: ``(n_songs, …)``, the network's input.
        batch_size: Largest number of songs in a batch.

    Returns:
        ``(n_songs, n_outputs)`` float32.
    """
    if not len(x):
        return np.zeros((0, model.output_shape[-1]), np.float32)
    answers = []
    for start in range(0, len(x), batch_size):
        part = x[start : start + batch_size]
        size = min(batch_size, 1 << (len(part) - 1).bit_length())
        filled = part[np.minimum(np.arange(size), len(part) - 1)]  # the last song again
        answers.append(np.asarray(model.predict_on_batch(filled), np.float32)[: len(part)])
    return np.concatenate(answers)
