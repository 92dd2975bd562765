"""Prune and refit: train with an L1 penalty, set small weights to zero, and train the remaining ones again.

An L1 penalty finds the important weights but also shrinks them; the second training lets them grow without it. Choose
it for interpretable kernels or for a model with fewer nonzero weights; the source found no gain in accuracy.
"""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from pydantic import Field, model_validator

from genrezoo import seeds
from genrezoo.errors import SettingsError
from genrezoo.lazy import keras
from genrezoo.registry import PROCEDURES
from genrezoo.songs import SongSet
from genrezoo.spaces import Float
from genrezoo.training import checkpoint
from genrezoo.training.fitted import Fitted, Options
from genrezoo.training.search_space import PACE
from genrezoo.training.settings import TrainingSettings
from genrezoo.training.supervised import fit


class PruningSettings(TrainingSettings):
    """Settings of prune and refit. By default nothing is pruned, which is supervised training."""

    layers: str = Field("*", description="Shell pattern of the layers whose kernels are pruned, e.g. 'conv_*'.")
    l1: float | None = Field(
        None,
        ge=0,
        description="L1 factor on these kernels before pruning; None: that of the model.",
    )
    threshold: float = Field(
        0.0, ge=0, description="Weights with a smaller absolute value are set to zero permanently."
    )
    refit_fraction: float = Field(0.0, ge=0, lt=1, description="Fraction of the epochs that follow the pruning.")
    refit_l2: float | None = Field(
        None,
        ge=0,
        description="L2 factor on these kernels after pruning; None: that of the model.",
    )

    @model_validator(mode="after")
    def _stages_agree(self) -> PruningSettings:
        if self.refit_fraction and not 0 < self.refit_epochs < self.epochs:
            raise ValueError(
                f"refit_fraction={self.refit_fraction} of {self.epochs} epochs must leave at least one epoch before "
                f"and after pruning"
            )
        if not self.refit_fraction and (self.threshold or self.refit_l2 is not None):
            raise ValueError("threshold and refit_l2 need a refit_fraction above 0")
        if self.optimizer_arguments.get("use_ema"):
            raise ValueError("use_ema would replace weights that are held at zero by averages; leave it out")
        return self

    @property
    def refit_epochs(self) -> int:
        """Number of epochs after pruning."""
        return round(self.refit_fraction * self.epochs)


def mask_of(weights: np.ndarray, threshold: float) -> np.ndarray:
    """Tells which weights to keep: those whose absolute value is not below the threshold.

    Example:
        >>> import numpy as np
        >>> mask_of(np.array([0.5, -0.02, 0.0, -0.5]), 0.1).tolist()
        [True, False, False, True]
    """
    kept: np.ndarray = np.abs(weights) >= threshold
    return kept


def weight_histogram(weights: Mapping[str, np.ndarray], bins: int = 50) -> dict[str, Any]:
    """Returns histograms of several weight arrays, as plain data for a plot.

    Args:
        weights: Arrays by name, e.g. from `kernel_values`.
        bins: Bins of each histogram.

    Returns:
        ``edges`` (``bins + 1`` of them, the same for all), and by name ``counts`` and ``zeros`` (fraction of weights
        that are exactly zero).

    Example:
        >>> import numpy as np
        >>> weight_histogram({"a": np.array([0.0, 0.0, 1.0, 2.0])}, bins=2)
        {'edges': [0.0, 1.0, 2.0], 'counts': {'a': [2, 2]}, 'zeros': {'a': 0.5}}

    Reference:
        Document B, section 3.2, figure 4.
    """
    values = np.concatenate([np.ravel(part) for part in weights.values()])
    edges = np.histogram_bin_edges(values, bins)
    return {
        "edges": edges.tolist(),
        "counts": {name: np.histogram(part, edges)[0].tolist() for name, part in weights.items()},
        "zeros": {name: float(np.mean(part == 0)) for name, part in weights.items()},
    }


def kernel_values(model: keras.Model, layers: str = "*") -> dict[str, np.ndarray]:
    """Returns the kernels of a model's layers, by path.

    Args:
        model: Any built model.
        layers: Shell pattern of the layers' names.

    Raises:
        SettingsError: No layer with such a name has a trainable kernel.

    Example:
        >>> from genrezoo.models import create_model
        >>> list(kernel_values(create_model("segment_cnn", (120, 25), 10, seed=1), "conv_*"))
        ['conv_1/kernel', 'conv_2/kernel']
    """
    return {kernel.path: kernel.numpy() for kernel in _kernels(model, layers)}


