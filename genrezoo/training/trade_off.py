"""The trade-off of a cascade between accuracy and cost: pure functions of stored logits, without Keras."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import evaluate, log_softmax

RESOLUTION = 1e-6
"""Smallest difference of two uncertainties that a cascade, which computes in float32, can resolve."""


COLUMNS = ("threshold", "fraction", "accuracy", "log_loss")
"""Fields of a point of a curve.

``threshold`` is the student's uncertainty above which the cascade consults the teacher, in [0, 1]; ``fraction`` the
fraction of songs for which it does, in [0, 1]; ``accuracy`` the accuracy of the cascade; ``log_loss`` its mean
cross-entropy in nats.
"""


def trade_off(student_logits: np.ndarray, teacher_logits: np.ndarray, y: np.ndarray) -> Any:
    """Computes the exact curve of a cascade: one point for each set of songs that a threshold can select.

    Thresholds other than 0 and 1 lie half-way between two songs' uncertainties, so that rounding does not move a song
    to the other side; uncertainties closer than `RESOLUTION` count as equal. For a song of which the student is certain
    (uncertainty 0), the teacher is never consulted.

    Args:
        student_logits: ``(songs, classes)`` of the validation songs, finite.
        teacher_logits: Logits of the same songs in the same order.
        y: Labels, ``(songs,)`` integers.

    Returns:
        The curve, a record array with the fields `COLUMNS` and thresholds ascending from 0 to 1; between two points the
        cascade's predictions do not change. It has at least two points and at most one more than songs.

    Raises:
        DataError: Shapes do not fit, a label is out of range or a logit is not finite.

    Example:
        >>> student = np.array([[4.0, 0.0], [0.5, 0.0], [0.0, 0.1]])  # right, wrong and wrong, less and less sure
        >>> teacher = np.array([[0.0, 9.0], [0.0, 9.0], [9.0, 0.0]])  # wrong, right and right, always surer
        >>> curve = trade_off(student, teacher, np.array([0, 1, 0]))
        >>> curve.fraction.round(2).tolist(), curve.accuracy.round(2).tolist()
        ([1.0, 0.67, 0.33, 0.0], [0.67, 1.0, 0.67, 0.33])

    Reference:
        G. Pligoropoulos, Million Song Dataset Classification Problem (2017), further work.
    """
    for logits in (student_logits, teacher_logits):
        evaluate(logits, y)  # refuses what cannot be judged
    if np.shape(student_logits) != np.shape(teacher_logits):
        what = f"student and teacher have logits of shapes {np.shape(student_logits)} and {np.shape(teacher_logits)}"
        raise DataError(what, remedy="pass logits of the same songs and genres")
    first, second = log_softmax(student_logits), log_softmax(teacher_logits)
    doubt = normalised_entropy(first)
    asked = np.where((normalised_entropy(second) < doubt)[:, None], second, first)  # the answer to a song asked about
    order = np.argsort(doubt, kind="stable")
    sorted_doubt, songs, labels = doubt[order], np.arange(len(order)), np.asarray(y)[order]

    def curve(values: list[np.ndarray]) -> np.ndarray:
        """Sums the student's values over the first k songs and the consulted cascade's values over the others."""
        alone, helped = (np.concatenate([[0.0], np.cumsum(each)]) for each in values)
        return np.asarray(alone + helped[-1] - helped)

    right = [(each.argmax(axis=1)[order] == labels).astype(float) for each in (first, asked)]
    loss = [-each[order][songs, labels] for each in (first, asked)]
    levels = np.unique(doubt)
    between = ((levels[1:] + levels[:-1]) / 2)[np.diff(levels) > RESOLUTION]
    thresholds = np.unique(np.concatenate([[0.0], between, [1.0]]))
    kept = np.searchsorted(sorted_doubt, thresholds, side="right")  # songs that stay with the student
    n = len(order)
    columns = (thresholds, 1 - kept / n, curve(right)[kept] / n, curve(loss)[kept] / n)
    return np.rec.fromarrays(columns, dtype=[(name, np.float64) for name in COLUMNS])


def choose_threshold(curve: Any, *, accuracy: float | None = None, fraction: float | None = None) -> Any:
    """Returns the point of a curve that meets a target.

    Choose it on validation songs and report results on others: the best of many points is optimistic.

    Args:
        curve: From `trade_off`.
        accuracy: Select the point that reaches this accuracy and consults the teacher for the smallest fraction of
            songs.
        fraction: Select the most accurate point that consults the teacher for at most this fraction of the songs; of
            equally accurate points, the one with the smallest fraction.

    Returns:
        The point, a record; its ``threshold`` goes to `set_threshold`.

    Raises:
        SettingsError: Not exactly one of ``accuracy`` and ``fraction`` is passed, it is not in [0, 1], or no threshold
            reaches the accuracy.

    Example:
        >>> student, teacher = np.array([[0.5, 0.0], [0.0, 0.1]]), np.array([[0.0, 9.0], [9.0, 0.0]])
        >>> curve = trade_off(student, teacher, np.array([1, 0]))
        >>> float(choose_threshold(curve, accuracy=0.5).fraction), float(choose_threshold(curve, fraction=1.0).accuracy)
        (0.5, 1.0)
    """
    if (accuracy is None) == (fraction is None):
        raise SettingsError(f"pass either accuracy or fraction, got accuracy={accuracy} and fraction={fraction}")
    name, wish = ("fraction", fraction) if accuracy is None else ("accuracy", accuracy)
    if wish is None or not 0 <= wish <= 1:
        raise SettingsError(f"{name} must be a number from 0 to 1, got {wish}")
    if accuracy is None:
        allowed = np.flatnonzero(curve.fraction <= wish)  # never empty: with threshold 1 nothing is asked
        best = allowed[curve.accuracy[allowed] == curve.accuracy[allowed].max()]
        return curve[best[-1]]  # fractions fall as thresholds rise
    reached = np.flatnonzero(curve.accuracy >= wish)
    if not reached.size:
        raise SettingsError(f"no threshold reaches accuracy {wish}; the best is {curve.accuracy.max():.4f}")
    return curve[reached[-1]]


def cascade_speed(fraction: float | np.ndarray, *, student: float, teacher: float) -> float | np.ndarray:
    """Returns the songs per second of a cascade, from the speeds of its two models.

    Args:
        fraction: Fraction of the songs for which the teacher is consulted, in [0, 1]; an array returns a whole curve.
        student: Songs per second of the student.
        teacher: Songs per second of the teacher.

    Returns:
        ``1 / (1 / student + fraction / teacher)``; with fraction 1 the cascade is slower than the teacher.

    Raises:
        SettingsError: A speed is not positive and finite.

    Example:
        >>> cascade_speed(0.2, student=5000.0, teacher=1000.0)
        2500.0
    """
    for name, speed in (("student", student), ("teacher", teacher)):
        if not (math.isfinite(speed) and speed > 0):
            raise SettingsError(f"the speed of the {name} must be a positive number of songs per second, got {speed}")
    return 1 / (1 / student + fraction / teacher)


def normalised_entropy(log_posteriors: np.ndarray) -> np.ndarray:
    """Computes the uncertainty as a cascade's layer does, from stored log posteriors.

    Args:
        log_posteriors: ``(songs, classes)``, from `genrezoo.evaluation.log_softmax`.

    Returns:
        ``(songs,)`` in [0, 1].
    """
    entropy = (np.exp(log_posteriors) * -log_posteriors).sum(axis=1) / math.log(log_posteriors.shape[1])
    return np.asarray(np.clip(entropy, 0.0, 1.0))
