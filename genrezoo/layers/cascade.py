"""A second opinion where the first is unsure."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


def uncertainty(logits: Any) -> Any:
    """Entropy of the posterior as a fraction of the largest possible: 0 for a sure answer, 1 for equal posteriors.

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
    """The first model's answer, or where that is unsure the answer of the surer of two models.

    The second is asked where the first one's `uncertainty` exceeds the threshold, and is heard where it is less
    uncertain. The threshold is a weight, so that it is saved with the others; nothing trains it by gradients.

    Args:
        threshold: First value of the threshold, in [0, 1]: 1 never asks the second model, 0 asks it about every song
            that the first leaves any doubt about.

    Call arguments:
        inputs: Logits of the first and of the second model, each ``(batch, classes)``.

    Returns:
        Logits ``(batch, classes)``, for each song those of one of the two.

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
        """Makes the weight."""
        start = keras.initializers.Constant(self.first_threshold)
        self.threshold = self.add_weight(shape=(), initializer=start, trainable=False, name="threshold")

    def asks(self, logits: Any) -> Any:
        """Which songs the second model is asked about, ``(batch,)`` bool, given the first one's logits."""
        return uncertainty(logits) > self.threshold

    def call(self, inputs: list[Any]) -> Any:
        """Song by song the logits of one of the two."""
        first, second = inputs
        hears = ops.logical_and(self.asks(first), uncertainty(second) < uncertainty(first))
        return ops.where(ops.expand_dims(hears, -1), second, first)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """The shape of one model's logits."""
        return input_shape[0]


def check_threshold(threshold: float) -> float:
    """Returns a threshold on the uncertainty.

    Raises:
        SettingsError: It is not in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise SettingsError(f"threshold must be a fraction of the largest uncertainty, from 0 to 1, got {threshold}")
    return float(threshold)
