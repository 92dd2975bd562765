"""Supervised training with ``keras.Model.fit``: the standard procedure.

An output that the model marks with a `Head` is trained on the head's target with the head's weight; an output without
one (usually ``logits``) on the genre with weight 1. The result has the weights of the epoch with the best validation
score.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Mapping
from typing import Unpack

import numpy as np

from genrezoo import seeds
from genrezoo.lazy import keras
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.training.batches import Batches
from genrezoo.training.fitted import Fitted, Inputs, Options
from genrezoo.training.loop import History, train_epochs
from genrezoo.training.objectives import (
    Objective,
    compile_model,
    head_losses,
    mean_errors,
    objectives,
    song_weights,
    trained,
)
from genrezoo.training.optimisation import build_optimizer
from genrezoo.training.search_space import TRAINING
from genrezoo.training.settings import TrainingSettings

STEPS = 8
"""Batches that TensorFlow trains on before it returns to Python: the same bits, and up to 1.15 times as fast for small
models (one thread, ten batches of 64 per epoch). Epochs with fewer batches run one by one, which compiles faster."""


class SupervisedSettings(TrainingSettings):
    """Settings of supervised training."""


@PROCEDURES.register(
    "supervised",
    summary="Gradient descent on the cross-entropy, with the best epoch selected by validation score",
    reference="each source document; best snapshot: Neural networks for music genres, question 1 step 7",
    settings=SupervisedSettings,
    space=TRAINING,
)
def supervised(model: keras.Model, songs: SongSet, settings: SupervisedSettings, **options: Unpack[Options]) -> Fitted:
    """Trains a model on the training songs and selects the best epoch by validation score.

    Args:
        model: Uncompiled model whose output is logits or a dict with the key ``logits``; it is trained in place.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `TrainingSettings`.
        options: See `Options`.

    Returns:
        The model with the selected weights, its history, and the epoch of these weights.

    Raises:
        SettingsError: An optimiser, schedule or argument is unknown, or weights name genres that do not exist.
        DataError: Training diverged (the loss is not finite), or the checkpoint belongs to another training.
    """
    return fit(model, songs, settings, **options)


def fit(
    model: keras.Model,
    songs: SongSet,
    settings: TrainingSettings,
    *,
    aims: Mapping[str, Objective] | None = None,
    inputs: Mapping[str, Inputs] | None = None,
    choose: Callable[[int, History], np.ndarray] | None = None,
    finished: Callable[[History], bool] | None = None,
    **options: Unpack[Options],
) -> Fitted:
    """Trains with ``keras.Model.fit``, for procedures that differ in the targets or in the order of the songs.

    Args:
        model: As for `supervised`.
        songs: As for `supervised`.
        settings: As for `supervised`.
        aims: Objectives by output; the default is those of the model's heads.
        inputs: The model's inputs for ``train`` and ``valid`` songs; the default is the songs.
        choose: Returns the training songs of an epoch (from 0) in order, as indices among the training songs, from the
            records of the previous epochs; the default is all songs, shuffled.
        finished: Additional stopping rule: whether to stop after these records.
        options: See `Options`.

    Returns:
        As for `supervised`.
    """
    train, valid = songs.split("train"), songs.split("valid")
    aims = objectives(model, train, settings) if aims is None else aims
    steps = -(-len(train) // settings.batch_size)
    compile_model(model, build_optimizer(settings, steps), aims, steps=STEPS if steps >= STEPS else 1)
    given = train.x if inputs is None else inputs["train"]
    many = isinstance(model.output, dict)
    batches = Batches(given, aims, song_weights(train, settings), settings, seed=options["seed"], many=many)
    choose = choose or shuffled(options["seed"], len(train))

    def run_epoch(epoch: int, history: History) -> Mapping[str, float]:
        data = batches(choose(epoch, history), epoch)
        if not model.trainable_variables:  # nothing to train: measured as it is
            found = model.evaluate(data, verbose=0, return_dict=True)
        else:
            with warnings.catch_warnings():  # the order is drawn here and not by fit, which says so each time
                warnings.filterwarnings("ignore", message=r".*shuffle=True.*")
                fitted = model.fit(data, initial_epoch=epoch, epochs=epoch + 1, verbose=0)
            found = {name: value[0] for name, value in fitted.history.items()}
        accuracy = next((value for name, value in found.items() if name.endswith("accuracy")), 0.0)
        return {"loss": found["loss"], "accuracy": accuracy, **head_losses(aims, found)}

    with _quick(model):
        return train_epochs(
            model,
            valid,
            settings,
            run_epoch=run_epoch,
            valid_errors=validation_errors(model, valid) if trained(aims) else None,
            valid_inputs=None if inputs is None else inputs["valid"],
            finished=finished if model.trainable_variables else lambda history: True,
            **options,
        )


def _quick(model: keras.Model) -> contextlib.AbstractContextManager[None]:
    """On TensorFlow, trains LSTM layers with a faster implementation."""
    if keras.config.backend() != "tensorflow":
        return contextlib.nullcontext()
    from genrezoo.training._lstm import quick_lstms  # here, because it imports TensorFlow

    return quick_lstms(model)


def validation_errors(model: keras.Model, valid: SongSet) -> Callable[[Mapping[str, np.ndarray]], Mapping[str, float]]:
    """Returns the loss of each head on validation songs, with true labels (neither smoothed nor a teacher's)."""
    aims = objectives(model, valid, TrainingSettings())
    return lambda outputs: mean_errors(aims, outputs)


def shuffled(seed: int, n_songs: int) -> Callable[[int, History], np.ndarray]:
    """Returns all training songs in an order determined by the seed and the epoch."""
    return lambda epoch, history: seeds.generator(seed, "order", epoch).permutation(n_songs)
