"""Every layer of the package keeps the contract of layers."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
from layer_contract import LayerCase, layer_checks
from toys import make_model

from genrezoo import layers

SONGS = np.random.default_rng(0).standard_normal((2, 7, 3)).astype("float32")
PADDED = np.where(np.arange(7)[None, :, None] < 5, SONGS, np.nan).astype("float32")
PICTURES = np.random.default_rng(0).uniform(0, 255, (2, 5, 4, 1)).astype("float32")
LOGITS = [np.random.default_rng(seed).standard_normal((4, 3)).astype("float32") for seed in (1, 2)]

CASES = {
    case.layer.__name__: case
    for case in (
        LayerCase(layers.ActivityStabiliser, {"beta": 3.0}, SONGS, masked=True),
        LayerCase(layers.Aggregate, {"rule": "mean", "weights": [0.25, 0.75]}, LOGITS),
        LayerCase(
            layers.BatchNormRNN,
            {
                "units": 4,
                "initial_scale": 0.5,
                "momentum": 0.7,
                "epsilon": 0.02,
                "kernel_regularizer": keras.regularizers.L2(0.1),
                "return_sequences": True,
                "return_state": True,
            },
            SONGS,
            masked=True,
        ),
        # twice as large, the second one's uncertainties are not so near the first one's that 16 bits confuse them
        LayerCase(layers.Cascade, {"threshold": 0.9}, [LOGITS[0], 2 * LOGITS[1]]),
        LayerCase(layers.CutSnippets, {"snippets": 3}, PADDED),
        LayerCase(layers.DiversityPenalty, {"weight": 3.0}, LOGITS),
        LayerCase(layers.EndMask, {}, SONGS, masked=True),
        LayerCase(layers.Frozen, {"model": make_model(input_shape=(7, 3))}, SONGS),
        LayerCase(
            layers.GatedAttention,
            {"units": 4, "heads": 2, "kernel_regularizer": keras.regularizers.L2(0.1)},
            SONGS,
            masked=True,
        ),
        LayerCase(layers.Head, {"target": "genre", "weight": 0.5}, LOGITS[0]),
        LayerCase(layers.RealMembers, {}, LOGITS),
        LayerCase(layers.ImagenetInput, {}, PICTURES),
        LayerCase(layers.LastSegment, {}, SONGS, masked=True),
        LayerCase(layers.MaskPadding, {}, PADDED),
        LayerCase(
            layers.MaskedConv1D,
            {"filters": 4, "kernel_size": 3, "activation": "tanh", "kernel_regularizer": keras.regularizers.L2(0.1)},
            SONGS,
            masked=True,
        ),
        LayerCase(layers.MaskedPooling1D, {"kind": "average", "size": 3, "overlapping": True}, SONGS, masked=True),
        LayerCase(layers.MaxMeanPooling, {}, SONGS, masked=True),
        LayerCase(layers.MeanPooling, {}, SONGS, masked=True),
        LayerCase(layers.Periodic, {"frequencies": 3, "scale": 0.5}, LOGITS[0]),
        LayerCase(layers.PiecewiseLinear, {"bins": 3}, LOGITS[0]),
        LayerCase(layers.PooledStatistics, {"statistics": ["q10", "std", "delta_std", "max"]}, SONGS, masked=True),
        LayerCase(layers.RadialBasis, {"centres": 4, "precisions": [0.5, 2.0]}, LOGITS[0]),
        LayerCase(layers.RotaryAttention, {"heads": 2}, np.tile(SONGS, 4), masked=True),
        LayerCase(layers.RandomKernels, {"kernels": 9, "seed": 3}, SONGS, masked=True),
        LayerCase(layers.RankOneDense, {"units": 4, "members": 3, "signs": True}, LOGITS[0]),
        LayerCase(layers.SeparateDense, {"units": 4}, SONGS),
        LayerCase(
            layers.Standardise,
            {
                "mean": [1.0, -2.0],
                "scale": [0.5, 3.0],
                "clip": 1.5,
                "columns": [2, 0],
                "transform": "quantile",
                "knots": [[[-1.0, -2.0], [0.0, 0.0], [3.0, 1.0]], [[-2.0, -2.0], [0.5, 0.0], [2.0, 2.0]]],
                "as_weights": True,
            },
            PADDED,
        ),
        LayerCase(layers.TakeMask, {}, [SONGS, SONGS[..., :1]]),
        LayerCase(layers.TanhCell, {"units": 4, "kernel_regularizer": keras.regularizers.L2(0.1)}, LOGITS[0]),
        LayerCase(layers.Temperature, {"temperature": 2.5}, LOGITS[0]),
        LayerCase(layers.WeightedAggregate, {"l2": 0.5}, LOGITS),
        LayerCase(layers.WeightedPooling, {}, [SONGS, SONGS[..., :2]]),
    )
}
CHECKS = dict(layer_checks())


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("layer", CASES)
def test_layer(layer, check):
    CHECKS[check](CASES[layer])


@pytest.mark.parametrize("name", layers.__all__)
def test_a_layer_has_a_case(name):
    if inspect.isclass(getattr(layers, name)):
        assert name in CASES, f"{name} is not tested: add a LayerCase with every argument to CASES in {__file__}"
