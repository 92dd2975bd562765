"""Kernel ridge regression: radial basis functions around training songs, and the output layer in closed form."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import numpy as np
from pydantic import BaseModel, Field

from genrezoo.errors import SettingsError
from genrezoo.evaluation import best_temperature, evaluate
from genrezoo.lazy import LazyModule, keras, layers
from genrezoo.registry import PROCEDURES
from genrezoo.seeds import generator
from genrezoo.songs import SongSet
from genrezoo.training.fitted import Fitted, Options, forward
from genrezoo.training.ridge import finish, finite_features, output_layer, standardisation, targets

if TYPE_CHECKING:
    from scipy import linalg
else:  # names of procedures are listed without it
    linalg = LazyModule("scipy.linalg")

_JITTERS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Added to a centre's similarity to itself, the first that suffices: among equal centres, or many on few features, the
similarities alone are singular, or worse because of float32's rounding."""
_SAMPLE = 2000
"""Training songs at which the derivatives are taken: of ten thousands, all would take longer than the solution."""


class KernelRidgeSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Settings of kernel ridge regression."""

    penalties: tuple[Annotated[float, Field(ge=1e-6)], ...] = Field(
        tuple(10.0 ** (power / 2) for power in range(-6, 5)),
        min_length=1,
        description="Candidate ridge penalties; the one with the lowest log loss on validation songs is chosen.",
    )
    rounds: int = Field(
        4,
        ge=0,
        description="At most so often the features are scaled by how much the scores depend on them, and all is solved "
        "again, as long as the log loss on validation songs falls; 0: all features count alike.",
    )


@PROCEDURES.register(
    "kernel_ridge",
    summary="Kernel ridge regression in closed form, with training songs as the centres of radial basis functions",
    reference="C. Saunders, A. Gammerman, V. Vovk, Ridge regression learning algorithm in dual variables, ICML 1998; "
    "subset of centres: C. Williams, M. Seeger, NIPS 2000; scales of features: A. Radhakrishnan et al., Science 383 "
    "(2024); temperature: Guo et al., ICML 2017",
    settings=KernelRidgeSettings,
    by_gradient=False,
)
def kernel_ridge(
    model: keras.Model, songs: SongSet, settings: KernelRidgeSettings, **options: Unpack[Options]
) -> Fitted:
    """Places the centres on training songs, fits the output layer in closed form, and calibrates its logits.

    The inputs of the radial basis functions are standardised on the training songs. If there are more training songs
    than centres, the centres are drawn from them at random; all songs are still fitted (Nyström's approximation).
    Targets are 1 for a song's genre and -1 for the others. Penalty and temperature are those with the lowest log loss
    on validation songs: a leave-one-out error on training songs would choose a penalty that is too small wherever songs
    have near neighbours, such as excerpts of one recording.

    Then each feature is multiplied by the square root of the root mean square of the scores' derivatives by it, over
    at most 2,000 training songs, and all is solved again: features that do not matter no longer make songs of one genre
    dissimilar. This is repeated while it lowers the log loss on validation songs; the last round that did is kept.
    Choose the procedure with the model `rbf_network`.

    Args:
        model: Model that ends in `RadialBasis` and an affine layer ``logits``; the layers before are not changed.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `KernelRidgeSettings`.
        options: See `Options`; ``seed`` draws centres and the songs at which derivatives are taken, ``on_epoch`` is
            called once, the others are not used.

    Returns:
        The model and a history of one record.

    Raises:
        SettingsError: The model does not end in radial basis functions and an affine map.
        DataError: The inputs of the radial basis functions are not finite.
    """
    start = time.perf_counter()
    output, radial = output_layer(model, "kernel_ridge"), _radial_layer(model)
    train, valid = songs.split("train"), songs.split("valid")
    x = finite_features(keras.Model(model.input, radial.input), train)
    drawn = np.sort(generator(options["seed"], "centres").permutation(len(x))[: radial.centres])
    sample = x[generator(options["seed"], "sample").permutation(len(x))[:_SAMPLE]]
    centres = np.zeros((radial.centres, x.shape[1]))
    centres[: len(drawn)] = x[drawn]
    mean, inverse = standardisation(x)
    aims, grid = targets(train.y, songs.num_classes), sorted(settings.penalties)
    scale, penalties, best = inverse, grid, None
    similarities = keras.Model(model.input, output.input)
    for _ in range(settings.rounds + 1):
        if best is not None:
            scale = rescaled(radial.influences(sample, _padded(best.kernel, radial.centres)), inverse)
        radial.place(centres, mean, scale)
        known, held = (forward(similarities, part.x)["logits"][:, : len(drawn)] for part in (train, valid))
        solved = solutions(known, drawn, aims, penalties)
        judged = [_judged(penalty, *one, held, valid.y, scale) for penalty, one in zip(penalties, solved, strict=True)]
        found = min(judged, key=lambda one: one.loss)
        if best is not None and found.loss >= best.loss:
            break
        best, place = found, grid.index(found.penalty)
        penalties = grid[max(place - 1, 0) : place + 2]  # the best one changes little from round to round
    assert best is not None  # there is a penalty
    radial.place(centres, mean, best.scale)
    return finish(model, _padded(best.kernel, radial.centres), best.bias, songs, start, options)


@dataclass(frozen=True)
class _Solution:
    """Calibrated weights for a penalty and a scale of the features, and their log loss on validation songs."""

    penalty: float
    scale: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray
    loss: float


def _judged(
    penalty: float, kernel: np.ndarray, bias: np.ndarray, held: np.ndarray, y: np.ndarray, scale: np.ndarray
) -> _Solution:
    scores = held @ kernel + bias
    temperature = best_temperature(scores, y)
    loss = evaluate(scores / temperature, y)["log_loss"]
    return _Solution(penalty, scale, kernel / temperature, bias / temperature, loss)


def _padded(kernel: np.ndarray, centres: int) -> np.ndarray:
    """Gives each centre without a song the weight zero."""
    return np.pad(kernel, [(0, centres - len(kernel)), (0, 0)])


def rescaled(squares: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Scales features by how much they matter: by the geometric mean of derivative and inverse standard deviation.

    Args:
        squares: Squared derivatives by each feature, summed over songs and scores, ``(features,)``.
        inverse: Inverse standard deviation of each feature, 0 for one that never changes.

    Returns:
        ``(features,)``, with the same mean square of the scaled features.

    Example:
        >>> rescaled(np.array([16.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0])).round(3).tolist()
        [1.549, 0.775, 0.0]
    """
    scale = np.sqrt(np.sqrt(squares) * inverse)
    if not scale.any():
        return inverse
    varies = inverse > 0
    found: np.ndarray = scale / np.sqrt(np.square(scale[varies] / inverse[varies]).mean())
    return found


def solutions(
    similarities: np.ndarray, centres: np.ndarray, y: np.ndarray, penalties: Sequence[float]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Solves the ridge regression on similarities to centres for each penalty.

    The weights minimise the squared error plus the penalty times the squared norm of the function in the kernel's
    space. `sklearn.kernel_ridge.KernelRidge` does this if all songs are centres.

    Args:
        similarities: ``(songs, centres)``, of each song to each centre.
        centres: Places of the centres among the songs, ``(centres,)``.
        y: Targets, ``(songs, targets)``.
        penalties: The penalties.

    Returns:
        For each penalty ``(centres, targets)`` and ``(targets,)``: weights, and the mean of the targets as bias.

    Example:
        >>> similar = np.array([[1.0, 0.5], [0.5, 1.0]])
        >>> ((weights, bias),) = solutions(similar, np.array([0, 1]), np.array([[3.0], [1.0]]), (0.5,))
        >>> weights.ravel().round(3).tolist(), bias.tolist()  # (similarities + 0.5) @ weights = (1, -1)
        ([1.0, -1.0], [2.0])
    """
    known, bias = similarities.astype(np.float64), y.mean(axis=0)
    if len(centres) == len(known):
        among = (known + known.T) / 2
        return [
            (linalg.cho_solve((_factor(among + penalty * np.eye(len(among))), True), y - bias), bias)
            for penalty in penalties
        ]
    lower = _factor((known[centres] + known[centres].T) / 2)
    features = linalg.solve_triangular(lower, known.T, lower=True)  # features.T @ features is the kernel of the songs
    gram, aims = features @ features.T, features @ (y - bias)
    found = []
    for penalty in penalties:
        weights = linalg.solve(gram + penalty * np.eye(len(gram)), aims, assume_a="pos")
        found.append((linalg.solve_triangular(lower, weights, lower=True, trans="T"), bias))
    return found


def _factor(among: np.ndarray) -> np.ndarray:
    """Returns the Cholesky factor of the similarities among centres, lower triangular."""
    for jitter in _JITTERS:
        try:
            lower: np.ndarray = linalg.cholesky(among + jitter * np.eye(len(among)), lower=True)
            return lower
        except linalg.LinAlgError:
            if jitter == _JITTERS[-1]:
                raise
    raise AssertionError  # for the type checker: there is a jitter


def _radial_layer(model: keras.Model) -> Any:
    found = model.get_layer("logits").input._keras_history.operation
    if not isinstance(found, layers.RadialBasis):
        what = f"kernel_ridge needs radial basis functions before the output layer, {model.name!r} has {found.name!r}"
        raise SettingsError(f"{what} there; choose the model 'rbf_network'")
    return found
