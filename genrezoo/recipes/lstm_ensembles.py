"""Recipes of the report on LSTMs, activation stabilisation and snippet ensembles (document C)."""

from genrezoo.recipes.recipe import RECIPES, Recipe

RECIPES.add(
    Recipe(
        name="lstm",
        summary="One LSTM layer with L2, linear output",
        reference="document C, section 3",
        model="lstm",
        arguments={"units": 100, "l2": 1e-3},
        settings={"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 50, "epochs": 40},
    )
)
RECIPES.add(
    Recipe(
        name="stabilised_lstm",
        summary="One LSTM layer whose activations keep their norm over time",
        reference="document C, section 3; Krueger and Memisevic 2016",
        model="stabilised_lstm",
        arguments={"units": 100, "beta": 100.0},
        settings={"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 50, "epochs": 40},
        reported={"MSD-10 validation accuracy": "0.64", "MSD-25 validation accuracy": "0.29"},
    )
)
RECIPES.add(
    Recipe(
        name="snippet_lstm",
        summary="Four snippets, an LSTM for each, the product of their posteriors",
        reference="document C, section 4; Silla, Kaestner and Koerich 2007",
        model="snippet_lstm",
        arguments={"units": 100, "snippets": 4, "rule": "product"},
        settings={"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 50, "epochs": 30},
        reported={
            "MSD-10 validation accuracy": "0.66",
            "MSD-10 test accuracy": "0.65",
            "MSD-25 validation accuracy": "0.30",
        },
    )
)
