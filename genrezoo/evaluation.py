"""How good predictions are, how sure one can be of it, and whether two models differ at all.

Metrics take logits and integer labels. Every metric comes with the means to say how far it can be trusted: a bootstrap
over the songs (would other songs give the same value?), a t interval over seeds (would another training run?), a
corrected one over repeated splits, McNemar's test between two trained models, and an interval of the difference between
two recipes over songs and seeds together. Keras is never imported, so that stored predictions can be judged anywhere.
"""

from __future__ import annotations

import itertools
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from genrezoo.errors import DataError, SettingsError
from genrezoo.seeds import generator

CALIBRATION_BINS = 15
METRICS = ("accuracy", "macro_f1", "log_loss", "calibration_error")
"""The metrics that a row holds, in the order of the tables."""

TEMPERATURES = (1e-3, 1e3)
"""The least and the greatest temperature that logits are divided by."""

_BLOCK = 2**20  # songs drawn at a time by the bootstrap: bounds its memory at some 30 MB


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log posteriors of logits, in float64 and without overflow; the last axis holds the classes.

    Example:
        >>> log_softmax(np.array([[0.0, 0.0]])).round(3)
        array([[-0.693, -0.693]])
    """
    logits = np.asarray(logits, np.float64)
    shifted: np.ndarray = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def softmax(logits: np.ndarray) -> np.ndarray:
    """Posteriors of logits, in float64; the last axis holds the classes and sums to 1."""
    posterior: np.ndarray = np.exp(log_softmax(logits))
    return posterior


def evaluate(logits: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """All metrics of one set of predictions, as plain data that goes into JSON as it is.

    Macro metrics are means over *all* classes of the logits, those without songs included; a ratio without a
    denominator counts as 0. (This is scikit-learn's ``labels=range(n_classes), zero_division=0``; in a data set where
    each genre has songs on each side it makes no difference.)

    Args:
        logits: ``(songs, classes)``, finite. Log posteriors serve as well.
        y: Labels, ``(songs,)`` integers in [0, classes).

    Returns:
        ``accuracy``, ``macro_f1``, ``macro_precision``, ``macro_recall`` in [0, 1]; ``log_loss`` in nats;
        ``calibration_error`` in [0, 1]: the expected calibration error of the top class, that is the mean gap between
        how sure the model says it is and how often it is right, over 15 bins of equal width, weighted by songs;
        ``per_class``: lists ``precision``, ``recall``, ``f1``, ``support``; ``confusion``: songs by truth (rows) and
        prediction (columns).

    Raises:
        DataError: Shapes do not fit, a label is out of range, a logit is not finite, or there are no songs.

    Example:
        >>> metrics = evaluate(np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]]), np.array([0, 1, 1]))
        >>> round(metrics["accuracy"], 3), metrics["confusion"]
        (0.667, [[1, 0], [1, 1]])

    Reference:
        Guo et al. (2017), On calibration of modern neural networks, ICML (the calibration error).
    """
    logits, y = _checked(logits, y)
    n_songs, n_classes = logits.shape
    posterior = log_softmax(logits)
    predicted = logits.argmax(axis=1)
    confusion = np.bincount(y * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)
    hits, support, claimed = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall = _ratio(hits, claimed), _ratio(hits, support)
    f1 = _ratio(2 * hits, support + claimed)
    bins, gap = _calibration(posterior, predicted == y)
    return {
        "accuracy": float(hits.sum() / n_songs),
        "macro_f1": float(f1.mean()),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(recall.mean()),
        "log_loss": float(-posterior[np.arange(n_songs), y].mean()),
        "calibration_error": float(np.abs(np.bincount(bins, gap)).sum() / n_songs),
        "per_class": {
            "precision": precision.tolist(),
            "recall": recall.tolist(),
            "f1": f1.tolist(),
            "support": support.tolist(),
        },
        "confusion": confusion.tolist(),
    }


def best_temperature(logits: np.ndarray, y: np.ndarray) -> float:
    """Fit the temperature at which the posteriors of logits are most likely.

    Dividing logits by a temperature above 1 makes posteriors less sure, below 1 surer; the order of the classes stays.

    Args:
        logits: ``(songs, classes)``, finite; scores of any classifier serve as well.
        y: Labels, ``(songs,)`` integers in [0, classes); none of the classes need be there.

    Returns:
        The temperature, in `TEMPERATURES`.

    Raises:
        DataError: As `evaluate`.

    Example:
        >>> sure = np.array([[2.0, 0.0]] * 4)  # 88 % sure, and right three times in four
        >>> round(best_temperature(sure, np.array([0, 0, 0, 1])), 2)
        1.82

    Reference:
        Guo et al. (2017), On calibration of modern neural networks, ICML, section 4.2.
    """
    from scipy import optimize  # on first use: prediction and evaluation need not pay for it

    logits, y = _checked(logits, y)
    rows = np.arange(len(y))

    def loss(logarithm: float) -> float:
        return float(-log_softmax(logits / np.exp(logarithm))[rows, y].mean())

    return float(np.exp(optimize.minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def bootstrap_intervals(
    logits: np.ndarray, y: np.ndarray, *, resamples: int = 1000, confidence: float = 0.95, seed: int
) -> dict[str, list[float]]:
    """Percentile intervals of the metrics over songs drawn anew, with replacement.

    They say how much the metric depends on which songs happen to be in the split. They say nothing about another
    training run: for that see `mean_interval`. The calibration error of a resample is biased upwards, as that of any
    small sample is, so its interval can lie above the metric itself when the model is well calibrated.

    Args:
        logits: ``(songs, classes)``, finite.
        y: Labels, ``(songs,)``.
        resamples: Draws, 1 and more; 1,000 settle the bounds to about a fiftieth of the interval's width.
        confidence: In (0, 1).
        seed: The same seed gives the same intervals.

    Returns:
        ``[low, high]`` for each of `METRICS`.

    Raises:
        DataError: As `evaluate`.
        SettingsError: ``resamples`` or ``confidence`` is out of range.

    Example:
        >>> sure = np.array([[9.0, 0.0]] * 5 + [[0.0, 9.0]] * 5)
        >>> bootstrap_intervals(sure, np.repeat([0, 1], 5), seed=1)["accuracy"]
        [1.0, 1.0]
    """
    _check_confidence(confidence)
    logits, y = _checked(logits, y)
    n_songs, n_classes = logits.shape
    posterior = log_softmax(logits)
    predicted = logits.argmax(axis=1)
    correct = predicted == y
    bins, gap = _calibration(posterior, correct)
    classes = np.arange(n_classes)
    truth, claim = y[:, None] == classes, predicted[:, None] == classes  # (songs, classes)
    # Every metric is a function of sums over songs, so that one product with the counts gives all resamples at once.
    summands = np.concatenate(
        [
            -posterior[np.arange(n_songs), y][:, None],
            truth & claim,
            truth.astype(float) + claim,
            np.where(bins[:, None] == np.arange(CALIBRATION_BINS), gap[:, None], 0.0),
        ],
        axis=1,
    )
    sums = _resampled_sums(summands, resamples, seed)
    loss, hits, both, gaps = np.split(sums, [1, 1 + n_classes, 1 + 2 * n_classes], axis=1)
    values = {
        "accuracy": hits.sum(axis=1) / n_songs,
        "macro_f1": _ratio(2 * hits, both).mean(axis=1),
        "log_loss": loss[:, 0] / n_songs,
        "calibration_error": np.abs(gaps).sum(axis=1) / n_songs,
    }
    return {name: list(_percentiles(values[name], confidence)) for name in METRICS}


def bootstrap_mean(
    values: np.ndarray, *, resamples: int = 1000, confidence: float = 0.95, seed: int
) -> tuple[float, float, float]:
    """Mean of one number per song, with the bounds of its percentile interval over songs drawn anew.

    Args:
        values: ``(songs,)``, at least one.
        resamples: Draws, 1 and more.
        confidence: In (0, 1).
        seed: The same seed gives the same interval.

    Returns:
        Mean, low, high.

    Raises:
        SettingsError: No values, or ``resamples`` or ``confidence`` out of range.

    Example:
        >>> bootstrap_mean(np.ones(5), seed=1)
        (1.0, 1.0, 1.0)
    """
    _check_confidence(confidence)
    if not len(values):
        raise SettingsError("a mean over songs needs at least one song, got none")
    means = _resampled_sums(np.asarray(values, np.float64)[:, None], resamples, seed)[:, 0] / len(values)
    return float(np.mean(values)), *_percentiles(means, confidence)


def mean_interval(
    values: Sequence[float], confidence: float = 0.95, *, least: float = -np.inf, most: float = np.inf
) -> tuple[float, float, float]:
    """Mean of one value per seed, with the bounds of its Student t interval.

    Args:
        values: The value for each seed, two and more.
        confidence: In (0, 1).
        least: Least possible value, at which the interval is cut.
        most: Greatest possible value.

    Returns:
        Mean, low, high.

    Raises:
        SettingsError: Fewer than two values, or a confidence out of range.

    Example:
        >>> [round(bound, 3) for bound in mean_interval([0.70, 0.72, 0.74])]
        [0.72, 0.67, 0.77]
    """
    from scipy import stats  # on first use: half a second that training runs need not pay

    if len(values) < 2:
        raise SettingsError(f"an interval over seeds needs at least two seeds, got {len(values)}")
    _check_confidence(confidence)
    mean = float(np.mean(values))
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, max(mean - half, least), min(mean + half, most)


def interval_over_both(
    values: Sequence[float],
    intervals: Sequence[tuple[float, float]],
    *,
    most: float = 1.0,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Mean of a metric over seeds, with an interval over songs and seeds together.

    The variance is the sum of that of the mean over the seeds and of that over songs, which the width of the bootstrap
    intervals tells; the interval is Student's with Welch's degrees of freedom, cut at what the metric can be.

    Args:
        values: The value for each seed, two and more.
        intervals: Each seed's bootstrap interval over songs, of the same confidence.
        most: Greatest possible value; the least is 0.
        confidence: In (0, 1).

    Returns:
        Mean, low, high.

    Raises:
        SettingsError: Fewer than two values, or a confidence out of range.

    Example:
        >>> [round(bound, 3) for bound in interval_over_both([0.70, 0.72, 0.74], [(0.60, 0.80)] * 3)]
        [0.72, 0.617, 0.823]
    """
    from scipy import stats  # on first use: half a second that training runs need not pay

    mean, low, high = mean_interval(values, confidence, least=0.0, most=most)
    over_seeds = float(np.var(values, ddof=1)) / len(values)
    width = np.mean([upper - lower for lower, upper in intervals])
    over_songs = float((width / 2 / stats.norm.ppf((1 + confidence) / 2)) ** 2)
    if over_seeds > 0:
        freedom = (over_seeds + over_songs) ** 2 / (over_seeds**2 / (len(values) - 1))
        half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * (over_seeds + over_songs) ** 0.5
        low, high = max(mean - half, 0.0), min(mean + half, most)
    return mean, low, high


