"""Recipes whose settings a search has found, named after the songs that it was on, and ensembles of them.

The validation songs of those sets have chosen them, the test songs have not. ``benchmarks/README.md`` tells how they
compare with peers that were tuned as long.
"""

from genrezoo.recipes.convolution_in_time import FULLY_CONNECTED
from genrezoo.recipes.recipe import RECIPES, Member, Recipe
from genrezoo.recipes.tuned import BAG_OF_SEGMENTS

MFCC4 = "26 MFCC statistics of a second, four genres, official split"
GTZAN = "ten segments of 53 features, five genres, fault-filtered split"
ON_LOSS = "--objective loss --repeats 2 --set monitor=loss --max-trials 25 --median-rule --seed 1"


def found(
    recipe: Recipe, name: str, summary: str, command: str, *, arguments: dict[str, object], **settings: object
) -> Recipe:
    """A recipe with other settings, and how they were found."""
    about = {"name": name, "summary": summary, "reference": f"own; found by `genrezoo tune {recipe.name} {command}"}
    return recipe.model_copy(update={**about, "arguments": arguments, "settings": settings, "reported": {}})


RECIPES.add(
    found(
        BAG_OF_SEGMENTS,
        "bag_of_segments_mfcc4",
        "The bag of segments with the settings of a search on MFCC statistics",
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
)
FULLY_CONNECTED_GTZAN = RECIPES.add(
    found(
        FULLY_CONNECTED,
        "fully_connected_gtzan",
        "Two hidden ReLU layers of 150 units with the settings of a search on segments of GTZAN",
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
)
BAG_OF_SEGMENTS_GTZAN = found(
    BAG_OF_SEGMENTS,
    "bag_of_segments_gtzan",
    "The bag of segments with the settings of a search on segments of GTZAN",
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
RECIPES.add(
    Recipe(
        name="ensemble_gtzan",
        summary="Three perceptrons and three bags of segments as searches on GTZAN found them, their mean posterior",
        reference="own; Lakshminarayanan, Pritzel and Blundell 2017",
        model="ensemble",
        arguments={"rule": "mean"},
        members={
            **{f"bag_of_segments_{number}": Member(recipe=BAG_OF_SEGMENTS_GTZAN) for number in (1, 2, 3)},
            **{f"fully_connected_{number}": Member(recipe=FULLY_CONNECTED_GTZAN) for number in (1, 2, 3)},
        },
        procedure="stagewise",
    )
)
