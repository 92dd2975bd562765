"""The figures and tables that a suite asks for: declared here once, checked by the suite, drawn by the report."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, Field, model_validator

from genrezoo.errors import UnknownNameError
from genrezoo.rows import SCORES

MOST_CURVES = 8
COSTS = ("train_seconds", "seconds_per_epoch", "evaluation_seconds", "epochs", "best_epoch", "parameters")
VALUES = (*(f"{split}_{score}" for split in ("train", "valid", "test") for score in SCORES), *COSTS, "seconds_per_pass")
HEAD = r"^heads\.[a-z][a-z0-9_]*$"


class FigurePlan(BaseModel, frozen=True, extra="forbid"):
    """One figure or table of a study, drawn by the report from rows and histories."""

    kind: Literal["heatmap", "bars", "curves", "table", "difficulty", "weights"] = Field(
        description="How it is drawn; difficulty is of the training songs under each entrant, with a table of the "
        "easiest and hardest, and weights are histograms of kernels, both of the representative run."
    )
    title: str = Field(min_length=1, description="Its heading.")
    caption: str = Field("", description="What the reference shows in the same place, for comparison.")
    entrants: tuple[str, ...] = Field((), description="Names of entrants, grids or baselines; all if left out.")
    x: str | None = Field(
        None, description="Horizontal axis; bars and tables without one have a bar or a column for each entrant."
    )
    y: str | None = Field(None, description="Vertical axis of a heat map.")
    values: tuple[str, ...] = Field(
        ("valid_accuracy",),
        min_length=1,
        description="A panel, or a row of a table, for each: SPLIT_METRIC with train, valid or test and accuracy, "
        "macro_f1, macro_precision, macro_recall, log_loss or calibration_error; train_seconds, seconds_per_epoch, "
        "evaluation_seconds (of the test songs), seconds_per_pass; epochs, best_epoch, parameters; or heads.NAME "
        "(validation accuracy of an auxiliary output). All are of the weights kept, but valid_accuracy in figures is "
        "that of the best epoch. Curves take learning_rate alone: its curve stands in the place of the loss; or heads "
        "alone: the errors of the second heads and of the genre.",
    )
    best: int = Field(
        MOST_CURVES,
        ge=1,
        le=MOST_CURVES,
        description="Curves: number of entrants, the best by validation accuracy.",
    )
    transpose: bool = Field(False, description="Tables: a row for each entrant, and a column for each value.")
    together: bool = Field(
        False, description="Tables: one table over all sets of songs, before them, in place of one for each."
    )

    layers: str = Field("*", min_length=1, description="Weights: shell pattern of the layers whose kernels are shown.")

    def is_about(self, name: str, study: str | None = None) -> bool:
        """Whether it shows an entrant of that name, or of that grid."""
        return not self.entrants or bool({name, study} & set(self.entrants))

    @property
    def of_training_songs(self) -> bool:
        """Whether it shows scores on training songs, which are measured where the suite says so."""
        return any(value.startswith("train_") and value != "train_seconds" for value in self.values)

    @model_validator(mode="after")
    def _values_fit(self) -> FigurePlan:
        if self.kind == "curves":
            if self.values not in (("valid_accuracy",), ("learning_rate",), ("heads",)):
                what = "with learning_rate alone the rate and accuracy, with heads alone the errors of all heads"
                raise ValueError(f"curves show loss and accuracy, or {what}")
            return self
        for name in self.values:
            if name in ("learning_rate", "heads"):
                raise ValueError(f"{name} is drawn by curves alone")
            if name not in VALUES and not re.fullmatch(HEAD, name):
                raise ValueError(str(UnknownNameError("value", name, [*VALUES, "heads.NAME"])))
        return self

    @model_validator(mode="after")
    def _axes_fit(self) -> FigurePlan:
        if self.kind == "heatmap" and (self.x is None or self.y is None or self.x == self.y):
            raise ValueError("a heat map needs two different axes, x and y")
        if self.kind == "curves" and (self.x or self.y):
            raise ValueError("curves run over epochs and take no axes")
        if self.kind in ("difficulty", "weights") and (self.x or self.y):
            raise ValueError(f"{self.kind} takes no axes")
        if self.kind != "weights" and self.layers != "*":
            raise ValueError("layers are for weights alone")
        if self.kind in ("bars", "table") and self.y:
            raise ValueError(f"{self.kind} take{'s' * (self.kind == 'table')} one axis, x")
        if self.kind != "table" and (self.transpose or self.together):
            raise ValueError("transpose and together are for tables alone")
        if self.together and self.x:
            raise ValueError("a table over all sets of songs takes no axis: it has a column for each entrant and set")
        return self
