"""Stored predictions of a network or a baseline for the songs of each split, checked when read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genrezoo.archive import read_headers, read_npz
from genrezoo.errors import DataError

FILE = "predictions.npz"
"""Name of the predictions file in a run folder."""
ALL = "all"
"""What `Run.evaluate` takes for every song that is passed, whatever its split."""

OUT_OF_FOLD = "out_of_fold"
"""Name of the split of out-of-fold predictions for all training and validation songs, which some runs have."""


def stored_splits(folder: str | Path) -> list[str]:
    """Returns the names of the splits with stored predictions.

    Raises:
        DataError: The file is missing or damaged.
    """
    return [key.removesuffix("_ids") for key in read_headers(Path(folder) / FILE) if key.endswith("_ids")]


def read_predictions(folder: str | Path, split: str, num_classes: int) -> dict[str, np.ndarray]:
    """Reads the predictions of a split.

    Args:
        folder: The folder of a run or a baseline.
        split: ``valid`` or ``test``; for a bagged run also ``out_of_fold``.
        num_classes: Number of genres.

    Returns:
        ``ids`` (text) and ``y`` (integers), ``(n,)``; ``logits`` ``(n, num_classes)`` and the outputs of auxiliary
        heads, all finite.

    Raises:
        DataError: The file is missing or damaged, has no such split, or its arrays do not fit.
    """
    path = Path(folder) / FILE
    found = read_npz(path, prefix=f"{split}_")
    if not found:
        raise DataError(f"no predictions of split {split!r}", path=path, remedy="use valid or test, or pass songs")
    ids, y, logits = (found.get(name, np.zeros(0)) for name in ("ids", "y", "logits"))
    outputs = [value for name, value in found.items() if name not in ("ids", "y")]
    if not (
        ids.dtype.kind == "U" and ids.ndim == 1 and len(ids)
        and y.dtype.kind in "iu" and y.shape == ids.shape and y.min() >= 0 and y.max() < num_classes
        and logits.shape == (len(ids), num_classes)
        and all(value.dtype.kind == "f" and np.isfinite(value).all() for value in outputs)
    ):  # fmt: skip
        what = f"ids, y and logits of split {split!r} do not fit each other or the {num_classes} genres"
        raise DataError(f"{what}: shapes {ids.shape}, {y.shape} and {logits.shape}", path=path, remedy="train again")
    return found
