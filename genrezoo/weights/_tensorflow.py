"""Arrays of a TensorFlow checkpoint."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def read_checkpoint(folder: Path, names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Reads the variables of layers from a checkpoint, without the state of its optimiser.

    Args:
        folder: Folder with the files ``.index`` and ``.data-00000-of-00001`` of the checkpoint, which has no name.
        names: Names of the layers in the checkpoint by their names in the model.

    Returns:
        Arrays by ``LAYER/VARIABLE``, with the layers' names in the model.
    """
    tensorflow = importlib.import_module("tensorflow")
    reader = tensorflow.compat.v1.train.NewCheckpointReader(f"{folder}/")
    arrays = {}
    for here, there in names.items():
        norm = here.endswith("_norm")
        for variable in ("beta", "gamma", "moving_mean", "moving_variance") if norm else ("bias", "kernel"):
            arrays[f"{here}/{variable}"] = reader.get_tensor(f"{there}/{variable}")
    return arrays
