"""Random convolution kernels in time, and a linear output layer.

Choose it where training time counts, or as a baseline for convolutional networks: only the output layer is trained, in
closed form by the procedure `ridge`. It is sensitive to order within the span of its kernels, and not to the position
in the song. The kernels are determined by `kernel_seed`, so that a run folder stores only the output layer's weights.
"""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count, check_input_shape, check_weights
from genrezoo.models._frame import classify, song_input
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Int


@MODELS.register(
    "rocket",
    summary="thousands of random convolution kernels in time, pooled over the song, and a linear output layer",
    reference="A. Dempster, F. Petitjean, G. Webb, ROCKET, Data Mining and Knowledge Discovery 34 (2020)",
    space={"kernels": Choice((200, 500, 1000, 2000)), "kernel_seed": Int(0, 9)},
    masks_padding=True,
)
def build_rocket(
    input_shape: InputShape,
    num_classes: int,
    *,
    kernels: int = 2000,
    kernel_seed: int = 0,
    classifier_activation: str | None = None,
) -> Any:
    """Random kernels of lengths 7, 9 and 11 and any dilation that fits into the song, each pooled to two features.

    For each kernel, the model keeps the fraction of positive outputs over the real segments and their maximum. For
    songs shorter than seven segments, kernels are as long as fits; for tables (songs of one segment) they are random
    projections.

    Args:
        kernels: Number of kernels; the output layer reads twice as many features.
        kernel_seed: Seed of the kernels, at least 0; the same seed and shape of songs give the same kernels.

    Returns:
        An uncompiled model; its last layer is called ``logits``, the one before it ``kernels``.

    Example:
        >>> model = build_rocket((120, 25), num_classes=10, kernels=100)
        >>> model.get_layer("kernels").output.shape, model.count_params()  # 200 x 10, and biases
        ((None, 200), 2010)

    Reference:
        A. Dempster, F. Petitjean, G. Webb, ROCKET: exceptionally fast and accurate time series classification using
        random convolutional kernels, Data Mining and Knowledge Discovery 34 (2020), section 3.
    """
    n_segments, n_features = check_input_shape(input_shape, any_length=False)
    check_weights("kernels", 11, n_features, check_count("kernels", kernels))
    songs, x = song_input(input_shape)
    x = layers.RandomKernels(kernels, seed=kernel_seed, name="kernels")(x)
    return keras.Model(songs, classify(x, num_classes, classifier_activation=classifier_activation), name="rocket")
