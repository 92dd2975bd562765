"""Calibration of a trained model: one temperature for its logits, fitted on the validation songs.

Networks that fit their training songs well are overconfident. Dividing all logits by one number corrects most of it and
does not change the predicted genre.
"""

from __future__ import annotations

import warnings

import keras
import numpy as np

from genrezoo.errors import GenrezooWarning
from genrezoo.evaluation import best_temperature
from genrezoo.lazy import layers


def fit_temperature(logits: np.ndarray, y: np.ndarray, *, name: str) -> float | None:
    """Fits the temperature of a model, rounded to float32.

    Args:
        logits: Logits of the validation songs, ``(n_songs, n_genres)``.
        y: Labels of the validation songs.
        name: Name of the songs, for the warning.

    Returns:
        The temperature; None if every song is classified correctly, since no finite temperature is then optimal.

    Example:
        >>> sure = np.array([[2.0, 0.0]] * 4)  # 88 % sure, and right three times in four
        >>> round(fit_temperature(sure, np.array([0, 0, 0, 1]), name="songs"), 2)
        1.82

    Reference:
        C. Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2.
    """
    if (logits.argmax(axis=1) == y).all():
        what = f"all {len(y)} validation songs are classified correctly: no temperature can be fitted; not calibrated"
        warnings.warn(f"{name}: {what}", GenrezooWarning, stacklevel=2)
        return None
    return float(np.float32(best_temperature(logits, y)))


def at_temperature(model: keras.Model, temperature: float | None) -> keras.Model:
    """Returns the model with its logits divided by a temperature and shared weights; the model itself without one."""
    if temperature is None:
        return model
    output, scale = model.output, layers.Temperature(temperature, name="temperature")
    scaled = {**output, "logits": scale(output["logits"])} if isinstance(output, dict) else scale(output)
    return keras.Model(model.input, scaled, name=model.name)
