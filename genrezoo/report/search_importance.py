"""How much each searched setting matters to the score, as a random forest sees it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrezoo.evaluation import mean_interval
from genrezoo.report.numbers import plain
from genrezoo.report.records import Estimate
from genrezoo.report.search_records import Searched, Setting, epochs_of
from genrezoo.trials import Trial

LEAST = 8
"""Points below which a forest tells nothing."""
FORESTS, TREES, SHUFFLES, POINTS, STEPS = 10, 64, 5, 96, 12
EPOCHS = "epochs reached"


@dataclass(frozen=True)
class Importance:
    """What forests say of the settings.

    Attributes:
        trials: Number of trials that they were grown on.
        r2: Share of the scores' variance that the forests predict of trials that they have not seen; below 0 they
            predict worse than the mean.
        loss: By setting, how much of that is lost when its values are shuffled among the trials.
        share: By setting, the share of the forests' own variance over the whole space that it alone makes.
    """

    trials: int
    r2: Estimate
    loss: dict[str, Estimate]
    share: dict[str, float]


@dataclass(frozen=True)
class _Part:
    """A setting as columns of the forests' input, and the rows (trials) that it counts for."""

    name: str
    columns: np.ndarray
    active: np.ndarray
    levels: np.ndarray


def importance(search: Searched) -> Importance | str:
    """How much each setting matters, or a sentence that says why this cannot be told.

    Ten forests, which differ by their seeds alone, predict the score from the settings. The loss by shuffling
    (permutation importance) is measured on the trials that a tree has not seen. Where a setting does not count it has a
    middle value, and it is shuffled among those that it counts for. Scores that are far off are moved to the limits of
    the figures.

    Args:
        search: The search.

    Reference:
        Breiman (2001), Random forests; for the shares Hutter, Hoos, Leyton-Brown (2014), An efficient approach for
        assessing hyperparameter importance.
    """
    trials = sorted(search.leaves, key=lambda trial: trial.number)
    if not search.settings:
        return "Nothing was searched."
    if len(trials) < LEAST:
        return (
            f"{plain(len(trials))} completed points are too few to tell how much each setting matters: it takes "
            f"{LEAST} and more."
        )
    scores = np.array([search.merit(trial.score) for trial in trials if trial.score is not None])
    if np.ptp(scores) == 0:
        return "All completed trials have the same score: no setting has made a difference."
    table, parts = _table(search, trials)
    if not parts:
        return "All completed trials have the same values: nothing can be told of the settings."
    found = [_one_forest(table, scores, parts, seed) for seed in range(FORESTS)]
    r2 = [forest[0] for forest in found]
    losses = np.array([forest[1] for forest in found])  # (forests, parts)
    shares = np.mean([forest[2] for forest in found], axis=0)
    return Importance(
        trials=len(trials),
        r2=Estimate(*mean_interval(r2), over="seeds"),
        loss={
            part.name: Estimate(*mean_interval(column), over="seeds")
            for part, column in zip(parts, losses.T, strict=True)
        },
        share={part.name: float(share) for part, share in zip(parts, shares, strict=True)},
    )


def trust(found: Importance) -> str:
    """How far the forests may be believed, in a sentence."""
    r2 = f"R² {found.r2.mean:.2f}".replace("-", "−")
    about = f"On trials that they have not seen the forests reach {r2}"
    if found.r2.mean < 0.1:
        return f"{about}: they predict next to nothing, and the order below may be chance."
    if found.r2.mean < 0.5:
        return f"{about}: they predict a part of what makes the score, so take no more than the first places from it."
    return f"{about}: they predict most of what makes the score."


def _table(search: Searched, trials: Sequence[Trial]) -> tuple[np.ndarray, list[_Part]]:
    """The trials as numbers ``(trials, columns)``: places on the settings' axes; a column for each of several words."""
    blocks: list[np.ndarray] = []
    parts: list[_Part] = []

    def add(name: str, block: np.ndarray, active: np.ndarray, levels: np.ndarray) -> None:
        if np.ptp(block, axis=0).any():
            first = sum(one.shape[1] for one in blocks)
            parts.append(_Part(name, np.arange(first, first + block.shape[1]), active, levels))
            blocks.append(block)

    for setting in search.settings:
        places = [setting.place(trial.values) for trial in trials]
        known = sorted(place for place in places if place is not None)
        if known:
            middle = known[len(known) // 2]
            column = np.array([middle if place is None else place for place in places])
            block, levels = _encoded(setting, column)
            add(setting.name, block, np.flatnonzero([place is not None for place in places]), levels)
    if any(trial.epochs is not None for trial in trials):
        reached = np.array([math.log(epochs_of(trial) or 1) for trial in trials])[:, None]
        add(EPOCHS, reached, np.arange(len(trials)), np.unique(reached, axis=0))
    return (np.concatenate(blocks, axis=1) if blocks else np.empty((len(trials), 0))), parts


def _encoded(setting: Setting, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A setting's places as columns, and the levels at which its effect is looked at."""
    if any(isinstance(value, str) for value in setting.values) and len(setting.values) > 2:
        count = len(setting.values)
        return np.eye(count)[np.rint(column * (count - 1)).astype(int)], np.eye(count)
    steps = len(setting.values) or STEPS
    return column[:, None], np.linspace(0, 1, steps)[:, None]


def _one_forest(
    table: np.ndarray, scores: np.ndarray, parts: Sequence[_Part], seed: int
) -> tuple[float, list[float], list[float]]:
    """R² on unseen trials, what shuffling takes from it, and the shares of variance."""
    from sklearn.ensemble import RandomForestRegressor  # on first use: a leaderboard does not need it

    random, count = np.random.default_rng(seed), len(table)
    forest = RandomForestRegressor(TREES, max_features=max(1, math.ceil(table.shape[1] / 2)), random_state=seed)
    forest.fit(table, scores)
    shuffled = [table]
    for part in parts:
        for _ in range(SHUFFLES):
            other = table.copy()
            other[np.ix_(part.active, part.columns)] = table[np.ix_(random.permutation(part.active), part.columns)]
            shuffled.append(other)
    # Points all over the space, with each setting at each of its levels.
    points = np.concatenate([part.levels[random.integers(0, len(part.levels), POINTS)] for part in parts], axis=1)
    spread = [points]
    for part in parts:
        for level in part.levels:
            other = points.copy()
            other[:, part.columns] = level
            spread.append(other)
    inputs = np.concatenate([*shuffled, *spread]).astype(np.float32)
    answers = np.array([tree.predict(inputs) for tree in forest.estimators_])  # (trees, inputs)
    edge = count * len(shuffled)
    unseen = np.array([~np.isin(np.arange(count), drawn) for drawn in forest.estimators_samples_])  # (trees, trials)
    judged = unseen.any(axis=0)
    weights = unseen[:, judged] / unseen[:, judged].sum(axis=0)
    told = answers[:, :edge].reshape(TREES, len(shuffled), count)[:, :, judged]
    errors = ((np.einsum("tsn,tn->sn", told, weights) - scores[judged]) ** 2).mean(axis=1) / scores[judged].var()
    losses = errors[1:].reshape(len(parts), SHUFFLES).mean(axis=1) - errors[0]
    surface = answers[:, edge:].mean(axis=0)
    whole, shares, start = surface[:POINTS].var(), [], POINTS
    for part in parts:
        means = surface[start : start + POINTS * len(part.levels)].reshape(len(part.levels), POINTS).mean(axis=1)
        shares.append(float(means.var() / whole) if whole > 0 else 0.0)
        start += POINTS * len(part.levels)
    return float(1 - errors[0]), [float(loss) for loss in losses], shares
