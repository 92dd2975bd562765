"""The one loop over epochs: best snapshot, patience, divergence, exact resume. Procedures say what an epoch is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from genrezoo.errors import DataError
from genrezoo.evaluation import evaluate
from genrezoo.lazy import keras
from genrezoo.songs import SongSet
from genrezoo.training import checkpoint
from genrezoo.training.callbacks import Callbacks
from genrezoo.training.checkpoint import Progress
from genrezoo.training.fitted import Fitted, Inputs, forward
from genrezoo.training.optimisation import plateau_rate
from genrezoo.training.settings import TrainingSettings

History = list[dict[str, float]]


def train_epochs(
    model: keras.Model,
    valid: SongSet,
    settings: TrainingSettings,
    *,
    run_epoch: Callable[[int, History], Mapping[str, float]],
    valid_inputs: Inputs | None = None,
    finished: Callable[[History], bool] | None = None,
    checkpoint_path: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Fitted:
    """Runs epochs, keeps the weights of the best one, and continues where a checkpoint ends.

    Args:
        model: A model compiled with a built optimiser; trained in place.
        valid: Validation songs, standardised.
        settings: See `TrainingSettings`.
        run_epoch: Trains one epoch; it is given the epoch's number from 0 and the records of those before, and returns
            ``loss`` and ``accuracy`` on training songs. Whatever it does must follow from these arguments and the
            model's state, so that a resumed training takes the same course.
        valid_inputs: The model's inputs for the validation songs; ``valid.x`` if left out.
        finished: Whether to stop after these records, besides what the settings say.
        checkpoint_path: File that every finished epoch is saved to, and continued from.
        on_epoch: Called with each finished epoch's record; `Callbacks` are told of the model before.

    Returns:
        The model with the weights to keep, its history and the epoch that they are from.

    Raises:
        DataError: The loss or a logit is not finite, or the checkpoint is of another training.
    """
    progress = Progress()
    if checkpoint_path is not None and checkpoint_path.exists():
        progress = checkpoint.load(checkpoint_path, model)
    history = progress.history
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
        loss, logits = float(measured["loss"]), forward(model, inputs)["logits"]
        if not (np.isfinite(loss) and np.isfinite(logits).all()):
            raise DataError(
                f"training diverged in epoch {epoch + 1}: the loss is {loss}",
                where=valid.name,
                remedy="lower the learning rate, or clip gradients with the optimiser's argument clipnorm",
            )
        scores = evaluate(logits, valid.y)
        record = {
            "epoch": epoch + 1,
            "seconds": time.perf_counter() - start,
            "learning_rate": float(model.optimizer.learning_rate),
            "loss": loss,
            "accuracy": float(measured["accuracy"]),
            "valid_loss": scores["log_loss"],
            "valid_accuracy": scores["accuracy"],
            "valid_macro_f1": scores["macro_f1"],
        }
        score = _score(record, settings)
        history.append(record)
        if score > progress.best_score or settings.snapshot == "last":
            progress.best_epoch, progress.best_score = epoch + 1, score
            progress.best = checkpoint.weights_of(model)
        if checkpoint_path is not None:
            checkpoint.save(checkpoint_path, model, progress)
        if on_epoch:
            on_epoch(record)
    checkpoint.assign_weights(model, progress.best)
    return Fitted(model, history, progress.best_epoch)


def _score(record: dict[str, float], settings: TrainingSettings) -> float:
    return -record["valid_loss"] if settings.monitor == "loss" else record[f"valid_{settings.monitor}"]


def _out_of_patience(history: History, settings: TrainingSettings) -> bool:
    if settings.patience is None or not history:
        return False
    scores = [_score(record, settings) for record in history]
    return len(scores) - 1 - int(np.argmax(scores)) >= settings.patience
