"""Settings common to all procedures that train by gradient descent."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator, model_validator

from genrezoo.errors import UnknownNameError

SCHEDULES = {
    "cosine": "CosineDecay",
    "cosine_restarts": "CosineDecayRestarts",
    "exponential": "ExponentialDecay",
    "inverse_time": "InverseTimeDecay",
    "piecewise": "PiecewiseConstantDecay",
    "polynomial": "PolynomialDecay",
}


OPTIMIZERS = (
    "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "ftrl", "lamb", "lion", "muon", "nadam", "rmsprop",
    "schedulefreeadamw", "sgd",
)  # fmt: skip
"""Keras's optimisers, without underscores; listed here so that a recipe can be checked without Keras."""
CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


class TrainingSettings(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Settings of training by gradient descent, as plain data."""

    optimizer: str = Field("adam", description="Name of a Keras optimiser, e.g. 'sgd', 'adamw', 'lion'.")
    learning_rate: float = Field(1e-3, gt=0, description="Initial learning rate.")
    optimizer_arguments: dict[str, Any] = Field({}, description="Further arguments of the optimiser, e.g. momentum.")
    weight_decay: float | None = Field(
        None, ge=0, description="Decoupled weight decay; not applied to biases and normalisation layers."
    )
    schedule: str | None = Field(
        None, description=f"Learning-rate schedule: {', '.join(SCHEDULES)}, reduce_on_plateau; None: constant."
    )
    schedule_arguments: dict[str, Any] = Field(
        {},
        description="Arguments of the schedule, with times in epochs: decay_epochs, warmup_epochs, boundaries_epochs, "
        "…",
    )
    batch_size: int = Field(64, ge=1, le=2**31 - 1, description="Songs per optimiser step.")
    epochs: int = Field(40, ge=1, le=10**6, description="Maximum number of passes over the training songs.")
    patience: int | None = Field(
        None, ge=1, description="Early stopping: epochs without a better validation score before training stops."
    )
    monitor: Literal["accuracy", "macro_f1", "loss"] = Field(
        "accuracy", description="Validation score for early stopping and for the best epoch."
    )
    snapshot: Literal["best", "last"] = Field("best", description="Epoch whose weights are the result.")
    class_weights: Literal["balanced"] | dict[str, float] | None = Field(
        None, description="'balanced' weights songs by 1 / proportion of their genre; or a weight for each genre."
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Fraction of the target that is spread evenly over all genres."
    )
    noise: float = Field(
        0.0, ge=0, description="Standard deviation of Gaussian noise added to the standardised features in training."
    )
    time_shift: int = Field(
        0, ge=0, le=2**20, description="Largest random rotation of training songs in time, in segments."
    )
    segment_dropout: float = Field(
        0.0, ge=0, lt=1, description="Fraction of a training song's segments to set to zero (the mean)."
    )
    mixup: float = Field(
        0.0,
        ge=0,
        description="Mixup of pairs of training songs and labels, with weights drawn from Beta(mixup, mixup).",
    )
    time_mask: int = Field(
        0, ge=0, le=2**20, description="Longest run of segments of a training song to set to zero (the mean)."
    )
    feature_mask: int = Field(
        0,
        ge=0,
        le=2**20,
        description="Longest run of neighbouring features to set to zero in all segments of a training song.",
    )
    masks: int = Field(1, ge=1, le=100, description="Number of runs of each kind per training song.")
    repeats: int = Field(
        1, ge=1, le=100, description="Copies of each training song in a batch, each augmented differently."
    )
    average: Literal["ema", "swa"] | None = Field(
        None,
        description="Validate and keep averaged weights: 'ema' over optimiser steps, 'swa' over the ends of epochs.",
    )
    ema_decay: float = Field(0.99, ge=0, lt=1, description="Decay of the average per step, for 'ema'.")
    swa_start: float = Field(0.75, ge=0, lt=1, description="Fraction of the epochs before averaging starts, for 'swa'.")

    @field_validator("optimizer", "schedule")
    @classmethod
    def _known(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        known = OPTIMIZERS if info.field_name == "optimizer" else (*SCHEDULES, "reduce_on_plateau")
        found = {name.replace("_", ""): name for name in known}.get(value.lower().replace("_", ""))
        if found is None:
            raise ValueError(f"{UnknownNameError(str(info.field_name), value, known)}")
        return found

    @field_validator("optimizer_arguments", "schedule_arguments")
    @classmethod
    def _numbers(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        lists = info.field_name == "schedule_arguments"  # boundaries and values of the schedule piecewise
        for name, given in value.items():
            parts = given if lists and isinstance(given, list) else [given]
            if not all(part is None or isinstance(part, int | float) for part in parts):
                raise ValueError(f"{name} must be a number{', or a list of them' if lists else ''}")
            if name in CLIPPING and given is not None and not given > 0:
                raise ValueError(f"{name} must be above 0, got {given}")  # Keras would not clip
        return value

    @field_validator("class_weights")
    @classmethod
    def _weights(cls, value: Any) -> Any:
        if isinstance(value, dict) and not (min(value.values(), default=0) >= 0 and sum(value.values()) > 0):
            raise ValueError("genre weights must be at least 0, and one of them above 0")
        return value

    @model_validator(mode="after")
    def _repeats_differ(self) -> TrainingSettings:
        if self.repeats > 1 and not self.augments:
            raise ValueError(
                f"repeats={self.repeats} would train on the same songs {self.repeats} times over: "
                "set noise, time_shift, segment_dropout, time_mask, feature_mask or mixup as well, or a larger batch"
            )
        return self

    @property
    def augments(self) -> bool:
        """Whether training songs are augmented."""
        changes = (self.noise, self.time_shift, self.segment_dropout, self.mixup, self.time_mask, self.feature_mask)
        return any(changes)

    @property
    def soft_labels(self) -> bool:
        """Whether a song's label is a distribution over the genres."""
        return bool(self.label_smoothing or self.mixup)
