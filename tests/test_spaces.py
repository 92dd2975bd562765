"""Search spaces as data: which values a domain has, and what is no domain."""

from __future__ import annotations

import pytest

from genrezoo.spaces import Boolean, Choice, Float, Int, describe, holds, nearest, smallest, values_of

SPACE = {
    "units": Choice(((8,), (8, 8))),
    "readout": Boolean(),
    "rule": Choice(("mean", "weighted")),
    "l2": Float(1e-4, 1e-2, sampling="log", when={"rule": ("weighted",), "readout": (True,)}),
    "steps": Int(2, 10, step=2, when={"l2": (1e-3,)}),
    "size": Int(1, 9, when={"mode": ("free",)}),
}


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Int(2, 4), [2, 3, 4], [1, 5, None, True, "3"]),
        (Float(0.0, 0.5), [0, 0.5], [-0.1, 0.6, None]),
        (Choice((None, 10)), [None, 10], [0, "10"]),
        (Choice(((8, 8),)), [(8, 8), [8, 8]], [(8,), 8]),
        (Int(1, 9, step=2), [1, 9], [2, 3.0]),
        (Float(1e-3, 1.0, step=10, sampling="log"), [1e-3, 0.1], [0.2]),
        (Boolean(), [True, False], [None, 0, 1]),
    ],
    ids=str,
)
def test_what_a_domain_holds(domain, inside, outside):
    assert all(holds(domain, value) for value in inside)
    assert not any(holds(domain, value) for value in outside)


def test_smallest_and_descriptions():
    assert smallest(SPACE) == {"units": (8,), "readout": False, "rule": "mean"}
    assert describe(SPACE["steps"]) == "2 to 10 in steps of 2; where l2 is 0.001"
    assert describe(SPACE["units"]) == "[8], [8, 8]"


def test_steps_reach_the_end_of_a_range():
    assert values_of(Float(0.0, 0.3, step=0.1)) == (0.0, 0.1, 0.2, 0.3)
    assert values_of(Float(1e-4, 0.1, step=10, sampling="log")) == (1e-4, 1e-3, 1e-2, 1e-1)
    assert values_of(Int(3, 9, step=4)) == (3, 7)
    assert values_of(Float(0.0, 1.0)) is None
    assert (nearest(Float(0.0, 0.3, step=0.1), 0.26), nearest(Int(3, 9, step=4), 99)) == (0.3, 7)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"min": 3, "max": 3}, "min must be below max, got 3 and 3"),
        ({"min": 0, "max": 1, "sampling": "log"}, "needs a min above 0, got 0"),
        ({"min": 0, "max": 1, "step": 0}, "step must be above 0, got 0"),
        ({"min": 0.1, "max": 1, "step": 1, "sampling": "log"}, "step must be above 1 with sampling 'log'"),
        ({"min": 0.1, "max": 1, "sampling": "cubic"}, "sampling must be 'linear' or 'log', got 'cubic'"),
        ({"min": 0, "max": 0.5, "step": 1e-6}, "step 1e-06 makes 500001 values"),
        ({"min": 0, "max": 0.5, "step": 2}, "step 2 makes 1 values"),
    ],
)
def test_what_is_no_range_is_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        Float(**arguments)
