"""Search spaces as data: what KerasTuner is asked, and what comes back."""

from __future__ import annotations

import keras_tuner
import pytest

from genrezoo.spaces import Boolean, Choice, Float, Int, ask, describe, holds, smallest

SPACE = {
    "units": Choice(((8,), (8, 8))),
    "readout": Boolean(),
    "rule": Choice(("mean", "weighted")),
    "l2": Float(1e-4, 1e-2, sampling="log", when={"rule": ("weighted",), "readout": (True,)}),
    "steps": Int(2, 10, step=2, when={"l2": (1e-3,)}),
    "size": Int(1, 9, when={"mode": ("free",)}),
}


def test_a_search_begins_at_the_own_values_and_a_choice_has_the_own_one_too():
    hp = keras_tuner.HyperParameters()
    own = {"units": [3, 2], "readout": True, "rule": "weighted", "l2": 2e-4, "steps": 4, "size": 5, "mode": "fixed"}
    assert ask(SPACE, hp, own) == {"units": [3, 2], "readout": True, "rule": "weighted", "l2": 2e-4}
    assert hp.values["units"] == "[3, 2]"
    assert {one.name for one in hp.space} == {"units", "readout", "rule", "l2", "steps"}  # the size is never searched


def test_values_of_a_point_are_plain_and_those_that_do_not_count_are_left_out():
    hp = keras_tuner.HyperParameters()
    hp.values = {"units": "[8, 8]", "readout": False, "rule": "weighted"}
    assert ask(SPACE, hp, {"mode": "free", "size": 3}) == {
        "units": (8, 8),
        "readout": False,
        "rule": "weighted",
        "size": 3,
    }


def test_an_own_value_outside_begins_at_the_middle():
    hp = keras_tuner.HyperParameters()
    found = ask({"l2": Float(1e-4, 1e-2, sampling="log"), "units": Int(10, 30)}, hp, {"l2": None, "units": 99})
    assert found == {"l2": pytest.approx(1e-3), "units": 20}


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Int(2, 4), [2, 3, 4], [1, 5, None, True, "3"]),
        (Float(0.0, 0.5), [0, 0.5], [-0.1, 0.6, None]),
        (Choice((None, 10)), [None, 10], [0, "10"]),
        (Choice(((8, 8),)), [(8, 8), [8, 8]], [(8,), 8]),
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
