"""Calibration of a trained model: one temperature for its logits, fitted on the validation songs.

Networks that fit their training songs are surer than they are often right. Dividing all logits by one number repairs
most of it and changes no answer.
"""

from __future__ import annotations

import warnings

import keras
import numpy as np

from genrezoo.errors import GenrezooWarning
from genrezoo.evaluation import best_temperature
from genrezoo.lazy import layers


def fit_temperature(logits: np.ndarray, y: np.ndarray, *, name: str) -> float | None:
    """The temperature of a model, a number that float32 has.

    Args:
        logits: Of the validation songs, ``(n_songs, n_genres)``.
        y: Their labels.
        name: Name of the songs, for the warning.

    Returns:
        The temperature; None if every song is right, of which no finite certainty would be enough.

    Example:
        >>> sure = np.array([[2.0, 0.0]] * 4)  # 88 % sure, and right three times in four
        >>> round(fit_temperature(sure, np.array([0, 0, 0, 1]), name="songs"), 2)
        1.82

    Reference:
        C. Guo et al., On calibration of modern neural networks, ICML 2017, section 4.2.
    """
    if (logits.argmax(axis=1) == y).all():
        what = f"all {len(y)} validation songs are right: they cannot say how sure the model may be; not calibrated"
        warnings.warn(f"{name}: {what}", GenrezooWarning, stacklevel=2)
        return None
    return float(np.float32(best_temperature(logits, y)))


def at_temperature(model: keras.Model, temperature: float | None) -> keras.Model:
    """The model with its logits at a temperature, which shares its weights; itself if there is none."""
    if temperature is None:
        return model
    output, scale = model.output, layers.Temperature(temperature, name="temperature")
    scaled = {**output, "logits": scale(output["logits"])} if isinstance(output, dict) else scale(output)
    return keras.Model(model.input, scaled, name=model.name)