def corrected_interval(
    values: Sequence[float],
    n_train: float,
    n_test: float,
    *,
    confidence: float = 0.95,
    least: float = -np.inf,
    most: float = np.inf,
) -> tuple[float, float, float]:
    """Mean of one value for each repeated split of the same songs, with its corrected resampled t interval.

    The splits share songs, so that their results vary less than those of splits of new songs would, and an ordinary t
    interval is far too narrow. The correction adds the fraction of test to training songs to the ``1 / n`` of the
    variance of the mean: more splits make the interval narrower only down to what the songs themselves leave open.

    Args:
        values: One value for each split, or the difference of two models on it; two and more.
        n_train: Training songs of a split; their mean, where the splits differ.
        n_test: Test songs of a split.
        confidence: In (0, 1).
        least: Least possible value, at which the interval is cut.
        most: Greatest possible value.

    Returns:
        Mean, low, high.

    Raises:
        SettingsError: Fewer than two values, no songs, or a confidence out of range.

    Example:
        >>> [round(bound, 3) for bound in corrected_interval([0.70, 0.72, 0.74], 70, 15)]
        [0.72, 0.656, 0.784]

    Reference:
        C. Nadeau and Y. Bengio (2003), Inference for the generalization error, Machine Learning 52.
    """
    from scipy import stats  # on first use: half a second that training runs need not pay

    _check_confidence(confidence)
    mean, error = _corrected_error(values, n_train, n_test)
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    return mean, max(mean - half, least), min(mean + half, most)


