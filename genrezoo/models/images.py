"""Networks on images of spectrograms: one trained from scratch, one that was trained on photographs before.

Choose `spectrogram_cnn` where there is one image a clip and little time, and `resnet50` with ImageNet weights where
clips are few: what its first stages know of edges and textures need not be learnt from them. Both take images of one
size, ``(height, width, channels)``.
"""

from __future__ import annotations

from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_count, check_image_shape, check_rate
from genrezoo.models._conv2d import MOMENTUM, conv_stack
from genrezoo.models._frame import classify
from genrezoo.models._pretrained import load_resnet50
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice, Float, Int

LAST_FROZEN = ("avg_pool", "conv4_block6_out", "conv3_block4_out", "conv2_block3_out", "pool1_pool")
"""Name of the last layer of ResNet50 that stays as it is, by the number of stages that are trained."""


@MODELS.register(
    "spectrogram_cnn",
    summary="four convolutions of kernel 4 and stride 4 with tanh on the image of a spectrogram",
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
    """Convolutions whose strides make the image smaller, so that no pooling is needed, and an affine map.

    The source compares 3 to 6 convolutions, kernels of 3 to 5, strides of 2 to 5, and tanh, relu and sigmoid. It does
    not name the channels; here each convolution has twice as many as the one before: 32, 64, 128, 256.

    Args:
        conv_layers: Number of convolutions, from 1.
        kernel_size: Height and width of a kernel, from 1.
        strides: Pixels from one position of a kernel to the next, from 1; None for ``8 - conv_layers``, the source's.
        padding: Pixels of zeros on each side of what a convolution reads, from 0; None for half a kernel.
        activation: Keras activation of the convolutions.
        filters: Kernels of the first convolution, from 1; each later one has twice as many.
        dropout: Fraction of what the output layer reads to drop, in [0, 1).

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
    summary="ResNet50 with ImageNet weights, a new output layer, and the last stages trained",
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
    """ResNet50 whose last stages and new output layer are trained, and whose first ones stay as they are.

    What stays is run in inference mode, with the statistics of its batch normalisation as they came, and costs no
    backward pass. In what is trained the statistics follow the songs, with a momentum of 0.9 for small sets. Pixels are
    given as they are, from 0 to 255: the preprocessing is part of the model (`ImagenetInput`).

    Without ``weights`` it begins at random, and then freezing makes little sense; a trained run is rebuilt that way.

    Args:
        unfrozen: How many of the last stages are trained, from 0 to 4: conv5, conv4, conv3, conv2; the layers before
            them never are.
        weights: Where the weights to begin with are from: ``"imagenet"`` or ``"resnet50.imagenet"`` fetches them (95
            MB, once), a path is a local file of ResNet50's weights without its top, None draws them at random.
        weights_sha256: The sha256 that a local file must have, 64 hex digits; checked before the file is opened.
        dropout: Fraction of the 2048 features that the output layer reads to drop, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``, what stays is within ``frozen``, what is trained
        within ``trained``.

    Raises:
        SettingsError: An option is out of range, or the image is too small.
        DataError: The weights cannot be had, have another sha256, or are not those of ResNet50.

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
    backbone = keras.applications.ResNet50(
        include_top=False, weights=None, input_shape=(height, width, 3), pooling="avg"
    )
    load_resnet50(backbone, weights, weights_sha256)
    border = backbone.get_layer(LAST_FROZEN[unfrozen]).output
    images = keras.Input((height, width, channels), name="songs")
    x = layers.Frozen(keras.Model(backbone.input, border), name="frozen")(
        layers.ImagenetInput(name="preprocessing")(images)
    )
    if unfrozen:
        x = _trained(keras.Model(border, backbone.output, name="trained"))(x)
    return _finish("resnet50", images, x, num_classes, dropout, classifier_activation)


def _trained(stages: Any) -> Any:
    """The stages as they are to be trained."""
    for layer in stages.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
        elif isinstance(layer, keras.layers.Conv2D):
            layer.bias.trainable = False  # the normalisation after it cancels it
    return stages


def _finish(
    name: str, images: Any, features: Any, num_classes: int, dropout: float, classifier_activation: str | None
) -> Any:
    """The model of images that reads the genres from its features with one affine map."""
    if check_rate("dropout", dropout):
        features = keras.layers.Dropout(dropout, name="dropout")(features)
    logits = classify(features, num_classes, classifier_activation=classifier_activation)
    return keras.Model(images, logits, name=name)
