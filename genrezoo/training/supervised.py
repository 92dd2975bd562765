"""Supervised training: the ordinary procedure, on ``keras.Model.fit``.

Every output that the model marks with a `Head` is trained on the head's target with the head's weight; an output
without one (usually ``logits``) on the genre with weight 1. The epoch with the best validation score gives the weights.
"""

from __future__ import annotations

import contextlib
import inspect
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from genrezoo import seeds
from genrezoo.errors import DataError, SettingsError, UnknownNameError
from genrezoo.evaluation import evaluate
from genrezoo.layers import Head
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.training import checkpoint
from genrezoo.training.checkpoint import Progress
from genrezoo.training.fitted import Fitted, forward

SCHEDULES = {
    "cosine": "CosineDecay",
    "cosine_restarts": "CosineDecayRestarts",
    "exponential": "ExponentialDecay",
    "inverse_time": "InverseTimeDecay",
    "piecewise": "PiecewiseConstantDecay",
    "polynomial": "PolynomialDecay",
}


class SupervisedSettings(BaseModel):
    """Settings of supervised training; all of them plain data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer: str = Field("adam", description="Any Keras optimiser by name, e.g. 'sgd', 'adamw', 'lion'.")
    learning_rate: float = Field(1e-3, gt=0, description="Rate at the start of training.")
    optimizer_arguments: dict[str, Any] = Field({}, description="Further arguments of the optimiser, e.g. momentum.")
    weight_decay: float | None = Field(None, ge=0, description="Decoupled weight decay; biases and norms are left out.")
    schedule: str | None = Field(
        None, description=f"How the rate changes: {', '.join(SCHEDULES)}, reduce_on_plateau; None keeps it."
    )
    schedule_arguments: dict[str, Any] = Field(
        {},
        description="Arguments of the schedule, times in epochs: decay_epochs, warmup_epochs, boundaries_epochs, …",
    )
    batch_size: int = Field(64, ge=1, description="Songs per optimiser step.")
    epochs: int = Field(40, ge=1, description="Passes over the training songs at most.")
    patience: int | None = Field(None, ge=1, description="Stop after so many epochs without a better validation score.")
    monitor: Literal["accuracy", "macro_f1", "loss"] = Field("accuracy", description="Validation score that decides.")
    snapshot: Literal["best", "last"] = Field("best", description="Which epoch's weights are the result.")
    class_weights: Literal["balanced"] | dict[str, float] | None = Field(
        None, description="'balanced' weighs songs by 1 / share of their genre; or a weight for each genre."
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of the target spread evenly over all genres.")


@PROCEDURES.register(
    "supervised",
    summary="Gradient descent on cross entropy, best snapshot by validation score",
    reference="each source document; best snapshot: Neural networks for music genres, question 1 step 7",
    settings=SupervisedSettings,
)
def supervised(
    model: keras.Model,
    songs: SongSet,
    settings: SupervisedSettings,
    *,
    seed: int,
    checkpoint_path: Path | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> Fitted:
    """Trains a model on the training songs and keeps its best validation snapshot.

    Args:
        model: Uncompiled model whose output is logits or a dict with the key ``logits``; it is trained in place.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never looked at.
        settings: See `SupervisedSettings`.
        seed: Decides the order of the songs; weights and dropout follow the seed that the model was built with.
        checkpoint_path: File that every finished epoch is saved to; if it exists, training continues from it and ends
            with the same bits as if it had never stopped. None trains without one.
        on_epoch: Called with each finished epoch's history record.

    Returns:
        The model with the weights to keep, its history and the epoch that they are from.

    Raises:
        SettingsError: An unknown optimiser, schedule or argument, or weights for genres that are not there.
        DataError: Training diverged (the loss is not finite), or the checkpoint belongs to another training.
    """
    x, y, weights = _training_arrays(songs, settings)
    valid = songs.split("valid")
    steps = -(-len(y) // settings.batch_size)
    _compile(model, settings, steps, songs.num_classes)
    progress = Progress()
    if checkpoint_path is not None and checkpoint_path.exists():
        progress = checkpoint.load(checkpoint_path, model)
    batches = _Batches(model, x, y, weights, settings, songs.num_classes)
    while len(progress.history) < settings.epochs and not _out_of_patience(progress, settings):
        epoch = len(progress.history)  # from 0
        start = time.perf_counter()
        if settings.schedule == "reduce_on_plateau":
            model.optimizer.learning_rate = _plateau_rate(progress, settings)
        order = seeds.generator(seed, "order", epoch).permutation(len(y))
        with _quiet_fit():
            fitted = model.fit(batches(order), initial_epoch=epoch, epochs=epoch + 1, verbose=0)
        loss, logits = float(fitted.history["loss"][0]), forward(model, valid.x)["logits"]
        if not (np.isfinite(loss) and np.isfinite(logits).all()):
            raise DataError(
                f"training diverged in epoch {epoch + 1}: the loss is {loss}",
                where=songs.name,
                remedy="lower the learning rate, or clip gradients with the optimiser's argument clipnorm",
            )
        scores = evaluate(logits, valid.y)
        record = {
            "epoch": epoch + 1,
            "seconds": time.perf_counter() - start,
            "learning_rate": float(model.optimizer.learning_rate),
            "loss": loss,
            "accuracy": float(next(v[0] for name, v in fitted.history.items() if name.endswith("accuracy"))),
            "valid_loss": scores["log_loss"],
            "valid_accuracy": scores["accuracy"],
            "valid_macro_f1": scores["macro_f1"],
        }
        score = _score(record, settings)
        progress.history.append(record)
        if score > progress.best_score or settings.snapshot == "last":
            progress.best_epoch, progress.best_score = epoch + 1, score
            progress.best = checkpoint.weights_of(model)
        if checkpoint_path is not None:
            checkpoint.save(checkpoint_path, model, progress)
        if on_epoch:
            on_epoch(record)
    checkpoint.assign_weights(model, progress.best)
    return Fitted(model, progress.history, progress.best_epoch)


def build_optimizer(settings: SupervisedSettings, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimiser that the settings describe.

    Raises:
        SettingsError: An argument that it does not take.
        UnknownNameError: No such optimiser or schedule.
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
        optimizer = kind(learning_rate=rate, weight_decay=settings.weight_decay, **settings.optimizer_arguments)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"optimiser {settings.optimizer!r} refuses its arguments: {error}") from error
    if settings.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _schedule(settings: SupervisedSettings, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    name = settings.schedule or ""
    if name not in SCHEDULES:
        raise UnknownNameError("schedule", name, [*SCHEDULES, "reduce_on_plateau"])
    arguments: dict[str, Any] = {}
    for key, value in settings.schedule_arguments.items():
        if key.endswith("_epochs"):
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
        raise SettingsError(f"schedule {name!r} refuses its arguments: {error}") from error


def _compile(model: keras.Model, settings: SupervisedSettings, steps: int, num_classes: int) -> None:
    heads = heads_of(model)
    soft = settings.label_smoothing > 0

    def loss() -> keras.losses.Loss:
        if soft:
            return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    kind = keras.metrics.CategoricalAccuracy if soft else keras.metrics.SparseCategoricalAccuracy
    accuracy = kind(name="accuracy")
    optimizer = build_optimizer(settings, steps)
    if isinstance(model.output, dict):
        model.compile(
            optimizer,
            loss={name: loss() for name in heads},
            loss_weights={name: weight for name, weight in heads.items()},
            metrics={"logits": [accuracy]},
        )
    else:
        model.compile(optimizer, loss=loss(), metrics=[accuracy])
    optimizer.build(model.trainable_variables)


def heads_of(model: keras.Model) -> dict[str, float]:
    """Names of the outputs that are trained on the genre, each with the weight of its loss."""
    if not isinstance(model.output, dict):
        return {"logits": 1.0}
    marked = {layer.name: float(layer.weight) for layer in model.layers if isinstance(layer, Head)}
    return {name: marked.get(name, 1.0) for name in model.output if marked.get(name, 1.0)}


class _Batches:
    """Makes an epoch's ``tf.data`` pipeline from an order of songs; the arrays stay in memory between epochs."""

    def __init__(
        self,
        model: keras.Model,
        x: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray | None,
        settings: SupervisedSettings,
        num_classes: int,
    ):
        import tensorflow as tf  # here, because on other backends nothing else needs it

        self.tf, self.size = tf, settings.batch_size
        with tf.device("CPU:0"):
            self.x = tf.constant(x)
            self.y = tf.one_hot(y, num_classes) if settings.label_smoothing else tf.constant(y)
            self.weights = None if weights is None else tf.constant(weights)
        # every head learns the genre; logits are scored in any case
        self.names = [*heads_of(model), "logits"] if isinstance(model.output, dict) else None

    def __call__(self, order: np.ndarray) -> Any:
        tf = self.tf

        def gather(index: Any) -> tuple[Any, ...]:
            y = tf.gather(self.y, index)
            batch = (tf.gather(self.x, index), y if self.names is None else dict.fromkeys(self.names, y))
            if self.weights is None:
                return batch
            weights = tf.gather(self.weights, index)
            return (*batch, weights if self.names is None else dict.fromkeys(self.names, weights))

        return tf.data.Dataset.from_tensor_slices(order).batch(self.size).map(gather).prefetch(2)


