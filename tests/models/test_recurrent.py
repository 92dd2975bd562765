from __future__ import annotations

import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.models import create_model


def test_lstm_penalises_input_and_recurrent_weights():
    model = create_model("lstm", (5, 3), 3, units=4)
    penalties = {weight.path: float(weight.regularizer.l2) for weight in model.weights if weight.regularizer}
    assert penalties == pytest.approx({"lstm/lstm_cell/kernel": 1e-3, "lstm/lstm_cell/recurrent_kernel": 1e-3})


def test_lstm_of_the_source_has_its_size():
    model = create_model("lstm", (120, 25), 10)
    assert model.count_params() == 4 * 100 * (25 + 100 + 1) + 100 * 10 + 10


def test_stabilised_lstm_is_penalised_by_its_states_alone():
    model = create_model("stabilised_lstm", (5, 3), 3, units=4)
    assert model.get_layer("lstm_stabiliser").beta == 100
    assert not [weight.path for weight in model.weights if weight.regularizer]
    model(np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32"))
    assert len(model.losses) == 1
    assert float(model.losses[0]) > 0


def test_beta_scales_the_penalty_and_changes_no_output():
    songs = np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32")
    found = {}
    for beta in (0, 1, 10):
        model = create_model("stabilised_lstm", (5, 3), 3, seed=4, units=4, beta=beta)
        found[beta] = np.asarray(model(songs)), float(sum(model.losses))
    assert found[0][1] == 0
    assert found[10][1] == pytest.approx(10 * found[1][1])
    np.testing.assert_allclose(found[0][0], found[10][0], atol=1e-6)


@pytest.mark.parametrize("name", ["lstm", "stabilised_lstm"])
def test_padding_inside_a_batch_is_as_if_it_were_not_there(name):
    model = create_model(name, (None, 3), 3, seed=1, units=4)
    songs = np.random.default_rng(0).standard_normal((3, 9, 3)).astype("float32")
    songs[1, 4:], songs[2, 1:] = np.nan, np.nan
    together = np.asarray(model(songs))
    alone = [np.asarray(model(songs[k : k + 1, :length]))[0] for k, length in enumerate((9, 4, 1))]
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"units": 0}, "units must be a whole number from 1, got 0"),
        ({"beta": -1.0}, "beta must be a finite number from 0, got -1.0"),
        ({"dropout": 1}, "dropout must be a number from 0 to below 1, got 1"),
        ({"recurrent_dropout": 1.5}, "recurrent_dropout must be"),
    ],
)
def test_options_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model("stabilised_lstm", (5, 3), 3, **arguments)


def test_dropout_acts_in_training_only_and_follows_the_seed():
    songs = np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32")

    def outputs(seed):
        model = create_model("lstm", (5, 3), 3, seed=seed, units=4, dropout=0.5, recurrent_dropout=0.5)
        return np.asarray(model(songs)), np.asarray(model(songs, training=True))

    (still, dropped), (still_again, dropped_again) = outputs(1), outputs(1)
    assert not np.allclose(still, dropped)
    np.testing.assert_array_equal(still, still_again)
    np.testing.assert_array_equal(dropped, dropped_again)
