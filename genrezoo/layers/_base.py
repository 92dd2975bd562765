"""Base class and checks that several layers share."""

from __future__ import annotations

import math
from typing import Any

import keras

from genrezoo.errors import SettingsError


class SameShape(keras.layers.Layer):
    """A layer whose outputs have the shapes of its inputs."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the input's shape, or shapes."""
        return input_shape


def check_weight(name: str, value: float) -> float:
    """Checks a weight of a part of the loss and returns it.

    Raises:
        SettingsError: It is negative or not finite.
    """
    if not (math.isfinite(value) and value >= 0):
        raise SettingsError(f"{name} must be a finite number of at least 0, got {value}")
    return float(value)
