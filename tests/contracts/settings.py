"""What the contracts build of a model: the least of its search space, on songs as small as its defaults take."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.registry import MODELS
from genrezoo.spaces import smallest


@dataclass(frozen=True)
class Row:
    """How small a model can be and still be itself.

    Attributes:
        arguments: Keywords of the builder.
        input_shape: ``(n_segments, n_features)`` or ``(height, width, channels)``, large enough for the builder's
            defaults too.
        num_classes: Number of genres.
        spread: Standard deviation of the numbers that it is meant for: 1 for what is standardised, more for pixels.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] = (12, 3)
    num_classes: int = 3
    spread: float = 1.0


SHAPES = {"segments": [(12, 3), (21, 18), (60, 40), (64, 65)], "image": [(32, 33, 3), (88, 90, 3), (180, 180, 3)]}
"""By input kind, shapes of songs from small to large: the first one is taken that the model's defaults build for."""

SMALLER: dict[str, dict[str, Any]] = {
    "batch_norm_rnn": {"units": 6, "initial_scale": 0.1},  # sixteen songs are few for its statistics
    "mel_cnn": {"filters": (4, 4, 6, 6), "units": (8, 8)},
    "multitask_autoencoder": {"trunk_arguments": {"units": 6}, "alpha": 0.5},
    "multitask_binary": {"trunk_arguments": {"units": 6}, "alpha": 0.5},
    "musicnn": {"timbral_filters": 6, "temporal_filters": 3},
    "rnn": {"units": 6},
    "snippet_ensemble": {"member_arguments": {"units": 5}, "rule": "weighted"},
    "snippet_lstm": {"units": 5},
    # without dropout, the normalisation behind the first layer cancels the shift of the one before it
    "statistics_mlp": {"input_dropout": 0.3, "dropout": 0.5},
}
"""Options that are not searched, or take time at the least value that is: a model needs no line here."""

SPREAD = {"resnet50": 60.0, "efficientnet_lite0": 60.0}
"""Models that take pixels as they are."""


@functools.cache
def row_of(name: str) -> Row:
    """The settings of a model of the registry."""
    entry = MODELS.get(name)
    for shape in SHAPES[entry.expects]:
        try:
            entry.build(shape, 3)
        except SettingsError:
            continue
        arguments = {**smallest(entry.space), **SMALLER.get(name, {})}
        return Row(arguments, shape, spread=SPREAD.get(name, 1.0))
    raise AssertionError(f"no shape is large enough for {name!r}: add one to SHAPES in {__file__}")
