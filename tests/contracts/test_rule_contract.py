"""Every rule keeps the contract of rules, and gives what was computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from rule_contract import rule_checks

from genrezoo.rules import RULES

CHECKS = dict(rule_checks())

# Three members say (0.8, 0.2), (0.4, 0.6), (0.4, 0.6).
# The mean is (1.6, 1.4) / 3. The product is (0.128, 0.072), which sums to 0.2.
HAND = {"mean": (1.6 / 3, 1.4 / 3), "product": (0.64, 0.36)}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("rule", RULES)
def test_rule(rule, check):
    CHECKS[check](RULES[rule])


@pytest.mark.parametrize("rule", RULES)
def test_value_computed_by_hand(rule):
    members = np.log(np.array([[[0.8, 0.2], [0.4, 0.6], [0.4, 0.6]]], "float32"))
    assert rule in HAND, f"add what the rule {rule!r} gives for the three members above to HAND in {__file__}"
    np.testing.assert_allclose(np.exp(np.asarray(RULES[rule](members)))[0], HAND[rule], atol=1e-6)
