"""Every model of the registry keeps the contract of models."""

from __future__ import annotations

import functools

import pytest
from model_contract import Case, model_checks, reload_together
from settings import ROWS

from genrezoo.registry import MODELS

CHECKS = dict(model_checks())


@functools.cache
def case_of(name):
    return Case(MODELS.get(name), ROWS[name])


@pytest.fixture(scope="session")
def reloaded():
    """One fresh process for all models instead of one for each."""
    return reload_together([case_of(name) for name in ROWS])


@pytest.mark.parametrize("check", [name for name in CHECKS if name != "reload"])
@pytest.mark.parametrize("model", MODELS.names())
def test_model(model, check):
    CHECKS[check](case_of(model))


@pytest.mark.parametrize("model", MODELS.names())
def test_reload_in_a_fresh_process(model, reloaded):
    CHECKS["reload"](case_of(model))


def test_every_model_has_smallest_settings():
    assert sorted(ROWS) == sorted(MODELS.names())
