"""Truncated backpropagation through time: a song is processed in short parts, and gradients stay within a part.

Choose it for a basic recurrent network and long songs. Backpropagation over a whole song multiplies the gradient by the
recurrent weights once per segment until it vanishes or explodes; here it goes back a few segments at most, and every
part is an optimiser step. Gated cells can do without it. Memory use does not grow with the length of a song.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Unpack

import numpy as np
from pydantic import Field

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.spaces import Choice, Float, Int
from genrezoo.training.batches import Batches
from genrezoo.training.fitted import Fitted, Options
from genrezoo.training.loop import History, train_epochs
from genrezoo.training.objectives import Objective, compile_model, head_losses, objectives, song_weights, trained
from genrezoo.training.optimisation import build_optimizer
from genrezoo.training.search_space import PACE
from genrezoo.training.settings import TrainingSettings
from genrezoo.training.supervised import shuffled, validation_errors

UNROLLED = 16
"""Parts of up to this many segments are unrolled: faster, but with a longer compilation."""


class TruncatedSettings(TrainingSettings):
    """Settings of truncated training."""

    num_steps: int = Field(4, ge=1, description="Segments per part; gradients reach back no further.")
    update: Literal["part", "song"] = Field(
        "part", description="One optimiser step per part, or one for all parts of a song."
    )


@PROCEDURES.register(
    "truncated",
    summary="Truncated backpropagation through time: songs in parts of a few segments, one optimiser step per part",
    reference="G. Pligoropoulos, Million Song Dataset Classification Problem (2017): RNNs manually implemented",
    settings=TruncatedSettings,
    space={
        **PACE,
        "num_steps": Int(2, 24),
        "update": Choice(("part", "song")),
        "noise": Float(0.0, 0.5),
    },
)
def truncated(model: keras.Model, songs: SongSet, settings: TruncatedSettings, **options: Unpack[Options]) -> Fitted:
    """Trains a recurrent model part by part.

    A song is cut into parts of ``num_steps`` segments. The state of the recurrent layer at the end of a part is its
    initial state in the next, and no gradient passes through it; a song begins with a state of zeros. The model
    predicts the song's targets after every part. Training loss and accuracy are measured on each song's last part only,
    at the time that part is processed.

    With ``update="part"`` the optimiser makes a step after every part, and a step's loss is the mean over the batch,
    where songs that have ended contribute zero. With ``update="song"`` it makes one step per batch, on the mean over
    each song's parts. Layers before the recurrent one process one part at a time; a new dropout mask is drawn for each.

    For schedules, an epoch has as many optimiser steps as the longest songs of its batches have parts.

    Args:
        model: Uncompiled model with `MaskPadding` and one recurrent layer that all outputs depend on (``LSTM``,
            ``GRU``, ``SimpleRNN`` or another `keras.layers.RNN`); it is trained in place.
        songs: As for `supervised`. They may differ in length, and ``num_steps`` need not divide it: the last part of a
            song is padded.
        settings: See `TruncatedSettings`.
        options: See `Options`.

    Returns:
        The model with the selected weights, its history, and the epoch of these weights.

    Raises:
        SettingsError: The model cannot be trained in parts, Keras's backend is not TensorFlow, or as for `supervised`.
        DataError: As for `supervised`.

    Example:
        >>> import genrezoo as gz
        >>> songs = gz.load_songs("synthetic", n_segments=12, n_train=60, n_valid=20, n_test=20)
        >>> model = gz.create_model("rnn", input_shape=(12, 25), num_classes=10, units=8)
        >>> fitted = truncated(model, songs, TruncatedSettings(num_steps=4, epochs=1), seed=1)
        >>> int(fitted.model.optimizer.iterations)  # one batch of three parts
        3

    Reference:
        G. Pligoropoulos, Million Song Dataset Classification Problem (2017), section on recurrent networks implemented
        manually; the idea: R. J. Williams, J. Peng, "An efficient gradient-based algorithm for on-line training of
        recurrent network trajectories", Neural Computation 2 (1990).
    """
    if (backend := keras.config.backend()) != "tensorflow":
        raise SettingsError(
            f"truncated training needs the backend tensorflow, got {backend}; set KERAS_BACKEND=tensorflow, or choose "
            "the procedure 'supervised'"
        )
    train, valid = songs.split("train"), songs.split("valid")
    x = whole_parts(train.x, settings.num_steps)
    reader = PartReader(model, padded=bool(np.isnan(x).any()))
    aims = objectives(model, train, settings)
    choose = shuffled(options["seed"], len(train))
    parts = -(-train.lengths // settings.num_steps)
    compile_model(model, build_optimizer(settings, _steps_per_epoch(parts, settings, choose)), aims)
    many = isinstance(model.output, dict)
    batches = Batches(x, aims, song_weights(train, settings), settings, seed=options["seed"], many=many)
    form = batches(np.arange(1), 0).element_spec
    loss, train_batch = _batch_trainer(model, reader, aims, settings, form)

    def run_epoch(epoch: int, history: History) -> Mapping[str, float]:
        loss.reset_state()
        model.reset_metrics()
        for batch in batches(choose(epoch, history), epoch):
            train_batch(*batch)
        model.optimizer.finalize_variable_values(model.trainable_variables)
        found = model.get_metrics_result()
        accuracy = next((value for name, value in found.items() if name.endswith("accuracy")), 0.0)
        return {"loss": float(loss.result()), "accuracy": float(accuracy), **head_losses(aims, found)}

    errors = validation_errors(model, valid) if trained(aims) else None
    return train_epochs(model, valid, settings, run_epoch=run_epoch, valid_errors=errors, **options)


def whole_parts(x: np.ndarray, num_steps: int) -> np.ndarray:
    """Pads songs at the end so that the last part is full.

    Example:
        >>> whole_parts(np.zeros((2, 5, 3), "float32"), num_steps=4).shape
        (2, 8, 3)
    """
    missing = -x.shape[1] % num_steps
    return np.pad(x, ((0, 0), (0, missing), (0, 0)), constant_values=np.nan) if missing else x


class PartReader:
    """Runs a recurrent model on a part of a song, from an initial to a final state.

    Args:
        model: Model that masks padding, with one recurrent layer that all outputs depend on.
        padded: Whether songs have padding; without it, the recurrent layer is faster.

    Raises:
        SettingsError: The model is not of this kind.
    """

    def __init__(self, model: keras.Model, *, padded: bool):
        self.padded = padded
        self.layer = _recurrent_layer(model)
        self.looks_back = any(isinstance(layer, layers.ActivityStabiliser) for layer in model.layers)
        sequence, mask = self.layer.input
        outputs = keras.tree.flatten(self.layer.output)
        self.output_count = len(outputs)
        try:
            self.before = _between(model.inputs, [sequence, mask])
            self.after = _between([*outputs, mask], model.output)
        except ValueError as error:
            raise SettingsError(
                f"model {model.name!r} cannot be trained in parts, because an output does not depend only on its "
                f"recurrent layer {self.layer.name!r} ({error}). Train it with the procedure 'supervised'"
            ) from error

    def __call__(self, part: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Returns outputs and final states in training mode for a part, ``(batch, segments, features)``."""
        sequence, mask = self.before([part], training=True)
        layer, seen = self.layer, mask if self.padded else None
        kept = layer.return_state, layer.unroll
        layer.return_state, layer.unroll = True, part.shape[1] <= UNROLLED
        try:
            output, *final = layer(sequence, initial_state=states, mask=seen, training=True)
        finally:
            layer.return_state, layer.unroll = kept
        if layer.return_sequences and self.looks_back:
            # The state that the part began with is first, masked: no change of it counts, only the one after it.
            output = keras.ops.concatenate([keras.ops.expand_dims(states[0], 1), output], axis=1)
            mask = keras.ops.pad(mask, ((0, 0), (1, 0)))
        return self.after([*[output, *final][: self.output_count], mask], training=True), final


