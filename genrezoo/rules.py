"""Aggregation rules: functions that combine the log posteriors of several members into one prediction.

A rule takes log posteriors ``(songs, members, classes)``; if some members read only padding, a mask ``(songs,
members)`` that is True for those that count; and, for a weighted combination, weights ``(members,)`` that sum to 1. It
returns normalised log posteriors ``(songs, classes)``. A song for which no member counts gets equal posteriors. To add
a rule, write the function and add it to `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from genrezoo.errors import DataError, SettingsError, check_known
from genrezoo.lazy import keras


class _NumPy:
    """NumPy with the operations of `keras.ops` that the rules need and NumPy lacks."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def logsumexp(x: np.ndarray, axis: int) -> np.ndarray:
        top = x.max(axis=axis, keepdims=True)
        total: np.ndarray = np.log(np.exp(x - top).sum(axis=axis)) + top.squeeze(axis)
        return total

    @staticmethod
    def log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
        shifted: np.ndarray = x - x.max(axis=axis, keepdims=True)
        shifted -= np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
        return shifted


_NUMPY = _NumPy()


def _ops(x: Any) -> Any:
    """Returns the module for the computation: NumPy for arrays, so that stored predictions do not need Keras."""
    return _NUMPY if isinstance(x, np.ndarray) else keras.ops


LEFT_OUT = -1e9  # log posterior of a member left out: nothing beside any real one, and still finite


def mean_rule(log_posteriors: Any, mask: Any = None, weights: np.ndarray | None = None) -> Any:
    """The mean of the posteriors: one confident member cannot veto the others.

    Args:
        log_posteriors: ``(songs, members, classes)``, each member's posteriors summing to 1.
        mask: ``(songs, members)``, True for members that count; None if all do.
        weights: ``(members,)``, at least 0, with sum 1; None for equal weights.

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
    ops = _ops(log_posteriors)
    if weights is not None:
        logs = np.log(weights, out=np.full(len(weights), LEFT_OUT), where=weights > 0)
        log_posteriors = log_posteriors + logs.astype(np.float32)[None, :, None]
    if mask is not None:
        kept = ops.expand_dims(mask, -1)
        log_posteriors = ops.where(kept, log_posteriors, ops.full_like(log_posteriors, LEFT_OUT))
    # Normalising over the classes divides by the number of members, which need not be counted.
    return ops.log_softmax(ops.logsumexp(log_posteriors, axis=1), axis=-1)


def product_rule(log_posteriors: Any, mask: Any = None, weights: np.ndarray | None = None) -> Any:
    """The normalised product of the posteriors: treats the members as independent evidence.

    With weights, each member's posteriors are raised to the power of its weight: their geometric mean, which is less
    confident than the product without weights, even with equal weights.

    Args:
        log_posteriors: ``(songs, members, classes)``, finite.
        mask: ``(songs, members)``, True for members that count; None if all do.
        weights: As `mean_rule`'s.

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
    ops = _ops(log_posteriors)
    if weights is not None:
        log_posteriors = log_posteriors * weights.astype(np.float32)[None, :, None]
    if mask is not None:
        log_posteriors = ops.where(ops.expand_dims(mask, -1), log_posteriors, ops.zeros_like(log_posteriors))
    return ops.log_softmax(ops.sum(log_posteriors, axis=1), axis=-1)


RULES: dict[str, Callable[..., Any]] = {"mean": mean_rule, "product": product_rule}
"""The rules by name."""


def normalised_weights(weights: Sequence[float]) -> np.ndarray:
    """Checks the members' weights and scales them to sum 1, ``(members,)`` float64.

    Raises:
        SettingsError: A weight is not a number, negative or not finite, or all are zero.
    """
    if not all(isinstance(one, int | float) and 0 <= one < np.inf for one in weights) or not any(weights):
        raise SettingsError(f"weights must be finite numbers of at least 0, not all of them 0, got {list(weights)}")
    found = np.asarray(weights, np.float64)
    normalised: np.ndarray = found / found.max() / (found / found.max()).sum()  # whose sum may overflow
    return normalised


def aggregate(log_posteriors: Any, *, rule: str, mask: Any = None, weights: Sequence[float] | None = None) -> Any:
    """Applies a rule by its name, to tensors of a graph or to arrays.

    Args:
        log_posteriors: ``(songs, members, classes)``.
        rule: A name in `RULES`.
        mask: ``(songs, members)``, True for members that count; None if all do.
        weights: One number of at least 0 per member, with any sum; None for equal weights.

    Returns:
        Log posteriors ``(songs, classes)``, of the same type (tensor or array) as the input.

    Raises:
        UnknownNameError: There is no such rule.
        SettingsError: A weight is negative or not finite, or all are zero.
        DataError: The shapes do not fit.

    Example:
        >>> import numpy as np
        >>> aggregate(np.log(np.full((5, 4, 10), 0.1, "float32")), rule="mean").shape == (5, 10)
        True
    """
    check_known("rule", [rule], RULES)
    shape = tuple(log_posteriors.shape)
    if len(shape) != 3 or (mask is not None and tuple(mask.shape) != shape[:2]):
        masked = "" if mask is None else f" with a mask of shape {tuple(mask.shape)}"
        raise DataError(
            f"log posteriors have shape {shape}{masked}",
            remedy="pass log posteriors (songs, members, classes) and a mask (songs, members)",
        )
    if weights is None:
        return RULES[rule](log_posteriors, mask)
    if len(weights) != shape[1]:
        raise DataError(f"{len(weights)} weights for {shape[1]} members", remedy="pass one weight per member")
    return RULES[rule](log_posteriors, mask, normalised_weights(weights))


def aggregate_logits(logits: Sequence[np.ndarray], *, rule: str, mask: np.ndarray | None = None) -> np.ndarray:
    """Applies a rule to the stored logits of members, so that the rule can be changed without predicting again.

    Args:
        logits: One array ``(songs, classes)`` per member.
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
            remedy="pass at least one array (songs, classes), all of the same shape",
        )
    stacked = np.stack([np.asarray(member, np.float32) for member in logits], axis=1)  # (songs, members, classes)
    combined: np.ndarray = aggregate(_NUMPY.log_softmax(stacked, axis=-1), rule=rule, mask=mask)
    return combined
