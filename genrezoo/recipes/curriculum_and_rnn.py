"""Recipes of the report on MLPs, curricula and truncated RNNs (document A)."""

from genrezoo.recipes.recipe import RECIPES, Recipe

RECIPES.add(
    Recipe(
        name="mlp",
        summary="3000-500-500-25-10 tanh network with batch norm, dropout and L2 on every layer",
        reference="document A, Baseline Classifier (without the autoencoder pretraining)",
        model="mlp",
        arguments={"units": [500, 500, 25], "input_dropout": 0.3, "dropout": 0.16287534, "l2": 1e-2},
        settings={"optimizer": "adam", "learning_rate": 1e-4, "batch_size": 50, "epochs": 35},
        reported={"MSD-10 validation accuracy": "about 0.50"},
    )
)
