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
    "GenrezooWarning": "errors",
    "ResourceError": "errors",
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
    "AudioGenreClassifier": "estimators",
    "GenreClassifier": "estimators",
    "Exported": "exported",
    "load_exported": "exported",
    "Recipe": "recipes",
    "bagged": "recipes.bagged",
    "get_recipe": "recipes",
    "list_recipes": "recipes",
    "Run": "runs",
    "compare": "runs",
    "feature_extractor": "runs",
    "load_run": "runs",
    "out_of_fold": "runs",
    "train": "runs",
    "Search": "tuning",
    "plot": "plot",
    "hypermodel": "tuning",
    "list_search_plans": "tuning",
    "load_search": "tuning",
    "tune": "tuning",
    "GreedyEnsemble": "ensembles",
    "greedy_ensemble": "ensembles",
    "GreedySettings": "selection",
    "export": "exporting",
    "card": "cards",
    "benchmark": "benchmarking",
    "list_suites": "benchmarking",
    "load_suite": "benchmarking",
    "predict_audio": "predict",
    "predict_samples": "predict",
    "predict_table": "predict.bulk",
    "read_rows": "report",
    "render": "report",
    "list_weights": "weights",
    "register_weights": "weights",
    "weights_info": "weights",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'genrezoo' has no attribute {name!r}")
    home = importlib.import_module(f"genrezoo.{_HOMES[name]}")
    value = home if name == "plot" else getattr(home, name)  # a module of functions
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:  # the same names, for type checkers and editors
    from genrezoo import plot as plot
    from genrezoo.benchmarking import benchmark as benchmark
    from genrezoo.benchmarking import list_suites as list_suites
    from genrezoo.benchmarking import load_suite as load_suite
    from genrezoo.cards import card as card
    from genrezoo.datasets import list_datasets as list_datasets
    from genrezoo.datasets import load_songs as load_songs
    from genrezoo.ensembles import GreedyEnsemble as GreedyEnsemble
    from genrezoo.ensembles import greedy_ensemble as greedy_ensemble
    from genrezoo.errors import DataError as DataError
    from genrezoo.errors import GenrezooError as GenrezooError
    from genrezoo.errors import GenrezooWarning as GenrezooWarning
    from genrezoo.errors import ResourceError as ResourceError
    from genrezoo.errors import SettingsError as SettingsError
    from genrezoo.errors import UnknownNameError as UnknownNameError
    from genrezoo.estimators import AudioGenreClassifier as AudioGenreClassifier
    from genrezoo.estimators import GenreClassifier as GenreClassifier
    from genrezoo.exported import Exported as Exported
    from genrezoo.exported import load_exported as load_exported
    from genrezoo.exporting import export as export
    from genrezoo.models import create_model as create_model
    from genrezoo.models import list_models as list_models
    from genrezoo.models import model_info as model_info
    from genrezoo.models import register_model as register_model
    from genrezoo.predict import predict_audio as predict_audio
    from genrezoo.predict import predict_samples as predict_samples
    from genrezoo.predict.bulk import predict_table as predict_table
    from genrezoo.recipes import Recipe as Recipe
    from genrezoo.recipes import get_recipe as get_recipe
    from genrezoo.recipes import list_recipes as list_recipes
    from genrezoo.recipes.bagged import bagged as bagged
    from genrezoo.report import read_rows as read_rows
    from genrezoo.report import render as render
    from genrezoo.runs import Run as Run
    from genrezoo.runs import compare as compare
    from genrezoo.runs import feature_extractor as feature_extractor
    from genrezoo.runs import load_run as load_run
    from genrezoo.runs import out_of_fold as out_of_fold
    from genrezoo.runs import train as train
    from genrezoo.selection import GreedySettings as GreedySettings
    from genrezoo.songs import SongSet as SongSet
    from genrezoo.songs import split_by_group as split_by_group
    from genrezoo.songs import split_by_ids as split_by_ids
    from genrezoo.songs import split_stratified as split_stratified
    from genrezoo.tuning import Search as Search
    from genrezoo.tuning import list_search_plans as list_search_plans
    from genrezoo.tuning import load_search as load_search
    from genrezoo.tuning import tune as tune
    from genrezoo.tuning.hypermodel import hypermodel as hypermodel
    from genrezoo.weights import list_weights as list_weights
    from genrezoo.weights import register_weights as register_weights
    from genrezoo.weights import weights_info as weights_info
