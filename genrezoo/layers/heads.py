"""A marker for the target and the loss weight of an output."""

from __future__ import annotations

from typing import Any

import keras

from genrezoo.errors import check_known
from genrezoo.layers._base import SameShape, check_weight

TARGETS = {
    "genre": "sparse categorical cross-entropy of the label, from logits",
    "binary": "one binary target per genre: sum over the genres of the binary cross-entropies, from logits",
    "members": "the genre, for each of several members: mean of their cross-entropies, from logits",
    "song": "mean squared error of the reconstructed input, (segments, features), without padding",
}
"""Possible targets of a head, with their losses."""


@keras.saving.register_keras_serializable("genrezoo")
class Head(SameShape):
    """Returns an output unchanged; its settings tell the training procedure the output's target and loss weight.

    In a model with several outputs it marks those that are not trained on the genre with weight 1: auxiliary outputs,
    and a main output that is computed from them. A training procedure reads `target` and `weight` from the layer.

    Args:
        target: One of `TARGETS`. For ``"genre"`` and ``"binary"`` the output is one logit per genre, for ``"members"``
            it is ``(batch, members, genres)``, for ``"song"`` it has the shape of the songs.
        weight: Loss weight of this output, at least 0; an output of weight 0 is not trained.

    Call arguments:
        inputs: Any tensor.

    Returns:
        The same tensor.

    Raises:
        UnknownNameError: ``target`` is none of `TARGETS`.
        SettingsError: ``weight`` is negative or not finite.

    Example:
        >>> import numpy as np
        >>> head = Head(target="genre", weight=0.0, name="logits")
        >>> np.asarray(head(np.ones(2, "float32"))).tolist(), head.weight
        ([1.0, 1.0], 0.0)
    """

    def __init__(self, *, target: str, weight: float, **kwargs: Any):
        super().__init__(**kwargs)
        check_known("target of a head", [target], TARGETS)
        self.target = target
        self.weight = check_weight("weight of a head", weight)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Returns the input."""
        return inputs
