"""Training objectives of a model's outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.songs import SongSet
from genrezoo.training.settings import TrainingSettings


@dataclass(frozen=True)
class Objective:
    """The training objective of one output.

    Attributes:
        target: One target per training song, ``(n_songs, …)``.
        loss: Keras loss, or a function of targets and outputs that returns one value per song.
        weight: Weight in the sum of all losses.
        accuracy: Accuracy metric on the same arguments; None for none.
    """

    target: np.ndarray
    loss: Callable[[Any, Any], Any]
    weight: float = 1.0
    accuracy: Callable[[Any, Any], Any] | None = None


def objectives(model: keras.Model, train: SongSet, settings: TrainingSettings) -> dict[str, Objective]:
    """Returns the objective of each output, by name.

    An output that passes through a `Head` has the head's target and weight, any other output the genre and weight 1.
    Outputs of weight 0 are not trained, but the accuracy of the logits is still measured.

    Args:
        model: Model whose output is logits or a dict with the key ``logits``.
        train: Training songs, standardised.
        settings: Settings with label smoothing and mixup.
    """
    heads = {layer.name: layer for layer in model.layers if isinstance(layer, layers.Head)}
    names = list(model.output) if isinstance(model.output, dict) else ["logits"]
    found = {}
    for name in names:
        target, weight = (heads[name].target, heads[name].weight) if name in heads else ("genre", 1.0)
        found[name] = _OBJECTIVES[target](train, settings, weight, name == "logits")
    return found


def compile_model(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, aims: Mapping[str, Objective], *, steps: int = 1
) -> None:
    """Compiles a model for its objectives.

    Args:
        model: The model.
        optimizer: Its optimiser.
        aims: The result of `objectives`.
        steps: Batches per call of TensorFlow; other backends run one at a time.
    """
    many = isinstance(model.output, dict)
    accuracy = aims["logits"].accuracy
    metrics = {"logits": [] if accuracy is None else [keras.metrics.MeanMetricWrapper(accuracy, name="accuracy")]}
    for name in trained(aims):  # Keras's own means of these are over batches, of which the last is often smaller
        metrics.setdefault(name, []).append(keras.metrics.MeanMetricWrapper(per_song(aims[name]), name="error"))
    model.compile(
        optimizer,
        loss={name: aim.loss for name, aim in aims.items() if aim.weight} if many else aims["logits"].loss,
        loss_weights={name: aim.weight for name, aim in aims.items() if aim.weight} if many else None,
        metrics=metrics if many else metrics["logits"],
        steps_per_execution=steps if keras.config.backend() == "tensorflow" else 1,
    )
    optimizer.build(model.trainable_variables)


def trained(aims: Mapping[str, Objective]) -> list[str]:
    """Names of the trained outputs if there are several, whose losses the history then contains."""
    names = [name for name, aim in aims.items() if aim.weight]
    return names if len(names) > 1 else []


def per_song(aim: Objective) -> Callable[[Any, Any], Any]:
    """Returns the loss of an objective, one value per song; for a Keras loss, before the reduction."""
    found: Callable[[Any, Any], Any] = getattr(aim.loss, "call", aim.loss)
    return found


def head_losses(aims: Mapping[str, Objective], found: Mapping[str, Any]) -> dict[str, float]:
    """Returns the history columns of the outputs of `trained`, from the metrics of a model from `compile_model`.

    They are unweighted means over songs.
    """
    return {f"{name}_loss": float(found[f"{name}_error"]) for name in trained(aims)}


def mean_errors(aims: Mapping[str, Objective], outputs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the mean loss of each output of `trained`, without weights and regularisation.

    Args:
        aims: Objectives with the targets of the same songs.
        outputs: The model's outputs, ``(n_songs, …)`` by name.
    """
    errors = {name: per_song(aims[name])(aims[name].target, outputs[name]) for name in trained(aims)}
    return {name: float(keras.ops.mean(error)) for name, error in errors.items()}