def corrected_p(differences: Sequence[float], n_train: float, n_test: float) -> float:
    """Two-sided p-value of the corrected resampled t-test: do two models differ over repeated splits?

    Args:
        differences: For each split, two and more, the result of one model minus that of the other.
        n_train: As in `corrected_interval`.
        n_test: As in `corrected_interval`.

    Returns:
        The p-value; of differences that are all alike 1 if they are 0, and 0 otherwise.

    Raises:
        SettingsError: Fewer than two differences, or no songs.

    Example:
        >>> round(corrected_p([0.01, 0.02, 0.03], 70, 15), 3)
        0.114

    Reference:
        C. Nadeau and Y. Bengio (2003), Inference for the generalization error, Machine Learning 52.
    """
    from scipy import stats

    mean, error = _corrected_error(differences, n_train, n_test)
    if error == 0:
        return float(mean == 0)
    return float(2 * stats.t.sf(abs(mean) / error, len(differences) - 1))


def _corrected_error(values: Sequence[float], n_train: float, n_test: float) -> tuple[float, float]:
    """Mean, and its standard error over splits that share songs."""
    if len(values) < 2:
        raise SettingsError(f"an interval over splits needs at least two splits, got {len(values)}")
    if not (n_train > 0 and n_test > 0):
        raise SettingsError(f"splits have training and test songs, got {n_train} and {n_test}")
    variance = float(np.var(values, ddof=1)) * (1 / len(values) + n_test / n_train)
    return float(np.mean(values)), variance**0.5


