"""Greedy selection of an ensemble from stored predictions: which models to average, and with which weights.

From a library of models with predictions for the same held-out songs, the selection repeatedly adds, with replacement,
the model that improves the mean posterior most. Choose it where many models are already trained: it takes seconds,
leaves useless models out, and weights the others by how often they were chosen. A greedy choice among many models on
few songs overfits these songs; to prevent this, many selections are averaged, each from a random part of the library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import softmax
from genrezoo.seeds import child_seed, generator

_FEWEST = 4  # models that a bag is drawn from at least: of two or three there is no half that means anything
_FLOOR = float(np.finfo(np.float32).tiny)  # of a posterior, so that its logarithm is finite


class GreedySettings(BaseModel, frozen=True, extra="forbid"):
    """Settings of the greedy selection of an ensemble."""

    score: Literal["log_loss", "accuracy"] = Field(
        "log_loss",
        description="Metric that the selection optimises. On a few hundred songs many choices have the same accuracy, "
        "and a difference of one song is chance; the log loss uses every song's posterior. Ties in accuracy go to the "
        "lower log loss.",
    )
    bags: int = Field(
        20, ge=1, le=1000, description="Number of selections (bags) to average, each from a part of the library."
    )
    fraction: float = Field(
        0.5, gt=0, le=1, description="Fraction of the library that each bag draws at random, at least four models."
    )
    start: int = Field(
        5,
        ge=1,
        le=100,
        description="Largest number of initial models of a bag: as many of its best models as perform best together.",
    )
    steps: int = Field(
        50,
        ge=1,
        le=1000,
        description="Size up to which a bag grows, including repeats; the best size on the way is used.",
    )
    most: int | None = Field(
        None, ge=1, le=200, description="Number of members with the largest weights to keep; None: all."
    )


@dataclass(frozen=True)
class Selection:
    """The selected models and their weights.

    Attributes:
        weights: Weight of each chosen model in the mean posterior, largest first; they sum to 1.
        paths: Score of each bag (accuracy or log loss) after every step.
    """

    weights: dict[str, float]
    paths: tuple[tuple[float, ...], ...]

    def combine(self, logits: Mapping[str, np.ndarray]) -> np.ndarray:
        """Averages the posteriors of the chosen models.

        Args:
            logits: ``(songs, classes)`` by name of the model; models that were not chosen may be missing.

        Returns:
            Log posteriors ``(songs, classes)`` float32.
        """
        posterior = sum(weight * softmax(logits[name]) for name, weight in self.weights.items())
        combined: np.ndarray = np.log(np.maximum(posterior, _FLOOR)).astype(np.float32)
        return combined


def select(
    logits: Mapping[str, np.ndarray], y: np.ndarray, settings: GreedySettings | None = None, *, seed: int = 1
) -> Selection:
    """Selects an ensemble greedily.

    Each bag draws a part of the library at random, begins with its best models, and repeatedly adds the model that
    improves the average most; a model that is added twice counts twice. The weight of a model is its relative
    frequency, averaged over the bags.

    Args:
        logits: Predictions of each model, ``(songs, classes)`` finite, for songs that it was not trained on; the same
            songs in the same order.
        y: Labels of the songs, ``(songs,)`` integers in [0, classes).
        settings: Settings of the selection; the default is `GreedySettings()`.
        seed: Seed of the bags.

    Returns:
        The weights, and the score of each bag step by step.

    Raises:
        SettingsError: There is no model.
        DataError: The shapes do not fit, a label is out of range, or a logit is not finite.

    Example:
        >>> right, wrong = np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 2.0], [2.0, 0.0]])
        >>> select({"lstm": right, "guess": wrong}, np.array([0, 1])).weights
        {'lstm': 1.0}

    Reference:
        R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, Ensemble selection from libraries of models, ICML 2004.
    """
    settings = settings or GreedySettings()
    names, posteriors = list(logits), _checked(logits, y)
    size = max(math.ceil(settings.fraction * len(names)), min(len(names), _FEWEST))
    total, paths = np.zeros(len(names)), []
    for bag in range(settings.bags):
        # in random order, because of equal models the first is taken
        drawn = generator(seed, "bag", bag).permutation(len(names))[:size]
        counts, path = _grown(posteriors[drawn], y, settings)
        total[drawn] += counts / counts.sum()
        paths.append(path)
    heaviest = np.argsort(-total, kind="stable")[: settings.most]
    kept = {names[place]: float(total[place]) for place in heaviest if total[place] > 0}
    return Selection({name: weight / sum(kept.values()) for name, weight in kept.items()}, tuple(paths))


def cross_selected(
    logits: Mapping[str, np.ndarray],
    y: np.ndarray,
    settings: GreedySettings | None = None,
    *,
    folds: int = 5,
    seed: int = 1,
) -> np.ndarray:
    """Predicts each song with an ensemble that is selected without it, to estimate the result on new songs.

    The score of an ensemble on the songs that it was selected on is optimistic; that of these predictions is not.

    Args:
        logits: As in `select`.
        y: As in `select`.
        settings: As in `select`.
        folds: Number of folds of the songs, stratified by genre, at least 2.
        seed: Seed of folds and bags.

    Returns:
        Log posteriors ``(songs, classes)`` float32.

    Raises:
        SettingsError: There is no model, or ``folds`` is below 2.
        DataError: As `select`, or there are fewer than two songs.
    """
    if folds < 2:
        raise SettingsError(f"folds must be at least 2, got {folds}")
    _checked(logits, y)
    if len(y) < 2:
        raise DataError("one song cannot be split into folds", remedy="pass at least two songs")
    drawn = generator(seed, "folds").permutation(len(y))
    fold = np.empty(len(y), np.int64)
    fold[drawn[np.argsort(y[drawn], kind="stable")]] = np.arange(len(y)) % folds
    combined = np.empty(next(iter(logits.values())).shape, np.float32)
    for number in np.unique(fold):
        held, rest = fold == number, fold != number
        found = select(_songs(logits, rest), y[rest], settings, seed=child_seed(seed, "fold", int(number)))
        combined[held] = found.combine(_songs(logits, held))
    return combined


def _songs(logits: Mapping[str, np.ndarray], which: np.ndarray) -> dict[str, np.ndarray]:
    return {name: part[which] for name, part in logits.items()}


def _grown(posteriors: np.ndarray, y: np.ndarray, settings: GreedySettings) -> tuple[np.ndarray, tuple[float, ...]]:
    """Counts how often each model of a bag, ``(models, songs, classes)``, is chosen, and the score after each step."""
    by_accuracy = settings.score == "accuracy"
    right = posteriors[:, np.arange(len(y)), y]  # (models, songs)

    def scores(sums: np.ndarray, right_sums: np.ndarray, size: np.ndarray | int) -> np.ndarray:
        """Returns the score of each of several ensembles (lower is better) and a tie-breaker, ``(ensembles, 2)``."""
        loss = -np.log(np.maximum(right_sums / np.reshape(size, (-1, 1)), _FLOOR)).mean(axis=1)
        errors = (sums.argmax(axis=-1) != y).mean(axis=1) if by_accuracy else np.zeros_like(loss)
        return np.stack([errors, loss], axis=1)

    order = _ranked(scores(posteriors, right, 1))[: min(settings.start, settings.steps)]
    sizes = np.arange(1, len(order) + 1)
    found = scores(posteriors[order].cumsum(axis=0), right[order].cumsum(axis=0), sizes)
    begin = int(_ranked(found)[0])
    counts = np.zeros(len(posteriors), np.int64)
    counts[order[: begin + 1]] = 1
    sums, right_sums = posteriors[counts > 0].sum(axis=0), right[counts > 0].sum(axis=0)
    best, kept, path = tuple(found[begin]), counts.copy(), [found[begin]]
    for size in range(begin + 2, settings.steps + 1):
        found = scores(sums + posteriors if by_accuracy else posteriors, right_sums + right, size)
        added = int(_ranked(found)[0])
        counts[added] += 1
        sums, right_sums = sums + posteriors[added], right_sums + right[added]
        path.append(found[added])
        if tuple(found[added]) < best:
            best, kept = tuple(found[added]), counts.copy()
    return kept, tuple(float(1 - errors if by_accuracy else loss) for errors, loss in path)


def _ranked(scores: np.ndarray) -> np.ndarray:
    """Returns the indices of the ensembles, best first."""
    return np.lexsort((scores[:, 1], scores[:, 0]))


def _checked(logits: Mapping[str, np.ndarray], y: np.ndarray) -> np.ndarray:
    """Returns the posteriors of all models, ``(models, songs, classes)``."""
    if not logits:
        raise SettingsError("an ensemble needs at least one model, got none")
    shapes = {name: np.shape(part) for name, part in logits.items()}
    first = next(iter(shapes.values()))
    labels = np.asarray(y)
    for name, shape in shapes.items():
        if len(shape) != 2 or shape != first or labels.shape != shape[:1] or labels.dtype.kind not in "iu":
            what = f"logits of {name!r} have shape {shape}, labels {labels.shape} of {labels.dtype}"
            raise DataError(
                what, remedy="pass logits (songs, classes) of the same songs, and one integer label per song"
            )
        if not np.isfinite(logits[name]).all():
            raise DataError(f"logits of {name!r} are not finite", remedy="leave the model out, or train it again")
    if not len(labels) or labels.min() < 0 or labels.max() >= first[1]:
        raise DataError(f"there are {len(labels)} labels, or some are out of range", remedy=f"use 0 to {first[1] - 1}")
    return np.stack([softmax(part) for part in logits.values()])
