"""The smallest settings of every model: what the contracts build, so that each check takes a moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """How small a model can be and still be itself.

    Attributes:
        arguments: Keywords of the builder.
        input_shape: ``(n_segments, n_features)`` or ``(height, width, channels)``, large enough for the builder's
            defaults too.
        num_classes: Number of genres.
        spread: Deviation of the numbers that it is meant for: 1 for what is standardised, more for pixels.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = (12, 3)
    num_classes: int = 3
    spread: float = 1.0


ROWS = {
    "batch_norm_rnn": Row({"units": 6, "initial_scale": 0.1}),
    "conv_in_time": Row({"filters": 6, "units": 8}),
    "feature_mlp": Row({"units": (8, 8, 8)}),
    "fully_connected": Row({"units": (8, 8)}),
    "gru": Row({"units": 6}),
    "lstm": Row({"units": 6}),
    "mel_cnn": Row({"filters": (4, 4, 6, 6), "units": (8, 8)}, input_shape=(21, 18)),
    "mfcc_mlp": Row({"units": (8, 8)}),
    "mlp": Row({"units": (12, 8)}),
    "multitask_autoencoder": Row({"trunk_arguments": {"units": 6}, "alpha": 0.5}),
    "multitask_binary": Row({"trunk_arguments": {"units": 6}, "alpha": 0.5}),
    "resnet50": Row({"unfrozen": 0}, input_shape=(32, 33, 3), spread=60.0),
    "rnn": Row({"units": 6}),
    "segment_cnn": Row({"filters": 6, "units": 8}),
    "snippet_ensemble": Row({"member_arguments": {"units": 5}, "snippets": 2, "rule": "weighted"}),
    "snippet_lstm": Row({"units": 5, "snippets": 2}),
    "spectrogram_cnn": Row({"conv_layers": 3, "filters": 4}, input_shape=(88, 90, 3)),
    "stabilised_gru": Row({"units": 6}),
    "stabilised_lstm": Row({"units": 6}),
    "stabilised_rnn": Row({"units": 6}),
    "statistics_mlp": Row({"units": (8,)}),
    "student_mlp": Row({"units": 12}),
}
