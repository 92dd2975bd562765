"""Fixtures of all tests."""

import pytest
from toys import make_model, make_songs


@pytest.fixture
def songs():
    return make_songs()


@pytest.fixture
def model():
    return make_model()
