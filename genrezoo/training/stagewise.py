"""Stagewise training: the members of a composition are finished, only what is new is trained.

A recipe's members are trained before this procedure begins, each in a run folder of its own that an interrupted
training goes on with. A frozen member's answer to a song never changes, so it is computed once and not in each epoch.
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
    """Settings of the last stage; each member has the settings of its own recipe."""


@PROCEDURES.register(
    "stagewise",
    summary="Members first, then what is new in the composition, on the members' stored answers",
    reference="R. Soutelo Quintela, Music genre classification with the Million Song Dataset (2017): sections 5 and 6",
    settings=StagewiseSettings,
    space=TRAINING,
)
def stagewise(model: keras.Model, songs: SongSet, settings: StagewiseSettings, **options: Unpack[Options]) -> Fitted:
    """Trains the weights of a composition that are not frozen.

    The result is that of supervised training of the whole composition. It comes sooner, because frozen members answer
    once, unless songs are changed at random in training. A composition without trainable weights is measured once.

    A member that was trained on validation songs, because another fold of all songs was held out, answers by its stored
    logits where there are some: those of models that did not see the song.

    Args:
        model: As for `supervised`; frozen members are `Frozen` layers that look at the songs.
        songs: As for `supervised`.
        settings: As for `supervised`.
        options: See `Options`.

    Returns:
        As for `supervised`.

    Raises:
        SettingsError: As for `supervised`; or logits are given for a member that is not frozen or shows more than its
            logits, or together with settings that change songs at random.
        DataError: As for `supervised`.
    """
    frozen = [layer for layer in model.layers if isinstance(layer, layers.Frozen) and layer.input is model.input]
    logits = options.get("logits") or {}
    if logits and settings.augments:
        raise SettingsError(f"the answers of {min(logits)!r} are stored: songs cannot be changed at random in training")
    if not (frozen or logits) or settings.augments:
        return fit(model, songs, settings, **options)
    part, inputs = without_frozen(model, frozen, songs, logits)
    fitted = fit(part, songs, settings, inputs=inputs, **options)
    outputs = {split: forward(part, given) for split, given in inputs.items()} if logits else {}
    return Fitted(model, fitted.history, fitted.best_epoch, outputs)  # the part's layers are the model's


def without_frozen(
    model: keras.Model, frozen: list[layers.Frozen], songs: SongSet, logits: Mapping[str, np.ndarray] = {}
) -> tuple[keras.Model, dict[str, Inputs]]:
    """The part of a model behind its frozen members, and what it is to be given.

    Args:
        model: A model of one input.
        frozen: Layers of it that look at its input alone.
        songs: Standardised songs with splits ``train`` and ``valid``.
        logits: By member, ``(n_songs, classes)``: what it answers to songs that are not NaN, in place of its own.

    Returns:
        A model of the songs and the members' answers, which shares its layers with the first; and for ``train`` and
        ``valid`` its inputs.

    Raises:
        SettingsError: Logits are given for a member that is not frozen, or shows more than its logits.
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
    """Which of the answers of frozen members are whose logits."""
    found, number = {}, 0
    for layer in frozen:
        name, size = layer.name.removeprefix("member_"), len(keras.tree.flatten(layer.output))
        if name in logits and size > 1:
            raise SettingsError(f"member {name!r} shows more than its logits, which are all that is stored of it")
        if name in logits:
            found[f"{number:03d}"] = name
        number += size
    if trained := sorted(set(logits) - set(found.values())):
        raise SettingsError(f"member {trained[0]!r} knows the validation songs, so it must be frozen")
    return found
