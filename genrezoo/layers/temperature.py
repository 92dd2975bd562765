"""Temperature scaling of logits, which calibrates their posteriors."""

from __future__ import annotations

import math
from typing import Any

import keras

from genrezoo.errors import SettingsError
from genrezoo.layers._base import SameShape


@keras.saving.register_keras_serializable("genrezoo")
class Temperature(SameShape):
    """Divides logits by a temperature: above 1 posteriors become less confident, below 1 more; their order is kept.

    Args:
        temperature: Above 0.

    Call arguments:
        inputs: Logits, ``(batch, classes)``.

    Returns:
        ``(batch, classes)``.

    Raises:
        SettingsError: ``temperature`` is not a finite number above 0.

    Example:
        >>> import numpy as np
        >>> Temperature(2.0)(np.array([[4.0, 1.0]], "float32")).numpy().tolist()
        [[2.0, 0.5]]

    Reference:
        C. Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2.
    """

    def __init__(self, temperature: float, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 < temperature < math.inf:
            raise SettingsError(f"temperature must be a finite number above 0, got {temperature}")
        self.temperature = float(temperature)

    def call(self, inputs: Any) -> Any:
        """Divides the logits by the temperature."""
        return inputs / self.temperature
