"""Ridge regression: the output layer in closed form, on the outputs of the layers before it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Unpack

import numpy as np
from pydantic import BaseModel, Field

from genrezoo.errors import SettingsError
from genrezoo.evaluation import best_temperature, evaluate
from genrezoo.lazy import LazyModule, keras
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.training.fitted import Fitted, Options, epoch_record, forward

if TYPE_CHECKING:
    from sklearn import linear_model
else:  # names of procedures are listed without it
    linear_model = LazyModule("sklearn.linear_model")


class RidgeSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Settings of ridge regression."""

    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        tuple(10.0 ** (power / 2) for power in range(-4, 13)),
        min_length=1,
        description="Candidate ridge penalties; the one with the lowest leave-one-out error is chosen.",
    )


@PROCEDURES.register(
    "ridge",
    summary="Ridge regression of the output layer in closed form, with all other weights unchanged",
    reference="A. Dempster, F. Petitjean, G. Webb, ROCKET (2020): section 3.3; temperature: Guo et al., ICML 2017",
    settings=RidgeSettings,
    by_gradient=False,
)
def ridge(model: keras.Model, songs: SongSet, settings: RidgeSettings, **options: Unpack[Options]) -> Fitted:
    """Fits the output layer to the training songs in closed form, and calibrates its logits on validation songs.

    Targets are 1 for a song's genre and -1 for the others. The inputs of the output layer are standardised on the
    training songs, and the standardisation is merged into the weights. The penalty is the one of the grid with the
    lowest leave-one-out error on the training songs, which has a closed form. A temperature, chosen on the validation
    songs, turns scores into calibrated logits; it does not change the predicted genre. Choose it for fixed features:
    random kernels, embeddings, statistics.

    Args:
        model: Model whose layer ``logits`` is an affine map; the other layers are not changed.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `RidgeSettings`.
        options: See `Options`; ``on_epoch`` is called once, the others are not used.

    Returns:
        The model and a history of one record.

    Raises:
        SettingsError: The model does not end in an affine map.
        DataError: The inputs of the output layer are not finite.
    """
    start = time.perf_counter()
    features = keras.Model(model.input, output_layer(model, "ridge").input)
    x, valid = finite_features(features, songs.split("train")), songs.split("valid")
    kernel, bias = solve(x, songs.split("train").y, songs.num_classes, settings.penalties)
    temperature = best_temperature(forward(features, valid.x)["logits"] @ kernel + bias, valid.y)
    return finish(model, kernel / temperature, bias / temperature, songs, start, options)


def solve(
    x: np.ndarray, y: np.ndarray, num_classes: int, penalties: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the affine map with the least regularised squared error for targets of 1 and -1.

    Args:
        x: ``(n_songs, features)``.
        y: ``(n_songs,)`` genres.
        num_classes: Number of genres.
        penalties: Candidate ridge penalties for standardised features.

    Returns:
        ``(features, num_classes)`` and ``(num_classes,)``, for features that are not standardised. Constant features
        have weight zero.

    Example:
        >>> kernel, bias = solve(np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([0, 1]), 2, (1e-9,))
        >>> kernel.round(3).tolist(), bias.round(3).tolist()
        ([[-1.0, 1.0], [0.0, 0.0]], [1.0, -1.0])
    """
    mean, scale = standardisation(x)
    fitted: Any = linear_model.RidgeCV(alphas=list(penalties)).fit((x - mean) * scale, targets(y, num_classes))
    kernel = fitted.coef_.T * scale[:, None]  # (features, num_classes)
    return kernel, fitted.intercept_ - mean @ kernel


def targets(y: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns 1 for a song's genre and -1 for the others, ``(n_songs, num_classes)``."""
    found: np.ndarray = 2 * np.eye(num_classes)[y] - 1
    return found


def standardisation(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and inverse standard deviation of each feature; the latter is 0 for a feature that never changes."""
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    changes = scale > 1e-6 * np.maximum(np.abs(mean), 1)
    inverse: np.ndarray = np.where(changes, 1 / np.where(changes, scale, 1), 0)
    return mean, inverse


def output_layer(model: keras.Model, procedure: str) -> Any:
    """Returns the layer ``logits`` of a model.

    Raises:
        SettingsError: It is not an affine map.
    """
    layer = model.get_layer("logits")
    if not isinstance(layer, keras.layers.Dense) or layer.activation is not keras.activations.linear:
        raise SettingsError(
            f"{procedure} needs an affine output layer, but the layer 'logits' of {model.name!r} is a "
            f"{type(layer).__name__} of another form; choose a model without batch normalisation of its logits and "
            "without softmax"
        )
    return layer


def finite_features(features: keras.Model, songs: SongSet) -> np.ndarray:
    """Computes features of songs, ``(n_songs, features)``.

    Raises:
        DataError: Some are not finite.
    """
    x: np.ndarray = forward(features, songs.x)["logits"]
    if not np.isfinite(x).all():
        raise songs.error("features of some songs are not finite", remedy="set clip or transform in the recipe")
    return x


def finish(
    model: keras.Model, kernel: np.ndarray, bias: np.ndarray, songs: SongSet, start: float, options: Options
) -> Fitted:
    """Sets the output layer of a model, and evaluates it.

    Args:
        model: The model.
        kernel: ``(features, num_classes)``.
        bias: ``(num_classes,)``.
        songs: Songs with splits ``train`` and ``valid``.
        start: Time at which the fit began, by `time.perf_counter`.
        options: As the procedure got them.

    Returns:
        The model and a history of one record.
    """
    output = model.get_layer("logits")
    output.kernel.assign(kernel)
    output.bias.assign(bias)
    parts = (songs.split(split) for split in ("train", "valid"))
    here, there = (evaluate(forward(model, part.x)["logits"], part.y) for part in parts)
    record = epoch_record(1, start, 0.0, here["log_loss"], here["accuracy"], there)
    if on_epoch := options.get("on_epoch"):
        on_epoch(record)
    return Fitted(model, [record], 1)