def _recurrent_layer(model: keras.Model) -> Any:
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.RNN)]
    fit = [layer for layer in found if not (layer.go_backwards or layer.stateful)]
    # Keras lists a mask that a layer is called with among its inputs.
    if len(found) == len(fit) == len(model.inputs) == 1 and len(keras.tree.flatten(fit[0].input)) == 2:
        return fit[0]
    kinds = ", ".join(f"{layer.name!r} ({type(layer).__name__})" for layer in model.layers)
    raise SettingsError(
        f"truncated training needs a model with one input, MaskPadding and one recurrent layer (LSTM, GRU, SimpleRNN "
        f"or "
        f"another keras.layers.RNN, neither stateful nor backwards); {model.name!r} has {len(model.inputs)} inputs and "
        f"the layers {kinds}. Choose a model such as 'rnn', or the procedure 'supervised'"
    )


def _between(start: list[Any], end: Any) -> keras.Model:
    """Returns the sub-model between some tensors of a model and others, for any number of segments."""
    free = [_any_length(tensor) for tensor in start]
    return keras.models.clone_model(keras.Model(start, end), input_tensors=free, clone_function=lambda layer: layer)


def _any_length(tensor: Any) -> Any:
    sequence = len(tensor.shape) == 3 or tensor.dtype == "bool"  # states have no segments, masks no features
    return keras.Input((None, *tensor.shape[2:]) if sequence else tensor.shape[1:], dtype=tensor.dtype)