def median_run(validation: Sequence[float]) -> int:
    """Position of the run that stands for all seeds of a recipe: the one with the median *validation* accuracy.

    Choosing by the test accuracy would be choosing the winner by the metric that is reported. Of an even number of runs
    the lower of the two middle ones is taken, of equal ones the first.

    Raises:
        SettingsError: No runs.

    Example:
        >>> median_run([0.71, 0.75, 0.73])
        2
    """
    if not len(validation):
        raise SettingsError("median_run needs at least one run, got none")
    return int(np.argsort(validation, kind="stable")[(len(validation) - 1) // 2])


def mcnemar_p(correct_a: np.ndarray, correct_b: np.ndarray) -> float:
    """Exact two-sided p-value of McNemar's test: are two trained models equally often right on the same songs?

    Only the songs that one of them gets right and the other wrong count.

    Args:
        correct_a: ``(songs,)`` bool: whether model a is right.
        correct_b: The same songs in the same order for model b.

    Returns:
        The p-value; 1 for models that are right on the same songs.

    Raises:
        DataError: The lengths differ, or there are no songs.

    Example:
        >>> mcnemar_p(np.array([True, True, True, True]), np.array([False, False, False, True]))
        0.25
    """
    from statsmodels.stats.contingency_tables import mcnemar

    a, b = np.asarray(correct_a, bool), np.asarray(correct_b, bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise DataError(f"answers have shapes {a.shape} and {b.shape}", remedy="pass the same songs for both models")
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    return float(mcnemar(table, exact=True).pvalue)


def compare_models(correct: Mapping[str, np.ndarray]) -> dict[tuple[str, str], tuple[float, float]]:
    """McNemar's test between all pairs of trained models, with Holm's correction.

    McNemar's test wants one answer a song from each model. Where a recipe was trained with several seeds, pass the
    answers of its `median_run`. Pooling the seeds would count each song several times as if it were several songs, and
    the vote of the seeds is another, better model than the one that is reported. The test therefore compares two
    *trained models*; two *recipes*, with the chance of training included, are compared by `difference_intervals`.

    Args:
        correct: Whether each song is answered rightly, ``(songs,)`` bool by model; the same songs in the same order.

    Returns:
        For each pair of names, in the order given, the exact p-value of the pair alone, and the same after Holm's
        correction over all pairs.

    Raises:
        DataError: The numbers of songs differ.

    Example:
        >>> good, bad = np.arange(40) < 36, np.arange(40) < 12
        >>> compare_models({"lstm": good, "gru": good, "mlp": bad})["lstm", "gru"]
        (1.0, 1.0)
    """
    couples = list(itertools.combinations(correct, 2))
    if not couples:
        return {}
    from statsmodels.stats.multitest import multipletests

    p = [mcnemar_p(correct[one], correct[other]) for one, other in couples]
    adjusted = multipletests(p, method="holm")[1]
    return {couple: (alone, float(holm)) for couple, alone, holm in zip(couples, p, adjusted, strict=True)}


def letter_groups(order: Sequence[str], alike: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Letters such that two names share one exactly when they are alike (a compact letter display).

    Each letter is a largest possible set of names that are alike in pairs; sets that add no new pair are left out.

    Args:
        order: All names; ``a`` goes to the set of the first.
        alike: Pairs of names that cannot be told apart.

    Returns:
        Letters by name, in the order given.

    Example:
        >>> letter_groups(["x", "y", "z"], [("x", "y"), ("y", "z")])
        {'x': 'a', 'y': 'ab', 'z': 'b'}

    Reference:
        Piepho (2004), An algorithm for a letter-based representation of all-pairwise comparisons, J. Comp. Graph. Stat.
        13.
    """
    place = {name: position for position, name in enumerate(order)}
    pairs = {frozenset((place[one], place[other])) for one, other in alike}
    sets = [frozenset(place.values())]  # of all names; each two that differ split every set that holds both
    for two in itertools.combinations(place.values(), 2):
        if frozenset(two) not in pairs:
            parts = {part - {each} if part.issuperset(two) else part for part in sets for each in two}
            sets = [part for part in parts if not any(part < other for other in parts)]
    groups = sorted(sorted(group) for group in sets)
    held = Counter(pair for group in groups for pair in _pairs(group))  # in how many groups
    kept = []
    for group in groups:
        if all(held[pair] > 1 for pair in _pairs(group)):
            held.subtract(_pairs(group))
        else:
            kept.append(group)
    marks = dict.fromkeys(order, "")
    for number, group in enumerate(kept):
        for position in group:
            marks[order[position]] += _letter(number)
    return marks


def difference_intervals(
    correct: Mapping[str, np.ndarray], *, confidence: float = 0.95
) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Differences between the mean accuracies of recipes over all their seeds, with intervals over songs and seeds.

    Two things make a difference uncertain: which songs are in the split, and how the training runs fell out. The
    variance is the sum of both: that of the songs' own differences (songs are paired: all recipes answered the same
    ones), and that of the mean over each recipe's seeds; the interval is Student's with Welch's degrees of freedom. A
    bootstrap over songs alone would leave the seeds out, and one over two or three seeds covers too little; in
    simulations this interval covers the true difference at least about as often as it claims. With one seed a recipe
    there is no telling what another run would give, and only the songs count. The intervals are of one pair each: they
    are not widened for the number of pairs.

    Args:
        correct: Whether each run of a recipe is right, ``(seeds, songs)`` bool by recipe; the same songs in the same
            order for all, the number of seeds may differ.
        confidence: In (0, 1).

    Returns:
        For each pair (a, b), a before b in ``correct``: mean accuracy of a minus that of b, low, high.

    Raises:
        DataError: The songs differ in number, or are fewer than two.
        SettingsError: ``confidence`` is out of range.

    Example:
        >>> lstm, mlp = np.tile([True, True, False, True], (2, 1)), np.zeros((1, 4), bool)
        >>> mean, low, high = difference_intervals({"lstm": lstm, "mlp": mlp})["lstm", "mlp"]
        >>> round(mean, 3), round(low, 3), round(high, 3)
        (0.75, -0.046, 1.546)

    Reference:
        Welch (1947), The generalization of Student's problem when several different population variances are involved,
        Biometrika 34.
    """
    from scipy import stats

    _check_confidence(confidence)
    runs = {name: np.atleast_2d(np.asarray(value, float)) for name, value in correct.items()}
    songs = {value.shape[1] for value in runs.values()}
    if len(songs) > 1 or min(songs, default=2) < 2:
        remedy = "pass the same two songs or more for all recipes"
        raise DataError(f"the recipes answered {sorted(songs)} songs", remedy=remedy)
    by_song = {name: value.mean(axis=0) for name, value in runs.items()}  # (songs,)
    over_seeds = {
        name: (float(value.mean(axis=1).var(ddof=1)) / len(value), len(value) - 1) if len(value) > 1 else (0.0, 1)
        for name, value in runs.items()
    }
    intervals = {}
    for a, b in itertools.combinations(runs, 2):
        difference = by_song[a] - by_song[b]
        over_songs = (float(difference.var(ddof=1)) / len(difference), len(difference) - 1)
        parts = (over_songs, over_seeds[a], over_seeds[b])
        variance = sum(part for part, _ in parts)
        mean, half = float(difference.mean()), 0.0
        if variance > 0:
            freedom = variance**2 / sum(part**2 / free for part, free in parts)
            half = float(stats.t.ppf((1 + confidence) / 2, freedom)) * variance**0.5
        intervals[a, b] = (mean, mean - half, mean + half)
    return intervals


def _checked(logits: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits, y = np.asarray(logits), np.asarray(y)
    if logits.ndim != 2 or y.shape != logits.shape[:1] or not y.size or y.dtype.kind not in "iu":
        what = f"logits have shape {logits.shape}, labels {y.shape} of {y.dtype}"
        raise DataError(what, remedy="pass logits (songs, classes) and one integer label per song")
    if y.min() < 0 or y.max() >= logits.shape[1]:
        raise DataError(f"labels run from {y.min()} to {y.max()}", remedy=f"use 0 to {logits.shape[1] - 1}")
    if not np.isfinite(logits).all():
        song, label = np.argwhere(~np.isfinite(logits))[0]
        remedy = "training diverged: lower the learning rate; or, for a logarithm of 0, bound the probabilities"
        raise DataError(f"the logit is {logits[song, label]}", where=f"logits[{song}, {label}]", remedy=remedy)
    return logits, y.astype(np.int64)


def _check_confidence(value: float) -> None:
    if not 0 < value < 1:
        raise SettingsError(f"confidence must be between 0 and 1, got {value}")


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio = np.zeros(part.shape)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _calibration(posterior: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each song the bin of its top probability, and that probability minus whether it is right."""
    sure = np.exp(posterior.max(axis=1))
    bins = np.clip(np.ceil(sure * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)  # (lower, upper]
    return bins, sure - correct


def _resampled_sums(summands: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Sums of ``summands`` (songs, quantities) over songs drawn with replacement: (resamples, quantities)."""
    if resamples < 1:
        raise SettingsError(f"resamples must be 1 or more, got {resamples}")
    n_songs = len(summands)
    draw = generator(seed, "bootstrap", "songs")
    rows = max(1, _BLOCK // n_songs)
    parts = []
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        songs = draw.integers(0, n_songs, (count, n_songs)) + n_songs * np.arange(count)[:, None]
        times = np.bincount(songs.ravel(), minlength=count * n_songs).reshape(count, n_songs)
        parts.append(times.astype(np.float64) @ summands)
    return np.concatenate(parts)


def _percentiles(values: np.ndarray, confidence: float) -> tuple[float, float]:
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values, [tail, 100 - tail])
    return float(low), float(high)


def _pairs(group: Sequence[int]) -> list[tuple[int, ...]]:
    return list(itertools.combinations(group, 2)) or [tuple(group)]  # a name that is alone counts as its own pair


def _letter(number: int) -> str:
    return string.ascii_letters[number] if number < 52 else chr(0x100 + number - 52)  # Latin letters with accents
