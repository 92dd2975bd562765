from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.models import create_model
from genrezoo.models._sequence import read_sequence


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_gated_cells_penalise_input_and_recurrent_weights(name):
    model = create_model(name, (5, 3), 3, units=4, l2=1e-3)
    penalties = {weight.path: float(weight.regularizer.l2) for weight in model.weights if weight.regularizer}
    assert penalties == pytest.approx({f"{name}/{name}_cell/{part}": 1e-3 for part in ("kernel", "recurrent_kernel")})


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


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_stabilised_models_hold_the_layer_of_their_name(cell):
    model = create_model(f"stabilised_{cell}", (5, 3), 3, units=4, beta=2.0)
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.RNN}[cell]
    assert type(model.get_layer(cell)) is layer
    assert model.get_layer(f"{cell}_stabiliser").beta == 2


def test_rnn_of_the_source_has_its_size():
    assert create_model("rnn", (120, 25), 10).count_params() == (25 + 341 + 1) * 341 + 341 * 10 + 10
    # gamma and beta in place of the bias, and two moving averages
    assert create_model("batch_norm_rnn", (120, 25), 10).count_params() == (25 + 341 + 4) * 341 + 341 * 10 + 10


@pytest.mark.parametrize("name", ["rnn", "batch_norm_rnn"])
def test_l2_is_on_the_kernel_of_the_cell(name):
    model = create_model(name, (5, 3), 3, units=4, l2=0.5)
    (penalised,) = [weight for weight in model.weights if weight.regularizer]
    assert penalised.path.startswith("rnn/")
    assert penalised.shape == (3 + 4, 4)
    assert float(sum(model.losses)) == pytest.approx(0.5 * np.square(np.asarray(penalised)).sum())


def test_without_readout_the_state_is_the_logits():
    model = create_model("rnn", (5, 3), 4, readout=False)
    assert model.count_params() == (3 + 4 + 1) * 4
    songs = 100 * np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32")
    np.testing.assert_array_equal(model(songs), model.get_layer("rnn")(songs)[1])
    posteriors = create_model("rnn", (5, 3), 4, readout=False, classifier_activation="softmax")(songs)
    np.testing.assert_allclose(np.sum(posteriors, axis=1), 1, atol=1e-6)


def test_without_readout_the_state_has_a_unit_for_each_genre():
    assert create_model("rnn", (5, 3), 4, readout=False, units=9).get_layer("rnn").cell.units == 4


def test_batch_norm_rnn_hands_its_options_to_the_layer():
    cell = create_model("batch_norm_rnn", (5, 3), 3, units=4, initial_scale=0.2, momentum=0.5).get_layer("rnn").cell
    assert (cell.units, cell.initial_scale, cell.momentum, cell.epsilon) == (4, 0.2, 0.5, 1e-3)
    np.testing.assert_allclose(np.asarray(cell.gamma), 0.2)


@pytest.mark.parametrize("name", ["rnn", "batch_norm_rnn", "gru", "lstm"])
def test_a_part_of_padding_alone_leaves_the_state_as_it_is(name):
    """What the models read from their recurrent layer: the state, not the output, which is zero there."""
    layer = create_model(name, (5, 3), 3, units=4).get_layer("rnn" if name.endswith("rnn") else name)
    states = [np.full((2, 4), 0.3 + number, "float32") for number in range(len(layer.state_size))]
    songs = np.zeros((2, 5, 3), "float32")
    _, *final = layer(songs, initial_state=states, mask=np.zeros((2, 5), bool))
    for before, after in zip(states, final, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    "name",
    ["lstm", "gru", "rnn", "batch_norm_rnn", "stabilised_lstm", "stabilised_gru", "stabilised_rnn"],
)
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
        ({"beta": -1.0}, "beta must be a finite number of at least 0, got -1.0"),
        ({"dropout": 1}, "dropout must be a number of at least 0 and below 1, got 1"),
        ({"recurrent_dropout": 1.5}, "recurrent_dropout must be"),
    ],
)
def test_options_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model("stabilised_lstm", (5, 3), 3, **arguments)


def test_plain_cells_know_no_recurrent_dropout():
    with pytest.raises(SettingsError, match="cell 'tanh' does not support recurrent_dropout, got 0.5"):
        read_sequence(keras.Input((5, 3)), units=4, cell="tanh", recurrent_dropout=0.5, name="rnn")


def test_dropout_of_plain_cells_is_the_same_in_all_segments():
    model = create_model("rnn", (5, 3), 3, seed=1, units=4, dropout=0.5)
    dropped = np.asarray(model.get_layer("rnn_dropout")(np.ones((2, 5, 3), "float32"), training=True))
    assert set(dropped.ravel()) == {0.0, 2.0}
    assert (dropped == dropped[:, :1]).all()


def test_dropout_acts_in_training_only_and_follows_the_seed():
    songs = np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32")

    def outputs(seed):
        model = create_model("lstm", (5, 3), 3, seed=seed, units=4, dropout=0.5, recurrent_dropout=0.5)
        return np.asarray(model(songs)), np.asarray(model(songs, training=True))

    (still, dropped), (still_again, dropped_again) = outputs(1), outputs(1)
    assert not np.allclose(still, dropped)
    np.testing.assert_array_equal(still, still_again)
    np.testing.assert_array_equal(dropped, dropped_again)
