"""One thread a test, as cells have: of more threads than there are cores, most of the time is spent in waiting."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):
        yield
