"""Pretraining of dense layers as stacked autoencoders, layer by layer, followed by supervised training.

Each hidden layer first learns, without labels, to reconstruct the output of the layer below it. Choose it for deep
stacks of saturating units (tanh) and few labels; with batch normalisation and ReLU there is little to gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from pydantic import Field

from genrezoo import seeds
from genrezoo.errors import DataError, SettingsError
from genrezoo.lazy import keras
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.spaces import Float, Int
from genrezoo.training.batches import Batches
from genrezoo.training.checkpoint import read_arrays, write_arrays
from genrezoo.training.fitted import Fitted, Options, forward
from genrezoo.training.objectives import Objective
from genrezoo.training.search_space import PACE
from genrezoo.training.settings import TrainingSettings
from genrezoo.training.supervised import fit, shuffled


class PretrainingSettings(TrainingSettings):
    """Settings of pretraining. The common settings apply to the supervised training, the batch size to both."""

    autoencoder_epochs: int = Field(100, ge=0, description="Maximum epochs per autoencoder; 0 skips the pretraining.")
    autoencoder_learning_rate: float = Field(1e-3, gt=0, description="Adam's learning rate for the autoencoders.")


@dataclass(frozen=True)
class Autoencoder:
    """The trained encoder of an autoencoder, and its training errors.

    Attributes:
        kernel: ``(inputs, units)`` float32.
        bias: ``(units,)`` float32.
        errors: Mean squared error of each epoch.
    """

    kernel: np.ndarray
    bias: np.ndarray
    errors: list[float]

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Encodes ``(n_songs, inputs)`` to ``(n_songs, units)``, the input of the next layer."""
        code: np.ndarray = np.tanh(x @ self.kernel + self.bias)
        return code


def settled(errors: Sequence[float]) -> bool:
    """Whether an error has stopped changing in its third decimal.

    The last three errors must be equal when rounded to three decimals; two could agree by chance.

    Example:
        >>> settled([0.5012, 0.5009, 0.5007]), settled([0.501, 0.501, 0.5])
        (True, False)
    """
    return len(errors) >= 3 and len({round(error, 3) for error in errors[-3:]}) == 1


def hidden_stack(model: keras.Model) -> tuple[Any, list[keras.layers.Dense]]:
    """Returns the chain of dense layers before the logits, without the output layer.

    Layers that keep the shape (normalisation, activation, dropout, noise) may lie between them.

    Args:
        model: Functional model whose output is logits or a dict with the key ``logits``.

    Returns:
        The input tensor ``(batch, features)`` of the first of them, and the layers.

    Raises:
        SettingsError: There is none.

    Example:
        >>> from genrezoo.models import create_model
        >>> start, layers = hidden_stack(create_model("mlp", (120, 25), 10, seed=1))
        >>> start.shape, [layer.units for layer in layers]
        ((None, 3000), [500, 500, 25])
    """
    tensor = model.output["logits"] if isinstance(model.output, dict) else model.output
    found: list[tuple[Any, keras.layers.Dense]] = []
    while True:
        operation, node, _ = tensor._keras_history
        inputs = operation._inbound_nodes[node].input_tensors
        dense = isinstance(operation, keras.layers.Dense)
        if len(inputs) != 1 or len(inputs[0].shape) != 2 or not (dense or inputs[0].shape == tensor.shape):
            break
        tensor = inputs[0]
        if dense:
            found.insert(0, (tensor, operation))
    if len(found) < 2:
        what = f"{model.name} has no hidden dense layers before its logits to pretrain"
        raise SettingsError(
            f"{what}; choose a model with hidden dense layers, e.g. 'mlp', or the procedure 'supervised'"
        )
    return found[0][0], [layer for _, layer in found[:-1]]


def train_autoencoder(x: np.ndarray, units: int, settings: PretrainingSettings, *, seed: int) -> Autoencoder:
    """Trains ``x -> tanh -> tanh -> x`` on the mean squared error until the error is `settled`.

    Args:
        x: ``(n_songs, inputs)`` float32.
        units: Size of the code.
        settings: Batch size, learning rate, and maximum epochs.
        seed: Seed of the initial weights and of the order of the songs.

    Raises:
        DataError: The error is not finite.
    """
    with seeds.keras_seed(seeds.child_seed(seed, "weights")):
        inputs = keras.Input((x.shape[1],))
        code = keras.layers.Dense(units, activation="tanh")
        model = keras.Model(inputs, keras.layers.Dense(x.shape[1], activation="tanh")(code(inputs)))
    error = keras.losses.MeanSquaredError()
    model.compile(keras.optimizers.Adam(settings.autoencoder_learning_rate), loss=error)
    plain = TrainingSettings(batch_size=settings.batch_size)
    batches = Batches(x, {"logits": Objective(x, error)}, None, plain, seed=seed, many=False)
    order = shuffled(seed, len(x))
    errors: list[float] = []
    while len(errors) < settings.autoencoder_epochs and not settled(errors):
        epoch = len(errors)
        data = batches(order(epoch, []), epoch)
        history = model.fit(data, initial_epoch=epoch, epochs=epoch + 1, shuffle=False, verbose=0).history
        errors.append(float(history["loss"][0]))
        if not np.isfinite(errors[-1]):
            what = f"the autoencoder of {x.shape[1]} to {units} diverged in epoch {epoch + 1}"
            raise DataError(what, remedy="lower autoencoder_learning_rate")
    kernel, bias = code.get_weights()
    return Autoencoder(kernel, bias, errors)


