from __future__ import annotations

import keras
import numpy as np
import pytest

from genrezoo.errors import SettingsError
from genrezoo.models import create_model
from genrezoo.recipes import get_recipe
from genrezoo.runs.building import build_model


def randomised(model, seed=2):
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(generator.uniform(-0.5, 0.5, weight.shape))
    return model


def test_segment_cnn_has_the_weights_that_its_source_counts_but_in_the_dense_layer():
    """The source counts 1,300, 2,550, 510,200 and 2,010: the third is for as many inputs as conv_2 has weights."""
    model = create_model("segment_cnn", (120, 25), 10)
    counts = [model.get_layer(name).count_params() for name in ("conv_1", "conv_2", "dense", "logits")]
    assert counts == [1_300, 2_550, 120 * 50 * 200 + 200, 2_010]
    assert counts[1] * 200 + 200 == 510_200
    # no pooling of 120 segments without overlap, in one or two steps, leaves 2,550 = 51 x 50 activations
    assert 51 not in {120 // first // second for first in range(1, 121) for second in range(1, 121)}


def test_segment_cnn_treats_each_segment_alike():
    """Only the dense layer knows where a segment stands: its input moves with the segments."""
    model = randomised(create_model("segment_cnn", (6, 3), 3, filters=4, units=5))
    features = keras.Model(model.input, model.get_layer("end_mask").output)
    songs = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")
    order = [3, 1, 5, 0, 4, 2]
    np.testing.assert_allclose(np.asarray(features(songs))[:, order], np.asarray(features(songs[:, order])), atol=1e-6)


def test_conv_in_time_shortens_the_song_as_valid_kernels_and_pools_do():
    model = create_model("conv_in_time", (120, 25), 10)
    assert [model.get_layer(name).output.shape[1] for name in ("conv_1", "pool_1", "conv_2", "pool_2")] == [
        118,
        59,
        57,
        28,
    ]
    without = create_model("conv_in_time", (120, 25), 10, pooling=None, conv_layers=3, filters=4, units=4)
    assert without.get_layer("end_mask").output.shape[1] == 120 - 3 * 2


@pytest.mark.parametrize("conv_layers", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 10])
@pytest.mark.parametrize(("pooling", "pool_size"), [(None, 2), ("max", 2), ("max", 3), ("average", 2)])
def test_the_variants_that_the_source_compares_have_their_shapes(conv_layers, kernel_size, pooling, pool_size):
    sizes = {"filters": 2, "units": 2, "conv_layers": conv_layers, "kernel_size": kernel_size}
    length = expected = 200 if pooling else 60
    for _ in range(conv_layers):
        expected = expected - kernel_size + 1
        expected = expected // pool_size if pooling else expected
    if expected < 1:
        with pytest.raises(SettingsError, match="too short"):
            create_model("conv_in_time", (length, 3), 3, pooling=pooling, pool_size=pool_size, **sizes)
        return
    model = create_model("conv_in_time", (length, 3), 3, pooling=pooling, pool_size=pool_size, **sizes)
    assert model.get_layer("end_mask").output.shape == (None, expected, 2)
    assert model.get_layer(f"conv_{conv_layers}").kernel.shape[0] == kernel_size


def test_penalties_are_those_of_the_source_and_the_output_is_free():
    for name in ("segment_cnn", "conv_in_time"):
        model = create_model(name, (12, 3), 3, filters=4, units=5)
        penalties = {weight.path: float(weight.regularizer.l2) for weight in model.weights if weight.regularizer}
        assert penalties == pytest.approx({"conv_1/kernel": 0.01, "conv_2/kernel": 0.01, "dense/kernel": 0.01})


@pytest.mark.parametrize("name", ["segment_cnn", "conv_in_time"])
def test_each_penalty_can_be_set_by_itself(name):
    off = {"conv_l1": 0.0, "conv_l2": 0.0, "dense_l1": 0.0, "dense_l2": 0.0, "output_l1": 0.0, "output_l2": 0.0}
    layers = {"conv": ["conv_1", "conv_2"], "dense": ["dense"], "output": ["logits"]}
    for option in off:
        model = create_model(name, (12, 3), 3, seed=1, filters=4, units=5, **{**off, option: 0.3})
        part, kind = option.split("_")
        kernels = [np.asarray(model.get_layer(layer).kernel) for layer in layers[part]]
        expected = sum(0.3 * (np.abs(kernel) if kind == "l1" else kernel**2).sum() for kernel in kernels)
        assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5), option
    both = create_model("segment_cnn", (12, 3), 3, filters=4, units=5, conv_l1=1e-3, conv_l2=2e-3)
    regularizer = both.get_layer("conv_2").kernel_regularizer
    assert (float(regularizer.l1), float(regularizer.l2)) == pytest.approx((1e-3, 2e-3))
    bare = create_model(name, (12, 3), 3, filters=4, units=5, conv_l2=0, dense_l2=0)
    assert not [weight.path for weight in bare.weights if weight.regularizer]


