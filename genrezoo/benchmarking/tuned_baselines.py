"""Tuned scikit-learn baselines, whose form, transform and parameters are chosen by cross-validation.

A plain baseline has the same settings for all songs, whereas a recipe's settings come from searches. The tuned
baselines close that gap: a model that beats them beats classifiers with the same choice of preprocessing. The search
has three rounds (the form, the transform, the parameters), and each keeps the choice of the last, so that its cost is
the sum of their candidates and not the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, Field

from genrezoo.benchmarking.baselines import (
    BASELINES,
    TITLES,
    Baseline,
    FittedBaseline,
    Tempered,
    log_probabilities,
    scores,
)
from genrezoo.benchmarking.forms import FORMS
from genrezoo.evaluation import best_temperature, log_softmax
from genrezoo.lazy import LazyModule
from genrezoo.seeds import child_seed
from genrezoo.songs import SongSet, Standardiser
from genrezoo.songs.splits import folds
from genrezoo.songs.standardise import Transform

if TYPE_CHECKING:
    from sklearn import ensemble, linear_model, preprocessing, svm
else:  # names of baselines are listed without them
    ensemble, linear_model, preprocessing, svm = (
        LazyModule(f"sklearn.{name}") for name in ("ensemble", "linear_model", "preprocessing", "svm")
    )

N_FOLDS = 5
MOST_FLAT = 2000
"""Largest size of a song in segments for which the form ``flat`` is tried."""
POOL = ("train", "valid")
"""Splits on which a tuned baseline is tuned and fitted."""


@dataclass(frozen=True)
class TunedBaseline:
    """A classifier with its search space.

    Attributes:
        name: Name in tables.
        make: Builds the unfitted classifier from a seed, the number of columns and parameters.
        forms: Names of `FORMS`; a table or image has only ``flat``.
        transforms: Transforms of `genrezoo.songs.Standardiser`; None for none.
        grid: Parameters to choose from; the first values are used while form and transform are chosen.
    """

    name: str
    make: Callable[[int, int, Mapping[str, Any]], Any]
    forms: tuple[str, ...]
    transforms: tuple[Transform | None, ...]
    grid: tuple[dict[str, Any], ...]

    seeded = True  # the folds are dealt by the seed

    @property
    def summary(self) -> str:
        """One line."""
        kind = TITLES[self.name.removesuffix("_tuned")]
        return f"scikit-learn's {kind}, with preprocessing and parameters chosen by cross-validation"

    @property
    def settings(self) -> dict[str, Any]:
        """Description of the search, for the row."""
        return {
            "forms": list(self.forms),
            "transforms": list(self.transforms),
            "parameters": list(self.grid),
            "folds": N_FOLDS,
            "score": "accuracy",
            "trained_on": list(POOL),
            "probabilities": "temperature scaling on the out-of-fold scores, where the classifier has none",
        }

    def forms_for(self, songs: SongSet) -> list[str]:
        """Returns the forms that can be tried for these songs."""
        if songs.kind == "image" or songs.n_segments == 1:
            return ["flat"]
        small = songs.n_segments * songs.n_features <= MOST_FLAT
        return [form for form in self.forms if form != "flat" or small]


def _grid(**axes: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yields all combinations of the parameters' values, with the last varying fastest."""
    names = list(axes)
    found: list[dict[str, Any]] = [{}]
    for name in names:
        found = [{**part, name: value} for part in found for value in axes[name]]
    yield from found


def _logistic_regression(_: int, __: int, parameters: Mapping[str, Any]) -> Any:
    return linear_model.LogisticRegression(max_iter=2000, **parameters)


def _svm(_: int, columns: int, parameters: Mapping[str, Any]) -> Any:
    return svm.SVC(C=parameters["C"], gamma=parameters["gamma_times_columns"] / columns)


def _extra_trees(seed: int, _: int, parameters: Mapping[str, Any]) -> Any:
    return ensemble.ExtraTreesClassifier(300, random_state=seed, **parameters)


def _boosting(seed: int, _: int, parameters: Mapping[str, Any]) -> Any:
    return ensemble.HistGradientBoostingClassifier(
        max_iter=100, max_features=0.3, max_bins=63, random_state=seed, **parameters
    )