@PROCEDURES.register(
    "prune_and_refit",
    summary="Training with an L1 penalty, permanent pruning of small weights, and training of the others again",
    reference="document B, section 3.2; O. Demir-Kavuk et al., BMC Bioinformatics 12, 2011",
    settings=PruningSettings,
    space={
        **PACE,
        "l1": Float(1e-5, 1e-2, sampling="log"),
        "threshold": Float(1e-4, 3e-2, sampling="log"),
        "refit_fraction": Float(0.3, 0.7),
        "refit_l2": Float(1e-5, 1e-1, sampling="log"),
    },
)
def prune_and_refit(
    model: keras.Model, songs: SongSet, settings: PruningSettings, **options: Unpack[Options]
) -> Fitted:
    """Trains a model, prunes the kernels of its best epoch, and continues training with pruned weights held at zero.

    Both trainings are supervised and have the same settings except for the penalties; each has its own early stopping,
    best snapshot and optimiser. The result comes from the second. With ``refit_fraction=0`` and no ``l1`` it is
    bit-identical to supervised training.

    Args:
        model: Uncompiled model whose output is logits or a dict with the key ``logits``; it is trained in place. Its
            penalties are restored afterwards.
        songs: Standardised songs with splits ``train`` and ``valid``; test songs are never read.
        settings: See `PruningSettings`.
        options: See `Options`; epochs after pruning are saved beside the checkpoint, see `checkpoint.second`.

    Returns:
        The model with the selected weights, the history of both trainings with consecutive epoch numbers, and the epoch
        of these weights.

    Raises:
        SettingsError: No layer matches, a kernel would lose all its weights, or a setting is invalid.
        DataError: Training diverged, or a checkpoint belongs to another training.
    """
    kernels = _kernels(model, settings.layers)
    first_settings = settings.model_copy(update={"epochs": settings.epochs - settings.refit_epochs})
    with _set(kernels, "regularizer", _repeated(settings.l1, keras.regularizers.L1, kernels)):
        first = fit(model, songs, first_settings, **options)
    if not settings.refit_epochs:
        return first
    masks = [_prune(kernel, settings.threshold) for kernel in kernels]
    before, path, on_epoch = len(first.history), options.get("checkpoint_path"), options.get("on_epoch")

    def numbered_on(record: dict[str, float]) -> dict[str, float]:
        return {**record, "epoch": record["epoch"] + before}

    with (
        _set(kernels, "regularizer", _repeated(settings.refit_l2, keras.regularizers.L2, kernels)),
        _set(kernels, "constraint", [_zeros(mask) for mask in masks]),
    ):
        second = fit(
            model,
            songs,
            settings.model_copy(update={"epochs": settings.refit_epochs}),
            seed=seeds.child_seed(options["seed"], "refit"),
            checkpoint_path=path and checkpoint.second(path),
            on_epoch=on_epoch and (lambda record: on_epoch(numbered_on(record))),
        )
    history = first.history + [numbered_on(record) for record in second.history]
    return Fitted(model, history, before + second.best_epoch)


def _kernels(model: keras.Model, layers: str) -> list[keras.Variable]:
    found = [
        weight
        for layer in model.layers
        if fnmatch.fnmatchcase(layer.name, layers)
        for weight in layer.trainable_weights
        if weight.name.endswith("kernel")
    ]
    if not found:
        raise SettingsError(
            f"no layer {layers!r} of {model.name} has a trainable kernel; its layers are "
            f"{', '.join(layer.name for layer in model.layers)}"
        )
    return found


def _prune(kernel: keras.Variable, threshold: float) -> np.ndarray:
    values = kernel.numpy()
    mask = mask_of(values, threshold)
    if not mask.any():
        raise SettingsError(
            f"threshold={threshold} would prune all {mask.size} weights of {kernel.path}, whose largest is "
            f"{np.abs(values).max():.3g}; lower it"
        )
    kernel.assign(np.where(mask, values, 0))
    return mask


def _zeros(mask: np.ndarray) -> Callable[[Any], Any]:
    """A Keras constraint, applied after each optimiser step, that sets weights to zero where the mask is False."""

    def zeroed(kernel: Any) -> Any:
        values = keras.ops.convert_to_tensor(kernel)  # JAX does not select from a variable itself
        return keras.ops.where(mask, values, keras.ops.zeros_like(values))

    return zeroed


def _repeated(weight: float | None, kind: Callable[[float], Any], kernels: Sequence[keras.Variable]) -> list[Any]:
    return [kernel.regularizer if weight is None else kind(weight) for kernel in kernels]


@contextlib.contextmanager
def _set(kernels: Sequence[keras.Variable], name: str, values: Sequence[Any]) -> Iterator[None]:
    """Sets an attribute of each variable to another value within the block."""
    before = [getattr(kernel, name) for kernel in kernels]
    for kernel, value in zip(kernels, values, strict=True):
        setattr(kernel, name, value)
    try:
        yield
    finally:
        for kernel, value in zip(kernels, before, strict=True):
            setattr(kernel, name, value)