def _training_arrays(songs: SongSet, settings: SupervisedSettings) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    train = songs.split("train")
    count = np.bincount(train.y, minlength=songs.num_classes)
    if settings.class_weights is None:
        return train.x, train.y, None
    if settings.class_weights == "balanced":
        per_class = len(train) / (songs.num_classes * np.maximum(count, 1))
    else:
        if set(settings.class_weights) != set(songs.genres):
            raise SettingsError(
                f"class_weights must name the genres {list(songs.genres)}, got {settings.class_weights}"
            )
        per_class = np.array([settings.class_weights[genre] for genre in songs.genres])
    return train.x, train.y, per_class[train.y].astype(np.float32)


def _score(record: dict[str, float], settings: SupervisedSettings) -> float:
    return -record["valid_loss"] if settings.monitor == "loss" else record[f"valid_{settings.monitor}"]


def _out_of_patience(progress: Progress, settings: SupervisedSettings) -> bool:
    if settings.patience is None or not progress.history:
        return False
    scores = [_score(record, settings) for record in progress.history]
    return len(scores) - 1 - int(np.argmax(scores)) >= settings.patience


def _plateau_rate(progress: Progress, settings: SupervisedSettings) -> float:
    """The rate after the epochs so far: multiplied by ``factor`` whenever validation loss stood still for ``patience``.

    A function of the history alone, so that a resumed training takes the same course.
    """
    options = {"factor": 0.5, "patience": 5, "minimum": 0.0, **settings.schedule_arguments}
    if set(options) != {"factor", "patience", "minimum"} or not 0 < options["factor"] < 1 or options["patience"] < 1:
        raise SettingsError(f"reduce_on_plateau takes factor in (0, 1), patience >= 1 and minimum, got {options}")
    rate, best, waited = settings.learning_rate, np.inf, 0
    for record in progress.history:
        waited = 0 if record["valid_loss"] < best else waited + 1
        best = min(best, record["valid_loss"])
        if waited >= options["patience"]:
            rate, waited = max(rate * options["factor"], options["minimum"]), 0
    return rate


@contextlib.contextmanager
def _quiet_fit() -> Iterator[None]:
    with warnings.catch_warnings():
        # the order is drawn here and not by fit, which says so each time
        warnings.filterwarnings("ignore", message=r".*shuffle=True.*")
        yield
