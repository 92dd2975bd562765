"""Fixtures of all tests."""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from here_executor import HereExecutor
from hypothesis import settings

# Processes that compile the same functions at once can spoil Numba's cache, and whoever reads it crashes.
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"genrezoo-numba-{os.getuid()}-{WORKER}"))

# The same examples in every run: a red run must come from the change that it tests.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


LONGEST = ("test_on_jax.py", "test_notebooks.py", "test_search_kills.py", "test_on_a_cluster.py")


def pytest_collection_modifyitems(items):
    """The longest tests begin first: in the end, no process waits long for another."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish():
    """What was imported and collected stays to the end: full collections, which libraries ask for, pass over it."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def feature_cache(tmp_path_factory):
    """Features that a test computes are kept for the other tests of this process, and away from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENREZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def one_thread():
    """Baselines have one thread, as in a benchmark: threads beyond the cores spend most of the time in waiting."""
    from threadpoolctl import threadpool_limits  # here, because few tests need it

    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def eagerly():
    """Models run without being compiled, which takes as long as five steps: where training is not what is tested."""
    import keras  # here, because few tests need it

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "run_eagerly", property(lambda self: True, lambda self, value: None))
        yield


@pytest.fixture
def no_children(monkeypatch):
    """What child processes would do is done in this one: for tests of what becomes of it, not of the processes."""
    monkeypatch.setattr("genrezoo.parallel.ProcessExecutor", HereExecutor)


@pytest.fixture
def songs():
    from toys import make_songs  # here, because the process that hands tests out needs no Keras

    return make_songs()


@pytest.fixture
def model():
    from toys import make_model  # as above

    return make_model()


@pytest.fixture(scope="session")
def browser():
    """A Chromium of the system, with a microphone that beeps."""
    from playwright.sync_api import sync_playwright  # here, because quick tests need no browser

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(names)} is on the PATH")
    options = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as browsers:
        chromium = browsers.chromium.launch(
            executable_path=found, args=[*options, "--autoplay-policy=no-user-gesture-required"]
        )
        yield chromium
        chromium.close()
