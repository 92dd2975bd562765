"""Recipes with settings of our own, chosen on validation songs; which, is told with each."""

from genrezoo.recipes.recipe import RECIPES, Recipe

GENTLE = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 1e-2,
    "schedule": "cosine",
    "batch_size": 32,
}
"""Decoupled weight decay and a rate that falls to zero: for sets of a few hundred to a few thousand songs."""

RECIPES.add(
    Recipe(
        name="bag_of_segments",
        summary="A layer on each segment, their average over the song, one dense layer; knows nothing of order",
        reference="own; after document B, section 3, with global average pooling (Lin, Chen and Yan 2014)",
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
)
RECIPES.add(
    Recipe(
        name="statistics_mlp",
        summary="One hidden layer on each feature's mean and deviation over the song, with much dropout",
        reference="own; statistics pooling after Snyder et al. 2018",
        model="statistics_mlp",
        # of the two most accurate of five on the validation songs of GTZAN features (three seeds), the one with the
        # lower log loss: so few songs make accuracy too coarse a scale, and so loss chooses the epoch as well
        arguments={"units": [256], "input_dropout": 0.3, "dropout": 0.5, "l2": 1e-3},
        settings={**GENTLE, "epochs": 60, "patience": 20, "monitor": "loss"},
    )
)
