"""Every model of the registry keeps the contract of models."""

from __future__ import annotations

import doctest
import functools
import sys

import broken_models
import pytest
from model_contract import Case, model_checks, reload_together
from settings import Row, row_of

from genrezoo.registry import MODELS, Entry

CHECKS = dict(model_checks())


@functools.cache
def case_of(name):
    return Case(MODELS.get(name), row_of(name))


def own_case(build):
    return Case(Entry(name="member", call=build, summary="a mean", reference="none but itself"), Row({"units": 6}))


@pytest.fixture(scope="session")
def reloaded():
    """One fresh process for all models instead of one for each, with a good and a broken one among them."""
    good, bad = map(own_case, (broken_models.build_good, broken_models.build_with_state_outside_its_weights))
    reload_together([*map(case_of, MODELS.names()), good, bad])
    return good, bad


def cases():
    """Each model with each check; all of deep networks on images, and most whole trainings, are slow."""
    for model in MODELS.names():
        for check in CHECKS:
            slow = model in ("resnet50", "efficientnet_lite0") or (check == "learns" and model != "fully_connected")
            if check not in ("reload", "example"):
                yield pytest.param(model, check, id=f"{model}-{check}", marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("model", "check"), list(cases()))
def test_model(model, check):
    CHECKS[check](case_of(model))


@pytest.mark.parametrize("model", MODELS.names())
def test_the_example_is_a_doctest_of_its_module(model):
    """That it runs is checked there."""
    call = MODELS.get(model).call
    found = doctest.DocTestFinder().find(sys.modules[call.__module__])
    assert [test.examples != [] for test in found if test.name.endswith(f".{call.__name__}")] == [True]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS.names())
def test_reload_in_a_fresh_process(model, reloaded):
    CHECKS["reload"](case_of(model))


@pytest.mark.slow
def test_reload_catches_state_outside_the_weights(reloaded):
    good, bad = reloaded
    CHECKS["reload"](good)
    with pytest.raises(AssertionError, match="logits differs, built anew"):
        CHECKS["reload"](bad)
