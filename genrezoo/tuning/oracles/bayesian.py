"""Bayesian search: KerasTuner's model of the scores, asked about points that nobody has tried."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

import keras_tuner
import numpy as np
import threadpoolctl
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning

from genrezoo import seeds
from genrezoo.errors import check_known
from genrezoo.spaces import Choice
from genrezoo.trials import Trial
from genrezoo.tuning.oracles.base import OBJECTIVE, Options, Suggestion, Taken, free_point, random_points, seed_of
from genrezoo.tuning.space import Point, Space

CANDIDATES = 400
BEST = 3
"""Of the points so far, so many are varied for half of the candidates."""
DOUBT = 0.1
"""Added to ``alpha`` when scores of earlier searches are told: songs that are similar are not the same."""


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
        1.4,
        ge=0,
        le=100,
        description="Weight of the unknown, in standard deviations (also called kappa): larger explores more.",
    )
    alpha: float = Field(
        0.01, gt=0, le=10, description="Variance of chance in a score, as a fraction of the scores' variance."
    )
    categorical: tuple[str, ...] = Field(
        (),
        description="Choices whose values the model takes as equally far apart; it takes those of other choices as "
        "points on a line, in their order.",
    )


class BayesianOracle:
    """The point whose score, by a model of the scores so far, may be best; choose it when a trial takes over a second.

    The model is KerasTuner's Gaussian process on KerasTuner's embedding, and its bound is minimised. Its way to the
    minimum is not used: 50 climbs take 0.3 to 2 s of processor time (these candidates 0.13 s), and they end at points
    that were tried already (7 of 14 over 7 values), and at one point for 4 suggestions at once.

    Args:
        space: What is searched.
        seed: Seed of the search.
        max_trials: Budget.
        options: Options.
        earlier: Points of earlier searches on similar data with their scores, a sequence for each search.

    Raises:
        UnknownNameError: Something is called categorical that is not a choice of the space.

    Reference:
        Srinivas, Krause, Kakade, Seeger (2010), Gaussian process optimization in the bandit setting.
    """

    def __init__(
        self,
        space: Space,
        *,
        seed: int,
        max_trials: int | None,
        options: BayesianOptions,
        earlier: Sequence[Sequence[tuple[Point, float]]] = (),
        **_: Any,
    ):
        self._space, self._seed, self._options, self._earlier = space, seed, options, earlier
        self._defaults = {one.name: one.default for one in space.hyperparameters}
        choices = [one.name for one in space.hyperparameters if isinstance(one.domain, Choice)]
        check_known("choice of this search", options.categorical, choices)
        budget = math.inf if max_trials is None else max_trials
        self._initial = options.initial_points or int(max(4, min(len(space.hyperparameters) + 1, 6, budget // 4)))

    def ask(
        self, trials: Sequence[Trial], told: Mapping[int, float], taken: Taken
    ) -> Suggestion | Literal["wait", "done"]:
        """The next point (see `Oracle`)."""
        known = [(trial.values, told[trial.number]) for trial in trials if trial.number in told]
        running = [trial.values for trial in trials if trial.number not in told]
        seed = seed_of(self._seed, trials)
        if any(self._earlier) or len(known) >= self._initial:
            with threadpoolctl.threadpool_limits(1), warnings.catch_warnings():  # the same sums on any machine
                warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound is an answer too
                ranked = self._ranked(known, running, seed)
            for point in ranked:
                if not taken(point, None):
                    return Suggestion(point, "bayesian")
        free = free_point(self._space, seed, lambda point: taken(point, None))
        return "done" if free is None else Suggestion(free, "bayesian")

    def _ranked(self, known: Sequence[tuple[Point, float]], running: Sequence[Point], seed: int) -> list[Point]:
        """Random points, and the best points so far with some of their values changed, the most promising first."""
        template, doubt = self._space.template, DOUBT if any(self._earlier) else 0.0
        model = keras_tuner.oracles.BayesianOptimizationOracle(
            objective=OBJECTIVE, hyperparameters=template, seed=seed, alpha=self._options.alpha + doubt
        ).gpr

        def vectors(points: Sequence[Point]) -> list[list[float]]:  # as KerasTuner embeds them
            texts = [self._space.texts(point) for point in points]
            return [[n for one in template.space for n in self._numbers(one, text)] for text in texts]

        scored = [*self._translated(known), *known]
        x, y = vectors([point for point, _ in scored]), [-score for _, score in scored]
        model.fit(x, y)
        if running:  # they get the mean that the others predict: what is believed stays, only the doubt there goes
            lies = vectors(running)
            model.fit([*x, *lies], [*y, *model.predict(lies)])
        draws, chance = random_points(self._space, seed), seeds.generator(seed, "candidates")
        best = sorted(scored, key=lambda one: -one[1])[:BEST]
        found = [next(draws) for _ in range(CANDIDATES)]
        for number, point in enumerate(found[::2]):
            origin = best[number % len(best)][0]
            kept = {name: value for name, value in origin.items() if chance.uniform() < 0.7}
            found[2 * number] = self._space.point({**self._defaults, **origin, **point, **kept})
        found = list({json.dumps(point): point for point in found}.values())
        mean, deviation = model.predict(vectors(found), return_std=True)
        return [found[place] for place in np.argsort(mean - self._options.beta * deviation, kind="stable")]

    def _numbers(self, one: Any, texts: Mapping[str, Any]) -> list[float]:
        """A hyperparameter's value as the model sees it: a number in [0, 1], or one for each value of a category."""
        value = texts.get(one.name, one.default)
        if one.name in self._options.categorical:
            return [float(value == each) for each in one.values]
        return [one.value_to_prob(value)]

    def _translated(self, known: Sequence[tuple[Point, float]]) -> list[tuple[Point, float]]:
        """The scores of earlier searches, moved to where this search's are at the points that both have tried."""
        found = []
        for search in self._earlier:
            shared = [score - then for point, score in known for other, then in search if point == other]
            shift = fmean(shared) if shared else 0.0
            tried = [point for point, _ in known]
            found += [(point, score + shift) for point, score in search if point not in tried]
        return found
