"""Averaged weights: a training goes on with its own weights, and their average is validated and kept.

Steps of gradient descent scatter around a minimum; the average of the weights lies nearer to it than the last of them,
the more so the fewer the songs. Two averages are known: an exponential one over the steps (``ema``), and the plain mean
over the ends of the last epochs (``swa``).

Moving statistics of batch normalisation belong to the weights. The mean over epochs is taken of them too. They are
moving averages over the steps by themselves, so that ``ema`` takes them as they are.

References:
    P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018 (the mean over
    epochs); B. T. Polyak, A. B. Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control
    Optim. 30, 1992.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from genrezoo.lazy import keras
from genrezoo.training.checkpoint import Arrays, assign_arrays, weights_of
from genrezoo.training.settings import TrainingSettings


def prepare(model: keras.Model, settings: TrainingSettings) -> None:
    """Keeps Keras from replacing the weights by their average after each epoch; the training goes on from its own.

    The optimiser computes the average at each of its steps, and a checkpoint holds it with the optimiser's state.
    """
    if settings.average == "ema":
        model.optimizer.finalize_variable_values = lambda variables: None


def mean_weights(mean: Arrays, model: keras.Model, epoch: int, settings: TrainingSettings) -> Arrays:
    """The mean of the weights at the ends of the epochs that ``swa`` averages, this one included.

    Args:
        mean: The mean before this epoch, by name; empty before the first.
        model: The model at the end of the epoch.
        epoch: The epoch's number, from 0.
        settings: What is averaged.

    Returns:
        Arrays by name; empty where no mean over epochs is taken yet.
    """
    first = int(settings.swa_start * settings.epochs)
    if settings.average != "swa" or epoch < first:
        return {}
    now = weights_of(model)
    return {name: running_mean(mean[name], value, epoch - first + 1) for name, value in now.items()} if mean else now


def running_mean(mean: np.ndarray, value: np.ndarray, count: int) -> np.ndarray:
    """The mean of ``count`` arrays, from that of all but the last; whole numbers are those of the last.

    Example:
        >>> running_mean(np.array([1.0, 2.0]), np.array([4.0, 2.0]), 3).tolist()  # of [1, 1, 4] and [2, 2, 2]
        [2.0, 2.0]
    """
    if value.dtype.kind != "f":
        return value
    found: np.ndarray = mean + (value - mean) / value.dtype.type(count)
    return found


@contextlib.contextmanager
def averaged(model: keras.Model, mean: Arrays, settings: TrainingSettings) -> Iterator[None]:
    """Within the block the model has the averaged weights, where there are some; after it its own again.

    A weight with a constraint, such as one that holds pruned weights at zero, keeps to it.

    Args:
        model: A model that is trained.
        mean: From `mean_weights`.
        settings: What is averaged.
    """
    if not mean and settings.average != "ema":
        yield
        return
    own = weights_of(model)
    if settings.average == "ema":
        optimizer: Any = model.optimizer
        for variable, value in zip(model.trainable_variables, optimizer._model_variables_moving_average, strict=True):
            if value is not None:
                variable.assign(np.array(keras.ops.convert_to_numpy(value)))  # JAX gives shared memory away
    else:
        assign_arrays(model, mean)
    for variable in model.trainable_variables:
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
    yield
    assign_arrays(model, own)
