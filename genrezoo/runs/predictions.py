"""Stored predictions: what a network or a baseline answered to the songs of each split, read with care."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genrezoo.archive import read_headers, read_npz
from genrezoo.errors import DataError

FILE = "predictions.npz"
"""File of predictions in a run folder."""
ALL = "all"
"""What `Run.evaluate` takes for every song that is passed, whatever its split."""

OUT_OF_FOLD = "out_of_fold"
"""Split of all training and validation songs, each predicted by a model that never saw it; of some runs."""


def stored_splits(folder: str | Path) -> list[str]:
    """Names of the splits that a folder has predictions of.

    Raises:
        DataError: The file is missing or damaged.
    """
    return [key.removesuffix("_ids") for key in read_headers(Path(folder) / FILE) if key.endswith("_ids")]


def read_predictions(folder: str | Path, split: str, num_classes: int) -> dict[str, np.ndarray]:
    """The predictions of a split.

    Args:
        folder: The run folder, or that of a baseline.
        split: ``valid`` or ``test``; of a bagged run also ``out_of_fold``.
        num_classes: Number of genres.

    Returns:
        ``ids`` (text) and ``y`` (integers), ``(n,)``; ``logits`` and the outputs of auxiliary heads, finite, of which
        ``logits`` is ``(n, num_classes)``.

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
