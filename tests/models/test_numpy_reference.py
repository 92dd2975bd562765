"""Every model computes what a second, plain implementation does, on weights far from their start and padded songs."""

from __future__ import annotations

import functools

import numpy as np
import numpy_reference as reference
import pytest

from genrezoo.layers.kernels import draw_kernels
from genrezoo.models import create_model
from genrezoo.models._frame import RICH
from genrezoo.registry import MODELS

N_SEGMENTS, N_FEATURES, NUM_CLASSES = 13, 4, 3
SHAPES = {
    "efficientnet_lite0": (37, 34, 3),
    "mel_cnn": (21, 18),
    "musicnn": (17, 12),
    "resnet50": (37, 34, 3),
    "spectrogram_cnn": (40, 43, 3),
    "vgg_tagger": (19, 14),
}
"""Input shapes of models that need another than (N_SEGMENTS, N_FEATURES)."""

CASES = [
    ("mlp", {"units": (6, 5)}, lambda w, x: reference.dense_stack(w, x, activation="tanh", layers=2, batch_norm=True)),
    (
        "fully_connected",
        {"units": (6, 5, 4)},
        lambda w, x: reference.dense_stack(w, x, activation="relu", layers=3, batch_norm=False),
    ),
    ("segment_cnn", {"filters": 5, "units": 6}, lambda w, x: reference.convolution(w, x, layers=2)),
    (
        "conv_in_time",
        {"filters": 5, "units": 6},
        lambda w, x: reference.convolution(w, x, layers=2, pooling="max", pool_size=2),
    ),
    (
        "conv_in_time",
        {"filters": 5, "units": 6, "pooling": "average", "kernel_size": 2, "pool_size": 3},
        lambda w, x: reference.convolution(w, x, layers=2, pooling="average", pool_size=3),
    ),
    (
        "conv_in_time",
        {"filters": 5, "units": 6, "pooling": None, "kernel_size": 4, "conv_layers": 3},
        lambda w, x: reference.convolution(w, x, layers=3),
    ),
    (
        "conv_in_time",
        {"filters": 5, "units": 6, "pooling": "average", "kernel_size": 1, "conv_layers": 1, "pool_size": None},
        lambda w, x: reference.convolution(w, x, layers=1, pooling="average", pool_size=N_SEGMENTS),
    ),
    (
        "attention_pool",
        {"units": (6, 5), "attention_units": 4, "heads": 2},
        lambda w, x: reference.attention_pool(w, x, layers=2),
    ),
    ("statistics_mlp", {"units": (6, 5)}, lambda w, x: reference.statistics_mlp(w, x, layers=2)),
    (
        "statistics_mlp",
        {"units": (6,), "statistics": RICH},
        lambda w, x: reference.statistics_mlp(w, x, layers=1, statistics=RICH),
    ),
    (
        "rocket",
        {"kernels": 40, "kernel_seed": 3},
        lambda w, x: reference.rocket(w, x, groups=draw_kernels(40, N_SEGMENTS, N_FEATURES, seed=3)),
    ),
    ("rbf_network", {"centres": 5}, lambda w, x: reference.rbf_network(w, x, statistics=RICH)),
    (
        "tabular_ensemble",
        {"units": (6, 5), "members": 3},
        lambda w, x: reference.tabular_ensemble(w, x, layers=2, members=3, statistics=RICH),
    ),
    *(
        (
            "tabular_ensemble",
            {"units": (6,), "members": 2, "statistics": ("mean",), "embedding": kind, "embedding_size": 2},
            functools.partial(reference.tabular_ensemble, layers=1, members=2, statistics=("mean",), embedding=kind),
        )
        for kind in ("piecewise_linear", "periodic")
    ),
    (
        "mfcc_mlp",
        {"units": (6, 5)},
        lambda w, x: reference.dense_stack(w, x, activation="relu", layers=2, batch_norm=False),
    ),
    (
        "feature_mlp",
        {"units": (6, 5, 4), "activation": "tanh"},
        lambda w, x: reference.dense_stack(w, x, activation="tanh", layers=3, batch_norm=False),
    ),
    *(
        ("mel_cnn", {**form, "filters": (3, 4, 5, 6), "units": (7, 6, 5)}, functools.partial(reference.mel_cnn, **form))
        for form in (
            {"pool_size": 2, "padding": 2, "batch_norm": True, "activation": "relu"},
            {"pool_size": 2, "padding": 3, "batch_norm": False, "activation": "relu"},
            {"pool_size": None, "padding": 0, "batch_norm": False, "activation": "linear"},
        )
    ),
    (
        "spectrogram_cnn",
        {"filters": 3, "conv_layers": 3, "strides": 3},
        lambda w, x: reference.spectrogram_cnn(w, x, layers=3, strides=3, padding=1),
    ),
    (
        "spectrogram_cnn",
        {"filters": 3, "conv_layers": 2, "kernel_size": 5, "strides": 4, "padding": 0},
        lambda w, x: reference.spectrogram_cnn(w, x, layers=2, strides=4, padding=0),
    ),
    ("resnet50", {}, reference.resnet50),
    ("efficientnet_lite0", {}, reference.efficientnet_lite0),
    ("musicnn", {"timbral_filters": 4, "temporal_filters": 3, "filters": 5, "units": 6}, reference.musicnn),
    *(
        (
            "vgg_tagger",
            {"filters": 4, "pool_sizes": sizes, "pool_strides": strides},
            functools.partial(reference.vgg_tagger, sizes=sizes, strides=strides or sizes),
        )
        for sizes, strides in ((((4, 1), (1, 3), (2, 2)), None), (((4, 1), (2, 2), (3, 2)), ((2, 2), (2, 1), (1, 2))))
    ),
    ("lstm", {"units": 5}, reference.lstm),
    ("stabilised_lstm", {"units": 5}, reference.lstm),
    ("gru", {"units": 5}, reference.gru),
    ("stabilised_gru", {"units": 5}, reference.gru),
    *(
        (
            "bigru",
            {"units": 5, "recurrent_layers": layers, "pooling": pooling},
            functools.partial(reference.bigru, layers=layers, pooling=pooling),
        )
        for layers, pooling in ((1, "attention"), (2, "mean"))
    ),
    *(
        (
            "transformer",
            {"units": 8, "heads": heads, "blocks": blocks, "pooling": pooling},
            functools.partial(reference.transformer, heads=heads, blocks=blocks, pooling=pooling),
        )
        for heads, blocks, pooling in ((2, 2, "attention"), (1, 1, "mean"))
    ),
    *(
        (
            "tcn",
            {"filters": 5, "kernel_size": size, "dilations": dilations, "pooling": pooling},
            functools.partial(reference.tcn, dilations=dilations, pooling=pooling),
        )
        for size, dilations, pooling in ((3, (1, 5), "attention"), (2, (3,), "mean"))
    ),
    *(
        (
            "inception_time",
            {"filters": 3, "modules": modules, "kernel_sizes": sizes, "pooling": pooling},
            functools.partial(reference.inception_time, modules=modules, kernels=len(sizes), pooling=pooling),
        )
        for modules, sizes, pooling in ((3, (2, 5), "mean"), (1, (15,), "attention"))
    ),
    *(
        (
            "conformer",
            {"units": 8, "heads": 2, "blocks": blocks, "kernel_size": size, "pooling": pooling},
            functools.partial(reference.conformer, heads=2, blocks=blocks, pooling=pooling),
        )
        for blocks, size, pooling in ((2, 3, "attention"), (1, 15, "mean"))
    ),
    ("rnn", {"units": 5}, reference.rnn),
    ("rnn", {"readout": False}, lambda w, x: reference.rnn(w, x, readout=False)),
    ("stabilised_rnn", {"units": 5}, reference.rnn),
    ("batch_norm_rnn", {"units": 5}, reference.batch_norm_rnn),
    *(
        ("snippet_lstm", {"units": 5, "snippets": 3, "rule": rule}, lambda w, x, rule=rule: snippet_logits(w, x, rule))
        for rule in ("mean", "product", "weighted")
    ),
    *(
        (
            "snippet_ensemble",
            {
                "member": "conv_in_time",
                "member_arguments": {"filters": 5, "units": 6, "kernel_size": 2, "conv_layers": 1},
                "snippets": 2,
                "rule": rule,
            },
            lambda w, x, rule=rule: reference.snippet_ensemble(
                w,
                x,
                lambda w, x: reference.convolution(w, x, layers=1, pooling="max", pool_size=2),
                snippets=2,
                rule=rule,
            )[0],
        )
        for rule in ("mean", "weighted")
    ),
    ("multitask_binary", {"trunk": "stabilised_lstm", "trunk_arguments": {"units": 5}}, reference.lstm),
    (
        "multitask_autoencoder",
        {"trunk": "mlp", "trunk_arguments": {"units": (6, 5)}},
        lambda w, x: reference.dense_stack(w, x, activation="tanh", layers=2, batch_norm=True),
    ),
    (
        "student_mlp",
        {"units": 6},
        lambda w, x: reference.dense_stack(w, x, activation="tanh", layers=1, batch_norm=True),
    ),
]


