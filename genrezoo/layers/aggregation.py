"""The aggregation rules (see `genrezoo.rules`) as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from genrezoo.errors import check_known
from genrezoo.layers._base import SameShape
from genrezoo.rules import RULES, aggregate, normalised_weights


@keras.saving.register_keras_serializable("genrezoo")
class Aggregate(keras.layers.Layer):
    """Applies a rule that combines the logits of several members into one prediction.

    Args:
        rule: A name in `RULES`.
        weights: One number of at least 0 per member, with any sum; None for equal weights.

    Call arguments:
        inputs: A list of logits, each ``(batch, classes)``, or all of them as ``(batch, members, classes)``.
        real: ``(batch, members)``, True for members that count; None if all do.

    Returns:
        Normalised log posteriors ``(batch, classes)``, which are logits too.

    Raises:
        UnknownNameError: There is no such rule.
        SettingsError: A weight is negative or not finite, or all are zero.

    Example:
        >>> import numpy as np
        >>> experts = [np.array([[2.0, 0.0]], "float32"), np.array([[0.0, 1.0]], "float32")]
        >>> np.exp(np.asarray(Aggregate("product")(experts), "float64")).round(3).tolist()
        [[0.731, 0.269]]
    """

    def __init__(self, rule: str = "product", weights: Sequence[float] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        check_known("rule", [rule], RULES)
        self.rule = rule
        # under another name than Keras's own list of a layer's variables
        self.member_weights = None if weights is None else normalised_weights(weights).tolist()

    def call(self, inputs: Any, real: Any = None) -> Any:
        """Applies the rule to the normalised logits."""
        stacked = ops.stack(inputs, axis=1) if isinstance(inputs, list | tuple) else inputs  # (batch, members, classes)
        return aggregate(ops.log_softmax(stacked, axis=-1), rule=self.rule, mask=real, weights=self.member_weights)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of one member's logits."""
        first = input_shape[0]
        return tuple(first) if isinstance(first, list | tuple) else (first, input_shape[-1])


@keras.saving.register_keras_serializable("genrezoo")
class RealMembers(SameShape):
    """Keeps only the logits of members whose input held a real segment.

    The logits of the others become zeros, which means equal posteriors regardless of their biases, and no gradient
    reaches them.

    Call arguments:
        inputs: A list of logits, each ``(batch, classes)``.
        real: ``(batch, members)``, True for members that read a real segment; None if all did.

    Returns:
        A list of logits of the same shapes.

    Example:
        >>> import numpy as np
        >>> real = np.array([[True], [False]])
        >>> np.asarray(RealMembers()([np.ones((2, 2), "float32")], real=real)[0]).tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """

    def call(self, inputs: list[Any], real: Any = None) -> list[Any]:
        """Returns the logits, or zeros."""
        if real is None:
            return inputs
        return [
            ops.where(real[:, member : member + 1], logits, ops.zeros_like(logits))
            for member, logits in enumerate(inputs)
        ]
