"""What every procedure takes and returns, and the one way to run a model over many songs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Required, TypeAlias, TypedDict

import numpy as np

from genrezoo.lazy import keras

Inputs: TypeAlias = np.ndarray | list[np.ndarray]
"""What a model is given for some songs: one array, or one for each of its inputs."""

HISTORY = ("epoch", "seconds", "learning_rate", "loss", "accuracy", "valid_loss", "valid_accuracy", "valid_macro_f1")
"""Columns of a history, one row an epoch, epochs counted from 1. Where several outputs of a model are trained, each
adds its error without weight and penalties: ``NAME_loss`` and ``valid_NAME_loss``, ``logits`` being the genre's."""


class Options(TypedDict, total=False):
    """What every procedure takes by keyword beside the model, the songs and its settings.

    Attributes:
        seed: Decides the order of the songs; weights and dropout follow the seed that the model was built with.
        checkpoint_path: File that every finished epoch is saved to; if it exists, training continues from it and ends
            bit-identical to a training that never stopped. None or left out: no checkpoint.
        on_epoch: Called with each finished epoch's history record.
        logits: Logits of the members that the procedure learns from, ``(n_songs, classes)`` by name; for `stagewise`
            those of members whose own answers to some songs are of no use, because they were trained on them.
    """

    seed: Required[int]
    checkpoint_path: Path | None
    on_epoch: Callable[[dict[str, float]], None] | None
    logits: Mapping[str, np.ndarray] | None


@dataclass(frozen=True)
class Fitted:
    """A trained model and how it came about.

    Attributes:
        model: The model with the weights to keep.
        history: One record an epoch with the columns `HISTORY`, and the errors of each head where there are several.
        best_epoch: Epoch (from 1) whose weights were kept.
        outputs: Outputs for the songs of ``train`` and ``valid`` by split and name, where they are not the model's own:
            of a composition whose members answer songs that they were trained on by models that were not.
    """

    model: keras.Model
    history: list[dict[str, float]]
    best_epoch: int
    outputs: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Training time, validation included, in seconds."""
        return float(sum(row["seconds"] for row in self.history))


def epoch_record(
    epoch: int, start: float, learning_rate: float, loss: float, accuracy: float, valid: Mapping[str, Any]
) -> dict[str, float]:
    """One row of a history.

    Args:
        epoch: Its number, from 1.
        start: `time.perf_counter` at its beginning.
        learning_rate: The rate at its end.
        loss: Of training songs.
        accuracy: Of training songs.
        valid: Metrics of validation songs, from `genrezoo.evaluation.evaluate`.
    """
    scores = (valid["log_loss"], valid["accuracy"], valid["macro_f1"])
    values = (epoch, time.perf_counter() - start, learning_rate, loss, accuracy, *scores)
    return dict(zip(HISTORY, values, strict=True))


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
