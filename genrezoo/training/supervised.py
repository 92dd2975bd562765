"""Supervised training: the ordinary procedure, on ``keras.Model.fit``.

Every output that the model marks with a `Head` is trained on the head's target with the head's weight; an output
without one (usually ``logits``) on the genre with weight 1. The epoch with the best validation score gives the weights.
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
models (one thread, ten batches of 64 an epoch). Epochs of fewer batches go one by one, which is compiled sooner."""


class SupervisedSettings(TrainingSettings):
    """Settings of supervised training."""


@PROCEDURES.register(
    "supervised",
    summary="Gradient descent on cross entropy, best snapshot by validation score",
    reference="each source document; best snapshot: Neural networks for music genres, question 1 step 7",
    settings=SupervisedSettings,
    space=TRAINING,
)
def supervised(model: keras.Model, songs: SongSet, settings: SupervisedSettings, **options: Unpack[Options]) -> Fitted:
    """Trains a model on the training songs and keeps its best validation snapshot.

    Args:
        model: Uncompiled model whose output is logits or a dict with the key ``logits``; it is trained in place.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `TrainingSettings`.
        options: See `Options`.

    Returns:
        The model with the weights to keep, its history and the epoch that they are from.

    Raises:
        SettingsError: An unknown optimiser, schedule or argument, or weights for genres that are not there.
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
    """Trains with ``keras.Model.fit``, for procedures that differ in what is trained on and in which order.

    Args:
        model: As for `supervised`.
        songs: As for `supervised`.
        settings: As for `supervised`.
        aims: Objectives by output in place of those that the model's heads name.
        inputs: The model's inputs for ``train`` and ``valid`` songs in place of the songs themselves.
        choose: Which training songs an epoch (from 0) goes through, and in which order, as positions among the training
            songs; given the records of the epochs before. All of them, shuffled, if left out.
        finished: Whether to stop after these records, besides what the settings say.
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
    """On TensorFlow, trains LSTM layers by a faster way to the same."""
    if keras.config.backend() != "tensorflow":
        return contextlib.nullcontext()
    from genrezoo.training._lstm import quick_lstms  # here, because it imports TensorFlow

    return quick_lstms(model)


def validation_errors(model: keras.Model, valid: SongSet) -> Callable[[Mapping[str, np.ndarray]], Mapping[str, float]]:
    """The error of each head on validation songs, whose labels are neither smoothed nor a teacher's."""
    aims = objectives(model, valid, TrainingSettings())
    return lambda outputs: mean_errors(aims, outputs)


def shuffled(seed: int, n_songs: int) -> Callable[[int, History], np.ndarray]:
    """All training songs in an order that the seed and the epoch decide."""
    return lambda epoch, history: seeds.generator(seed, "order", epoch).permutation(n_songs)
