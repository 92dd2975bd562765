"""Recipes of the report on convolution in time and correcting models (document B).

Penalties are a factor times the sum of squares, as in the report's equation 1; the report also names ``tf.nn.l2_loss``,
which halves the sum. With its factor of 0.01 that would be ``conv_l2=0.005``, ``dense_l2=0.005`` and ``l2=0.005`` here.

The dense layer of the segment network reads all 120 x 50 activations: 1,200,200 weights. The report counts 510,200, for
2,550 inputs; but 2,550 is the number of weights of its second convolution, including biases, and kernels of one segment
without pooling produce 6,000 activations. No non-overlapping pooling of 120 segments and 50 kernels results in 2,550.
"""

from genrezoo.recipes.recipe import RECIPES, Recipe

SETTINGS = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 50, "epochs": 40}
"""Adam with its default learning rate, as in the report, which does not state batch size and epochs."""

FULLY_CONNECTED = Recipe(
    name="fully_connected",
    summary="Two hidden ReLU layers of 200 units",
    reference="document B, section 5.1",
    model="fully_connected",
    settings=SETTINGS,
    reported={"MSD-10 validation accuracy": "0.50"},
)

SEGMENT_CNN = Recipe(
    name="segment_cnn",
    summary="The same small network on each segment, then a dense layer over all",
    reference="document B, section 3",
    model="segment_cnn",
    settings=SETTINGS,
    reported={"MSD-10 validation accuracy": "0.58"},
)

SPARSE_KERNELS = Recipe(
    name="sparse_kernels",
    summary="The segment network with L1 instead of L2 in its convolutions",
    reference="document B, section 3.2",
    model="segment_cnn",
    arguments={"conv_l1": 1e-3, "conv_l2": 0.0},
    settings=SETTINGS,
)

PRUNED = Recipe(
    name="pruned",
    summary="The segment network with sparse kernels, whose small weights are then pruned",
    reference="document B, section 3.2",
    model="segment_cnn",
    arguments={"conv_l2": 1e-2},
    procedure="prune_and_refit",
    settings={
        **SETTINGS,
        "epochs": 80,
        "refit_fraction": 0.5,
        "layers": "conv_*",
        "l1": 1e-3,
        "threshold": 0.01,
        "refit_l2": 1e-2,
    },
)

CONV_IN_TIME = Recipe(
    name="conv_in_time",
    summary="Convolutions over three consecutive segments, with max pooling in time",
    reference="document B, section 4.2",
    model="conv_in_time",
    arguments={"kernel_size": 3, "pooling": "max", "pool_size": 2},
    settings=SETTINGS,
    reported={"MSD-10 validation accuracy": "0.63 (0.61 without pooling)"},
)

SNIPPET_CONV = Recipe(
    name="snippet_conv",
    summary="Four snippets with a convolution in time for each, and the product of their posteriors",
    reference="genrezoo, after document B, section 4.2, within document C, section 2.2",
    model="snippet_ensemble",
    arguments={
        "member": "conv_in_time",
        "member_arguments": {"kernel_size": 3, "pooling": "max", "pool_size": 2},
        "snippets": 4,
        "rule": "product",
    },
    settings=SETTINGS,
)

RECIPES.add(FULLY_CONNECTED, SEGMENT_CNN, SPARSE_KERNELS, PRUNED, CONV_IN_TIME, SNIPPET_CONV)
