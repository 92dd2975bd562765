"""Run in a fresh process: reads saved models in two ways and writes what they predict.

usage: python reload.py FOLDER, with orders.json and for each order N: N.weights.h5, N.keras and the songs N.npy.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

import genrezoo.layers  # noqa: F401  # all that Keras's own loader may need


def main(folder: Path) -> None:
    """Reads with Keras's loader before any builder is imported, then builds anew and loads the weights."""
    orders = json.loads((folder / "orders.json").read_text())
    for number in range(len(orders)):
        model = keras.saving.load_model(folder / f"{number}.keras")
        predict(model, folder, f"{number} Keras's own file", number)
    for number, order in enumerate(orders):
        build = getattr(importlib.import_module(order["module"]), order["function"])
        model = build(tuple(order["input_shape"]), order["num_classes"], **order["arguments"])
        model.load_weights(folder / f"{number}.weights.h5")
        predict(model, folder, f"{number} built anew", number)


def predict(model: Any, folder: Path, name: str, number: int) -> None:
    """Writes the model's outputs for the songs."""
    outputs = model(np.load(folder / f"{number}.npy"))
    outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
    np.savez(folder / f"{name}.npz", **{name: keras.ops.convert_to_numpy(output) for name, output in outputs.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
