"""A learnt weighted mean of several predictions: an aggregation rule with trainable parameters."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.layers._base import check_weight
from genrezoo.rules import aggregate


@keras.saving.register_keras_serializable("genrezoo")
class WeightedAggregate(keras.layers.Layer):
    """A weighted mean of the members' posteriors, with weights that a small network computes from them.

    The network reads the concatenated posteriors of all members. It has as many hidden units as inputs, all linear, and
    one output per member; the softmax of the outputs are the weights, so that the result is a mean. It is trained only
    on the error of the weighted mean, and no gradient reaches the members, so they are trained as they would be without
    it. Try a rule without weights (see `Aggregate`) first; it is as good in the source.

    Args:
        l2: Weight of the penalty on the network's squared weights (biases are free), from 0.

    Call arguments:
        inputs: A list of logits, each ``(batch, classes)``.
        real: ``(batch, members)``, True for members that count; None if all do. Others have weight 0, and the network
            reads zeros in their place.

    Returns:
        Normalised log posteriors ``(batch, classes)``, which are logits too; equal for a song without a member.

    Raises:
        SettingsError: ``l2`` is negative or not finite.

    Example:
        >>> import numpy as np
        >>> layer = WeightedAggregate()
        >>> found = layer([np.array([[2.0, 0.0]], "float32"), np.array([[0.0, 1.0]], "float32")])
        >>> [tuple(weight.shape) for weight in layer.weights]  # two members' two posteriors: four inputs, two weights
        [(4, 4), (4,), (4, 2), (2,)]

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 2.2 and 4.2. What
        the network sees, and that its weights sum to 1, is our reading: the source says neither.
    """

    def __init__(self, l2: float = 1e-3, **kwargs: Any):
        super().__init__(**kwargs)
        self.l2 = check_weight("l2", l2)

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Creates the network."""
        members, size = len(input_shape), len(input_shape) * (input_shape[0][-1] or 0)
        self.hidden = keras.layers.Dense(size, kernel_regularizer=keras.regularizers.L2(self.l2), name="hidden")
        self.scores = keras.layers.Dense(members, kernel_regularizer=keras.regularizers.L2(self.l2), name="scores")
        self.hidden.build((None, size))
        self.scores.build((None, size))

    def call(self, inputs: list[Any], real: Any = None) -> Any:
        """Computes the weighted mean."""
        log_posteriors = ops.log_softmax(ops.stop_gradient(ops.stack(inputs, axis=1)), axis=-1)
        _, members, classes = log_posteriors.shape
        posteriors = ops.exp(log_posteriors)
        if real is not None:
            posteriors = ops.where(ops.expand_dims(real, -1), posteriors, ops.zeros_like(posteriors))
        scores = self.scores(self.hidden(ops.reshape(posteriors, (-1, members * classes))))  # (batch, members)
        # Scores are log weights, of members that count alone and summing to 1 once the mean is normalised.
        return aggregate(log_posteriors + ops.expand_dims(scores, -1), rule="mean", mask=real)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the shape of one member's logits."""
        return input_shape[0]
