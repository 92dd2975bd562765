"""Batches of training songs in a given order, with augmentation if requested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.training.augmentation import augment, draw_mixture, mix, shift
from genrezoo.training.fitted import Inputs
from genrezoo.training.objectives import Objective
from genrezoo.training.settings import TrainingSettings


class Batches:
    """Builds an epoch's ``tf.data`` pipeline from an order of songs; the arrays stay in memory between epochs.

    Args:
        inputs: The model's input for each training song, or a list of them.
        aims: Objectives by output.
        weights: One weight per song, or None.
        settings: Batch size and augmentation.
        seed: Seed of the augmentation.
        many: Whether the model's output is a dict.

    Raises:
        SettingsError: The songs cannot be augmented as the settings say.
    """

    def __init__(
        self,
        inputs: Inputs,
        aims: Mapping[str, Objective],
        weights: np.ndarray | None,
        settings: TrainingSettings,
        *,
        seed: int,
        many: bool,
    ):
        import tensorflow as tf  # here, because on other backends nothing else needs it

        self.tf, self.settings, self.seed, self.many = tf, settings, seed, many
        _check_changes(settings, (inputs[0] if isinstance(inputs, list) else inputs).shape[1:])
        with tf.device("CPU:0"):
            held: dict[int, Any] = {}  # a target that is the input is held once

            def constant(array: np.ndarray) -> Any:
                return held.setdefault(id(array), tf.constant(array))

            self.inputs = [constant(part) for part in (inputs if isinstance(inputs, list) else [inputs])]
            self.targets = {name: constant(aim.target) for name, aim in aims.items()}
            self.weights = None if weights is None else tf.constant(weights)
            self._order = tf.Variable(np.zeros(0, np.int64), shape=(None,), trainable=False)
            self._start = tf.Variable(0, dtype="int64", trainable=False)
        self._epochs: dict[int, Any] = {}

    def __call__(self, order: np.ndarray, epoch: int) -> Any:
        """Returns the batches of an epoch (from 0): inputs, targets and, if any, weights, as ``fit`` takes them.

        Read them before the next call, which reuses the same object.
        """
        self._order.assign(np.asarray(order, np.int64))
        self._start.assign(seeds.child_seed(self.seed, "augmentation", epoch))
        number = -(-len(order) // self.settings.batch_size)
        if number not in self._epochs:  # made once: for a small model, making one takes as long as training on it
            make = self.tf.autograph.experimental.do_not_convert(self._numbered)
            self._epochs[number] = self.tf.data.Dataset.range(number).map(make).prefetch(2)
        return self._epochs[number]

    def _numbered(self, number: Any) -> tuple[Any, ...]:
        first = number * self.settings.batch_size
        index = self._order[first : first + self.settings.batch_size]
        return self._make(index, self.tf.stack([number * 8 + self._start, number * 0]))

    def _make(self, index: Any, seed: Any) -> tuple[Any, ...]:
        tf, settings = self.tf, self.settings
        if settings.repeats > 1:
            index = tf.repeat(index, settings.repeats)
        inputs = [tf.gather(part, index) for part in self.inputs]
        targets = {name: tf.gather(part, index) for name, part in self.targets.items()}
        weights = None if self.weights is None else tf.gather(self.weights, index)
        if settings.augments:
            inputs[0] = augment(inputs[0], settings, seed)
        if settings.time_shift:  # a target that is the song itself is shifted with it
            songs = {name: part for name, part in targets.items() if len(part.shape) == 3}
            targets |= {name: shift(part, settings.time_shift, seed) for name, part in songs.items()}
        if settings.mixup:
            together = {f"target {name}": part for name, part in targets.items()} | {"input": inputs[0]}
            together |= {} if weights is None else {"weight": weights}
            mixed = mix(together, *draw_mixture(tf.shape(index)[0], settings.mixup, seed))
            inputs[0], weights = mixed["input"], mixed.get("weight")
            targets = {name: mixed[f"target {name}"] for name in targets}
        x = inputs[0] if len(inputs) == 1 else tuple(inputs)
        if not self.many:
            return (x, targets["logits"]) if weights is None else (x, targets["logits"], weights)
        return (x, targets) if weights is None else (x, targets, dict.fromkeys(targets, weights))


def _check_changes(settings: TrainingSettings, shape: tuple[int, ...]) -> None:
    """Rejects augmentation that does not fit the shape of the songs.

    Raises:
        SettingsError: Changes of segments are requested for images, or masks as long as the songs.
    """
    masks = {"time_mask": settings.time_mask, "feature_mask": settings.feature_mask}
    if len(shape) == 3:
        along = {"time_shift": settings.time_shift, "segment_dropout": settings.segment_dropout, **masks}
        if named := [name for name, value in along.items() if value]:
            raise SettingsError(f"{named[0]} applies to songs in segments, not to images; use noise or mixup")
        return
    for (name, longest), size, what in zip(masks.items(), shape, ("segments", "features"), strict=False):
        if longest >= size:
            raise SettingsError(f"{name} must be below the songs' {size} {what}, got {longest}")
