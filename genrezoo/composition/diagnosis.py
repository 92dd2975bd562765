"""Analysis of what a correcting network has learnt, from stored logits and without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genrezoo.errors import DataError
from genrezoo.evaluation import bootstrap_intervals, difference_intervals, evaluate, mcnemar_p


@dataclass(frozen=True)
class Accuracy:
    """Accuracy, with a bootstrap interval over songs.

    Attributes:
        value: In [0, 1].
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Diagnosis:
    """Analysis of a correcting model.

    Attributes:
        accuracies: Accuracies of ``"original"``, ``"correcting"`` (the corrections used as predictions) and ``"sum"``.
        chance: One over the number of genres, about the accuracy of the corrections alone in the source.
        gain: Accuracy of the sum minus that of the original, with its interval over songs.
        fixed: ``(songs,)`` indices of songs that only the sum classifies correctly.
        broken: ``(songs,)`` indices of songs that only the original classifies correctly.
        p: McNemar's exact p-value of fixed against broken.
    """

    accuracies: Mapping[str, Accuracy]
    chance: float
    gain: Accuracy
    fixed: np.ndarray
    broken: np.ndarray
    p: float


def diagnose(
    original: np.ndarray, correcting: np.ndarray, y: np.ndarray, *, confidence: float = 0.95, seed: int
) -> Diagnosis:
    """Analyses the two summands of a correcting model and the effect of the correction.

    Args:
        original: Logits of the original, ``(songs, classes)``: the output ``original`` of `build_correcting`.
        correcting: Logits of the correcting network: its output ``correcting``.
        y: Labels, ``(songs,)`` integers.
        confidence: Confidence level of all intervals, in (0, 1).
        seed: Seed of the bootstrap.

    Returns:
        Accuracies, the gain, and the songs that changed either way.

    Raises:
        DataError: Shapes do not fit, there are fewer than two songs, a label is out of range, or a logit is not finite.
        SettingsError: ``confidence`` is out of range.

    Example:
        >>> original = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
        >>> correcting = np.array([[0.0, 0.5], [0.0, 3.0], [0.0, 3.0]])
        >>> found = diagnose(original, correcting, np.array([0, 1, 0]), seed=1)
        >>> found.fixed.tolist(), found.broken.tolist(), round(found.accuracies["correcting"].value, 3)
        ([1], [2], 0.333)

    Reference:
        R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017), section 6.3 and figure 13.
    """
    if np.shape(original) != np.shape(correcting):
        raise DataError(
            f"original and correcting have logits of shapes {np.shape(original)} and {np.shape(correcting)}",
            remedy="pass the two outputs of one correcting model for the same songs",
        )
    parts = {"original": original, "correcting": correcting, "sum": np.add(original, correcting)}
    accuracies, right = {}, {}
    for name, logits in parts.items():
        value = evaluate(logits, y)["accuracy"]
        low, high = bootstrap_intervals(logits, y, confidence=confidence, seed=seed)["accuracy"]
        accuracies[name], right[name] = Accuracy(value, low, high), logits.argmax(axis=1) == y
    answers = {"sum": right["sum"][None], "original": right["original"][None]}
    return Diagnosis(
        accuracies=accuracies,
        chance=1 / np.shape(original)[1],
        gain=Accuracy(*difference_intervals(answers, confidence=confidence)["sum", "original"]),
        fixed=np.flatnonzero(right["sum"] & ~right["original"]),
        broken=np.flatnonzero(right["original"] & ~right["sum"]),
        p=mcnemar_p(right["sum"], right["original"]),
    )
