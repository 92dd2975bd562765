"""Arrays of a TensorFlow checkpoint."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def read_checkpoint(folder: Path, names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Some variables of the checkpoint without a name in a folder; its optimiser's state is left behind.

    Args:
        folder: Folder with ``.index`` and ``.data-00000-of-00001``.
        names: By name of a variable's scope here, that in the checkpoint.

    Returns:
        Arrays by ``SCOPE/VARIABLE``, the scopes as here.
    """
    tensorflow = importlib.import_module("tensorflow")
    reader = tensorflow.compat.v1.train.NewCheckpointReader(f"{folder}/")
    arrays = {}
    for here, there in names.items():
        norm = here.endswith("_norm")
        for variable in ("beta", "gamma", "moving_mean", "moving_variance") if norm else ("bias", "kernel"):
            arrays[f"{here}/{variable}"] = reader.get_tensor(f"{there}/{variable}")
    return arrays
