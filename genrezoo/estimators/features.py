"""`GenreClassifier`: a recipe on features, as a classifier of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, validate_data

from genrezoo.errors import DataError, SettingsError
from genrezoo.estimators._trained import TrainedClassifier
from genrezoo.recipes import Recipe
from genrezoo.songs import SongSet
from genrezoo.songs.columns import to_array, to_weights
from genrezoo.songs.convert import is_ragged, stacked

AUTO = {"table": "tabular_ensemble", "segments": "conv_in_time", "image": "spectrogram_cnn"}
"""The recipe of ``recipe="auto"`` for a table of features, for songs of several segments and for images."""

FOR_TABLES = ("feature_mlp", "fully_connected", "statistics_mlp", "tabular_ensemble")
"""Recipes that an error suggests for a table."""


class GenreClassifier(TrainedClassifier):
    """A scikit-learn classifier that trains a recipe on features.

    ``X`` may be a table ``(n_songs, n_features)``, an array or a data frame; songs of one length ``(n_songs,
    n_segments, n_features)``, where segments of NaN at the end are padding; a list of songs of different lengths, each
    ``(n_segments, n_features)``; or images ``(n_songs, height, width, channels)``. The recipe standardises the
    features. A fraction of the songs, always the same ones, is held out of training to choose the best epoch.

    Args:
        recipe: A recipe or its name; ``auto`` is the recipe for the kind of ``X`` in `AUTO`.
        epochs: Number of epochs; that of the recipe if left out.
        changes: Other values of the recipe's options, as in `Recipe.changed`; in a grid ``changes__NAME``. A model that
            can start from published weights has the option ``{"weights": NAME}``.
        validation_fraction: Fraction of each class, in (0, 1), that is held out; at least one song.
        random_state: Seed of weights, dropout and order, from 0; None or a ``RandomState`` draws one.
        store: Folder of run folders, which are named after recipe, songs and seed: a finished training is not repeated.
            If left out, the run is in a temporary folder, which is deleted with the classifier.
        verbose: 1 shows a progress bar on a terminal and in a notebook.

    Attributes:
        classes_: The labels, sorted.
        run_: The run, a `genrezoo.Run`, with predictions for the held-out songs but without test songs.
        n_features_in_: Features of a song.
        feature_names_in_: Names of the columns, if ``X`` is a data frame.

    Example:
        >>> from sklearn.datasets import make_classification
        >>> X, y = make_classification(60, n_features=5, random_state=1)
        >>> model = GenreClassifier("feature_mlp", epochs=2).fit(X, y)
        >>> model.predict_proba(X[:3]).shape
        (3, 2)
    """

    def __init__(
        self,
        recipe: str | Recipe = "auto",
        *,
        epochs: int | None = None,
        changes: Mapping[str, Any] | None = None,
        validation_fraction: float = 0.15,
        random_state: Any = 1,
        store: str | Path | None = None,
        verbose: int = 0,
    ):
        self.recipe = recipe
        self.epochs = epochs
        self.changes = changes
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.store = store
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Trains the recipe.

        Args:
            X: Features, see the class.
            y: One label per song, text or numbers.
            sample_weight: Weight of each song in training, 0 or more; a song of weight 0 is left out.
            groups: One name per song, e.g. of the artist; all songs of a group are held out, or none.

        Returns:
            The classifier.

        Raises:
            DataError: Features or labels are invalid, there are fewer than two classes, or a class has fewer than two
                songs.
            SettingsError: A parameter is out of range, or the recipe cannot be built for such songs.
            UnknownNameError: There is no such recipe or option of the recipe.
        """
        if _is_table(X):
            table, y = validate_data(self, X, y)
            x, lengths = table[:, None], None  # (songs, 1, features)
        else:
            x, lengths = _songs_or_images(X)
            y = validate_data(self, X="no_validation", y=y)
            self.n_features_in_ = x.shape[-1]
        check_classification_targets(y)
        check_consistent_length(x, y, sample_weight, groups)
        kept, weights = np.arange(len(x)), None
        if sample_weight is not None:
            weights = to_weights(sample_weight, len(x), path="songs", where="sample_weight")
            kept = np.flatnonzero(weights)
            if not kept.size:
                raise DataError("all weights are zero", where="sample_weight", remedy="pass a weight above 0")
        self.classes_, labels = np.unique(y[kept], return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(f"y has one class, {self.classes_.tolist()[0]!r}", remedy="pass songs of two classes")
        names = getattr(self, "feature_names_in_", None)
        songs = SongSet.from_arrays(
            x[kept],
            labels,
            genres=[str(label) for label in self.classes_.tolist()],
            lengths=None if lengths is None else lengths[kept],
            weights=None if weights is None else weights[kept],
            groups=None if groups is None else np.asarray(groups)[kept],
            about={} if names is None else {"feature_names": names.tolist()},
        )
        kind = "image" if x.ndim == 4 else "table" if x.shape[1] == 1 else "segments"
        recipe = self._recipe(AUTO[kind] if isinstance(self.recipe, str) and self.recipe == "auto" else self.recipe)
        try:
            return self._train(recipe, songs)
        except SettingsError as error:
            if kind != "table" or "cannot be built" not in str(error):
                raise
            remedy = f"X is a table, with one segment per song; recipes for tables are {', '.join(FOR_TABLES)}"
            raise SettingsError(f"{error}. {remedy}") from error

    def _logits(self, X: Any) -> np.ndarray:
        if _is_table(X):
            x, lengths = validate_data(self, X, reset=False)[:, None], None
        else:
            x, lengths = _songs_or_images(X)
        reading = self.run_.reading
        segments = reading.trained_segments
        if reading.kind == "segments" and not reading.any_length and x.ndim == 3 and x.shape[1] < (segments or 0):
            lengths = np.full(len(x), x.shape[1]) if lengths is None else lengths
            x = np.pad(x, ((0, 0), (0, (segments or 0) - x.shape[1]), (0, 0)))
        return self.run_.logits(reading.songs(x, lengths, path="X"))

    def __sklearn_tags__(self) -> Tags:
        """Tells scikit-learn that it reads arrays of three dimensions as well."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _is_table(X: Any) -> bool:
    """Whether X is a table, or something that the checks of scikit-learn refuse."""
    if isinstance(X, list | tuple) or _holds_songs(X):
        return not len(X) or np.ndim(X[0]) < 2
    return int(getattr(X, "ndim", 2)) <= 2


def _holds_songs(X: Any) -> bool:
    """Whether X is an array of objects, one per song."""
    return isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1


def _songs_or_images(X: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Converts songs or images to one array; returns it and the songs' lengths, or None if they are equal."""
    X = list(X) if _holds_songs(X) else X
    x, lengths = stacked(X, "X") if is_ragged(X) else (to_array(X, path="X", where="x"), None)
    if x.ndim not in (3, 4) or x.dtype.kind not in "fiu" or not x.size:
        what = f"X has shape {x.shape} and type {x.dtype}"
        raise DataError(what, remedy="pass numbers (songs, features), (songs, segments, features) or images")
    return x, _without_padding(x) if x.ndim == 3 and lengths is None else lengths


def _without_padding(x: np.ndarray) -> np.ndarray | None:
    """Returns the lengths of songs without their last segments of NaN, ``(n_songs,)``; None without such segments."""
    real = ~np.isnan(x).all(axis=2)  # (songs, segments)
    lengths = x.shape[1] - np.argmax(real[:, ::-1], axis=1)
    return None if (lengths == x.shape[1]).all() else np.where(real.any(axis=1), lengths, 0)
