"""Recipes with settings found by searches, named after the data set of the search, and ensembles of them.

The settings were chosen on validation songs, never on test songs. ``benchmarks/README.md`` compares the recipes with
baselines that were tuned for as long.
"""

from genrezoo.recipes.convolution_in_time import FULLY_CONNECTED
from genrezoo.recipes.lstm_ensembles import LSTM
from genrezoo.recipes.pooling_and_ensembles import BAG_OF_SEGMENTS
from genrezoo.recipes.recipe import RECIPES, Member, Recipe

MFCC4 = "26 MFCC statistics of a second, four genres, official split"
GTZAN = "ten segments of 53 features, five genres, fault-filtered split"
AUDIOSET = "ten embeddings of a second, fifteen genres, stratified split"
ON_LOSS = "--objective loss --repeats 2 --set monitor=loss --max-trials 25 --median-rule --seed 1"


def found(
    recipe: Recipe, name: str, summary: str, command: str, *, arguments: dict[str, object], **settings: object
) -> Recipe:
    """Returns a recipe with other settings and a reference that says how they were found."""
    reference = f"genrezoo; found by `genrezoo tune {recipe.name} {command}"
    about = {"name": name, "summary": summary, "reference": reference}
    return recipe.model_copy(update={**about, "arguments": arguments, "settings": settings, "reported": {}})


BAG_OF_SEGMENTS_MFCC4 = found(
    BAG_OF_SEGMENTS,
    "bag_of_segments_mfcc4",
    "The bag-of-segments model with settings tuned on MFCC statistics",
    f"--epochs 20 --max-trials 25 --median-rule --seed 1` on {MFCC4}",
    arguments={
        **BAG_OF_SEGMENTS.arguments,
        "filters": 246,
        "units": 325,
        "conv_l2": 0.016583974296199264,
        "dense_l2": 0.007178066517576864,
    },
    optimizer="adam",
    learning_rate=0.001247927504880073,
    weight_decay=None,
    schedule="cosine",
    batch_size=52,
    epochs=20,
    patience=12,
    noise=0.03785434040742499,
    mixup=0.028564324370635743,
)

FULLY_CONNECTED_GTZAN = found(
    FULLY_CONNECTED,
    "fully_connected_gtzan",
    "Two hidden ReLU layers of 150 units with settings tuned on segments of GTZAN",
    f"--epochs 40 {ON_LOSS}` on {GTZAN}",
    arguments={"units": [150, 150], "dropout": 0.0, "l2": 0.027251377810215693},
    optimizer="adam",
    learning_rate=0.0015920132560323064,
    schedule=None,
    batch_size=35,
    epochs=40,
    monitor="loss",
    noise=0.0,
    mixup=0.0,
)

BAG_OF_SEGMENTS_GTZAN = found(
    BAG_OF_SEGMENTS,
    "bag_of_segments_gtzan",
    "The bag-of-segments model with settings tuned on segments of GTZAN",
    f"{ON_LOSS}` on {GTZAN}",
    arguments={
        **BAG_OF_SEGMENTS.arguments,
        "filters": 199,
        "units": 410,
        "conv_l2": 0.0014415365671905215,
        "dense_l2": 0.0011659116166343746,
    },
    optimizer="adamw",
    learning_rate=0.00327852521845271,
    weight_decay=0.00698666426837212,
    schedule="cosine",
    batch_size=39,
    epochs=40,
    patience=12,
    monitor="loss",
    noise=0.17470333647124994,
    mixup=0.1126704878745952,
)
BAG_OF_SEGMENTS_AUDIOSET = found(
    BAG_OF_SEGMENTS,
    "bag_of_segments_audioset",
    "The bag-of-segments model with kernels of three segments and settings tuned on embeddings of AudioSet",
    f"{ON_LOSS}` on {AUDIOSET}",
    arguments={
        **BAG_OF_SEGMENTS.arguments,
        "kernel_size": 3,
        "filters": 213,
        "units": 384,
        "conv_l2": 0.010388749012617444,
        "dense_l2": 0.00888519344749201,
    },
    optimizer="adamw",
    learning_rate=0.0009935502850092544,
    weight_decay=0.008060874954711125,
    schedule="cosine",
    batch_size=25,
    epochs=40,
    patience=12,
    monitor="loss",
    noise=0.004433003104948348,
    mixup=0.0,
)
LSTM_AUDIOSET = found(
    LSTM,
    "lstm_audioset",
    "One LSTM layer with settings tuned on embeddings of AudioSet",
    f"--epochs 30 {ON_LOSS}` on {AUDIOSET}",
    arguments={"units": 125, "dropout": 0.3231888959559056, "l2": 9.72162111574553e-05},
    optimizer="adam",
    learning_rate=0.0004704148990650023,
    schedule="cosine",
    batch_size=73,
    epochs=30,
    monitor="loss",
    noise=0.09861884432480733,
    mixup=0.2562724378944359,
)


def three_of_each(name: str, summary: str, **recipes: Recipe) -> Recipe:
    """Returns an ensemble of three runs of each recipe with the mean of their posteriors."""
    return Recipe(
        name=name,
        summary=summary,
        reference="genrezoo, after Lakshminarayanan, Pritzel and Blundell 2017",
        model="ensemble",
        arguments={"rule": "mean"},
        members={
            f"{member}_{number}": Member(recipe=recipe) for member, recipe in recipes.items() for number in (1, 2, 3)
        },
        procedure="stagewise",
    )


ENSEMBLE_GTZAN = three_of_each(
    "ensemble_gtzan",
    "Three perceptrons and three bag-of-segments models tuned on GTZAN, with the mean of their posteriors",
    bag_of_segments=BAG_OF_SEGMENTS_GTZAN,
    fully_connected=FULLY_CONNECTED_GTZAN,
)

ENSEMBLE_AUDIOSET = three_of_each(
    "ensemble_audioset",
    "Three bag-of-segments models and three LSTMs tuned on AudioSet, with the mean of their posteriors",
    bag_of_segments=BAG_OF_SEGMENTS_AUDIOSET,
    lstm=LSTM_AUDIOSET,
)

RECIPES.add(BAG_OF_SEGMENTS_MFCC4, FULLY_CONNECTED_GTZAN, ENSEMBLE_GTZAN, ENSEMBLE_AUDIOSET)
