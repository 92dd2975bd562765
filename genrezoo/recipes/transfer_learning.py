"""Recipes of the project on a feature table, spectrogram images and a pretrained network (document E)."""

from genrezoo.recipes.recipe import RECIPES, Recipe
from genrezoo.songs.chunks import Chunks

IMAGES = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "batch_size": 32,
    "epochs": 100,
    "monitor": "loss",
    "schedule": "reduce_on_plateau",
    "schedule_arguments": {"factor": 0.5, "patience": 4},
    "patience": 10,
}
"""Learning rate, weight decay, batch size, maximum epochs and the snapshot of the best validation loss are the
source's. It also uses a schedule and early stopping, but states neither the optimiser nor the values."""

FEATURE_MLP = Recipe(
    name="feature_mlp",
    summary="90-70-50 perceptron on a feature table of the clips",
    reference="document E, section 2",
    model="feature_mlp",
    arguments={"units": [90, 70, 50]},
    settings={
        # not named in the source; plain descent takes its rate well, and about as many epochs as it says
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "weight_decay": 1e-3,
        "batch_size": 32,
        "epochs": 100,
    },
    chunks=Chunks(segments=1, hop=1, rule="mean"),
    reported={"GTZAN accuracy": "0.80 validation, 0.74 test"},
)

SPECTROGRAM_CNN = Recipe(
    name="spectrogram_cnn",
    summary="Four tanh convolutions with kernel size 4 and stride 4 on a spectrogram image",
    reference="document E, section 3",
    model="spectrogram_cnn",
    arguments={"conv_layers": 4, "kernel_size": 4, "strides": 4, "padding": 1, "activation": "tanh"},
    settings=IMAGES,
    reported={"GTZAN accuracy": "0.64 validation, 0.61 test"},
)

RESNET50 = Recipe(
    name="resnet50",
    summary="ResNet50 with ImageNet weights on a spectrogram image, with the last two stages fine-tuned",
    reference="document E, section 4",
    model="resnet50",
    arguments={"unfrozen": 2, "weights": "imagenet"},
    settings=IMAGES,
    standardise=False,  # the model begins with the preprocessing that its weights are used to
    reported={"GTZAN accuracy": "0.71 validation, 0.69 test"},
)

EFFICIENTNET = Recipe(
    name="efficientnet_lite0",
    summary="EfficientNet-Lite0 with ImageNet weights on a spectrogram image, with the last two stages fine-tuned",
    reference="genrezoo, after document E, section 4, with a network whose weights come in a Python package",
    model="efficientnet_lite0",
    arguments={"trainable": 2, "weights": "efficientnet_lite0.imagenet"},
    settings=IMAGES,
    standardise=False,  # the model begins with the preprocessing that its weights are used to
)

IMAGE_PROBE = EFFICIENTNET.model_copy(
    update={
        "name": "image_probe",
        "summary": "A linear output layer on frozen EfficientNet-Lite0 with ImageNet weights",
        "arguments": {**EFFICIENTNET.arguments, "trainable": "head"},
    }
)

RECIPES.add(FEATURE_MLP, SPECTROGRAM_CNN, RESNET50, EFFICIENTNET, IMAGE_PROBE)
