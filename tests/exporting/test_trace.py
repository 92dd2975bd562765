"""Graphs hold what they should: one operator for what is one, and nothing that is undone again."""

from __future__ import annotations

from collections import Counter

import keras
import numpy as np
import onnx
import pytest
from keras import ops

from genrezoo.composition.cascade import build_cascade, threshold_of
from genrezoo.errors import SettingsError
from genrezoo.exported import OPERATORS
from genrezoo.exporting.formats import onnx_answers
from genrezoo.exporting.trace import to_onnx
from genrezoo.layers import EndMask, MaskedConv1D, MaskedPooling1D, MaskPadding, MeanPooling
from genrezoo.layers.cascade import uncertainty
from genrezoo.models import create_model
from genrezoo.registry import COMPOSITIONS
from genrezoo.runs.building import reading


def padded_songs(number=6, segments=9, features=3):
    songs = np.random.default_rng(0).standard_normal((number, segments, features), dtype="float32")
    songs[1, 4:], songs[2, 1:], songs[3] = np.nan, np.nan, np.nan
    return songs


def logits_of(model, songs):
    outputs = model(songs)
    return np.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)


def check_same(model, songs, **options):
    answers = onnx_answers(to_onnx(model, **options))
    for part in (songs, songs[:1]):
        np.testing.assert_allclose(answers(part), logits_of(model, part), atol=1e-5)


def operators(model):
    """How often each operator stands in the graph and in the graphs inside it."""
    found = Counter()

    def count(graph):
        for node in graph.node:
            found[node.op_type] += 1
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    count(attribute.g)

    count(onnx.load_from_string(to_onnx(model)).graph)
    assert set(found) <= OPERATORS
    return found


class LeakyCell(keras.layers.Layer):
    """A cell of one's own with two states, whose output is neither of them."""

    state_size = [3, 3]

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 3), name="kernel")

    def call(self, inputs, states):
        slow, fast = states
        fast = ops.tanh(ops.matmul(inputs, self.kernel) + fast)
        slow = 0.5 * slow + 0.5 * fast
        return slow * 2.0 + fast, [slow, fast]


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(
    "layer",
    [
        lambda **options: keras.layers.LSTM(4, **options),
        lambda **options: keras.layers.GRU(4, **options),
        lambda **options: keras.layers.GRU(4, reset_after=False, **options),
        lambda **options: keras.layers.SimpleRNN(4, activation="relu", **options),
        lambda **options: keras.layers.RNN(LeakyCell(), **options),
    ],
    ids=["lstm", "gru", "gru_reset_before", "simple_rnn", "own_cell"],
)
def test_recurrent_layer_with_padding_and_an_initial_state(layer, sequences):
    songs = keras.Input((None, 3))
    x = MaskPadding()(songs)
    _, *states = layer(return_state=True)(x)
    x = layer(return_sequences=sequences)(x, initial_state=states)
    if sequences:
        x = keras.layers.GlobalAveragePooling1D()(x)
    check_same(keras.Model(songs, keras.layers.Dense(2)(x)), padded_songs()[[0, 1, 2, 4, 5]])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize(
    "layer",
    [
        lambda **options: keras.layers.GRU(4, **options),
        lambda **options: keras.layers.LSTM(3, **options),
        lambda **options: keras.layers.SimpleRNN(4, **options),
    ],
    ids=["gru", "lstm", "loop"],
)
def test_bidirectional_layer_reads_from_the_last_real_segment(layer, sequences, masked):
    songs = keras.Input((None, 3))
    x = keras.layers.Bidirectional(layer(return_sequences=sequences))(MaskPadding()(songs) if masked else songs)
    if sequences:
        x = MeanPooling()(x)
    model = keras.Model(songs, keras.layers.Dense(2)(x))
    check_same(model, padded_songs()[[0, 1, 2, 4, 5]] if masked else padded_songs()[[0, 4, 5]])


def test_song_without_a_segment_and_lengths_that_are_looked_up():
    for name in ("lstm", "gru", "rnn", "bigru"):
        model = create_model(name, (None, 3), 2, seed=1, units=4)
        check_same(model, padded_songs())
        check_same(model, padded_songs(), sequence_lens=False)


def test_recurrent_models_are_one_operator_each():
    assert operators(create_model("lstm", (None, 3), 2, units=4))["LSTM"] == 1
    assert operators(create_model("stabilised_gru", (None, 3), 2, units=4))["GRU"] == 1
    plain = operators(create_model("batch_norm_rnn", (None, 3), 2, units=4))
    assert (plain["Scan"], plain["MatMul"], plain["Sqrt"]) == (1, 3, 0)  # song, state, logits; nothing normalises


def test_last_state_is_not_looked_up_where_the_operator_gives_it():
    assert operators(create_model("stabilised_lstm", (None, 3), 2, units=4))["CumSum"] == 0


def test_layout_changes_once_on_the_way_in_and_once_on_the_way_out():
    found = operators(create_model("conv_in_time", (120, 25), 10))
    assert (found["Conv"], found["Transpose"]) == (2, 2)
    found = operators(create_model("mel_cnn", (21, 128), 4))
    assert (found["Conv"], found["Pad"], found["Transpose"]) == (4, 0, 2)


