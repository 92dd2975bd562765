"""Settings of every procedure that trains by gradient descent."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEDULES = {
    "cosine": "CosineDecay",
    "cosine_restarts": "CosineDecayRestarts",
    "exponential": "ExponentialDecay",
    "inverse_time": "InverseTimeDecay",
    "piecewise": "PiecewiseConstantDecay",
    "polynomial": "PolynomialDecay",
}


class TrainingSettings(BaseModel):
    """Settings of training by gradient descent; all of them plain data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    optimizer: str = Field("adam", description="Any Keras optimiser by name, e.g. 'sgd', 'adamw', 'lion'.")
    learning_rate: float = Field(1e-3, gt=0, description="Rate at the start of training.")
    optimizer_arguments: dict[str, Any] = Field({}, description="Further arguments of the optimiser, e.g. momentum.")
    weight_decay: float | None = Field(None, ge=0, description="Decoupled weight decay; biases and norms are left out.")
    schedule: str | None = Field(
        None, description=f"How the rate changes: {', '.join(SCHEDULES)}, reduce_on_plateau; None keeps it."
    )
    schedule_arguments: dict[str, Any] = Field(
        {},
        description="Arguments of the schedule, times in epochs: decay_epochs, warmup_epochs, boundaries_epochs, …",
    )
    batch_size: int = Field(64, ge=1, description="Songs per optimiser step.")
    epochs: int = Field(40, ge=1, description="Passes over the training songs at most.")
    patience: int | None = Field(None, ge=1, description="Stop after so many epochs without a better validation score.")
    monitor: Literal["accuracy", "macro_f1", "loss"] = Field("accuracy", description="Validation score that decides.")
    snapshot: Literal["best", "last"] = Field("best", description="Which epoch's weights are the result.")
    class_weights: Literal["balanced"] | dict[str, float] | None = Field(
        None, description="'balanced' weighs songs by 1 / proportion of their genre; or a weight for each genre."
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Fraction of the target spread evenly over all genres.")
    noise: float = Field(
        0.0, ge=0, description="Standard deviation of Gaussian noise on the standardised features in training."
    )
    time_shift: int = Field(0, ge=0, description="Training songs are rotated in time by up to so many segments.")
    segment_dropout: float = Field(
        0.0, ge=0, lt=1, description="Fraction of a training song's segments set to zero, the mean."
    )
    mixup: float = Field(
        0.0, ge=0, description="Training songs and labels are mixed in pairs, the weight drawn from Beta(mixup, mixup)."
    )

    @property
    def augments(self) -> bool:
        """Whether training songs are changed at random."""
        return bool(self.noise or self.time_shift or self.segment_dropout or self.mixup)

    @property
    def soft_labels(self) -> bool:
        """Whether a song's label is a distribution over the genres."""
        return bool(self.label_smoothing or self.mixup)
