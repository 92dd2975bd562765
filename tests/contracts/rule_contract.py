"""What every rule of aggregation must do, as named checks that anyone can run on a rule of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Rule = Callable[..., Any]


def rule_checks() -> Iterator[tuple[str, Callable[[Rule], None]]]:
    """The checks, by name. The hand-computed value of a rule is a test of its own."""
    yield "simplex", check_simplex
    yield "order", check_order
    yield "identity", check_identity
    yield "agreement", check_agreement
    yield "mask", check_mask
    yield "nobody", check_nobody
    yield "inputs", check_inputs


def check_simplex(rule: Rule) -> None:
    """Posteriors come out: one row for each song, summing to 1, also where members are certain."""
    found = _posteriors(rule, _members() * 40)
    assert found.shape == (5, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def check_order(rule: Rule) -> None:
    """It does not matter in which order members vote."""
    members = _members()
    np.testing.assert_allclose(_posteriors(rule, members), _posteriors(rule, members[:, ::-1]), atol=1e-6)


def check_identity(rule: Rule) -> None:
    """A single member's posteriors are the result."""
    members = _members()[:, :1]
    np.testing.assert_allclose(_posteriors(rule, members), np.exp(members[:, 0]), atol=1e-6)


def check_agreement(rule: Rule) -> None:
    """What all members hold for the likeliest genre is the likeliest genre."""
    members = _members()
    members = np.take_along_axis(
        members, members.argsort(axis=2), axis=2
    )  # ascending: the last genre is every member's
    assert (_posteriors(rule, members).argmax(axis=1) == 3).all()


def check_mask(rule: Rule) -> None:
    """A member left out has no influence, whatever it says."""
    members, mask = _members(), np.array([[True, False, True]] * 5)
    members[:, 1] = np.log([0.97, 0.01, 0.01, 0.01])
    found = _posteriors(rule, members, mask)
    np.testing.assert_allclose(found, _posteriors(rule, members[:, [0, 2]]), atol=1e-6)


def check_nobody(rule: Rule) -> None:
    """Where no member counts, all genres are equally likely."""
    np.testing.assert_allclose(_posteriors(rule, _members(), np.zeros((5, 3), bool)), 0.25, atol=1e-6)


def check_inputs(rule: Rule) -> None:
    """The inputs stay as they are."""
    members, mask = _members(), np.array([[True, False, True]] * 5)
    before = members.copy(), mask.copy()
    rule(members, mask)
    np.testing.assert_array_equal(members, before[0])
    np.testing.assert_array_equal(mask, before[1])


def _members() -> np.ndarray:
    """Normalised log posteriors of 3 members for 5 songs and 4 genres."""
    logits = np.random.default_rng(4).standard_normal((5, 3, 4))
    return (logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))).astype("float32")


def _posteriors(rule: Rule, members: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    found = rule(members, mask)
    return np.exp(np.asarray(found.detach() if hasattr(found, "detach") else found))
