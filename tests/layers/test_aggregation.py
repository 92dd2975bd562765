"""Rules by name, on stored predictions and as a layer. What every rule must do is in the contract of rules."""

from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import DataError, UnknownNameError
from genrezoo.layers import Aggregate, RealMembers
from genrezoo.rules import aggregate, aggregate_logits

# Logits of two members for two songs; posteriors (0.9, 0.1) and (0.2, 0.8) for the first, all even for the second.
EXPERTS = [np.log([[9.0, 1.0], [1.0, 1.0]]), np.log([[1.0, 4.0], [3.0, 3.0]])]


def test_stored_logits_by_hand():
    mean = np.exp(aggregate_logits(EXPERTS, rule="mean"))
    np.testing.assert_allclose(mean, [[0.55, 0.45], [0.5, 0.5]], atol=1e-6)
    product = np.exp(aggregate_logits(EXPERTS, rule="product"))  # 0.18 against 0.08
    np.testing.assert_allclose(product, [[18 / 26, 8 / 26], [0.5, 0.5]], atol=1e-6)
    assert product.dtype == np.float32


def test_members_left_out():
    mask = np.array([[False, True], [True, True]])
    found = np.exp(aggregate_logits(EXPERTS, rule="mean", mask=mask))
    np.testing.assert_allclose(found, [[0.2, 0.8], [0.5, 0.5]], atol=1e-6)


def test_rules_differ_where_one_member_is_certain():
    """One member is sure of the first genre, three lean to the second: the product heeds the sure one more."""
    members = np.log([[[0.99, 0.01], [0.4, 0.6], [0.4, 0.6], [0.4, 0.6]]]).astype("float32")
    mean, product = (np.exp(np.asarray(aggregate(members, rule=rule)))[0, 0] for rule in ("mean", "product"))
    assert mean == pytest.approx((0.99 + 1.2) / 4)
    assert product == pytest.approx(0.99 * 0.4**3 / (0.99 * 0.4**3 + 0.01 * 0.6**3))
    assert product > 0.96 > mean


def test_layer_equals_the_function():
    logits = [np.asarray(expert, "float32") for expert in EXPERTS]
    mask = np.array([[False, True], [True, True]])  # of the song whose members disagree one is left out
    for rule in ("mean", "product"):
        found = np.asarray(Aggregate(rule)(logits, real=mask))
        np.testing.assert_allclose(found, aggregate_logits(EXPERTS, rule=rule, mask=mask), atol=1e-6)


def test_extreme_logits_stay_finite():
    experts = [np.array([[1e4, 0.0, -1e4]]), np.array([[-1e4, 0.0, 1e4]])]
    for rule in ("mean", "product"):
        assert np.isfinite(aggregate_logits(experts, rule=rule)).all()


def test_unknown_rule_is_refused():
    with pytest.raises(UnknownNameError, match="unknown rule 'products'. Did you mean 'product'"):
        aggregate_logits(EXPERTS, rule="products")
    with pytest.raises(UnknownNameError, match="unknown rule 'median'"):
        Aggregate("median")


@pytest.mark.parametrize(
    ("logits", "reason"),
    [
        ([], r"members have logits of shapes \[\]"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"\[\(2, 3\), \(2, 4\)\]"),
        ([np.zeros(3)], r"\[\(3,\)\]"),
    ],
    ids=["none", "unlike", "one axis"],
)
def test_members_that_do_not_fit_are_refused(logits, reason):
    with pytest.raises(DataError, match=reason):
        aggregate_logits(logits, rule="mean")


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"log posteriors have shape \(2, 3\)"):
        aggregate(np.zeros((2, 3)), rule="mean")
    with pytest.raises(DataError, match=r"shape \(2, 3, 4\) with a mask of shape \(2, 4\)"):
        aggregate(np.zeros((2, 3, 4)), rule="mean", mask=np.ones((2, 4), bool))


def test_members_that_heard_nothing_say_nothing():
    logits = [np.asarray(expert, "float32") for expert in EXPERTS]
    first, second = RealMembers()(logits, real=np.array([[True, False], [False, True]]))
    np.testing.assert_array_equal(np.asarray(first), [logits[0][0], [0, 0]])
    np.testing.assert_array_equal(np.asarray(second), [[0, 0], logits[1][1]])
    for kept, given in zip(RealMembers()(logits), logits, strict=True):
        np.testing.assert_array_equal(np.asarray(kept), given)
