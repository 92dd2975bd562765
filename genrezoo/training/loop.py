"""The loop over epochs: weight averaging, best snapshot, early stopping, divergence checks, exact resumption.

Procedures define what an epoch does.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Unpack

import numpy as np

from genrezoo.errors import GenrezooWarning
from genrezoo.evaluation import evaluate
from genrezoo.lazy import keras
from genrezoo.songs import SongSet
from genrezoo.training import averaging, checkpoint
from genrezoo.training.callbacks import Callbacks
from genrezoo.training.checkpoint import Progress
from genrezoo.training.fitted import Fitted, Inputs, Options, epoch_record, forward
from genrezoo.training.optimisation import plateau_rate
from genrezoo.training.settings import TrainingSettings

History = list[dict[str, float]]

HUGE = 1e6
"""A loss above which a warning says that training has almost diverged."""


def train_epochs(
    model: keras.Model,
    valid: SongSet,
    settings: TrainingSettings,
    *,
    run_epoch: Callable[[int, History], Mapping[str, float]],
    valid_errors: Callable[[Mapping[str, np.ndarray]], Mapping[str, float]] | None = None,
    valid_inputs: Inputs | None = None,
    finished: Callable[[History], bool] | None = None,
    **options: Unpack[Options],
) -> Fitted:
    """Runs epochs, selects the weights of the best one, and resumes from a checkpoint.

    Args:
        model: A model compiled with a built optimiser; trained in place.
        valid: Validation songs, standardised.
        settings: See `TrainingSettings`.
        run_epoch: Trains one epoch; it gets the epoch's number from 0 and the records of the previous epochs, and
            returns ``loss`` and ``accuracy`` on training songs, and ``NAME_loss`` of each head if several are trained.
            It must depend only on these arguments and the model's state, so that a resumed training is identical.
        valid_errors: Computes the same losses of the heads, by name, from the model's outputs for the validation songs.
        valid_inputs: The model's inputs for the validation songs; the default is ``valid.x``.
        finished: Additional stopping rule: whether to stop after these records.
        options: See `Options`; if ``on_epoch`` is `Callbacks`, it gets the model before the first epoch.

    Returns:
        The model with the selected weights, its history, and the epoch of these weights.

    Raises:
        DataError: The loss or a logit is not finite, or the checkpoint belongs to another training.
    """
    progress, checkpoint_path, on_epoch = Progress(), options.get("checkpoint_path"), options.get("on_epoch")
    if checkpoint_path is not None and checkpoint_path.exists():
        progress = checkpoint.load(checkpoint_path, model)
    history = progress.history
    averaging.prepare(model, settings)
    if isinstance(on_epoch, Callbacks):
        on_epoch.begin(model)
    inputs = valid.x if valid_inputs is None else valid_inputs
    while (
        len(history) < settings.epochs
        and not _out_of_patience(history, settings)
        and not (finished and history and finished(history))
    ):
        epoch, start = len(history), time.perf_counter()  # from 0
        if settings.schedule == "reduce_on_plateau":
            model.optimizer.learning_rate = plateau_rate(history, settings)
        measured = run_epoch(epoch, history)
        progress.average = averaging.mean_weights(progress.average, model, epoch, settings)
        with averaging.averaged(model, progress.average, settings):
            outputs = forward(model, inputs)
            loss, logits = float(measured["loss"]), outputs["logits"]
            if not (np.isfinite(loss) and np.isfinite(logits).all()):
                remedy = "lower the learning rate, or clip gradients with the optimiser's argument clipnorm"
                raise valid.error(f"training diverged in epoch {epoch + 1}: the loss is {loss}", remedy=remedy)
            scores = evaluate(logits, valid.y)
            rate, accuracy = float(model.optimizer.learning_rate), float(measured["accuracy"])
            record = epoch_record(epoch + 1, start, rate, loss, accuracy, scores)
            for name, error in (valid_errors(outputs) if valid_errors else {}).items():
                record |= {f"{name}_loss": float(measured[f"{name}_loss"]), f"valid_{name}_loss": error}
            score = _score(record, settings)
            history.append(record)
            if score > progress.best_score or settings.snapshot == "last":
                progress.best_epoch, progress.best_score = epoch + 1, score
                progress.best = checkpoint.weights_of(model)
        if checkpoint_path is not None:
            checkpoint.save(checkpoint_path, model, progress)
        if on_epoch:
            on_epoch(record)
    if history and history[-1]["loss"] > HUGE:
        what = f"the loss is {history[-1]['loss']:.3g}: training almost diverged; lower the learning rate"
        warnings.warn(f"{valid.name}: {what}", GenrezooWarning, stacklevel=2)
    checkpoint.assign_weights(model, progress.best)
    return Fitted(model, history, progress.best_epoch)


def _score(record: dict[str, float], settings: TrainingSettings) -> float:
    return -record["valid_loss"] if settings.monitor == "loss" else record[f"valid_{settings.monitor}"]


def _out_of_patience(history: History, settings: TrainingSettings) -> bool:
    if settings.patience is None or not history:
        return False
    scores = [_score(record, settings) for record in history]
    return len(scores) - 1 - int(np.argmax(scores)) >= settings.patience