_TRANSFORMS: tuple[Transform | None, ...] = (None, "signed_log", "quantile")
TUNED_BASELINES = {
    baseline.name: baseline
    for baseline in (
        TunedBaseline(
            "logistic_regression_tuned",
            _logistic_regression,
            ("mean", "stats", "rich", "flat"),
            _TRANSFORMS,
            tuple(_grid(C=(0.1, 0.003, 0.01, 0.03, 0.3, 1.0))),
        ),
        TunedBaseline(
            "svm_rbf_tuned",
            _svm,
            ("mean", "stats", "rich", "flat"),
            _TRANSFORMS,
            tuple(_grid(gamma_times_columns=(1.0, 0.3, 3.0), C=(3.0, 1.0, 10.0))),
        ),
        TunedBaseline(  # trees are grown from the order of the values alone, which no transform changes
            "extra_trees_tuned",
            _extra_trees,
            ("mean", "stats", "rich"),
            (None,),
            tuple(_grid(max_features=("sqrt", 0.2), min_samples_leaf=(1, 2, 4))),
        ),
        TunedBaseline(  # rich statistics would take minutes
            "hist_gradient_boosting_tuned",
            _boosting,
            ("mean", "stats"),
            (None,),
            (
                {"learning_rate": 0.1, "max_leaf_nodes": 8, "l2_regularization": 1.0},
                {"learning_rate": 0.1, "max_leaf_nodes": 4, "l2_regularization": 1.0},
                {"learning_rate": 0.1, "max_leaf_nodes": 16, "l2_regularization": 1.0},
                {"learning_rate": 0.05, "max_leaf_nodes": 8, "l2_regularization": 1.0},
                {"learning_rate": 0.1, "max_leaf_nodes": 8, "l2_regularization": 10.0},
            ),
        ),
    )
}
ALL_BASELINES: dict[str, Baseline | TunedBaseline] = {**BASELINES, **TUNED_BASELINES}


class Choice(BaseModel, frozen=True, extra="forbid"):
    """The settings that a search chose."""

    form: str = Field(description="Form in which the classifier gets a song, one of `FORMS`.")
    transform: Transform | None = Field(description="Transform of the features, applied before the form.")
    parameters: dict[str, Any] = Field(description="Of the classifier.")
    out_of_fold_accuracy: float = Field(description="Out-of-fold accuracy of these settings.")
    folds: int | None = Field(
        None, description="Number of folds, fewer than asked for if a genre has fewer songs; None in earlier results."
    )
    temperature: float | None = Field(None, gt=0, description="Temperature, for a classifier without probabilities.")


@dataclass(frozen=True)
class Tuned:
    """A tuned baseline, fitted on all songs except the test songs with the chosen settings.

    Attributes:
        fitted: The fitted baseline.
        choice: The chosen settings.
        out_of_fold: ``ids``, ``y`` and ``logits`` of all training and validation songs, each song's from the classifier
            with the chosen settings that was fitted without its fold.
    """

    fitted: FittedBaseline
    choice: Choice
    out_of_fold: dict[str, np.ndarray]

    def of(self, songs: SongSet) -> dict[str, np.ndarray]:
        """Returns the out-of-fold predictions of some of these songs, in their order."""
        place = {name: number for number, name in enumerate(self.out_of_fold["ids"].tolist())}
        index = [place[name] for name in songs.ids.tolist()]
        return {name: value[index] for name, value in self.out_of_fold.items()}


