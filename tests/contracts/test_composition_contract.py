"""Every composition of the registry keeps the contract of compositions, and no check passes everything."""

from __future__ import annotations

import contextlib

import keras
import pytest
from composition_contract import CompositionCase, composition_checks
from model_contract import reload_together

from genrezoo.registry import COMPOSITIONS

TWO = {"one": "pooled", "other": "recurrent"}
SMALL = {"units": (6,), "activation": "tanh"}
CASES = {
    "cascade": CompositionCase("cascade", {"student": "pooled", "teacher": "recurrent"}, {"threshold": 0.1}),
    "combiner": CompositionCase("combiner", TWO, own=True),
    "combiner_of_all_weights": CompositionCase(
        "combiner",
        TWO,
        {"hidden_units": 4, "activation": "tanh", "freeze": False, "diversity": 1.0, "member_weight": 0.5},
        own=True,
        trains=("one", "other"),
    ),
    "combiner_of_one_trained": CompositionCase("combiner", TWO, {"freeze": ["other"]}, own=True, trains=("one",)),
    "correcting": CompositionCase(
        "correcting", {"original": "pooled"}, {"units": (6,), "activation": "tanh"}, own=True
    ),
    "correcting_twice": CompositionCase(
        "correcting", {"original": "corrected"}, {**SMALL, "see_hidden": True}, own=True
    ),
    "correcting_unfrozen": CompositionCase(
        "correcting",
        {"original": "pooled"},
        {**SMALL, "see_hidden": True, "freeze": False},
        own=True,
        trains=("original",),
    ),
    "ensemble": CompositionCase("ensemble", TWO),
    "ensemble_weighted": CompositionCase("ensemble", TWO, {"rule": "product", "weights": {"one": 1, "other": 3.0}}),
}
CHECKS = dict(composition_checks())
LONG = ("training", "export")
"""Checks that take seconds."""

BROKEN = [
    ("builds", "compiled", "leaves compiling"),
    ("builds", "input", "inputs are"),
    ("output", "classes", "shape"),
    ("heads", "heads", "not a head"),
    ("seed", "seed", "other weights"),
    ("batch_mates", "batch_mates", "batch mates"),
    ("trainable", "frozen", r"wrongly \(un\)trainable"),
    ("gradients", "gradient", "is zero"),
    ("training", "gradient", "did not change"),
    ("training", "frozen", "was frozen, and changed"),
    ("training", "copy", "given member 'one' changed"),
    ("inference", "inference", "differs in training"),
    ("losses", "losses", "of frozen members"),
    ("layer_arguments", "configuration", "lacks"),
    ("padding", "padding", "measured False"),
    ("lengths", "lengths", "measured True"),
    ("wrong_rank", "rank", "are taken"),
    ("onnx", "onnx", "ONNX differs"),
    ("refusals", "checks", "are taken"),
    ("documented", "documents", "documented"),
]


def broken(name, **changes):
    return CompositionCase(f"broken_{name}", TWO, **{"own": True, **changes})


GOOD = broken("nothing")


@pytest.fixture(scope="session")
def reloaded():
    """One fresh process for all, with a broken one among them."""
    bad = broken("state")
    reload_together([case.as_model for case in (*CASES.values(), bad)])
    return bad


def pairs():
    """Each case with each check: of a composition's further cases all are slow, and trainings and exports but one."""
    for case in CASES:
        for check in CHECKS:
            slow = case not in COMPOSITIONS.names() or (check in LONG and case != "combiner")
            if check != "reload":
                yield pytest.param(case, check, id=f"{case}-{check}", marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("case", "check"), list(pairs()))
def test_composition(case, check):
    CHECKS[check](CASES[case])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_reload_in_a_fresh_process(case, reloaded):
    CHECKS["reload"](CASES[case])


@pytest.mark.slow
def test_reload_catches_state_outside_the_weights(reloaded):
    with pytest.raises(AssertionError, match="logits differs, built anew"):
        CHECKS["reload"](reloaded)


@pytest.mark.parametrize(
    ("check", "name", "reason"),
    [
        pytest.param(*each, id=f"{each[0]}_{each[1]}", marks=[pytest.mark.slow] if each[0] in LONG else [])
        for each in BROKEN
    ],
)
def test_broken_composition_is_caught(check, name, reason):
    trains = ("one", "other") if (check, name) == ("training", "copy") else ()
    with pytest.raises(AssertionError, match=reason):
        CHECKS[check](broken(name, trains=trains))


@pytest.mark.slow
def test_export_catches_what_differs_in_a_graph():
    caught = pytest.raises(AssertionError, match="logits differs, exported")
    with caught if keras.backend.backend() == "tensorflow" else contextlib.nullcontext():  # the format is its own
        CHECKS["export"](broken("export"))


@pytest.mark.parametrize("check", [name for name in CHECKS if name not in ("reload", *LONG)])
def test_good_composition_passes(check):
    CHECKS[check](GOOD)


def test_no_check_is_without_a_broken_composition():
    assert {check for check, _, _ in BROKEN} | {"reload", "export"} == set(CHECKS)


@pytest.mark.parametrize("name", COMPOSITIONS.names())
def test_a_composition_has_a_case(name):
    assert name in {case.composition for case in CASES.values()}, (
        f"{name} is not tested: add a CompositionCase, named after it, with kinds of members, to CASES in {__file__}"
    )
