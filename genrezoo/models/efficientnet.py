"""EfficientNet-Lite0: a small image network, for transfer learning from photographs."""

from __future__ import annotations

from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras
from genrezoo.models._checks import InputShape, check_count, check_image_shape, check_rate
from genrezoo.models._conv2d import MOMENTUM
from genrezoo.models._frame import classify
from genrezoo.models._pretrained import begin_with
from genrezoo.models._trainable import PARTS, freeze_before
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))  # fmt: skip
"""For each stage: blocks, kernel size, strides of the first block, expansion, channels."""


@MODELS.register(
    "efficientnet_lite0",
    summary="EfficientNet-Lite0 with ImageNet weights and a new output layer, all or partly fine-tuned",
    reference="Tan and Le 2019; the Lite variant of TensorFlow's authors",
    expects="image",
    space={"trainable": Choice(("all", "top", "head")), "dropout": Float(0.0, 0.6)},
    begins_with=("weights",),
)
def build_efficientnet_lite0(
    input_shape: InputShape,
    num_classes: int,
    *,
    trainable: str | int = "all",
    dropout: float = 0.0,
    weights: str | None = None,
    classifier_activation: str | None = None,
) -> Any:
    """Inverted residual blocks in seven stages, without squeeze-and-excitation, with activations clipped at 6.

    Inputs are raw pixels from 0 to 255; the preprocessing is part of the model. Without pretrained weights, freezing
    makes little sense.

    Args:
        trainable: The part that is trained: ``"all"``, ``"top"`` (the last two stages and everything after them),
            ``"head"`` (``logits``), or the number of last stages, from 0 to 7.
        dropout: Dropout rate of the 1280 features before the output layer, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``, the layer of the embedding ``avg_pool``.

    Raises:
        SettingsError: An option is out of range, or the image is too small.
        DataError: The weights cannot be obtained, or do not fit.

    Example:
        >>> model = build_efficientnet_lite0((64, 64, 3), num_classes=10, trainable=1)
        >>> model.get_layer("avg_pool").output.shape
        (None, 1280)
        >>> sorted({weight.path.partition("_")[0].partition("/")[0] for weight in model.trainable_weights})
        ['head', 'logits', 'stage7']

    Reference:
        M. Tan, Q. V. Le, EfficientNet: Rethinking model scaling for convolutional neural networks, ICML 2019; R. Liu,
        Higher accuracy on vision models with EfficientNet-Lite, TensorFlow blog, March 2020.
    """
    height, width, channels = check_image_shape(input_shape)
    if channels not in (1, 3):
        raise SettingsError(f"images must have 1 or 3 channels, got {channels}")
    if min(height, width) < 32:
        raise SettingsError(f"EfficientNet needs images of at least 32 x 32, got {height} x {width}; make them larger")
    first = _first_trained(trainable)
    images = keras.Input((height, width, channels), name="songs")
    x = keras.layers.Concatenate(name="grey")([images] * 3) if channels == 1 else images
    x = keras.layers.Rescaling(1 / 128, -127 / 128, name="preprocessing")(x)
    x = _conv("stem", x, 32, 3, strides=2)
    for stage, (blocks, kernel_size, strides, expansion, filters) in enumerate(STAGES, start=1):
        for block in range(1, blocks + 1):
            x = _block(f"stage{stage}_block{block}", x, kernel_size, strides if block == 1 else 1, expansion, filters)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(_conv("head", x, 1280, 1))
    if check_rate("dropout", dropout):
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    logits = classify(x, num_classes, classifier_activation=classifier_activation)
    model = keras.Model(images, logits, name="efficientnet_lite0")
    if first is not None:
        freeze_before(model, first)
    return begin_with(model, weights)


def _first_trained(trainable: str | int) -> str | None:
    """Name of the first trained layer; None for all."""
    if isinstance(trainable, str):
        if trainable not in PARTS:
            raise SettingsError(f"trainable must be 'all', 'top', 'head' or a number of stages, got {trainable!r}")
        return {"all": None, "top": "stage6_block1_expand", "head": "logits"}[trainable]
    last = check_count("trainable", trainable, least=0, most=len(STAGES))
    if last == 0:
        return "logits"
    return f"stage{len(STAGES) + 1 - last}_block1_{'expand' if last < len(STAGES) else 'depthwise'}"


def _block(name: str, x: Any, kernel_size: int, strides: int, expansion: int, filters: int) -> Any:
    """An inverted residual block: expansion, depthwise convolution, projection; added to the input if shapes match."""
    inner = _conv(f"{name}_expand", x, expansion * x.shape[-1], 1) if expansion > 1 else x
    inner = _conv(f"{name}_depthwise", inner, None, kernel_size, strides=strides)
    inner = _conv(f"{name}_project", inner, filters, 1, activation=False)
    return inner if inner.shape != x.shape else keras.layers.Add(name=f"{name}_sum")([inner, x])


def _conv(
    name: str, x: Any, filters: int | None, kernel_size: int, *, strides: int = 1, activation: bool = True
) -> Any:
    """Convolution (depthwise without ``filters``), batch normalisation, activation."""
    options = {"strides": strides, "padding": "same", "use_bias": False, "name": name}
    if filters is None:
        x = keras.layers.DepthwiseConv2D(kernel_size, **options)(x)
    else:
        x = keras.layers.Conv2D(filters, kernel_size, **options)(x)
    norm = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")
    x = norm(x)
    if activation:
        return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu")(x)
    norm.beta.trainable = False  # only 1 x 1 convolutions read it, and the normalisation after them cancels it
    return x
