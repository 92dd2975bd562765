from __future__ import annotations

import numpy as np
import pytest

from genrezoo.models import create_model


def test_statistics_of_normalisation_leave_padding_out():
    """Songs with and without padding move the averages alike, whatever number of padded segments a batch has."""
    songs = np.random.default_rng(0).standard_normal((3, 6, 4)).astype("float32")
    padded = np.concatenate([songs, np.full((3, 5, 4), np.nan, "float32")], axis=1)
    options = {"filters": 2, "modules": 3, "kernel_sizes": (3,), "input_dropout": 0, "dropout": 0}
    found = []
    for batch in (songs, padded):
        model = create_model("inception_time", (None, 4), 3, seed=1, **options)
        model(batch, training=True)
        found.append({weight.path: np.asarray(weight) for weight in model.weights if "moving" in weight.path})
    for path, statistic in found[0].items():
        np.testing.assert_allclose(found[1][path], statistic, atol=1e-5, err_msg=path)
    assert len(found[0]) == 8  # of three modules and a short cut


def test_short_cuts_go_round_three_modules_each():
    names = {
        layer.name
        for layer in create_model("inception_time", (None, 4), 3, filters=2, modules=7, kernel_sizes=(3,)).layers
    }
    assert {name for name in names if name.endswith("_shortcut")} == {"module_3_shortcut", "module_6_shortcut"}


@pytest.mark.parametrize("features", [1, 40])
def test_module_has_as_many_features_as_its_branches_have(features):
    model = create_model("inception_time", (None, features), 3, filters=5, modules=1, kernel_sizes=(3, 5))
    assert model.get_layer("module_1_activation").output.shape == (None, None, 15)