def tune_baseline(baseline: TunedBaseline, songs: SongSet, seed: int) -> Tuned:
    """Chooses a baseline's settings by cross-validation, and fits it with them.

    Training and validation songs are divided into five stratified folds, of whole groups if the songs have groups; into
    fewer folds if a genre has fewer songs.
    Standardisation and transform are fitted inside each fold. The settings with the best out-of-fold accuracy are
    chosen, and the first of equally good ones.

    Args:
        baseline: The baseline.
        songs: Songs with splits ``train``, ``valid`` and ``test``; test songs are not used.
        seed: Seed of the folds and of the trees.

    Raises:
        DataError: A genre has only one song besides test songs, or there are too few groups.
    """
    pool = songs.take(np.sort(np.concatenate([songs.splits[name] for name in POOL])))
    fewest = int(np.bincount(pool.y, minlength=pool.num_classes).min())
    if fewest < 2:
        raise songs.error("a genre has only one song besides test songs", remedy="use a baseline that is not tuned")
    n_folds = min(N_FOLDS, fewest)
    held = folds(pool, n_folds, seed=child_seed(seed, "baseline", baseline.name, "folds"))
    best: Choice | None = None
    logits = np.zeros(0)

    def judge(form: str, transform: Transform | None, candidates: Sequence[dict[str, Any]]) -> Choice:
        nonlocal best, logits
        answers = _out_of_fold(baseline, pool, held, form, transform, candidates, seed)
        for parameters, found in zip(candidates, answers, strict=True):
            accuracy = float((found.argmax(axis=1) == pool.y).mean())
            if best is None or accuracy > best.out_of_fold_accuracy:
                measured = {"out_of_fold_accuracy": accuracy, "folds": n_folds}
                best = Choice(form=form, transform=transform, parameters=parameters, **measured)
                logits = found
        assert best is not None  # for the type checker: there is a candidate at least
        return best

    for form in baseline.forms_for(songs):
        chosen = judge(form, baseline.transforms[0], baseline.grid[:1])
    for transform in baseline.transforms[1:]:
        chosen = judge(chosen.form, transform, baseline.grid[:1])
    chosen = judge(chosen.form, chosen.transform, baseline.grid[1:])
    if not _has_probabilities(baseline):
        temperature = best_temperature(logits, pool.y)
        chosen, logits = chosen.model_copy(update={"temperature": temperature}), log_softmax(logits / temperature)
    known = {"ids": pool.ids, "y": pool.y, "logits": logits.astype(np.float32)}
    return Tuned(fit_chosen(baseline, chosen, songs, seed), chosen, known)


def fit_chosen(baseline: TunedBaseline, choice: Choice, songs: SongSet, seed: int) -> FittedBaseline:
    """Fits a baseline with the chosen settings on training and validation songs."""
    pool = songs.take(np.sort(np.concatenate([songs.splits[name] for name in POOL])))
    fitted, x = _prepared(pool, choice.form, choice.transform)
    classifier = _made(baseline, choice.parameters, x, seed).fit(x, pool.y)
    if choice.temperature is not None:
        classifier = Tempered(classifier, choice.temperature)
    return replace(fitted, classifier=classifier)


def _out_of_fold(
    baseline: TunedBaseline,
    pool: SongSet,
    held: Sequence[np.ndarray],
    form: str,
    transform: Transform | None,
    candidates: Sequence[Mapping[str, Any]],
    seed: int,
) -> list[np.ndarray]:
    """Returns each candidate's scores of each song, ``(n_songs, n_genres)``, from a fit without the song's fold."""
    found = [np.zeros((pool.n_songs, pool.num_classes)) for _ in candidates]
    for part in held:
        train, tested = pool.take(np.setdiff1d(np.arange(pool.n_songs), part)), pool.take(part)
        fitted, x = _prepared(train, form, transform)
        other = fitted.scaler.transform(fitted.form(fitted.standardiser.apply(tested)))
        for answers, parameters in zip(found, candidates, strict=True):
            classifier = _made(baseline, parameters, x, seed).fit(x, train.y)
            known = (log_probabilities if _has_probabilities(baseline) else scores)(classifier, other)
            # a genre whose songs are all in this fold is unknown to the classifier: the least likely
            answers[part] = known.min(axis=1, keepdims=True)
            answers[np.ix_(part, classifier.classes_)] = known
    return found


def _prepared(train: SongSet, form: str, transform: Transform | None) -> tuple[FittedBaseline, np.ndarray]:
    """Fits the preprocessing on songs, and returns it without a classifier, together with the transformed songs."""
    standardiser, scaler = Standardiser.fit(train, transform=transform), preprocessing.StandardScaler()
    x = scaler.fit_transform(FORMS[form](standardiser.apply(train)))
    return FittedBaseline(FORMS[form], standardiser, scaler, None), x


def _made(baseline: TunedBaseline, parameters: Mapping[str, Any], x: np.ndarray, seed: int) -> Any:
    return baseline.make(child_seed(seed, "baseline", baseline.name), x.shape[1], parameters)


def _has_probabilities(baseline: TunedBaseline) -> bool:
    return hasattr(baseline.make(0, 1, baseline.grid[0]), "predict_proba")