def snippet_logits(weights, song, rule):
    return reference.snippet_lstm(weights, song, snippets=3, rule=rule)[0]


def randomised(name, **arguments):
    """A model whose weights, statistics of normalisation included, are all away from their start, and those weights."""
    model = create_model(name, SHAPES.get(name, (N_SEGMENTS, N_FEATURES)), NUM_CLASSES, seed=1, **arguments)
    generator = np.random.default_rng(8)
    weights = {}
    for weight in model.weights:
        low, high = (0.3, 2) if "variance" in weight.path or "gamma" in weight.path else (-0.6, 0.6)
        if len(weight.shape) == 4:  # one of many convolutions, of which none must blow its input up
            low, high = np.array([-1.5, 1.5]) / np.sqrt(np.prod(weight.shape[:-1]))
        weights[weight.path] = generator.uniform(low, high, weight.shape)
        weight.assign(weights[weight.path])
    return model, weights


def songs_with_padding(shape=(N_SEGMENTS, N_FEATURES)):
    """Songs of the full length and of 12, 9, 6, 4, 2 and 1 segments; or pictures."""
    songs = np.random.default_rng(9).standard_normal((7, *shape), dtype="float32")
    if len(shape) == 3:
        return songs[:2] * 60 if shape == SHAPES["resnet50"] else songs  # pixels
    for song, length in enumerate((shape[0], 12, 9, 6, 4, 2, 1)):
        songs[song, length:] = np.nan
    return songs