def test_equal_parts_are_written_once():
    members = {name: create_model("lstm", (None, 3), 2, units=4, seed=seed) for seed, name in enumerate("ab")}
    model = COMPOSITIONS.get("ensemble").build(members, (None, 3), 2)
    assert operators(model)["Where"] == operators(members["a"])["Where"] == 1  # one mask for both


def test_members_that_read_some_of_the_features():
    parts = {"a": [2, 0], "b": [1, 3, 4]}
    members = {
        name: reading(create_model("lstm", (None, len(columns)), 2, units=4, seed=1), columns, (None, 5))
        for name, columns in parts.items()
    }
    check_same(COMPOSITIONS.get("ensemble").build(members, (None, 5), 2), padded_songs(features=5))


@pytest.fixture(scope="module")
def cascade():
    members = {
        name: create_model("lstm", (None, 3), 2, units=units) for name, units in (("student", 2), ("teacher", 4))
    }
    student = members["student"].get_layer("logits")
    student.set_weights([weight * 4 for weight in student.get_weights()])
    first = np.asarray(uncertainty(members["student"](padded_songs())))
    return build_cascade(members, (None, 3), 2, threshold=float(np.median(first))), members


def test_cascade_asks_about_some_songs(cascade):
    model, members = cascade
    songs = padded_songs()
    asked = np.asarray(uncertainty(members["student"](songs))) > threshold_of(model)
    assert 0 < asked.sum() < len(songs)
    check_same(model, songs)
    check_same(model, songs[~asked])
    check_same(model, songs[asked])


def test_teacher_runs_in_the_branch_alone_and_on_the_songs_asked_about(cascade):
    model, _ = cascade
    graph = onnx.load_from_string(to_onnx(model)).graph
    assert Counter(node.op_type for node in graph.node)["LSTM"] == 1
    (branch,) = (node for node in graph.node if node.op_type == "If")
    bodies = {attribute.name: attribute.g for attribute in branch.attribute}
    then = Counter(node.op_type for node in bodies["then_branch"].node)
    assert (then["Compress"], then["LSTM"]) == (1, 1)
    assert [node.op_type for node in bodies["else_branch"].node] == ["Identity"]


def test_what_has_no_translation_is_refused():
    songs = keras.Input((None, 3))
    backwards = keras.layers.LSTM(4, go_backwards=True, name="backwards")(songs)
    with pytest.raises(SettingsError, match="layer 'backwards' goes backwards"):
        to_onnx(keras.Model(songs, backwards))
    summed = keras.layers.Bidirectional(keras.layers.LSTM(4), merge_mode="sum", name="summed")(songs)
    with pytest.raises(SettingsError, match="layer 'summed' has merge_mode='sum'"):
        to_onnx(keras.Model(songs, summed))
    with pytest.raises(SettingsError, match="'Erfinv' of keras.ops has no translation"):
        to_onnx(keras.Model(songs, ops.erfinv(songs[:, 0])))
    with pytest.raises(SettingsError, match="activation 'exponential' has no translation"):
        to_onnx(keras.Model(songs, keras.layers.LSTM(4, activation="exponential")(songs)))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_masks_are_not_applied_twice_and_never_left_out(pooling, activation):
    songs = keras.Input((12, 3))
    x = MaskPadding()(songs)
    for _ in range(2):
        x = MaskedPooling1D(pooling, 2)(MaskedConv1D(4, 2, activation=activation)(x))
    x = keras.layers.Flatten()(EndMask()(x))
    model = keras.Model(songs, keras.layers.Dense(2)(x))
    for layer in model.layers:  # what a window of padding alone must not show
        if isinstance(layer, MaskedConv1D):
            layer.bias.assign(np.full(layer.bias.shape, 0.7))
    check_same(model, padded_songs(segments=12))
    if (pooling, activation) == ("max", "relu"):
        assert operators(model)["Mul"] == 2  # one for each convolution


def test_layer_normalisation_is_one_operator_with_or_without_weights():
    songs = keras.Input((None, 3))
    x = keras.layers.LayerNormalization(center=False, scale=False)(keras.layers.LayerNormalization()(songs))
    model = keras.Model(songs, keras.layers.Dense(2)(MeanPooling()(x)))
    check_same(model, padded_songs()[[0, 4, 5]])
    assert operators(model)["LayerNormalization"] == 2
    other = keras.Model(songs, keras.layers.LayerNormalization(axis=1)(keras.layers.Reshape((4, 3))(songs)))
    with pytest.raises(SettingsError, match="over the last axis, without"):
        to_onnx(other)


def test_the_mask_of_a_sum_is_that_of_its_parts():
    assert operators(create_model("transformer", (None, 3), 2, units=16, blocks=1))["Or"] == 0


def test_dilated_convolutions_keep_the_length():
    model = create_model("tcn", (None, 3), 2, seed=1, filters=4, kernel_size=4, dilations=(1, 3))
    check_same(model, padded_songs(segments=11))
    assert operators(model)["Conv"] == 4
