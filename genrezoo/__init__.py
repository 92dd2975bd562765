"""genrezoo: every way of telling a song's genre from its sound, under one name each.

The public names below are resolved on first use, so that ``import genrezoo`` loads neither Keras nor TensorFlow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"

_HOMES = {
    "DataError": "errors",
    "GenrezooError": "errors",
    "SettingsError": "errors",
    "UnknownNameError": "errors",
    "SongSet": "songs",
    "split_by_group": "songs",
    "split_by_ids": "songs",
    "split_stratified": "songs",
    "list_datasets": "datasets",
    "load_songs": "datasets",
    "create_model": "models",
    "list_models": "models",
    "model_info": "models",
    "register_model": "models",
    "Recipe": "recipes",
    "get_recipe": "recipes",
    "list_recipes": "recipes",
    "Run": "runs",
    "load_run": "runs",
    "train": "runs",
    "benchmark": "benchmarking",
    "list_suites": "benchmarking",
    "load_suite": "benchmarking",
    "render": "report",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'genrezoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"genrezoo.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:  # the same names, for type checkers and editors
    from genrezoo.benchmarking import benchmark, list_suites, load_suite
    from genrezoo.datasets import list_datasets, load_songs
    from genrezoo.errors import DataError, GenrezooError, SettingsError, UnknownNameError
    from genrezoo.models import create_model, list_models, model_info, register_model
    from genrezoo.recipes import Recipe, get_recipe, list_recipes
    from genrezoo.report import render
    from genrezoo.runs import Run, load_run, train
    from genrezoo.songs import SongSet, split_by_group, split_by_ids, split_stratified
