"""Scikit-learn baselines with default settings, on the same songs and split.

Each classifier gets the songs in two forms: all segments concatenated (``flat``), and the mean and standard deviation
of each feature over the song's real segments (``stats``). A feature table has only the first form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genrezoo.errors import DataError
from genrezoo.evaluation import best_temperature, softmax
from genrezoo.lazy import LazyModule
from genrezoo.seeds import child_seed
from genrezoo.songs import SongSet, Standardiser

if TYPE_CHECKING:
    from sklearn import ensemble, linear_model, preprocessing, svm
else:  # names of baselines are listed without them
    ensemble, linear_model, preprocessing, svm = (
        LazyModule(f"sklearn.{name}") for name in ("ensemble", "linear_model", "preprocessing", "svm")
    )


TITLES = {
    "logistic_regression": "logistic regression",
    "svm_rbf": "SVM with RBF kernel",
    "random_forest": "random forest",
    "extra_trees": "extremely randomised trees",
    "hist_gradient_boosting": "histogram gradient boosting",
}
"""Names of the classifiers in sentences."""


@dataclass(frozen=True)
class Baseline:
    """A classifier on one form of the songs.

    Attributes:
        name: Name in tables.
        make: Builds the unfitted classifier from a seed.
        form: Turns standardised songs, ``(n_songs, n_segments, n_features)`` with NaN padding, into ``(n_songs,
            columns)``.
        seeded: Whether the result depends on the seed; otherwise it is fitted once.
        settings: Settings, for the row.
    """

    name: str
    make: Callable[[int], Any]
    form: Callable[[np.ndarray], np.ndarray]
    seeded: bool
    settings: dict[str, Any]

    @property
    def summary(self) -> str:
        """One line."""
        forms = {"flat": "all segments concatenated", "stats": "mean and standard deviation over the song"}
        name, _, form = self.name.rpartition("_")
        return f"scikit-learn's {TITLES[name]} on {forms[form]}"


def flatten(x: np.ndarray) -> np.ndarray:
    """Concatenates all segments; padding becomes 0, the mean of the training songs."""
    filled: np.ndarray = np.nan_to_num(x, nan=0.0)
    return filled.reshape(len(x), -1)


def statistics(x: np.ndarray) -> np.ndarray:
    """Returns mean and standard deviation of each feature over the real segments of each song.

    Raises:
        DataError: The songs have one segment, whose standard deviation is 0, or are images.
    """
    if x.ndim != 3:
        raise DataError("images have no segments to average", where="songs", remedy="use the flat form")
    if x.shape[1] < 2:
        raise DataError(
            "a table has one segment: its standard deviation is 0", where="songs", remedy="use the flat form"
        )
    return np.concatenate([np.nanmean(x, axis=1), np.nanstd(x, axis=1)], axis=1)


CLASSIFIERS: dict[str, tuple[Callable[[int], Any], bool, dict[str, Any]]] = {
    "logistic_regression": (lambda _: linear_model.LogisticRegression(C=0.1, max_iter=2000), False, {"C": 0.1}),
    "svm_rbf": (
        lambda _: svm.SVC(C=3.0),
        False,
        {"C": 3.0, "kernel": "rbf", "probabilities": "temperature scaling on valid"},
    ),
    "random_forest": (
        lambda seed: ensemble.RandomForestClassifier(500, random_state=seed),
        True,
        {"n_estimators": 500},
    ),
    "extra_trees": (lambda seed: ensemble.ExtraTreesClassifier(500, random_state=seed), True, {"n_estimators": 500}),
    "hist_gradient_boosting": (lambda seed: ensemble.HistGradientBoostingClassifier(random_state=seed), False, {}),
}
FORMS = {"flat": flatten, "stats": statistics}
BASELINES = {
    f"{name}_{form}": Baseline(f"{name}_{form}", make, function, seeded, {"form": form, **settings})
    for name, (make, seeded, settings) in CLASSIFIERS.items()
    for form, function in FORMS.items()
}


@dataclass(frozen=True)
class Tempered:
    """Adds probabilities to a classifier that has only scores, by a softmax with a temperature.

    Scikit-learn's `CalibratedClassifierCV` does not support validation songs that lack a genre, which occurs in small
    sets that are split by artist.
    """

    classifier: Any
    temperature: float

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Returns posteriors, ``(n_songs, n_genres)``."""
        posteriors: np.ndarray = softmax(scores(self.classifier, x) / self.temperature)
        return posteriors


def scores(classifier: Any, x: np.ndarray) -> np.ndarray:
    """Returns one score per genre, also for two genres."""
    found: np.ndarray = classifier.decision_function(x)
    return found if found.ndim == 2 else np.stack([np.zeros_like(found), found], axis=1)


@dataclass(frozen=True)
class FittedBaseline:
    """A fitted baseline with its form and standardisation."""

    form: Callable[[np.ndarray], np.ndarray]
    standardiser: Standardiser
    scaler: preprocessing.StandardScaler
    classifier: Any

    def log_posterior(self, songs: SongSet) -> np.ndarray:
        """Returns log posteriors, ``(n_songs, n_genres)`` float32, with probabilities floored at 1e-6."""
        x = self.scaler.transform(self.form(self.standardiser.apply(songs)))
        return log_probabilities(self.classifier, x).astype(np.float32)


def log_probabilities(classifier: Any, x: np.ndarray) -> np.ndarray:
    """Returns the logarithms of a classifier's probabilities, ``(n_songs, n_genres)``, floored at 1e-6."""
    found: np.ndarray = np.log(np.maximum(classifier.predict_proba(x), 1e-6))
    return found


def fit_baseline(baseline: Baseline, songs: SongSet, seed: int) -> FittedBaseline:
    """Fits a baseline on the training songs.

    A support-vector machine has no probabilities: its scores are scaled by one temperature, chosen on the validation
    songs, which does not change its predictions.

    Args:
        baseline: The baseline.
        songs: Songs with splits ``train`` and ``valid``.
        seed: Seed of the trees.
    """
    train, valid = songs.split("train"), songs.split("valid")
    standardiser = Standardiser.fit(train)
    scaler = preprocessing.StandardScaler()
    x = scaler.fit_transform(baseline.form(standardiser.apply(train)))
    classifier = baseline.make(child_seed(seed, "baseline", baseline.name))
    classifier.fit(x, train.y)
    if not hasattr(classifier, "predict_proba"):
        held_out = scaler.transform(baseline.form(standardiser.apply(valid)))
        classifier = Tempered(classifier, best_temperature(scores(classifier, held_out), valid.y))
    return FittedBaseline(baseline.form, standardiser, scaler, classifier)