def song_weights(train: SongSet, settings: TrainingSettings) -> np.ndarray | None:
    """Returns the weight of each training song, ``(n_songs,)`` float32; None if all are equal.

    It is the weight of the song's genre times that of the song, scaled to mean 1.

    Raises:
        SettingsError: The weights name genres that do not exist.
        DataError: All training songs have the weight 0.
    """
    if train.weights is not None and not train.weights.any():
        raise train.error("the weights of all training songs are zero", "weights", "pass a weight above 0")
    own = None if train.weights is None else train.weights / train.weights.mean()
    if settings.class_weights is None:
        return own
    if settings.class_weights == "balanced":
        count = np.bincount(train.y, minlength=train.num_classes)
        per_class = len(train) / (train.num_classes * np.maximum(count, 1))
    else:
        if set(settings.class_weights) != set(train.genres):
            raise SettingsError(
                f"class_weights must name the genres {list(train.genres)}, got {settings.class_weights}"
            )
        per_class = np.array([settings.class_weights[genre] for genre in train.genres])
    weights: np.ndarray = (per_class[train.y] * (1.0 if own is None else own)).astype(np.float32)
    return weights


def binary_errors(truth: Any, logits: Any) -> Any:
    """Returns the sum over the genres of the binary cross-entropies, one value per song."""
    return keras.ops.sum(keras.ops.binary_crossentropy(truth, logits, from_logits=True), axis=-1)


def member_errors(truth: Any, logits: Any) -> Any:
    """Returns the mean of the members' cross-entropies, one value per song.

    Args:
        truth: ``(batch, genres)``, a distribution over the genres.
        logits: ``(batch, members, genres)``.
    """
    log_posteriors = keras.ops.log_softmax(logits, axis=-1)
    errors = -keras.ops.sum(keras.ops.expand_dims(truth, 1) * log_posteriors, axis=-1)  # (batch, members)
    return keras.ops.mean(errors, axis=-1)


def reconstruction_error(songs: Any, outputs: Any) -> Any:
    """Returns the mean squared error over a song's real segments and all features, one value per song."""
    real = keras.ops.logical_not(keras.ops.isnan(songs))
    squares = keras.ops.where(
        real, keras.ops.square(keras.ops.where(real, songs, keras.ops.zeros_like(songs)) - outputs), 0.0
    )
    count = keras.ops.sum(keras.ops.cast(real, squares.dtype), axis=(1, 2))
    return keras.ops.sum(squares, axis=(1, 2)) / keras.ops.maximum(count, 1.0)


def _genre(train: SongSet, settings: TrainingSettings, weight: float, is_logits: bool) -> Objective:
    if not settings.soft_labels:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        hits = keras.metrics.sparse_categorical_accuracy
        return Objective(train.y, loss, weight, hits if is_logits else None)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=settings.label_smoothing)
    return Objective(_one_hot(train), loss, weight, keras.metrics.categorical_accuracy if is_logits else None)


def _binary(train: SongSet, settings: TrainingSettings, weight: float, is_logits: bool) -> Objective:
    return Objective(_one_hot(train), binary_errors, weight)


def _members(train: SongSet, settings: TrainingSettings, weight: float, is_logits: bool) -> Objective:
    even = settings.label_smoothing / train.num_classes
    target = _one_hot(train) * np.float32(1 - settings.label_smoothing) + np.float32(even)
    return Objective(target, member_errors, weight)


def _song(train: SongSet, settings: TrainingSettings, weight: float, is_logits: bool) -> Objective:
    return Objective(train.x, reconstruction_error, weight)


_OBJECTIVES: dict[str, Callable[[SongSet, TrainingSettings, float, bool], Objective]] = {
    "genre": _genre,
    "binary": _binary,
    "members": _members,
    "song": _song,
}


def _one_hot(train: SongSet) -> np.ndarray:
    one_hot: np.ndarray = np.eye(train.num_classes, dtype=np.float32)[train.y]
    return one_hot
