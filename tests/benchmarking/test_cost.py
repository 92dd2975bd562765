import keras
import pytest
from toys import make_songs

from genrezoo.benchmarking.cell import chunks_of
from genrezoo.benchmarking.cost import multiply_adds
from genrezoo.layers import Frozen
from genrezoo.models import create_model
from genrezoo.recipes import get_recipe


def test_hand_counted_layers():
    inputs = keras.Input((7, 3))
    hidden = keras.layers.Conv1D(5, 2)(inputs)  # 6 positions x 2 x 3 x 5
    hidden = keras.layers.BatchNormalization()(hidden)  # no kernel
    hidden = keras.layers.LSTM(4)(hidden)  # 6 steps x (5 + 4) x 16
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))  # 4 x 2
    assert multiply_adds(model, 7) == 6 * 30 + 6 * 9 * 16 + 8
    outer = keras.Model(inputs, keras.layers.Dense(3)(model(inputs)))
    assert multiply_adds(outer, 7) == multiply_adds(model, 7) + 6


def test_songs_of_any_length_are_counted_at_the_length_given():
    model = create_model("lstm", (None, 3), 2, units=4)
    assert multiply_adds(model, 10) == 10 * (3 + 4) * 16 + 8
    assert multiply_adds(model, 20) - multiply_adds(model, 10) == 10 * 7 * 16


@pytest.mark.parametrize("name", ["fully_connected", "conv_in_time"])
def test_it_agrees_with_the_products_in_tensorflows_graph(name):
    import tensorflow as tf

    model = create_model(name, (40, 5), 3)
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((1, 40, 5), tf.float32)).graph
    products = 0
    for operation in graph.get_operations():
        if operation.type in ("MatMul", "Conv2D"):
            kernel = operation.inputs[1].shape
            products += operation.outputs[0].shape.num_elements() // kernel[-1] * kernel.num_elements()
    assert multiply_adds(model, 40) == products > 0


def test_frozen_members_count_as_they_would_alone():
    member = create_model("conv_in_time", (12, 3), 2, filters=4, units=5)
    songs = keras.Input((12, 3))
    model = keras.Model(songs, keras.layers.Dense(2)(Frozen(member)(songs)))
    assert multiply_adds(model, 12) == multiply_adds(member, 12) + 4


def test_a_song_in_chunks_costs_as_often_as_the_model_answers():
    recipe = get_recipe("fully_connected").changed({"chunks": {"segments": 2, "hop": 1}})
    assert chunks_of(get_recipe("fully_connected"), make_songs(n_segments=6)) == 1
    assert chunks_of(recipe, make_songs(n_segments=6)) == 5