def _steps_per_epoch(parts: np.ndarray, settings: TruncatedSettings, choose: Callable[..., np.ndarray]) -> int:
    """Returns the average number of optimiser steps per epoch, from the number of parts of each song."""
    starts = np.arange(0, len(parts), settings.batch_size)
    if settings.update == "song":
        return len(starts)
    epochs = range(settings.epochs)
    return round(float(np.mean([np.maximum.reduceat(parts[choose(epoch, [])], starts).sum() for epoch in epochs])))


def _batch_trainer(
    model: keras.Model, reader: PartReader, aims: Mapping[str, Objective], settings: TruncatedSettings, form: Any
) -> tuple[keras.metrics.Metric, Callable[..., None]]:
    """Returns the running mean of the loss, and a compiled function that trains on the parts of a batch in one loop."""
    import tensorflow as tf  # here, because nothing else needs it on other backends

    variables, optimizer, per_part = model.trainable_variables, model.optimizer, settings.update == "part"
    shapes = {name: output.shape[1:] for name, output in _by_name(model.output).items()}
    measured = keras.metrics.Mean(name="loss")

    def train_batch(x: Any, y: Any, weights: Any = None) -> None:
        size = tf.shape(x)[0]
        parts = tf.reshape(x, (size, x.shape[1] // settings.num_steps, settings.num_steps, x.shape[2]))
        parts = tf.transpose(parts, (1, 0, 2, 3))  # (parts, batch, num_steps, features)
        real = tf.reduce_any(~tf.math.is_nan(parts[..., 0]), axis=2)
        count = tf.reduce_sum(tf.cast(real, tf.int32), axis=0)  # (batch,): parts of each song
        most = tf.reduce_max(count)
        targets = _by_name(y)
        own = tf.ones([size]) if weights is None else _by_name(weights)["logits"]

        def train_part(number: Any, states: list[Any], last: dict[str, Any], penalty: Any, sums: list[Any]) -> Any:
            here = number < count
            weight = tf.where(here, own, 0.0)
            if not per_part:  # the mean over the parts below is then over each song's own
                weight *= tf.cast(most / tf.maximum(count, 1), weight.dtype)
            with tf.GradientTape() as tape:
                outputs, states = reader(parts[number], states)
                outputs = _by_name(outputs)
                penalty = tf.add_n([tf.constant(0.0), *model.losses])
                loss = penalty + _error(aims, targets, outputs, weight)
            gradients = tape.gradient(loss, variables)
            if per_part:
                optimizer.apply(gradients, variables)
            else:
                pairs = zip(sums, gradients, strict=True)
                sums = [total if gradient is None else total + gradient for total, gradient in pairs]
            for name, output in last.items():
                now = tf.reshape(here, [size] + [1] * len(shapes[name]))
                last = {**last, name: tf.where(now, outputs[name], output)}
            return number + 1, states, last, penalty, sums

        start = [
            tf.constant(0),
            reader.layer.get_initial_state(size),
            {name: tf.zeros([size, *shape]) for name, shape in shapes.items()},
            tf.constant(0.0),
            [] if per_part else [tf.zeros(variable.shape) for variable in variables],
        ]
        _, _, last, penalty, sums = tf.while_loop(lambda number, *_: number < most, train_part, start)
        if not per_part:
            optimizer.apply([total / tf.cast(most, total.dtype) for total in sums], variables)
        measured.update_state(penalty + _error(aims, targets, last, own), sample_weight=size)
        model.compute_metrics(x, y, last if isinstance(y, dict) else last["logits"], weights)

    return measured, tf.function(train_batch, input_signature=form, autograph=False)


def _by_name(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {"logits": given}


def _error(aims: Mapping[str, Objective], targets: dict[str, Any], outputs: dict[str, Any], weights: Any) -> Any:
    """Returns the sum of the objectives, each the weighted mean over the batch."""
    total = keras.ops.zeros(())
    for name, aim in aims.items():
        if isinstance(aim.loss, keras.losses.Loss):
            total += aim.weight * aim.loss(targets[name], outputs[name], sample_weight=weights)
        else:
            total += aim.weight * keras.ops.mean(aim.loss(targets[name], outputs[name]) * weights)
    return total
