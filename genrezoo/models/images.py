"""Networks on spectrogram images: one trained from scratch, one pretrained on photographs.

Choose `spectrogram_cnn` where there is one image per clip and little time, and `resnet50` with ImageNet weights where
clips are few: its first stages already detect edges and textures. Both take images of one size, ``(height, width,
channels)``.
"""

from __future__ import annotations

from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count, check_image_shape, check_rate
from genrezoo.models._conv2d import MOMENTUM, conv_stack
from genrezoo.models._frame import classify
from genrezoo.models._pretrained import find_resnet50, load_resnet50
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float, Int

LAST_FROZEN = ("avg_pool", "conv4_block6_out", "conv3_block4_out", "conv2_block3_out", "pool1_pool")
"""Name of the last frozen layer of ResNet50, by the number of trained stages."""


@MODELS.register(
    "spectrogram_cnn",
    summary="four convolutions with kernel size 4, stride 4 and tanh on a spectrogram image",
    reference="CS429/529 Project 3: Neural Networks, section 3",
    reported={"GTZAN accuracy": "0.64 validation, 0.61 test"},
    expects="image",
    space={
        "conv_layers": Int(3, 6, when={"strides": (None,)}),  # the source has a stride for each depth
        "kernel_size": Int(3, 5),
        "filters": Int(8, 40, step=8),
        "activation": Choice(("tanh", "relu")),
        "dropout": Float(0.0, 0.6),
    },
)
def build_spectrogram_cnn(
    input_shape: InputShape,
    num_classes: int,
    *,
    conv_layers: int = 4,
    kernel_size: int = 4,
    strides: int | None = None,
    padding: int | None = None,
    activation: str = "tanh",
    filters: int = 32,
    dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """Strided convolutions, which need no pooling, and a linear output layer.

    The source compares 3 to 6 convolutions, kernels of 3 to 5, strides of 2 to 5, and tanh, relu and sigmoid. It does
    not state the number of channels; here each convolution has twice as many as the one before: 32, 64, 128, 256.

    Args:
        conv_layers: Number of convolutions, at least 1.
        kernel_size: Height and width of a kernel, at least 1.
        strides: Stride in pixels, at least 1; None for ``8 - conv_layers``, as in the source.
        padding: Pixels of zero padding on each side, at least 0; None for half a kernel.
        activation: Keras activation of the convolutions.
        filters: Number of kernels of the first convolution, at least 1; each later one has twice as many.
        dropout: Dropout rate before the output layer, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``, its convolutions ``conv_1``, ``conv_2``, …

    Raises:
        SettingsError: An option is out of range, or the image is too small for the kernels and strides.

    Example:
        >>> model = build_spectrogram_cnn((172, 173, 3), num_classes=10)
        >>> [model.get_layer(f"conv_{number}").output.shape[1] for number in (1, 2, 3, 4)]
        [43, 11, 3, 1]

    Reference:
        K. Fatima, S. Quadros, CS429/529 Project 3: Neural Networks, section 3.
    """
    images = keras.Input(tuple(input_shape), name="songs")
    sizes = [filters * 2**number for number in range(check_count("conv_layers", conv_layers, most=16))]
    strides = 8 - conv_layers if strides is None else strides
    x = conv_stack(
        images, filters=sizes, kernel_size=kernel_size, strides=strides, padding=padding, activation=activation
    )
    x = keras.layers.Flatten(name="flatten")(x)
    return _finish("spectrogram_cnn", images, x, num_classes, dropout, classifier_activation)


@MODELS.register(
    "resnet50",
    summary="ResNet50 with ImageNet weights and a new output layer, the last stages fine-tuned",
    reference="CS429/529 Project 3: Neural Networks, section 4; He et al. 2016",
    reported={
        "GTZAN test accuracy": "0.69 with 2 stages trained, 0.63 with 1, 0.67 with 3, 0.64 with 4, 0.16 with none"
    },
    expects="image",
    space={"unfrozen": Int(0, 4), "dropout": Float(0.0, 0.6)},
    begins_with=("weights", "weights_sha256"),
)
def build_resnet50(
    input_shape: InputShape,
    num_classes: int,
    *,
    unfrozen: int = 2,
    weights: str | None = None,
    weights_sha256: str | None = None,
    dropout: float = 0.0,
    classifier_activation: str | None = None,
) -> Any:
    """ResNet50 with a new output layer; the last stages are trained and the first ones frozen.

    Frozen stages run in inference mode, with their pretrained batch statistics, and need no backward pass. Trained
    stages update the statistics, with a momentum of 0.9 because data sets are small. Inputs are raw pixels from 0 to
    255; the preprocessing is part of the model (`ImagenetInput`).

    Without ``weights`` the initial weights are random, and freezing makes little sense; a trained run is rebuilt this
    way.

    Args:
        unfrozen: Number of last stages to train, from 0 to 4: conv5, conv4, conv3, conv2; earlier layers are never
            trained.
        weights: Source of the initial weights: ``"imagenet"`` or ``"resnet50.imagenet"`` downloads them (95 MB, once),
            a path is a local file of ResNet50's weights without its top, None draws them at random.
        weights_sha256: The sha256 that a local file must have, 64 hex digits; checked before the file is opened.
        dropout: Dropout rate of the 2048 features before the output layer, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``; the layer ``frozen`` holds the frozen stages and
        ``trained`` the trained ones.

    Raises:
        SettingsError: An option is out of range, or the image is too small.
        DataError: The weights cannot be obtained, have another sha256, or are not those of ResNet50.

    Example:
        >>> model = build_resnet50((64, 64, 3), num_classes=10, unfrozen=1)
        >>> sorted({weight.path.partition("_")[0] for weight in model.trainable_weights})
        ['conv5', 'logits/bias', 'logits/kernel']

    Reference:
        K. Fatima, S. Quadros, CS429/529 Project 3: Neural Networks, section 4; K. He, X. Zhang, S. Ren, J. Sun, Deep
        Residual Learning for Image Recognition, CVPR 2016.
    """
    height, width, channels = check_image_shape(input_shape)
    unfrozen = check_count("unfrozen", unfrozen, least=0, most=len(LAST_FROZEN) - 1)  # a negative one would count back
    if min(height, width) < 32:
        raise SettingsError(f"ResNet50 needs images of at least 32 x 32, got {height} x {width}; make them larger")
    path = find_resnet50(weights, weights_sha256)  # before the network is built, because that takes longer
    backbone = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(height, width, 3), pooling="avg"
    )
    load_resnet50(backbone, path)
    border = backbone.get_layer(LAST_FROZEN[unfrozen]).output
    images = keras.Input((height, width, channels), name="songs")
    x = layers.Frozen(keras.Model(backbone.input, border), name="frozen")(
        layers.ImagenetInput(name="preprocessing")(images)
    )
    if unfrozen:
        x = _trained(keras.Model(border, backbone.output, name="trained"))(x)
    return _finish("resnet50", images, x, num_classes, dropout, classifier_activation)


def _trained(stages: Any) -> Any:
    """Prepares the stages for training."""
    for layer in stages.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
        elif isinstance(layer, keras.layers.Conv2D):
            layer.bias.trainable = False  # the normalisation after it cancels it
    return stages


def _finish(
    name: str, images: Any, features: Any, num_classes: int, dropout: float, classifier_activation: str | None
) -> Any:
    """Adds dropout and a linear output layer to the features, and returns the model."""
    if check_rate("dropout", dropout):
        features = keras.layers.Dropout(dropout, name="dropout")(features)
    logits = classify(features, num_classes, classifier_activation=classifier_activation)
    return keras.Model(images, logits, name=name)
