"""The common part of the classifiers: training a recipe, predictions, parameters, and pickles without code."""

from __future__ import annotations

import numbers
import shutil
import tempfile
import weakref
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from genrezoo.errors import DataError, check_type
from genrezoo.evaluation import softmax
from genrezoo.lazy import load_keras
from genrezoo.recipes import Recipe, get_recipe
from genrezoo.runs import Run, load_run
from genrezoo.seeds import check_seed
from genrezoo.songs import SongSet
from genrezoo.songs.splits import hold_out

FILES = ("card.json", "weights.safetensors", "predictions.npz", "history.csv", "plan.json")
"""The files of a run folder, which a pickle contains as bytes."""

CHANGE = "changes__"
"""Prefix of parameters that are entries of the parameter ``changes``."""


class TrainedClassifier(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier that trains a recipe; subclasses convert the arguments of `fit` to songs."""

    recipe: str | Recipe
    epochs: int | None
    changes: Mapping[str, Any] | None
    validation_fraction: float
    random_state: Any
    store: str | Path | None
    verbose: int

    @abstractmethod
    def _logits(self, X: Any) -> np.ndarray:
        """Returns the logits of songs, ``(n_songs, n_classes)`` float32, in the order of ``classes_``."""

    def _recipe(self, name: str | Recipe) -> Recipe:
        """Returns a recipe with ``changes`` and ``epochs``."""
        check_type("changes", self.changes or {}, Mapping, "a table of names and values")
        recipe = name if isinstance(name, Recipe) else get_recipe(name)
        changes = {**(self.changes or {}), **({} if self.epochs is None else {"settings.epochs": self.epochs})}
        return recipe.changed(changes) if changes else recipe

    def _train(self, recipe: Recipe, songs: SongSet) -> Self:
        """Trains on songs; some of them are held out to choose the best epoch."""
        load_keras()
        from genrezoo.runs import train  # here, because it needs Keras

        songs = hold_out(songs, self.validation_fraction, seed=0)
        seed, folder = self._seed(), None
        if self.store is None:
            folder = Path(tempfile.mkdtemp(prefix="genrezoo-"))
            out = folder / "run"
        else:
            out = Path(self.store) / recipe.run_name(songs.name, seed, songs.checksum())
        try:
            self.run_ = train(recipe, songs, seed=seed, out=out, verbose=self.verbose, tested=False)
        except BaseException:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        if folder is not None:
            weakref.finalize(self.run_, shutil.rmtree, folder, ignore_errors=True)
        return self

    def _seed(self) -> int:
        if isinstance(self.random_state, numbers.Integral):
            return check_seed(int(self.random_state))
        return int(check_random_state(self.random_state).randint(2**32, dtype=np.int64))

    def decision_function(self, X: Any) -> np.ndarray:
        """Computes the logits.

        Args:
            X: Songs, as in `fit`.

        Returns:
            ``(n_songs, n_classes)`` float32, in the order of ``classes_``; of two classes the second's logit minus the
            first's, ``(n_songs,)``.

        Raises:
            DataError: A song of X cannot be classified.
        """
        check_is_fitted(self)
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> np.ndarray:
        """Computes the probability of each class.

        Args:
            X: As in `decision_function`.

        Returns:
            ``(n_songs, n_classes)``, in the order of ``classes_``; rows sum to 1.

        Raises:
            DataError: As `decision_function`.
        """
        check_is_fitted(self)
        return softmax(self._logits(X))

    def predict(self, X: Any) -> np.ndarray:
        """Predicts the most probable class.

        Args:
            X: As in `decision_function`.

        Returns:
            ``(n_songs,)``, labels of the same type as in `fit`.

        Raises:
            DataError: As `decision_function`.
        """
        check_is_fitted(self)
        return np.asarray(self.classes_[self._logits(X).argmax(axis=1)])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the parameters by name; with ``deep`` also the entries of ``changes``, as ``changes__NAME``."""
        found: dict[str, Any] = super().get_params(deep=deep)
        if deep and isinstance(self.changes, Mapping):
            found |= {f"{CHANGE}{name}": value for name, value in self.changes.items()}
        return found

    def set_params(self, **params: Any) -> Self:
        """Sets parameters by name; ``changes__NAME`` sets one entry of ``changes``, e.g. ``changes__units``.

        Raises:
            ValueError: There is no such parameter.
        """
        inner = {name.removeprefix(CHANGE): params.pop(name) for name in list(params) if name.startswith(CHANGE)}
        super().set_params(**params)
        if inner:
            self.changes = {**(self.changes or {}), **inner}
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Returns plain parameters and the run's files as bytes: neither a model nor code.

        Raises:
            DataError: The run folder was removed.
        """
        state: dict[str, Any] = dict(super().__getstate__())
        if isinstance(state["recipe"], Recipe):
            state["recipe"] = state["recipe"].model_dump(mode="json")
        if "run_" in state:
            folder = self.run_.folder
            if not (folder / "card.json").exists():
                raise DataError("the run folder of the classifier is gone", path=folder, remedy="fit it again")
            state["run_"] = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores the classifier and opens its run with the checks of `genrezoo.load_run`.

        Raises:
            DataError: The run in the pickle is damaged.
        """
        state = dict(state)
        if isinstance(state["recipe"], dict):
            state["recipe"] = Recipe.model_validate(state["recipe"])
        if "run_" in state:
            state["run_"] = _opened(state["run_"])
        super().__setstate__(state)


def _opened(stored: Mapping[str, bytes]) -> Run:
    """Opens a run from the bytes of its files, in a temporary folder that is deleted with the run."""
    if unknown := sorted(set(stored) - set(FILES)):
        raise DataError(f"a pickled run contains the unknown file {unknown[0]!r}", remedy="pickle the classifier again")
    folder = Path(tempfile.mkdtemp(prefix="genrezoo-"))
    try:
        for name, content in stored.items():
            (folder / name).write_bytes(content)
        run = load_run(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    return run
