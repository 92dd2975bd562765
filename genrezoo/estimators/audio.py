"""`AudioGenreClassifier`: a recipe on audio files, as a classifier of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length, column_or_1d

from genrezoo.datasets import load_songs
from genrezoo.datasets._audio import plain_name
from genrezoo.errors import DataError, SettingsError
from genrezoo.estimators._trained import TrainedClassifier
from genrezoo.predict import Prediction, predict_audio
from genrezoo.recipes import Recipe

if TYPE_CHECKING:
    from genrezoo.audio.settings import FeatureSettings


class AudioGenreClassifier(TrainedClassifier):
    """A scikit-learn classifier that trains a recipe on audio files.

    ``X`` is a list of paths. The features are computed once and cached, so that cross-validation and a search over
    recipes decode each file once.

    Args:
        recipe: A recipe or its name; it must fit the features.
        features: Kind of features, e.g. ``log_mel``, ``feature_table`` or ``embedding``, or their settings.
        epochs: As in `GenreClassifier`, like the next five.
        changes: Other values of the recipe's options.
        validation_fraction: Fraction of each class that is held out to choose the best epoch.
        random_state: Seed.
        store: Folder of run folders.
        verbose: 1 shows a progress bar.
        cache: Folder of cached features; `genrezoo.environment.default_cache` if left out.
        workers: Processes that compute features; one a core if left out.

    Attributes:
        classes_: The labels, sorted.
        run_: The run, a `genrezoo.Run`; ``gz.predict_audio(model.run_, path)`` predicts over time.

    Example:
        >>> AudioGenreClassifier("statistics_mlp", features="log_mel").fit(["a.wav", "b.wav"], ["jazz", "jazz"])
        Traceback (most recent call last):
            ...
        genrezoo.errors.DataError: y has one class, 'jazz'. Remedy: pass files of two classes.
    """

    def __init__(
        self,
        recipe: str | Recipe = "statistics_mlp",
        *,
        features: str | Mapping[str, Any] | FeatureSettings = "log_mel",
        epochs: int | None = None,
        changes: Mapping[str, Any] | None = None,
        validation_fraction: float = 0.15,
        random_state: Any = 1,
        store: str | Path | None = None,
        verbose: int = 0,
        cache: str | Path | None = None,
        workers: int | None = None,
    ):
        self.recipe = recipe
        self.features = features
        self.epochs = epochs
        self.changes = changes
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.store = store
        self.verbose = verbose
        self.cache = cache
        self.workers = workers

    def fit(self, X: Sequence[str | Path], y: Any, groups: Any = None) -> Self:
        """Trains the recipe on the features of the files.

        Args:
            X: Paths of audio files, each once.
            y: One label per file, text or numbers.
            groups: One name per file, e.g. of the artist; all files of a group are held out, or none.

        Returns:
            The classifier.

        Raises:
            DataError: A file cannot be read, there are fewer than two classes, or a class has fewer than two files.
            SettingsError: A parameter is out of range, or the recipe cannot be built for such features.
            UnknownNameError: There is no such recipe, kind of features or option of the recipe.
        """
        paths, y = _paths(X), column_or_1d(y)
        check_consistent_length(paths, y, groups)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise DataError(f"y has one class, {self.classes_.tolist()[0]!r}", remedy="pass files of two classes")
        recipe = self._recipe(self.recipe)
        names = [str(label) for label in y.tolist()]
        songs = load_songs(
            paths, labels=names, groups=None if groups is None else [str(group) for group in groups],
            features=self.features, cache=self.cache, workers=self.workers, strict=True,
        )  # fmt: skip
        return self._train(recipe, songs)

    def timelines(self, X: Sequence[str | Path]) -> list[Prediction]:
        """Predicts the classes of files over time.

        Args:
            X: Paths of audio files.

        Returns:
            One `genrezoo.Prediction` per file, whose genres are the labels as text, sorted as text.

        Raises:
            DataError: A file cannot be read.
        """
        return predict_audio(self.run_, _paths(X), strict=True, cache=self.cache, workers=self.workers)

    def _logits(self, X: Any) -> np.ndarray:
        found = np.stack([prediction.probabilities for prediction in self.timelines(X)])
        # The run sorts its genres as text, classes_ are sorted as numbers if they are numbers.
        order = [self.run_.genres.index(plain_name(str(label))) for label in self.classes_.tolist()]
        logits: np.ndarray = np.log(np.maximum(found[:, order], np.finfo(np.float32).tiny))
        return logits

    def __sklearn_tags__(self) -> Tags:
        """Tells scikit-learn that it reads text, not numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _paths(X: Any) -> list[str | Path]:
    """Returns the paths as a list; anything else is refused."""
    paths = [X] if isinstance(X, str | Path) else np.asarray(X, object).tolist()
    if not paths or not all(isinstance(path, str | Path) for path in paths):
        raise SettingsError("X must be a list of paths of audio files, one per song")
    return paths
