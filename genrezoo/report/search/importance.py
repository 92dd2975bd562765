"""The importance of each hyperparameter for the score, by random forests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from genrezoo.evaluation import mean_interval
from genrezoo.report.search.records import SearchRecord, epochs_of
from genrezoo.report.style.number_format import Estimate, plain

LEAST = 8
"""Least number of trials for a forest."""
FORESTS, TREES, SHUFFLES = 5, 64, 5
EPOCHS = "epochs reached"


@dataclass(frozen=True)
class Importance:
    """Permutation importance of each hyperparameter.

    Attributes:
        trials: Number of trials that the forests were trained on.
        r2: Fraction of the scores' variance that the forests predict on unseen trials; below 0 they are worse than the
            mean.
        loss: By hyperparameter, the R² that is lost when its values are shuffled among the trials.
    """

    trials: int
    r2: Estimate
    loss: dict[str, Estimate]


def importance(search: SearchRecord) -> Importance | str:
    """Computes the importance of each hyperparameter, or returns a sentence why it is unknown.

    Five forests with different seeds predict the score from the hyperparameters. The loss by shuffling is measured on
    the trials that a tree was not trained on. An inactive hyperparameter has its median, and it is shuffled among the
    trials in which it is active. Outlying scores are moved to the limits of the figures.

    Args:
        search: The search.

    Reference:
        Breiman (2001), Random forests.
    """
    trials = sorted(search.leaves, key=lambda trial: trial.number)
    if not search.space:
        return "nothing was searched."
    if len(trials) < LEAST:
        return f"{plain(len(trials))} completed points are too few; at least {LEAST} are needed."
    scores = np.array([search.merit(trial.score) for trial in trials if trial.score is not None])
    if np.ptp(scores) == 0:
        return "all completed trials have the same score."
    columns = {one.name: [one.place(trial.values) for trial in trials] for one in search.space}
    if any(trial.epochs is not None for trial in trials):
        columns[EPOCHS] = [math.log(epochs_of(trial) or 1) for trial in trials]
    known = {name: np.array(part, float) for name, part in columns.items()}  # NaN where not active
    known = {name: part for name, part in known.items() if len(np.unique(part[~np.isnan(part)])) > 1}
    if not known:
        return "all completed trials have the same values."
    places = np.stack(list(known.values()), axis=1)  # (trials, hyperparameters)
    passes = np.array([_one_forest(places, scores, seed) for seed in range(FORESTS)])  # (forests, 1 + hyperparameters)
    r2, *losses = (Estimate(*mean_interval(column), over="seeds") for column in passes.T)
    return Importance(len(trials), r2, dict(zip(known, losses, strict=True)))


def trust(found: Importance) -> str:
    """Describes the accuracy of the forests in a sentence."""
    r2 = f"R² {found.r2.mean:.2f}".replace("-", "−")
    about = f"On unseen trials the forests reach {r2}"
    return f"{about}: they predict almost nothing, and the order may be chance." if found.r2.mean < 0.1 else f"{about}."


def _one_forest(places: np.ndarray, scores: np.ndarray, seed: int) -> list[float]:
    """Returns the R² of one forest on unseen trials, and the R² that is lost by shuffling each column."""
    from sklearn.ensemble import RandomForestRegressor  # on first use: a leaderboard does not need it

    draw, active = np.random.default_rng(seed), ~np.isnan(places)
    table = np.where(active, places, np.nanquantile(places, 0.5, axis=0, method="higher"))
    forest = RandomForestRegressor(TREES, max_features=max(1, math.ceil(table.shape[1] / 2)), random_state=seed)
    forest.fit(table, scores)
    tables = [table]
    for column in range(table.shape[1]):
        for _ in range(SHUFFLES):
            shuffled, rows = table.copy(), np.flatnonzero(active[:, column])
            shuffled[rows, column] = table[draw.permutation(rows), column]
            tables.append(shuffled)
    inputs = np.concatenate(tables).astype(np.float32)
    answers = np.array([tree.predict(inputs) for tree in forest.estimators_]).reshape(TREES, len(tables), len(table))
    unseen = np.array([~np.isin(np.arange(len(table)), drawn) for drawn in forest.estimators_samples_])
    judged = unseen.any(axis=0)  # by at least one tree
    weights = unseen[:, judged] / unseen[:, judged].sum(axis=0)  # (trees, trials)
    predicted = np.einsum("tsn,tn->sn", answers[:, :, judged], weights)
    errors = ((predicted - scores[judged]) ** 2).mean(axis=1) / scores[judged].var()
    losses = errors[1:].reshape(-1, SHUFFLES).mean(axis=1) - errors[0]
    return [1 - errors[0], *losses]
