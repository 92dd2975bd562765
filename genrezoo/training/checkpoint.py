"""Checkpoints for exact resumption: everything that the next epoch depends on, in one atomically replaced file.

Keras's backup omits the state of dropout and keeps weights and counters in two files; this one holds weights,
optimiser, seed generators, the average, the best snapshot so far and the history, so that a run killed at any instant
and resumed is bit-identical to an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from genrezoo import files
from genrezoo.errors import DataError
from genrezoo.lazy import keras

Arrays = dict[str, np.ndarray]


@dataclass
class Progress:
    """Progress of a training.

    Attributes:
        history: One record per finished epoch.
        best_epoch: Epoch (from 1) of the best snapshot; 0 before the first.
        best_score: Score of that snapshot; larger is better.
        best: Weights of that snapshot, by name.
        average: Mean weights of the epochs averaged so far, by name.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = -np.inf
    best: Arrays = field(default_factory=dict)
    average: Arrays = field(default_factory=dict)


def weights_of(model: keras.Model) -> Arrays:
    """Returns the weights (trained and moving averages) by number and path, the same in every process."""
    return {name: _value(weight) for name, weight in _named(model.weights).items()}


def assign_weights(model: keras.Model, arrays: Arrays, path: Path | None = None) -> None:
    """Checks arrays and assigns them to a model's weights.

    Raises:
        DataError: Names, shapes or types differ from the model's, or a value is not finite; then nothing is assigned.
    """
    expected, remedy = _named(model.weights), "use the run folder unchanged"
    if set(expected) != set(arrays):
        name = min(set(expected) ^ set(arrays))
        what = f"weights do not belong to this model: {name!r} is {'missing' if name in expected else 'unexpected'}"
        raise DataError(what, path=path, remedy=remedy)
    for name, weight in expected.items():
        array, shape = arrays[name], tuple(weight.shape)
        if array.shape != shape or array.dtype != np.dtype(weight.dtype):
            what = f"weight has shape {array.shape} and type {array.dtype}, expected {shape} {weight.dtype}"
            raise DataError(what, path=path, where=name, remedy=remedy)
        if not np.isfinite(array).all():
            remedy = "train again with a lower learning rate"
            raise DataError("weight is not finite", path=path, where=name, remedy=remedy)
    assign_arrays(model, arrays)


def assign_arrays(model: keras.Model, arrays: Arrays) -> None:
    """Assigns arrays from `weights_of` to the same model."""
    for name, weight in _named(model.weights).items():
        weight.assign(arrays[name])


def save(path: Path, model: keras.Model, progress: Progress) -> None:
    """Writes the state after an epoch."""
    arrays = {f"state/{name}": value for name, value in _state(model).items()}
    for part in ("best", "average"):
        arrays |= {f"{part}/{name}": value for name, value in getattr(progress, part).items()}
    about = {"history": progress.history, "best_epoch": progress.best_epoch, "best_score": progress.best_score}
    write_arrays(path, arrays, about)


def load(path: Path, model: keras.Model) -> Progress:
    """Restores a saved state into a compiled, built model.

    Raises:
        DataError: The file is damaged or belongs to another model.
    """
    about, arrays = read_arrays(path)
    state = _variables(model)
    saved, best, average = (
        {name.removeprefix(f"{part}/"): value for name, value in arrays.items() if name.startswith(f"{part}/")}
        for part in ("state", "best", "average")
    )
    if {name: tuple(v.shape) for name, v in state.items()} != {name: v.shape for name, v in saved.items()}:
        raise DataError("checkpoint of another model", path=path, remedy="delete it to train from scratch")
    for name, variable in state.items():
        variable.assign(saved[name])
    return Progress(about["history"], about["best_epoch"], about["best_score"], best, average)


def second(path: Path) -> Path:
    """Returns the path of the checkpoint of a second training that follows the first, such as a refit."""
    return path.with_stem(f"{path.stem}_second")


def read_history(path: Path) -> list[dict[str, float]]:
    """Returns the records of a training's finished epochs; those of a second training continue the numbering.

    Args:
        path: The checkpoint of the first training.

    Raises:
        DataError: A file is damaged.
    """
    history: list[dict[str, float]] = read_arrays(path)[0]["history"]
    if second(path).exists():
        before = len(history)
        records = read_arrays(second(path))[0]["history"]
        history += [{**record, "epoch": record["epoch"] + before} for record in records]
    return history


def write_arrays(path: Path, arrays: Arrays, about: Any) -> None:
    """Writes arrays and plain data about them, with a checksum over both."""
    text = json.dumps(about)
    metadata = {"genrezoo": text, "sha256": _checksum(arrays, text)}
    files.write_atomic(path, safetensors.numpy.save(arrays, metadata=metadata))


def read_arrays(path: Path) -> tuple[Any, Arrays]:
    """Reads the plain data and the arrays that `write_arrays` wrote.

    Raises:
        DataError: The file is damaged.
    """
    files.open_regular(path).close()
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            metadata = file.metadata() or {}
        text = metadata["genrezoo"]
        if metadata["sha256"] != _checksum(arrays, text):
            raise ValueError("its checksum differs")
        return json.loads(text), arrays
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        remedy = "delete it to train from scratch"
        raise DataError(f"damaged checkpoint ({error})", path=path, remedy=remedy) from error


def _checksum(arrays: Arrays, text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\0{name}\0{array.dtype}\0{array.shape}\0".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Weights, seed states and optimiser; metrics are reset in each epoch and therefore left out."""
    metrics = {id(variable) for variable in model.metrics_variables}
    kept = _named([variable for variable in model.variables if id(variable) not in metrics])
    return kept | {f"optimizer/{number:03d}": variable for number, variable in enumerate(model.optimizer.variables)}


def _named(variables: list[keras.Variable]) -> dict[str, keras.Variable]:
    # Keras numbers unnamed layers through the life of a process ("dense_12"), so the position tells variables apart
    return {f"{number:03d}/{re.sub(r'_[0-9]+(?=/)', '', v.path)}": v for number, v in enumerate(variables)}


def _state(model: keras.Model) -> Arrays:
    return {name: _value(variable) for name, variable in _variables(model).items()}


def _value(variable: keras.Variable) -> np.ndarray:
    return np.array(np.asarray(keras.ops.convert_to_tensor(variable)))  # a copy: the variable goes on changing
