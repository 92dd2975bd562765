from __future__ import annotations

import numpy as np
import pytest
from toys import make_songs

from genrezoo.errors import SettingsError
from genrezoo.exporting.formats import onnx_answers
from genrezoo.exporting.trace import to_onnx
from genrezoo.models import create_model
from genrezoo.training.supervised import SupervisedSettings, supervised

SMALL = {"units": (4,), "members": 3, "dropout": 0.0}


def test_a_table_is_read_as_it_is_and_songs_by_their_statistics():
    table = create_model("tabular_ensemble", (1, 5), 3, **SMALL)
    assert table.get_layer("hidden_1").kernel.shape == (5, 4)
    songs = create_model("tabular_ensemble", (7, 5), 3, statistics=("mean", "max"), **SMALL)
    assert songs.get_layer("hidden_1").kernel.shape == (10, 4)


def test_the_prediction_is_the_mean_of_the_posteriors():
    model = create_model("tabular_ensemble", (1, 5), 3, seed=1, **SMALL)
    outputs = model(np.random.default_rng(0).standard_normal((6, 1, 5)).astype("float32"))
    posteriors = np.exp(np.asarray(outputs["members"]))
    posteriors /= posteriors.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(np.exp(np.asarray(outputs["logits"])), posteriors.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("embedding", [None, "piecewise_linear", "periodic"])
def test_onnx_of_a_table(embedding):
    model = create_model("tabular_ensemble", (1, 5), 3, seed=1, embedding=embedding, **SMALL)
    table = np.random.default_rng(0).standard_normal((6, 1, 5)).astype("float32")
    np.testing.assert_allclose(onnx_answers(to_onnx(model))(table), np.asarray(model(table)["logits"]), atol=1e-5)


def test_every_member_is_trained_by_its_own_error():
    """Each is better than chance by itself, and they do not answer alike."""
    songs = make_songs(90)
    model = create_model("tabular_ensemble", songs.x.shape[1:], 3, seed=1, statistics=("mean",), **SMALL)
    supervised(model, songs, SupervisedSettings(epochs=6, batch_size=9, learning_rate=0.05), seed=1)
    part = songs.split("valid")
    members = np.asarray(model(part.x)["members"])
    assert (members.argmax(axis=-1) == part.y[:, None]).mean(axis=0).min() > 0.5
    assert np.abs(members - members[:, :1]).max() > 0.1


def test_options_out_of_range_are_refused():
    for options, reason in (
        ({"embedding": "fourier"}, "embedding must be one of None, 'piecewise_linear', 'periodic', got 'fourier'"),
        ({"members": 0}, "members must be a whole number from 1"),
        ({"units": ()}, "units must be a list of whole numbers"),
        ({"embedding": "periodic", "embedding_size": 0}, "embedding_size must be a whole number from 1"),
    ):
        with pytest.raises(SettingsError, match=reason):
            create_model("tabular_ensemble", (1, 5), 3, **options)
