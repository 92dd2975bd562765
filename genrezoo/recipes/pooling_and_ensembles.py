"""genrezoo's recipes of models that pool over the song, and of ensembles of trained models.

Their settings were chosen on validation songs; a comment on each names the data set.
"""

from genrezoo.recipes.convolution_in_time import CONV_IN_TIME, FULLY_CONNECTED
from genrezoo.recipes.lstm_ensembles import LSTM
from genrezoo.recipes.recipe import RECIPES, Member, Recipe

GENTLE = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 1e-2,
    "schedule": "cosine",
    "batch_size": 32,
}
"""Decoupled weight decay and a learning rate that decays to zero, for a few hundred to a few thousand songs."""

BAG_OF_SEGMENTS = Recipe(
    name="bag_of_segments",
    summary="A layer on each segment, their average over the song, and one dense layer; ignores the order of segments",
    reference="genrezoo, after document B, section 3, with global average pooling (Lin, Chen and Yan 2014)",
    model="conv_in_time",
    # chosen among nine by the mean validation accuracy of three seeds on GTZAN features and AudioSet embeddings
    arguments={
        "kernel_size": 1,
        "conv_layers": 1,
        "pooling": "average",
        "pool_size": None,
        "filters": 256,
        "units": 256,
    },
    settings={**GENTLE, "epochs": 40, "patience": 12},
)

STATISTICS_MLP = Recipe(
    name="statistics_mlp",
    summary="One hidden layer on each feature's mean and standard deviation over the song, with strong dropout",
    reference="genrezoo, with statistics pooling after Snyder et al. 2018",
    model="statistics_mlp",
    # of the two most accurate of five on the validation songs of GTZAN features (three seeds), the one with the
    # lower log loss: so few songs make accuracy too coarse a scale, and so loss chooses the epoch as well
    arguments={"units": [256], "input_dropout": 0.3, "dropout": 0.5, "l2": 1e-3},
    settings={**GENTLE, "epochs": 60, "patience": 20, "monitor": "loss"},
)

GENTLE_PERCEPTRON = FULLY_CONNECTED.model_copy(
    update={
        "name": "gentle_perceptron",
        "summary": "Two hidden ReLU layers of 200 units with decoupled weight decay and a cosine schedule",
        "settings": {**GENTLE, "epochs": 60, "monitor": "loss"},
        "reported": {},
    }
)
GENTLE_BAG = BAG_OF_SEGMENTS.model_copy(
    update={"name": "gentle_bag", "settings": {**GENTLE, "epochs": 60, "monitor": "loss"}}
)
GENTLE_ENSEMBLE = Recipe(
    name="gentle_ensemble",
    summary="Three perceptrons and three bag-of-segments models, with the mean of their posteriors",
    reference="genrezoo, after Lakshminarayanan, Pritzel and Blundell 2017",
    model="ensemble",
    # of 28 kinds of members on GTZAN features (three seeds each, with and without noise and mixup) the perceptrons
    # had the lowest validation log loss together; of the three tried on AudioSet embeddings the bags had
    arguments={"rule": "mean"},
    members={
        **{f"bag_{number}": Member(recipe=GENTLE_BAG) for number in (1, 2, 3)},
        **{f"perceptron_{number}": Member(recipe=GENTLE_PERCEPTRON) for number in (1, 2, 3)},
    },
    procedure="stagewise",
)

LSTM_ENSEMBLE = Recipe(
    name="lstm_ensemble",
    summary="Five LSTMs with different seeds, and the mean of their posteriors",
    reference="genrezoo, after Lakshminarayanan, Pritzel and Blundell 2017",
    model="ensemble",
    arguments={"rule": "mean"},
    members={f"member_{number}": Member(recipe=LSTM) for number in range(1, 6)},
    procedure="stagewise",
)

FAMILY_ENSEMBLE = Recipe(
    name="family_ensemble",
    summary="One model of each family, and the mean of their posteriors",
    reference="genrezoo, after Kuncheva and Whitaker 2003 on the diversity of members",
    model="ensemble",
    arguments={"rule": "mean"},
    members={
        "bag_of_segments": Member(recipe=BAG_OF_SEGMENTS),
        "conv_in_time": Member(recipe=CONV_IN_TIME),
        "fully_connected": Member(recipe=FULLY_CONNECTED),
        "lstm": Member(recipe=LSTM),
        "statistics_mlp": Member(recipe=STATISTICS_MLP),
    },
    procedure="stagewise",
)

RECIPES.add(BAG_OF_SEGMENTS, STATISTICS_MLP, GENTLE_ENSEMBLE, LSTM_ENSEMBLE, FAMILY_ENSEMBLE)
