"""One prediction from several: rules on the log posteriors of the members, as functions and as layers.

A rule takes log posteriors ``(songs, members, classes)`` and, if some members saw nothing but padding, a mask
``(songs, members)`` that is True for those that count. It returns normalised log posteriors ``(songs, classes)``. A
song without any member that counts gets equal posteriors. To add a rule, write the function and put it into `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from genrezoo.errors import DataError, UnknownNameError

LEFT_OUT = -1e9  # log posterior of a member left out: nothing beside any real one, and still finite


def mean_rule(log_posteriors: Any, mask: Any = None) -> Any:
    """The mean of the posteriors: one confident member cannot veto the others.

    Args:
        log_posteriors: ``(songs, members, classes)``, each member's posteriors summing to 1.
        mask: ``(songs, members)``, True for members that count; None if all do.

    Returns:
        Log posteriors ``(songs, classes)``.

    Example:
        >>> import numpy as np
        >>> posteriors = np.array([[[0.9, 0.1], [0.3, 0.7]]])
        >>> np.exp(np.asarray(mean_rule(np.log(posteriors)), "float64")).round(4).tolist()
        [[0.6, 0.4]]

    Reference:
        C. N. Silla Jr, C. A. A. Kaestner, A. L. Koerich, "Automatic music genre classification using ensemble of
        classifiers", IEEE SMC 2007: maximum mean.
    """
    if mask is not None:
        kept = ops.expand_dims(mask, -1)
        log_posteriors = ops.where(kept, log_posteriors, ops.full_like(log_posteriors, LEFT_OUT))
    # Normalising over the classes divides by the number of members, which need not be counted.
    return ops.log_softmax(ops.logsumexp(log_posteriors, axis=1), axis=-1)


def product_rule(log_posteriors: Any, mask: Any = None) -> Any:
    """The product of the posteriors, normalised: members count as independent witnesses.

    Args:
        log_posteriors: ``(songs, members, classes)``, finite.
        mask: ``(songs, members)``, True for members that count; None if all do.

    Returns:
        Log posteriors ``(songs, classes)``.

    Example:
        >>> import numpy as np
        >>> posteriors = np.array([[[0.9, 0.1], [0.3, 0.7]]])  # 0.27 against 0.07
        >>> np.exp(np.asarray(product_rule(np.log(posteriors)), "float64")).round(4).tolist()
        [[0.7941, 0.2059]]

    Reference:
        As `mean_rule`: maximum product.
    """
    if mask is not None:
        log_posteriors = ops.where(ops.expand_dims(mask, -1), log_posteriors, ops.zeros_like(log_posteriors))
    return ops.log_softmax(ops.sum(log_posteriors, axis=1), axis=-1)


RULES: dict[str, Callable[..., Any]] = {"mean": mean_rule, "product": product_rule}
"""The rules by name."""


def aggregate(log_posteriors: Any, *, rule: str, mask: Any = None) -> Any:
    """Applies a rule by its name, to tensors of a graph or to arrays.

    Args:
        log_posteriors: ``(songs, members, classes)``.
        rule: A name in `RULES`.
        mask: ``(songs, members)``, True for members that count; None if all do.

    Returns:
        Log posteriors ``(songs, classes)`` as a tensor.

    Raises:
        UnknownNameError: There is no such rule.
        DataError: The shapes do not fit.

    Example:
        >>> import numpy as np
        >>> aggregate(np.log(np.full((5, 4, 10), 0.1, "float32")), rule="mean").shape == (5, 10)
        True
    """
    if rule not in RULES:
        raise UnknownNameError("rule", rule, RULES)
    shape = tuple(log_posteriors.shape)
    if len(shape) != 3 or (mask is not None and tuple(mask.shape) != shape[:2]):
        masked = "" if mask is None else f" with a mask of shape {tuple(mask.shape)}"
        raise DataError(
            f"log posteriors have shape {shape}{masked}",
            remedy="give log posteriors (songs, members, classes) and a mask (songs, members)",
        )
    return RULES[rule](log_posteriors, mask)


def aggregate_logits(logits: Sequence[np.ndarray], *, rule: str, mask: np.ndarray | None = None) -> np.ndarray:
    """Applies a rule to the stored logits of members, so that a rule can be changed without a new prediction.

    Args:
        logits: One array ``(songs, classes)`` for each member.
        rule: A name in `RULES`.
        mask: ``(songs, members)`` bool, True for members that count; None if all do.

    Returns:
        Log posteriors ``(songs, classes)`` float32.

    Raises:
        UnknownNameError: There is no such rule.
        DataError: There is no member, or the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> experts = [np.array([[2.0, 0.0]]), np.array([[0.0, 1.0]])]
        >>> aggregate_logits(experts, rule="product").argmax(axis=1).tolist()
        [0]
    """
    shapes = [np.shape(member) for member in logits]
    if not shapes or len(set(shapes)) > 1 or len(shapes[0]) != 2:
        raise DataError(
            f"members have logits of shapes {shapes}",
            remedy="give at least one array (songs, classes), all of one shape",
        )
    stacked = np.stack([np.asarray(member, np.float32) for member in logits], axis=1)  # (songs, members, classes)
    posteriors = aggregate(ops.log_softmax(stacked, axis=-1), rule=rule, mask=mask)
    return np.asarray(ops.convert_to_numpy(posteriors))


@keras.saving.register_keras_serializable("genrezoo")
class Aggregate(keras.layers.Layer):
    """A rule as a layer: the logits of the members in, one prediction out.

    Args:
        rule: A name in `RULES`.

    Call arguments:
        inputs: A list of logits, each ``(batch, classes)``.
        real: ``(batch, members)``, True for members that count; None if all do.

    Returns:
        Normalised log posteriors ``(batch, classes)``, which are logits too.

    Raises:
        UnknownNameError: There is no such rule.

    Example:
        >>> import numpy as np
        >>> experts = [np.array([[2.0, 0.0]], "float32"), np.array([[0.0, 1.0]], "float32")]
        >>> np.exp(np.asarray(Aggregate("product")(experts), "float64")).round(3).tolist()
        [[0.731, 0.269]]
    """

    def __init__(self, rule: str = "product", **options: Any):
        super().__init__(**options)
        if rule not in RULES:
            raise UnknownNameError("rule", rule, RULES)
        self.rule = rule

    def call(self, inputs: list[Any], real: Any = None) -> Any:
        """The rule, applied to the normalised logits."""
        stacked = ops.stack(inputs, axis=1)  # (batch, members, classes)
        return aggregate(ops.log_softmax(stacked, axis=-1), rule=self.rule, mask=real)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """The shape of one member's logits."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "rule": self.rule}


@keras.saving.register_keras_serializable("genrezoo")
class HeardOnly(keras.layers.Layer):
    """Lets each member speak of those songs alone of which it heard something.

    Of the others it says zeros, which are equal posteriors whatever its biases, and they do not train it: no gradient
    passes.

    Call arguments:
        inputs: A list of logits, each ``(batch, classes)``.
        real: ``(batch, members)``, True for members that heard something; None if all did.

    Returns:
        A list of logits of the same shapes.

    Example:
        >>> import numpy as np
        >>> heard = np.array([[True], [False]])
        >>> np.asarray(HeardOnly()([np.ones((2, 2), "float32")], real=heard)[0]).tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """

    def __init__(self, **options: Any):
        super().__init__(**options)

    def call(self, inputs: list[Any], real: Any = None) -> list[Any]:
        """The logits, or zeros."""
        if real is None:
            return inputs
        return [
            ops.where(real[:, member : member + 1], logits, ops.zeros_like(logits))
            for member, logits in enumerate(inputs)
        ]

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> list[tuple[int | None, ...]]:
        """The shapes of the members' logits."""
        return input_shape
