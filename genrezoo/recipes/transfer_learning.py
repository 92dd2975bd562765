"""Recipes of the project on a table of features, images of spectrograms and a pretrained network (document E)."""

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
"""Rate, decay, batch, most epochs and the snapshot of the best validation loss are the source's. It has a schedule and
stops early too, but names neither the optimiser nor the numbers."""

FEATURE_MLP = Recipe(
    name="feature_mlp",
    summary="90-70-50 perceptron on a table of features of each clip",
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
    summary="Four tanh convolutions of kernel 4 and stride 4 on the image of a spectrogram",
    reference="document E, section 3",
    model="spectrogram_cnn",
    arguments={"conv_layers": 4, "kernel_size": 4, "strides": 4, "padding": 1, "activation": "tanh"},
    settings=IMAGES,
    reported={"GTZAN accuracy": "0.64 validation, 0.61 test"},
)

RESNET50 = Recipe(
    name="resnet50",
    summary="ResNet50 with ImageNet weights on the image of a spectrogram, its last two stages trained",
    reference="document E, section 4",
    model="resnet50",
    arguments={"unfrozen": 2, "weights": "imagenet"},
    settings=IMAGES,
    standardise=False,  # the model begins with the preprocessing that its weights are used to
    reported={"GTZAN accuracy": "0.71 validation, 0.69 test"},
)

EFFICIENTNET = Recipe(
    name="efficientnet_lite0",
    summary="EfficientNet-Lite0 with ImageNet weights on the image of a spectrogram, its last two stages trained",
    reference="own; document E, section 4, with a network whose weights a package ships",
    model="efficientnet_lite0",
    arguments={"trainable": 2, "weights": "efficientnet_lite0.imagenet"},
    settings=IMAGES,
    standardise=False,  # the model begins with the preprocessing that its weights are used to
)

IMAGE_PROBE = EFFICIENTNET.model_copy(
    update={
        "name": "image_probe",
        "summary": "A linear output on EfficientNet-Lite0 with ImageNet weights, which stays as it is",
        "arguments": {**EFFICIENTNET.arguments, "trainable": "head"},
    }
)

RECIPES.add(FEATURE_MLP, SPECTROGRAM_CNN, RESNET50, EFFICIENTNET, IMAGE_PROBE)
