"""Run in a fresh process: builds models by name, loads their weights and writes what they predict.

usage: python reload.py FOLDER, with orders.json and for each order its weights and songs; writes one npz each.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np


def main(folder: Path) -> None:
    for number, order in enumerate(json.loads((folder / "orders.json").read_text())):
        build = getattr(importlib.import_module(order["module"]), order["function"])
        model = build(tuple(order["input_shape"]), order["num_classes"], **order["arguments"])
        model.load_weights(folder / f"{number}.weights.h5")
        outputs = model(np.load(folder / f"{number}.npy"))
        outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
        found = {name: keras.ops.convert_to_numpy(output) for name, output in outputs.items()}
        np.savez(folder / f"{number}.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
