"""Stagewise training: the members of a composition are already trained, and only the new weights are trained.

A recipe's members are trained before this procedure begins, each in a separate run folder from which an interrupted
training resumes. A frozen member's prediction for a song never changes, so it is computed once and not in each epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.training.fitted import Fitted, Inputs, Options, forward
from genrezoo.training.search_space import TRAINING
from genrezoo.training.settings import TrainingSettings
from genrezoo.training.supervised import fit


class StagewiseSettings(TrainingSettings):
    """Settings of the last stage; each member has the settings of its recipe."""


@PROCEDURES.register(
    "stagewise",
    summary="Training of a composition's new weights on the stored predictions of its trained members",
    reference="R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017): sections 5 and 6",
    settings=StagewiseSettings,
    space=TRAINING,
)
def stagewise(model: keras.Model, songs: SongSet, settings: StagewiseSettings, **options: Unpack[Options]) -> Fitted:
    """Trains the weights of a composition that are not frozen.

    The result equals supervised training of the whole composition. It is faster, because frozen members predict only
    once, unless training songs are augmented. A composition without trainable weights is only evaluated.

    For a member that was trained on validation songs, because another fold of all songs was held out, stored logits are
    used where available: those of models that were not trained on the song.

    Args:
        model: As for `supervised`; frozen members are `Frozen` layers that read the songs.
        songs: As for `supervised`.
        settings: As for `supervised`.
        options: See `Options`.

    Returns:
        As for `supervised`.

    Raises:
        SettingsError: As for `supervised`; or logits are passed for a member that is not frozen or has other outputs
            besides its logits, or together with augmentation.
        DataError: As for `supervised`.
    """
    frozen = [layer for layer in model.layers if isinstance(layer, layers.Frozen) and layer.input is model.input]
    logits = options.get("logits") or {}
    if logits and settings.augments:
        raise SettingsError(f"the predictions of {min(logits)!r} are stored, so training songs cannot be augmented")
    if not (frozen or logits) or settings.augments:
        return fit(model, songs, settings, **options)
    part, inputs = without_frozen(model, frozen, songs, logits)
    fitted = fit(part, songs, settings, inputs=inputs, **options)
    outputs = {split: forward(part, given) for split, given in inputs.items()} if logits else {}
    return Fitted(model, fitted.history, fitted.best_epoch, outputs)  # the part's layers are the model's


def without_frozen(
    model: keras.Model, frozen: list[layers.Frozen], songs: SongSet, logits: Mapping[str, np.ndarray] = {}
) -> tuple[keras.Model, dict[str, Inputs]]:
    """Returns the part of a model after its frozen members, and its inputs.

    Args:
        model: A model with one input.
        frozen: Layers of the model that read only its input.
        songs: Standardised songs with splits ``train`` and ``valid``.
        logits: Stored logits by member, ``(n_songs, classes)``, which replace the member's own unless they are NaN.

    Returns:
        A model of the songs and the members' predictions that shares its layers with the first; and its inputs for
        ``train`` and ``valid``.

    Raises:
        SettingsError: Logits are passed for a member that is not frozen, or has other outputs besides its logits.
    """
    replaced = _replaced(frozen, logits)
    answers = {f"{number:03d}": tensor for number, tensor in enumerate(keras.tree.flatten([f.output for f in frozen]))}
    members = keras.Model(model.input, answers)
    history = model.input._keras_history
    part = keras.Model([model.input, *answers.values()], model.output)
    model.input._keras_history = history  # Keras makes the input a part of the new model, and loses it for the old one
    inputs: dict[str, Inputs] = {}
    for split in ("train", "valid"):
        x = songs.split(split).x
        stored = {name: logits[member][songs.splits[split]] for name, member in replaced.items()}
        if all(name in stored and np.isfinite(stored[name]).all() for name in answers):
            found = dict(stored)  # nobody has to be asked
        else:
            found = forward(members, x)
        for name, value in stored.items():
            found[name] = np.where(np.isfinite(value), value, found[name]).astype(np.float32)
        inputs[split] = [x, *(found[name] for name in answers)]
    return part, inputs


def _replaced(frozen: list[layers.Frozen], logits: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Tells which outputs of frozen members are whose logits."""
    found, number = {}, 0
    for layer in frozen:
        name, size = layer.name.removeprefix("member_"), len(keras.tree.flatten(layer.output))
        if name in logits and size > 1:
            raise SettingsError(f"member {name!r} has other outputs besides its logits, but only logits are stored")
        if name in logits:
            found[f"{number:03d}"] = name
        number += size
    if trained := sorted(set(logits) - set(found.values())):
        raise SettingsError(f"member {trained[0]!r} was trained on validation songs, so it must be frozen")
    return found
