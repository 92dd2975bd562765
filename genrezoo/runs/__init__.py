"""Runs: a recipe trained on songs with a seed, stored in a folder that holds everything needed to use it again.

A run folder has ``weights.safetensors`` (arrays only), ``card.json`` (what the run depends on and its results),
``history.csv`` and ``predictions.npz`` (valid and test). The card is written last: a folder without one is a training
to be continued. Loading builds the network by name from the validated card and never deserialises code.

`load_run` and stored predictions need no Keras, so the names that train are resolved on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from genrezoo.lazy import load_keras
from genrezoo.runs.comparison import Comparison, compare
from genrezoo.runs.run import Card, Run, load_run

if TYPE_CHECKING:
    from genrezoo.runs.extractor import feature_extractor
    from genrezoo.runs.folds import OutOfFold, out_of_fold
    from genrezoo.runs.training import train

__all__ = ["Card", "Comparison", "OutOfFold", "Run", "compare", "feature_extractor", "load_run", "out_of_fold", "train"]


def __getattr__(name: str) -> Any:
    homes = {"feature_extractor": "extractor", "OutOfFold": "folds", "out_of_fold": "folds", "train": "training"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    load_keras()
    return getattr(importlib.import_module(f"{__name__}.{homes[name]}"), name)
