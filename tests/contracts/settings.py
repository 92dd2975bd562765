"""The smallest settings of every model: what the contracts build, so that each check takes a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """How small a model can be and still be itself.

    Attributes:
        arguments: Keywords of the builder.
        input_shape: ``(n_segments, n_features)``, long enough for the builder's defaults too.
        num_classes: Number of genres.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = (12, 3)
    num_classes: int = 3


ROWS = {
    "batch_norm_rnn": Row({"units": 6, "initial_scale": 0.1}),
    "conv_in_time": Row({"filters": 6, "units": 8}),
    "fully_connected": Row({"units": (8, 8)}),
    "gru": Row({"units": 6}),
    "lstm": Row({"units": 6}),
    "mlp": Row({"units": (12, 8)}),
    "multitask_autoencoder": Row({"trunk_arguments": {"units": 6}, "alpha": 0.5}),
    "multitask_binary": Row({"trunk_arguments": {"units": 6}, "alpha": 0.5}),
    "rnn": Row({"units": 6}),
    "segment_cnn": Row({"filters": 6, "units": 8}),
    "snippet_ensemble": Row({"member_arguments": {"units": 5}, "snippets": 2, "rule": "weighted"}),
    "snippet_lstm": Row({"units": 5, "snippets": 2}),
    "stabilised_gru": Row({"units": 6}),
    "stabilised_lstm": Row({"units": 6}),
    "stabilised_rnn": Row({"units": 6}),
    "statistics_mlp": Row({"units": (8,)}),
    "student_mlp": Row({"units": 12}),
}
