"""Comparison of two trained models, or recipes, on the same songs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrezoo.errors import DataError, SettingsError
from genrezoo.evaluation import difference_intervals, mcnemar_p, median_run
from genrezoo.runs.run import Run


@dataclass(frozen=True)
class Comparison:
    """Comparison of two models, or of two recipes over their seeds, on the same songs.

    Attributes:
        split: Split that both predicted.
        n_songs: Number of songs in the split.
        accuracy_a: Accuracy of the first, the mean over its seeds.
        accuracy_b: Accuracy of the second.
        difference: The first minus the second.
        low: Lower bound of the difference's 95 % interval over songs and seeds.
        high: Upper bound.
        p_value: P-value of McNemar's exact test between the two trained models; with several seeds, between those with
            the median validation accuracy.
        only_a: Number of songs that only the first of these two classifies correctly.
        only_b: Number of songs that only the second classifies correctly.
    """

    split: str
    n_songs: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    low: float
    high: float
    p_value: float
    only_a: int
    only_b: int

    def __str__(self) -> str:
        accuracies = f"{100 * self.accuracy_a:.1f} % against {100 * self.accuracy_b:.1f} %"
        interval = f"{100 * self.difference:+z.1f} points [{100 * self.low:+z.1f}, {100 * self.high:+z.1f}]"
        alone = f"{self.only_a} songs correct only in the first, {self.only_b} only in the second"
        return (
            f"{accuracies} of {self.n_songs:,} {self.split} songs: {interval}, McNemar p {self.p_value:.3g} ({alone})"
        )


def compare(a: Run | Sequence[Run], b: Run | Sequence[Run], *, split: str = "test") -> Comparison:
    """Compares two runs, or two recipes with several seeds each, by their stored predictions for the same songs.

    Args:
        a: A run, or the runs of one recipe with different seeds.
        b: Another run, or other runs.
        split: ``"test"`` or ``"valid"``.

    Returns:
        Both accuracies, their difference with its interval, and a paired test.

    Raises:
        DataError: The runs did not predict the same songs, or their genres differ.
        SettingsError: There is no run on one side.

    Example:
        >>> import tempfile, genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_train=60, n_valid=20, n_test=20, n_segments=8, seed=1)
        >>> folder = tempfile.mkdtemp()
        >>> runs = [gz.train("fully_connected", songs, epochs=1, seed=n, out=f"{folder}/{n}") for n in (1, 2)]
        >>> compare(*runs).n_songs
        20

    Reference:
        `genrezoo.evaluation.difference_intervals` and `genrezoo.evaluation.mcnemar_p`.
    """
    sides = [[one] if isinstance(one, Run) else list(one) for one in (a, b)]
    if not all(sides):
        raise SettingsError("a comparison needs at least one run on each side, got none")
    runs = [run for side in sides for run in side]
    first = runs[0]
    known = first.predictions(split)
    for run in runs[1:]:
        other = run.predictions(split)
        same = np.array_equal(known["ids"], other["ids"]) and np.array_equal(known["y"], other["y"])
        if run.genres != first.genres or not same:
            what = f"{run.folder} has predictions for other {split} songs than {first.folder}, or other genres"
            raise DataError(what, remedy="compare runs that were trained on the same songs with the same split")
    right = [np.stack([_right(run, split) for run in side]) for side in sides]
    ((difference, low, high),) = difference_intervals(dict(zip("ab", right, strict=True))).values()
    median = [
        rows[median_run([float(_right(run, "valid").mean()) for run in side])]
        for side, rows in zip(sides, right, strict=True)
    ]
    return Comparison(
        split=split,
        n_songs=len(known["y"]),
        accuracy_a=float(right[0].mean()),
        accuracy_b=float(right[1].mean()),
        difference=difference,
        low=low,
        high=high,
        p_value=mcnemar_p(*median),
        only_a=int((median[0] & ~median[1]).sum()),
        only_b=int((median[1] & ~median[0]).sum()),
    )


def _right(run: Run, split: str) -> np.ndarray:
    """Tells for each song whether the prediction is correct, ``(n_songs,)`` bool."""
    stored = run.predictions(split)
    right: np.ndarray = stored["logits"].argmax(axis=1) == stored["y"]
    return right
