"""The model of a Bayesian search: what few and noisy scores say about points that have none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.spatial.distance
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from genrezoo.tuning.oracles.embedding import Array, Embedding

NOISE = 0.01  # share of the scores' variance that chance is expected to have, where it is learnt
LENGTH = 0.5  # expected length scale, in ranges of a hyperparameter


class Process:
    """A Gaussian process whose length scales differ between hyperparameters, in place of KerasTuner's with one for all.

    Its settings are the most probable ones, not the most likely: with five trials the likelihood alone would call
    anything noise or nothing. Scores are expected to be standardised.

    Args:
        embedding: Tells which vectors stand for the same point.
        noise: Variance of chance in a score; None learns it.
        seed: Seed of the fit.

    Attributes:
        embedding: As given.
        doubt: Variance of each score beside the noise that all have, (points,).
    """

    def __init__(self, embedding: Embedding, noise: float | None, seed: int):
        self.embedding, self._noise, self._seed = embedding, noise, seed
        self.doubt: Array | float = 0.0
        self._theta: Array | None = None

    def fit(self, x: Array, y: Array) -> Process:
        """Learns from points, (points, dimensions), and their scores, (points,); its settings the first time only."""
        x = self.embedding.snap(x)
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(np.full(x.shape[1], LENGTH), (0.02, 100.0), nu=2.5)
        noise = NOISE if self._noise is None else self._noise
        kernel += WhiteKernel(noise, (1e-4, 2.0) if self._noise is None else "fixed")
        expected = kernel.theta
        widths = np.array([0.5, *[0.7] * x.shape[1], *[1.5] * (self._noise is None)])  # of the logarithms
        if self._theta is not None:
            kernel = kernel.clone_with_theta(self._theta)
        model = GaussianProcessRegressor(
            kernel,
            alpha=1e-6 + self.doubt,
            optimizer=_most_probable(expected, widths) if self._theta is None else None,
            random_state=self._seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound is an answer too
            model.fit(x, y)
        self._theta = model.kernel_.theta
        parts = model.kernel_.get_params()
        self._height, self._lengths = parts["k1__k1__constant_value"], parts["k1__k2__length_scale"]
        self._x, self._weights = x / self._lengths, model.alpha_
        self._root = scipy.linalg.solve_triangular(model.L_, np.eye(len(x)), lower=True).T
        return self

    def predict(self, x: Array, return_std: bool = False) -> Any:
        """Mean of the score without its noise, and its deviation on request; each (points,).

        scikit-learn's own spends ten times as long on checking its arguments, thousands of times for each suggestion.
        """
        r = np.sqrt(5.0) * scipy.spatial.distance.cdist(self.embedding.snap(x) / self._lengths, self._x)
        k = self._height * (1 + r + r * r / 3) * np.exp(-r)
        mean = k @ self._weights
        if not return_std:
            return mean
        return mean, np.sqrt(np.maximum(self._height - np.square(k @ self._root).sum(axis=1), 1e-12))


def _most_probable(expected: Array, widths: Array) -> Callable[..., tuple[Array, float]]:
    """An optimiser for scikit-learn that expects the logarithms of the settings near ``expected``."""

    def optimise(loss: Callable[[Array], tuple[float, Array]], start: Array, bounds: Array) -> tuple[Array, float]:
        def penalised(theta: Array) -> tuple[float, Array]:
            value, gradient = loss(theta)
            off = (theta - expected) / widths
            return value + 0.5 * float(off @ off), gradient + off / widths

        found = scipy.optimize.minimize(penalised, start, jac=True, bounds=bounds, method="L-BFGS-B")
        return found.x, found.fun

    return optimise