@pytest.mark.parametrize("weight", [1e-2, 1e-3, 1e-4])
def test_sparse_kernels_have_l1_in_place_of_l2_in_their_convolutions_alone(weight):
    recipe = get_recipe("sparse_kernels").changed({"conv_l1": weight, "filters": 4, "units": 5})
    model = build_model(recipe, (12, 3), 3, seed=1)
    kernels = {name: np.asarray(model.get_layer(name).kernel) for name in ("conv_1", "conv_2", "dense")}
    expected = weight * (np.abs(kernels["conv_1"]).sum() + np.abs(kernels["conv_2"]).sum())
    expected += 0.01 * np.square(kernels["dense"]).sum()  # and none of the output layer
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "arguments", "silent"),
    # After 4 of 12 segments: as many positions of height 1; with kernels of 3, 4 of 10 -> 2 of 5 -> 2 of 3 -> 1 of 1.
    [("segment_cnn", {}, 8 * 4), ("conv_in_time", {"pooling": None}, (12 - 4 - 4 + 4) * 4 - 4 * 4)],
)
def test_what_faces_padding_alone_does_not_reach_the_logits(name, arguments, silent):
    model = randomised(create_model(name, (12, 3), 3, filters=4, units=5, **arguments))
    songs = np.random.default_rng(0).standard_normal((2, 12, 3)).astype("float32")
    songs[:, 4:] = np.nan
    before = np.asarray(model(songs))
    dense = model.get_layer("dense")
    kernel = np.asarray(dense.kernel).copy()
    kernel[-silent:] += 5
    dense.kernel.assign(kernel)
    np.testing.assert_array_equal(np.asarray(model(songs)), before)
    kernel[-silent - 4 :] += 5  # one position more is heard
    dense.kernel.assign(kernel)
    assert not np.allclose(np.asarray(model(songs)), before)


@pytest.mark.parametrize(
    ("n_segments", "arguments", "needed"),
    [
        (9, {}, 10),  # 10 -> 8 -> 4 -> 2 -> 1
        (9, {"pooling": "average"}, 10),
        (4, {"pooling": None}, 5),
        (18, {"kernel_size": 5, "pool_size": 3, "conv_layers": 1, "pooling": None, "conv_l2": 0}, None),
        (24, {"kernel_size": 5, "pool_size": 3}, 25),  # 25 -> 21 -> 7 -> 3 does not do: the second kernel needs 5
    ],
)
def test_the_length_that_kernels_and_pools_need(n_segments, arguments, needed):
    def build(length):
        return create_model("conv_in_time", (length, 3), 3, filters=2, units=2, **arguments)

    if needed is None:
        build(n_segments)
        return
    with pytest.raises(
        SettingsError, match=rf"songs of {n_segments} segments are too short.*at least (\d+) are needed"
    ) as e:
        build(n_segments)
    least = int(str(e.value).partition("at least ")[2].split()[0])
    assert least == build(least).input_shape[1]
    with pytest.raises(SettingsError, match="too short"):
        build(least - 1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"pooling": "sum"}, "kind of pooling must be one of 'max', 'average', got 'sum'"),
        ({"filters": 0}, "filters must be a whole number from 1, got 0"),
        ({"kernel_size": 2.5}, "kernel_size must be a whole number from 1, got 2.5"),
        ({"conv_layers": 0}, "conv_layers must be"),
        ({"pool_size": 0}, "pool_size must be"),
        ({"units": -3}, "units must be"),
        ({"dense_l2": "much"}, "dense_l2='much' .* expected a non-negative float"),
        ({"conv_l1": -1e-3}, "conv_l1=-0.001 .* expected a non-negative float"),
        ({"dense_l1": float("nan")}, "dense_l1=nan .* expected a non-negative float"),
    ],
)
def test_options_out_of_range_are_refused(arguments, reason):
    with pytest.raises(SettingsError, match=reason):
        create_model("conv_in_time", (120, 3), 3, **arguments)


def test_a_bag_of_segments_does_not_know_their_order():
    bag = {"kernel_size": 1, "pooling": "average", "pool_size": None, "filters": 4, "units": 5}
    model = randomised(create_model("conv_in_time", (6, 3), 3, **bag))
    assert model.get_layer("end_mask").output.shape == (None, 1, 4)
    songs = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")
    shuffled = songs[:, [3, 1, 5, 0, 4, 2]]
    np.testing.assert_allclose(np.asarray(model(songs)), np.asarray(model(shuffled)), atol=1e-5)
    ordered = randomised(create_model("conv_in_time", (6, 3), 3, **{**bag, "kernel_size": 2}))
    assert not np.allclose(np.asarray(ordered(songs)), np.asarray(ordered(shuffled)), atol=1e-3)
