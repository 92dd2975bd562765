"""A layer that falls back on a second model where the first is uncertain."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


def uncertainty(logits: Any) -> Any:
    """Entropy of the posteriors as a fraction of its maximum: 0 for a certain prediction, 1 for equal posteriors.

    Args:
        logits: ``(songs, classes)``, two classes or more.

    Returns:
        ``(songs,)`` in [0, 1].

    Example:
        >>> import numpy as np
        >>> np.asarray(uncertainty(np.array([[90.0, 0.0, 0.0], [1.0, 1.0, 1.0]], "float32"))).round(4).tolist()
        [0.0, 1.0]
    """
    log_posteriors = ops.log_softmax(logits, axis=-1)
    entropy = ops.sum(ops.exp(log_posteriors) * -log_posteriors, axis=-1)
    return ops.clip(entropy / math.log(logits.shape[-1]), 0.0, 1.0)  # rounding can pass either end


@keras.saving.register_keras_serializable("genrezoo")
class Cascade(keras.layers.Layer):
    """Returns the first model's prediction or, where that is uncertain, that of the more certain of two models.

    The second model is consulted where the first one's `uncertainty` exceeds the threshold, and used where it is less
    uncertain. The threshold is stored as a weight, so that it is saved with the others; it is not trained.

    Args:
        threshold: Initial threshold, in [0, 1]: 1 never consults the second model, 0 consults it for every song of
            which the first is not certain.

    Call arguments:
        inputs: Logits of the first and of the second model, each ``(batch, classes)``.

    Returns:
        Logits ``(batch, classes)``, each song's from one of the two.

    Raises:
        SettingsError: ``threshold`` is not in [0, 1].

    Example:
        >>> import numpy as np
        >>> first = np.array([[5.0, 0.0], [0.2, 0.0], [0.2, 0.0]], "float32")  # sure, unsure, unsure
        >>> second = np.array([[0.0, 9.0], [0.0, 9.0], [0.1, 0.0]], "float32")
        >>> np.asarray(Cascade(threshold=0.5)([first, second])).argmax(axis=1).tolist()
        [0, 1, 0]
    """

    def __init__(self, threshold: float = 0.5, **kwargs: Any):
        super().__init__(**kwargs)
        self.first_threshold = check_threshold(threshold)

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Creates the weight."""
        start = keras.initializers.Constant(self.first_threshold)
        self.threshold = self.add_weight(shape=(), initializer=start, trainable=False, name="threshold")

    def asks(self, logits: Any) -> Any:
        """Tells for which songs the second model is consulted, ``(batch,)`` bool, from the first one's logits."""
        return uncertainty(logits) > self.threshold

    def call(self, inputs: list[Any]) -> Any:
        """Selects the logits of one of the two for each song."""
        first, second = inputs
        hears = ops.logical_and(self.asks(first), uncertainty(second) < uncertainty(first))
        return ops.where(ops.expand_dims(hears, -1), second, first)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the shape of one model's logits."""
        return input_shape[0]


def check_threshold(threshold: float) -> float:
    """Checks a threshold on the uncertainty and returns it.

    Raises:
        SettingsError: It is not in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise SettingsError(f"threshold must be a fraction of the maximum uncertainty, from 0 to 1, got {threshold}")
    return float(threshold)
