"""Small runs that several tests export."""

from __future__ import annotations

import pytest
from toys import make_songs

import genrezoo as gz


@pytest.fixture(scope="package")
def songs():
    return make_songs(n_segments=12)


@pytest.fixture(scope="package")
def run(songs, tmp_path_factory):
    """A recurrent network, which masks padding and reads any length."""
    recipe = gz.get_recipe("lstm").changed({"epochs": 1, "units": 4})
    return gz.train(recipe, songs, seed=1, out=tmp_path_factory.mktemp("runs") / "lstm")


@pytest.fixture(scope="package")
def perceptron(songs, tmp_path_factory):
    recipe = gz.get_recipe("fully_connected").changed({"epochs": 1})
    return gz.train(recipe, songs, seed=1, out=tmp_path_factory.mktemp("runs") / "perceptron")
