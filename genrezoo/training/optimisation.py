"""The optimiser and its learning-rate schedule."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError, UnknownNameError
from genrezoo.lazy import keras
from genrezoo.training.settings import SCHEDULES, TrainingSettings


def build_optimizer(settings: TrainingSettings, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Builds the optimiser that the settings describe.

    Raises:
        SettingsError: The optimiser does not accept an argument.
        UnknownNameError: This version of Keras has no such optimiser.
    """
    known: dict[str, Any] = {
        name.lower(): value
        for name, value in vars(keras.optimizers).items()
        if inspect.isclass(value) and issubclass(value, keras.optimizers.Optimizer) and not name.endswith("Optimizer")
    }  # without the base class and the wrappers of other optimisers
    kind = known.get(settings.optimizer.lower().replace("_", ""))
    if kind is None:
        raise UnknownNameError("optimiser", settings.optimizer, known)
    rate: Any = settings.learning_rate
    if settings.schedule not in (None, "reduce_on_plateau"):
        rate = _schedule(settings, steps_per_epoch)
    try:
        decay = {} if settings.weight_decay is None else {"weight_decay": settings.weight_decay}  # else Keras's own
        average = {"use_ema": True, "ema_momentum": settings.ema_decay} if settings.average == "ema" else {}
        optimizer = kind(learning_rate=rate, **decay, **average, **settings.optimizer_arguments)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"optimiser {settings.optimizer!r} rejects its arguments: {error}") from error
    if settings.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if keras.config.backend() != "tensorflow":
        return optimizer
    from genrezoo.training._adam import in_one_pass  # here, because it imports TensorFlow

    return in_one_pass(optimizer)


def _schedule(settings: TrainingSettings, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    name = settings.schedule or ""
    arguments: dict[str, Any] = {}
    for key, value in settings.schedule_arguments.items():
        if key.endswith("_epochs"):
            if None in (value if isinstance(value, list) else [value]):
                raise SettingsError(f"{key} of the schedule {name!r} must be a number of epochs, got {value}")
            key = key.removesuffix("_epochs") + ("" if key.startswith("boundaries") else "_steps")
            value = [round(part * steps) for part in value] if isinstance(value, list) else round(value * steps)
        arguments[key] = value
    kind = getattr(keras.optimizers.schedules, SCHEDULES[name])
    if name != "piecewise":
        arguments.setdefault("initial_learning_rate", settings.learning_rate)
    if name in ("cosine", "polynomial"):
        arguments.setdefault("decay_steps", settings.epochs * steps)
    try:
        return kind(**arguments)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"schedule {name!r} rejects its arguments: {error}") from error


def plateau_rate(history: Sequence[dict[str, float]], settings: TrainingSettings) -> float:
    """Returns the rate after the epochs so far: times ``factor`` after every ``patience`` epochs without progress.

    It depends only on the history, so that a resumed training is identical.
    """
    options = {"factor": 0.5, "patience": 5, "minimum": 0.0, **settings.schedule_arguments}
    if (
        set(options) != {"factor", "patience", "minimum"}
        or not all(isinstance(value, int | float) for value in options.values())
        or not (0 < options["factor"] < 1 and options["patience"] >= 1)
        or not 0 <= options["minimum"] <= settings.learning_rate
    ):
        bounds = f"factor in (0, 1), patience >= 1 and minimum from 0 to the learning rate {settings.learning_rate}"
        raise SettingsError(f"reduce_on_plateau takes {bounds}, got {options}")
    rate, best, waited = settings.learning_rate, np.inf, 0
    for record in history:
        waited = 0 if record["valid_loss"] < best else waited + 1
        best = min(best, record["valid_loss"])
        if waited >= options["patience"]:
            rate, waited = max(rate * options["factor"], options["minimum"]), 0
    return rate