@pytest.mark.parametrize(("name", "arguments", "forward"), CASES, ids=[f"{c[0]}_{n}" for n, c in enumerate(CASES)])
def test_logits_equal_those_of_the_reference(name, arguments, forward):
    model, weights = randomised(name, **arguments)
    songs = songs_with_padding(SHAPES.get(name, (N_SEGMENTS, N_FEATURES)))
    outputs = model(songs)
    logits = np.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)
    expected = np.stack([forward(weights, song.astype("float64")) for song in songs])
    assert np.ptp(expected) > 0.1  # the songs are told apart
    size = max(np.abs(expected).max(), 1)  # of what float32 rounds
    np.testing.assert_allclose(logits / size, expected / size, atol=1e-5)


def test_experts_equal_those_of_the_reference():
    model, weights = randomised("snippet_lstm", units=5, snippets=3)
    songs = songs_with_padding()
    outputs = model(songs)
    for song, found in enumerate(np.stack([outputs[f"expert_{number}"] for number in (1, 2, 3)], axis=1)):
        expected = reference.snippet_lstm(weights, songs[song].astype("float64"), snippets=3, rule="mean")[1]
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("task", "head", "layer"), [("binary", "binary", "answers"), ("autoencoder", "song", "numbers")]
)
def test_second_heads_equal_those_of_the_reference(task, head, layer):
    model, weights = randomised(f"multitask_{task}", trunk_arguments={"units": 5})
    songs = songs_with_padding()
    found = np.asarray(model(songs)[head])
    for song, output in zip(songs.astype("float64"), found, strict=True):
        state = reference.lstm_states(weights, "lstm", song)[-1]
        expected = reference.second_head(weights, state, layer).reshape(output.shape)
        np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_stabilisation_equals_that_of_the_reference(cell):
    model, weights = randomised(f"stabilised_{cell}", units=5, beta=7.0)
    songs = songs_with_padding()
    model(songs)
    states_of = getattr(reference, f"{cell}_states")
    expected = reference.stabilisation([states_of(weights, cell, song) for song in songs.astype("float64")], beta=7.0)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", MODELS.names())
def test_a_model_has_a_reference(name):
    assert name in {case[0] for case in CASES}, (
        f"{name} has no second implementation: write its forward pass for one song into {reference.__file__}, and add "
        f"('{name}', small options, that function) to CASES in {__file__}"
    )
