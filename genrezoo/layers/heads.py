"""What the training procedure must do with an output."""

from __future__ import annotations

from typing import Any

import keras

from genrezoo.errors import check_known
from genrezoo.layers._base import SameShape, check_weight

TARGETS = {
    "genre": "sparse categorical cross-entropy of the label, from logits",
    "binary": "one yes or no for each genre: sum over the genres of the binary cross-entropies, from logits",
    "members": "the genre, for each of several members: mean of their cross-entropies, from logits",
    "song": "mean squared error of the model's own input, (segments, features), padding left out",
}
"""What a head can be trained on, and by which loss."""


@keras.saving.register_keras_serializable("genrezoo")
class Head(SameShape):
    """Passes an output on unchanged; its settings say what that output is trained on and with which weight.

    A model with several outputs marks those that are not simply trained on the genre with weight 1: auxiliary outputs,
    and a main output that follows from them. A training procedure reads `target` and `weight` from the layer.

    Args:
        target: One of `TARGETS`. For ``"genre"`` and ``"binary"`` the output is one logit for each genre, for
            ``"members"`` it is ``(batch, members, genres)``, for ``"song"`` it has the shape of the songs.
        weight: Fraction of this output in the loss, at least 0; an output of weight 0 is not trained.

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
        """The input."""
        return inputs
