"""Kernel ridge regression: radial basis functions around training songs, and the output layer in closed form."""

from __future__ import annotations

import time
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


class KernelRidgeSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Settings of kernel ridge regression."""

    penalties: tuple[Annotated[float, Field(ge=1e-6)], ...] = Field(
        tuple(10.0 ** (power / 2) for power in range(-6, 5)),
        min_length=1,
        description="Candidate ridge penalties; the one with the lowest log loss on validation songs is chosen.",
    )


@PROCEDURES.register(
    "kernel_ridge",
    summary="Kernel ridge regression in closed form, with training songs as the centres of radial basis functions",
    reference="C. Saunders, A. Gammerman, V. Vovk, Ridge regression learning algorithm in dual variables, ICML 1998; "
    "subset of centres: C. Williams, M. Seeger, NIPS 2000; temperature: Guo et al., ICML 2017",
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
    have near neighbours, such as excerpts of one recording. Choose it with the model `rbf_network`.

    Args:
        model: Model that ends in `RadialBasis` and an affine layer ``logits``; the layers before are not changed.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `KernelRidgeSettings`.
        options: See `Options`; ``seed`` draws the centres, ``on_epoch`` is called once, the others are not used.

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
    centres = np.zeros((radial.centres, x.shape[1]))
    centres[: len(drawn)] = x[drawn]
    radial.place(centres, *standardisation(x))
    similarities = keras.Model(model.input, output.input)
    known, held = (forward(similarities, part.x)["logits"][:, : len(drawn)] for part in (train, valid))
    best = None
    for kernel, bias in solutions(known, drawn, targets(train.y, songs.num_classes), settings.penalties):
        scores = held @ kernel + bias
        temperature = best_temperature(scores, valid.y)
        loss = evaluate(scores / temperature, valid.y)["log_loss"]
        if best is None or loss < best[0]:
            best = loss, kernel / temperature, bias / temperature
    assert best is not None  # there is a penalty
    kernel = np.zeros((radial.centres, songs.num_classes))  # a centre without a song has no weight
    kernel[: len(drawn)] = best[1]
    return finish(model, kernel, best[2], songs, start, options)


def solutions(
    similarities: np.ndarray, centres: np.ndarray, y: np.ndarray, penalties: tuple[float, ...]
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
