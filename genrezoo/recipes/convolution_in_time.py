"""Recipes of the report on convolution in time and correcting models (document B)."""

from genrezoo.recipes.recipe import RECIPES, Recipe

SETTINGS = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 50, "epochs": 40}
"""Adam with its default rate, as the report says; it does not give batch size and epochs."""

FULLY_CONNECTED = RECIPES.add(
    Recipe(
        name="fully_connected",
        summary="Two hidden ReLU layers of 200 units",
        reference="document B, section 5.1",
        model="fully_connected",
        settings=SETTINGS,
        reported={"MSD-10 validation accuracy": "0.50"},
    )
)
SEGMENT_CNN = RECIPES.add(
    Recipe(
        name="segment_cnn",
        summary="The same small network on each segment, then one over all",
        reference="document B, section 3",
        model="segment_cnn",
        settings=SETTINGS,
        reported={"MSD-10 validation accuracy": "0.58"},
    )
)
CONV_IN_TIME = RECIPES.add(
    Recipe(
        name="conv_in_time",
        summary="Kernels over three consecutive segments, max pooling in time",
        reference="document B, section 4.2",
        model="conv_in_time",
        arguments={"kernel_size": 3, "pooling": "max", "pool_size": 2},
        settings=SETTINGS,
        reported={"MSD-10 validation accuracy": "0.63 (0.61 without pooling)"},
    )
)
RECIPES.add(
    Recipe(
        name="snippet_conv",
        summary="Four snippets, convolution in time for each, the product of their posteriors",
        reference="own; document B, section 4.2, within document C, section 2.2",
        model="snippet_ensemble",
        arguments={
            "member": "conv_in_time",
            "member_arguments": {"kernel_size": 3, "pooling": "max", "pool_size": 2},
            "snippets": 4,
            "rule": "product",
        },
        settings=SETTINGS,
    )
)