def pretrain(
    model: keras.Model, x: np.ndarray, settings: PretrainingSettings, *, seed: int, path: Path | None = None
) -> list[Autoencoder]:
    """Initialises the hidden dense layers of a model with the weights of stacked autoencoders.

    The first autoencoder learns to reconstruct the input of the model's first hidden layer (without dropout), each
    later one the code of the one before. A layer without a bias ignores its autoencoder's, which its normalisation
    would cancel.

    Args:
        model: Functional model; its weights are changed in place.
        x: ``(n_songs, n_segments, n_features)`` training songs, standardised, padding as NaN.
        settings: See `PretrainingSettings`.
        seed: Seed of the autoencoders' initial weights and of the order of the songs.
        path: File that each finished layer is saved to; layers in it are not trained again.

    Returns:
        The autoencoders, from the input up.

    Raises:
        SettingsError: The model has no hidden dense layers.
        DataError: The file is damaged or belongs to another training, or an error is not finite.
    """
    start, layers = hidden_stack(model)
    x = forward(keras.Model(model.inputs, start), x)["logits"]
    done = _load(path, x.shape[1], layers) if path is not None and path.exists() else []
    for number, layer in enumerate(layers):
        if number == len(done):
            done.append(train_autoencoder(x, layer.units, settings, seed=seeds.child_seed(seed, "autoencoder", number)))
            if path is not None:
                _save(path, done)
        layer.kernel.assign(done[number].kernel)
        if layer.use_bias:
            layer.bias.assign(done[number].bias)
        x = done[number].encode(x)
    return done


@PROCEDURES.register(
    "pretraining",
    summary="Pretraining of the hidden dense layers as stacked autoencoders, then supervised training",
    reference="document A, Baseline Classifier; G. Hinton and R. Salakhutdinov, Science 313, 2006",
    settings=PretrainingSettings,
    space={
        **PACE,
        "autoencoder_epochs": Int(5, 100, sampling="log"),
        "autoencoder_learning_rate": Float(1e-4, 1e-2, sampling="log"),
    },
)
def pretraining(
    model: keras.Model, songs: SongSet, settings: PretrainingSettings, **options: Unpack[Options]
) -> Fitted:
    """Pretrains the hidden dense layers on the training songs, then trains the whole model.

    Args:
        model: Uncompiled functional model whose output is logits or a dict with the key ``logits``, with hidden dense
            layers before it; it is trained in place.
        songs: Standardised songs with splits ``train`` and ``valid``; the autoencoders use only ``train``.
        settings: See `PretrainingSettings`. With ``autoencoder_epochs=0`` it is bit-identical to supervised training.
        options: See `Options`; the seed also determines the autoencoders' initial weights. Epochs count the supervised
            training only; finished autoencoders are saved with their errors beside its checkpoint, under a name that
            ends in ``_pretraining``.

    Returns:
        The model with the selected weights, its history, and the epoch of these weights.

    Raises:
        SettingsError: The model has no hidden dense layers, or a setting is invalid.
        DataError: Training diverged, or a saved file belongs to another training.
    """
    if settings.autoencoder_epochs:
        path = options.get("checkpoint_path")
        path = path and path.with_stem(f"{path.stem}_pretraining")
        pretrain(model, songs.split("train").x, settings, seed=options["seed"], path=path)
    return fit(model, songs, settings, **options)


def _save(path: Path, done: Sequence[Autoencoder]) -> None:
    arrays = {f"{number}/kernel": part.kernel for number, part in enumerate(done)}
    arrays |= {f"{number}/bias": part.bias for number, part in enumerate(done)}
    write_arrays(path, arrays, [part.errors for part in done])


def _load(path: Path, width: int, layers: Sequence[keras.layers.Dense]) -> list[Autoencoder]:
    errors, arrays = read_arrays(path)
    done = [
        Autoencoder(arrays[f"{number}/kernel"], arrays[f"{number}/bias"], part) for number, part in enumerate(errors)
    ]
    widths = [width, *(layer.units for layer in layers)]
    expected = list(zip(widths, widths[1:], strict=False))[: len(done)]
    if [part.kernel.shape for part in done] != expected or any(len(p.bias) != p.kernel.shape[1] for p in done):
        raise DataError("autoencoders of another model", path=path, remedy="delete it to train from scratch")
    return done
