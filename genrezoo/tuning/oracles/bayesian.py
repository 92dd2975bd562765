"""Bayesian search: KerasTuner's upper confidence bound on a model made for few and noisy scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import keras_tuner
import numpy as np
import threadpoolctl
from pydantic import Field

from genrezoo import seeds
from genrezoo.trials import Trial
from genrezoo.tuning.oracles.base import (
    Options,
    Suggestion,
    Taken,
    Unseen,
    Values,
    objective,
    seed_of,
)
from genrezoo.tuning.oracles.embedding import Array, Embedding
from genrezoo.tuning.oracles.points import all_points, hyperparameters, is_active
from genrezoo.tuning.oracles.process import Process

Earlier: TypeAlias = Sequence[tuple[Values, float]]
CANDIDATES = 1_000
STARTS = 3  # of the candidates, so many are climbed from
RANKED = 200  # and so many are looked at when the summit is taken
DOUBT = 0.25  # variance added to standardised scores of earlier searches: half a deviation of their spread


class BayesianOptions(Options):
    """Options of the Bayesian search."""

    initial_points: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="Trials at random before the model is asked; None: one more than there are hyperparameters, but "
        "from 4 to 6, and more than 4 only up to a quarter of the budget.",
    )
    beta: float = Field(
        0.7,
        ge=0,
        le=100,
        description="Worth of the unknown in deviations (others call it kappa): the larger, the more is explored.",
    )
    alpha: float | None = Field(
        None,
        gt=0,
        le=10,
        description="Variance of chance in a score, as a share of the scores' variance; None learns it.",
    )


class _Starts:
    """In place of the random state that KerasTuner draws 50 starts from, to climb from each: the best of many draws."""

    def __init__(self, oracle: _Model):
        self._oracle = oracle
        self.ranked: Array = np.empty((0, 0))

    def uniform(self, low: Array, high: Array, size: tuple[int, int]) -> Array:
        """Starts, best first; (starts, dimensions)."""
        x = seeds.generator(self._oracle.seed, "candidates").uniform(low, high, (CANDIDATES, size[1]))
        mean, deviation = self._oracle.gpr.predict(x, return_std=True)
        self.ranked = x[np.argsort(mean - self._oracle.beta * deviation, kind="stable")]
        return self.ranked[:STARTS]


class _Model(Unseen, keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's oracle with another model, and with running trials in their place."""

    running: Sequence[Values]

    def choose(self) -> Values | None:
        """The point of the largest bound that nobody has asked for."""
        self._random_state = _Starts(self)
        values: Values = self.populate_space(None)["values"]
        if not self.excluded(values):
            return values
        snapped = self.gpr.embedding.snap(self._random_state.ranked)
        _, first = np.unique(snapped, axis=0, return_index=True)
        for vector in snapped[np.sort(first)][:RANKED]:
            values = self._vector_to_values(vector)
            if not self.excluded(values):
                return values
        return self._random_values()

    def _make_gpr(self) -> Process:
        return Process(Embedding(self.hyperparameters), self.alpha, self.seed)

    def _vectorize_trials(self) -> tuple[Array, Array]:
        """Vectors and scores to make small; KerasTuner's own invents scores of running trials from an older model.

        Here a running trial gets the mean that the ended ones predict for it (Desautels et al. 2014): what the model
        believes stays as it is, only its doubt there goes, so that the next process is sent elsewhere.
        """
        known = list(self.trials.values())
        x = np.array([self.gpr.embedding.vector(trial.hyperparameters.values) for trial in known])
        y = -np.array([trial.score for trial in known])
        if self.running:
            pending = np.array([self.gpr.embedding.vector(values) for values in self.running])
            lies = self.gpr.fit(x, y).predict(pending)
            self.gpr.doubt = np.append(self.gpr.doubt, np.zeros(len(lies)))
            x, y = np.vstack([x, pending]), np.append(y, lies)
        return x, y

    def _vector_to_values(self, vector: Array) -> Values:
        """KerasTuner's values, where those of 1.0 may lie a rounding, or a whole integer, above the largest."""
        values: Values = super()._vector_to_values(self.gpr.embedding.snap(vector[None])[0])
        for one in self.hyperparameters.space:
            if isinstance(one, hyperparameters.Float) and one.name in values and is_active(one, values):
                values[one.name] = float(min(max(values[one.name], one.min_value), one.max_value))
        return values


