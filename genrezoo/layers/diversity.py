"""A penalty on members that make similar predictions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError
from genrezoo.layers._base import SameShape, check_weight


def similarity(logits: list[Any]) -> Any:
    """Similarity of the posteriors of several models: 1 minus half their mean squared distance.

    The mean is over pairs of models and over songs. 1 means that all posteriors are equal, 0 that every two models are
    certain of different classes. With M models it is 1 minus the sum of ``||p_i - mean||^2`` over them, divided by
    ``M-1``, which is the penalty of negative correlation learning up to a constant and a factor.

    Args:
        logits: Two arrays or more, each ``(songs, classes)``.

    Returns:
        A scalar in [0, 1].

    Example:
        >>> import numpy as np
        >>> rock, jazz = np.array([[50.0, 0.0]], "float32"), np.array([[0.0, 50.0]], "float32")
        >>> float(similarity([rock, rock])), float(similarity([rock, jazz]))
        (1.0, 0.0)

    Reference:
        Y. Liu, X. Yao, Ensemble learning via negative correlation, Neural Networks 12 (1999).
    """
    posteriors = ops.softmax(ops.stack(logits, axis=1), axis=-1)  # (songs, models, classes)
    deviations = posteriors - ops.mean(posteriors, axis=1, keepdims=True)
    spread = ops.sum(ops.square(deviations), axis=(1, 2)) / (len(logits) - 1)
    return 1 - ops.mean(spread)


@keras.saving.register_keras_serializable("genrezoo")
class DiversityPenalty(SameShape):
    """Returns the logits of several models unchanged and adds ``weight`` times their `similarity` to the loss.

    Choose it where models are trained together and should make different errors. The loss must also contain each
    model's error, or else they learn to differ without being right.

    Args:
        weight: Weight of the penalty, at least 0; 0 adds none.

    Call arguments:
        inputs: A list of two or more logits, each ``(batch, classes)``.

    Returns:
        The same list.

    Raises:
        SettingsError: ``weight`` is negative or not finite, or there is only one model.

    Example:
        >>> import numpy as np
        >>> layer = DiversityPenalty(weight=3.0)
        >>> outputs = layer([np.zeros((1, 2), "float32"), np.zeros((1, 2), "float32")])
        >>> float(layer.losses[0])
        3.0

    Reference:
        As `similarity`.
    """

    def __init__(self, weight: float = 0.1, **kwargs: Any):
        super().__init__(**kwargs)
        self.weight = check_weight("weight of the diversity penalty", weight)

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Checks that there are at least two models."""
        if len(input_shape) < 2:
            raise SettingsError(f"diversity needs logits of at least two models, got {len(input_shape)}")

    def call(self, inputs: list[Any]) -> list[Any]:
        """Returns the input and adds the penalty to the losses."""
        if self.weight:
            self.add_loss(self.weight * similarity(inputs))
        return inputs
