"""The page, served by the command in a process of its own."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from tones import RATE, tone

import genrezoo as gz
from genrezoo.audio.settings import feature_settings
from genrezoo.songs import SongSet

SETTINGS = feature_settings("mfcc_statistics", rate=RATE)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Two runs that tell high tones from low ones, second by second."""
    folder = tmp_path_factory.mktemp("runs")
    x = np.stack([SETTINGS.extract([tone(song % 2, 3, song).astype(np.float32)]).x for song in range(24)])
    about = {"features": SETTINGS.model_dump(mode="json"), "feature_names": list(SETTINGS.names)}
    splits = {"train": np.arange(12), "valid": np.arange(12, 18), "test": np.arange(18, 24)}
    songs = SongSet(
        x=x, y=np.arange(24) % 2, genres=("high", "low"), splits=splits, provenance="random", about=about
    )  # fmt: skip
    recipe = gz.get_recipe("fully_connected").changed(
        {"units": [8], "epochs": 15, "learning_rate": 0.03, "chunks": {"segments": 1, "hop": 1}}
    )
    for number, name in enumerate(("first", "second")):
        gz.train(recipe, songs, seed=number, out=folder / name)
    return [folder / "first", folder / "second"]


@pytest.fixture(scope="module")
def served(runs, tmp_path_factory):
    """Address of the page, and the folder of everything temporary that its process makes; both end with the tests."""
    place = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "genrezoo", "demo", *map(str, runs), "--max-mb", "1", "--max-seconds", "20"]
    environment = {**os.environ, "TMPDIR": str(place), "GRADIO_SHARE": "True"}
    with (place / "errors.txt").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    line = process.stdout.readline()  # the models are loaded first
    assert line.startswith("http://127.0.0.1:"), (place / "errors.txt").read_text()
    yield line.split()[0], place
    process.send_signal(signal.SIGINT)
    process.stdout.close()
    assert process.wait(60) == 0, (place / "errors.txt").read_text()
    assert [path.name for path in place.iterdir()] == ["errors.txt"]
    assert "Traceback" not in (place / "errors.txt").read_text()


@pytest.fixture
def page(browser, served):
    """The page, open and empty; it has asked nobody else for anything when a test ends."""
    context = browser.new_context(permissions=["microphone"])
    opened, foreign = context.new_page(), []
    opened.on(
        "request",
        lambda one: foreign.append(one.url) if not one.url.startswith(("data:", "blob:", served[0])) else None,
    )
    opened.goto(served[0])
    opened.wait_for_selector("#gz-answer .gz-empty")
    yield opened
    context.close()
    assert foreign == []