class BayesianOracle:
    """The point where a model of the scores so far hopes for most; choose it when a trial takes longer than a second.

    Args:
        template: ``keras_tuner.HyperParameters`` with all hyperparameters registered.
        seed: Seed of the search.
        max_trials: Budget.
        options: Options.
        earlier: Points of earlier searches on similar data with their scores, a sequence for each search.

    Reference:
        Srinivas, Krause, Kakade, Seeger (2010), Gaussian process optimization in the bandit setting. Desautels, Krause,
        Burdick (2014), Parallelizing exploration-exploitation tradeoffs, JMLR 15.
    """

    def __init__(
        self,
        template: Any,
        *,
        seed: int,
        max_trials: int | None,
        options: BayesianOptions,
        earlier: Sequence[Earlier] = (),
        **_: Any,
    ):
        self._template, self._seed, self._options = template, seed, options
        self._points, self._embedding = all_points(template), Embedding(template)
        self._earlier = [search for search in earlier if search]
        budget = math.inf if max_trials is None else max_trials
        dimensions = len(self._embedding.axes)
        self._initial = options.initial_points or int(max(4, min(dimensions + 1, 6, budget // 4)))

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point (see `Oracle`)."""
        oracle = _Model(
            objective=objective(),
            hyperparameters=self._template,
            seed=seed_of(self._seed, trials),
            alpha=self._options.alpha,
            beta=self._options.beta,
            num_initial_points=1,
        )
        oracle.set_apart(self._points, lambda values: taken(values, None))
        oracle.running = [trial.values for trial in trials if trial.number not in told]
        known = [(trial.values, told[trial.number]) for trial in trials if trial.number in told]
        if not self._earlier and len(known) < self._initial:
            values = oracle._random_values()
        else:
            with threadpoolctl.threadpool_limits(1):  # sums in the same order anywhere; the matrices are small
                self._inform(oracle, known)
                values = oracle.choose()
        return "done" if values is None else Suggestion(values, "bayesian")

    def _inform(self, oracle: _Model, known: Earlier) -> None:
        """Enters what is known as completed trials."""
        points, scores, oracle.gpr.doubt = self._observed(known)
        for number, (values, score) in enumerate(zip(points, scores, strict=True)):
            record = keras_tuner.engine.trial.Trial(keras_tuner.HyperParameters(), str(number), "COMPLETED")
            record.hyperparameters.values, record.score = values, float(score)
            oracle.trials[record.trial_id] = record

    def _observed(self, known: Earlier) -> tuple[list[Values], Array, Array]:
        """Points with standardised scores and the doubt in each; those of this search first.

        Another search's scores mean as much as their distance from its mean, in its deviations. The scores of this
        search are brought to that scale where they stand, by what the others predict for their points: the first few
        are chosen because they promise much, so that their own mean says nothing.
        """
        points, scores = [values for values, _ in known], np.array([score for _, score in known])
        if not self._earlier:
            return points, _standardised(scores), np.zeros(len(scores))
        others = [values for search in self._earlier for values, _ in search]
        sources = [np.array([score for _, score in search]) for search in self._earlier]
        theirs = np.concatenate([_standardised(source) for source in sources])
        if points:
            scale = float(np.sqrt(np.mean([source.var() for source in sources]))) or 1.0
            guess = Process(self._embedding, self._options.alpha, self._seed)
            guess.fit(np.array([self._embedding.vector(values) for values in others]), theirs)
            expected = guess.predict(np.array([self._embedding.vector(values) for values in points]))
            scores = scores / scale - np.mean(scores / scale - expected)
        doubt = np.append(np.zeros(len(points)), np.full(len(others), DOUBT))
        return [*points, *others], _standardised(np.append(scores, theirs)), doubt


def _standardised(scores: Array) -> Array:
    """Scores with mean 0 and, unless all are the same, deviation 1."""
    return np.asarray((scores - scores.mean()) / (scores.std() or 1.0))
