"""Activation stabilisation: a penalty on changes in the norm of the hidden state."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.layers._base import SameShape, check_weight


@keras.saving.register_keras_serializable("genrezoo")
class ActivityStabiliser(SameShape):
    """Returns hidden states unchanged and adds ``beta * mean (||h_t|| - ||h_(t-1)||)^2`` to the loss.

    It keeps the norm of a recurrent layer's state from growing or shrinking over a long song. Choose it over L2 on the
    weights, which also shrinks those that carry long-term dependencies.

    The mean is over all real segments of the batch. The zero state before the first segment counts, as in the paper's
    sum from 1 to T: there are as many differences as segments. This first rise counts once per song, divided by the
    number of segments, so that the same ``beta`` has a stronger effect on short songs: 100 on 10 segments is like 1200
    on 120. The state of a song of one segment is pulled towards zero; a batch without a real segment adds nothing.

    Args:
        beta: Weight of the penalty, at least 0; 0 adds none.

    Call arguments:
        inputs: Hidden states, ``(batch, segments, units)``.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Padding must follow the song.

    Returns:
        The states, unchanged.

    Raises:
        SettingsError: ``beta`` is negative or not finite.

    Example:
        >>> import numpy as np
        >>> layer = ActivityStabiliser(beta=2.0)
        >>> states = layer(np.array([[[3.0, 4.0], [0.0, 5.0], [0.0, 7.0]]], "float32"))  # lengths 5, 5, 7
        >>> round(float(layer.losses[0]), 4)  # 2 * (25 + 0 + 4) / 3
        19.3333

    Reference:
        D. Krueger, R. Memisevic, "Regularizing RNNs by Stabilizing Activations", ICLR 2016.
    """

    def __init__(self, beta: float = 100.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.beta = check_weight("beta", beta)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the input and adds the penalty to the losses."""
        if self.beta:
            self.add_loss(self.beta * _mean_change(inputs, mask))
        return inputs


def _mean_change(states: Any, mask: Any) -> Any:
    lengths = _norm(states)  # (batch, segments)
    before = ops.pad(lengths[:, :-1], ((0, 0), (1, 0)))
    changes = ops.square(lengths - before)
    if mask is None:
        return ops.mean(changes)
    total = ops.sum(ops.where(mask, changes, ops.zeros_like(changes)))
    return total / ops.maximum(ops.sum(ops.cast(mask, changes.dtype)), 1)


def _norm(states: Any) -> Any:
    """Euclidean norm over the last axis, with gradient 0 instead of NaN where the state is zero."""
    square = ops.sum(ops.square(states), axis=-1)
    positive = square > 0
    # The root never sees a zero, not even in the branch that is thrown away: its gradient would be infinite there.
    return ops.where(positive, ops.sqrt(ops.where(positive, square, ops.ones_like(square))), ops.zeros_like(square))
