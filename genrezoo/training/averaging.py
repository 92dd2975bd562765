"""Weight averaging: training continues with the current weights, and their average is validated and kept.

Gradient descent fluctuates around a minimum; the average of the weights lies nearer to it than the last weights,
especially with few songs. There are two averages: an exponential one over the steps (``ema``), and the plain mean over
the ends of the last epochs (``swa``).

The moving statistics of batch normalisation count as weights: ``swa`` averages them too. They already are moving
averages over the steps, so ``ema`` uses their current values.

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
    """Prevents Keras from replacing the weights by their average after each epoch.

    The optimiser computes the average at each of its steps, and a checkpoint holds it with the optimiser's state.
    """
    if settings.average == "ema":
        model.optimizer.finalize_variable_values = lambda variables: None


def mean_weights(mean: Arrays, model: keras.Model, epoch: int, settings: TrainingSettings) -> Arrays:
    """Returns the mean of the weights at the ends of the epochs that ``swa`` averages, including this one.

    Args:
        mean: The mean before this epoch, by name; empty before the first.
        model: The model at the end of the epoch.
        epoch: The epoch's number, from 0.
        settings: Settings with the kind of average.

    Returns:
        Arrays by name; empty if no epoch is averaged yet.
    """
    first = int(settings.swa_start * settings.epochs)
    if settings.average != "swa" or epoch < first:
        return {}
    now = weights_of(model)
    return {name: running_mean(mean[name], value, epoch - first + 1) for name, value in now.items()} if mean else now


def running_mean(mean: np.ndarray, value: np.ndarray, count: int) -> np.ndarray:
    """Updates a mean with the last of ``count`` arrays; integer arrays take the last value.

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
    """Within the block the model has the averaged weights, if there are any; afterwards its current ones again.

    Constraints, such as the one that holds pruned weights at zero, are applied to the average.

    Args:
        model: The model in training.
        mean: From `mean_weights`.
        settings: Settings with the kind of average.
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
