"""genrezoo's recipes: methods that are known to work on small tables and short sequences today.

Their settings were chosen on validation songs; a comment on each names the data set.
"""

from genrezoo.recipes.pooling_and_ensembles import GENTLE
from genrezoo.recipes.recipe import RECIPES, Recipe
from genrezoo.songs.chunks import Chunks

PATIENT = {**GENTLE, "epochs": 60, "patience": 20, "monitor": "loss"}
"""For models that fit a small data set in some tens of epochs: the loss selects the best epoch more reliably than the
accuracy."""

ATTENTION_POOL = Recipe(
    name="attention_pool",
    summary="Gated attention over segments, each encoded by a hidden layer of 128 units",
    reference="genrezoo, after Ilse, Tomczak and Welling 2018",
    model="attention_pool",
    # the lower validation log loss, as against none and quantile, on GTZAN features (0.63, 0.67, 0.64; five seeds) and
    # AudioSet embeddings (1.10, 1.13, 1.15; three seeds)
    transform="signed_log",
    settings=PATIENT,
)

BIGRU = Recipe(
    name="bigru",
    summary="Bidirectional GRU of 64 units per direction with gated attention pooling",
    reference="genrezoo, after Schuster and Paliwal 1997, Cho et al. 2014",
    model="bigru",
    settings=PATIENT,
)

TCN = Recipe(
    name="tcn",
    summary="Three residual blocks of dilated convolutions in time with gated attention pooling",
    reference="genrezoo, after Bai, Kolter and Koltun 2018",
    model="tcn",
    settings=PATIENT,
)

INCEPTION_TIME = Recipe(
    name="inception_time",
    summary="Six inception modules of convolutions over 3, 7 and 15 segments, averaged over the song",
    reference="genrezoo, after Ismail Fawaz et al. 2020",
    model="inception_time",
    settings=PATIENT,
)

CONFORMER = Recipe(
    name="conformer",
    summary="Conformer with two blocks of 64 units and gated attention pooling",
    reference="genrezoo, after Gulati et al. 2020",
    model="conformer",
    settings=PATIENT,
)

TRANSFORMER = Recipe(
    name="transformer",
    summary="Transformer encoder with two blocks of 64 units and gated attention pooling",
    reference="genrezoo, after Vaswani et al. 2017, Su et al. 2024",
    model="transformer",
    # the lower rate takes the log loss of validation songs from 0.89 to 0.77 on GTZAN features and from 1.15 to 1.13 on
    # AudioSet embeddings (one seed each); the mean over time was worse than attention on both
    settings={**PATIENT, "learning_rate": 3e-4},
)

TABULAR_ENSEMBLE = Recipe(
    name="tabular_ensemble",
    summary="Sixteen perceptrons that share most of their weights, on rich statistics of the song or on a table",
    reference="genrezoo, after Gorishniy, Kotelnikov and Babenko 2025",
    model="tabular_ensemble",
    # more accurate than none on validation songs of GTZAN features, AudioSet embeddings and MFCC statistics (three
    # seeds); embeddings of numbers were not on the first of them
    transform="quantile",
    settings=PATIENT,
)

ROCKET = Recipe(
    name="rocket",
    summary="Two thousand random convolution kernels, and a linear output layer fitted by ridge regression",
    reference="genrezoo, after Dempster, Petitjean and Webb 2020",
    model="rocket",
    procedure="ridge",
    # the lower validation log loss, as against none, on GTZAN features, AudioSet embeddings and MFCC statistics
    transform="quantile",
)

RBF_NETWORK = Recipe(
    name="rbf_network",
    summary="Similarities to each training song, up to five thousand, weighted by kernel ridge regression",
    reference="genrezoo, after Poggio and Girosi 1990 and Radhakrishnan et al. 2024",
    model="rbf_network",
    arguments={"centres": 5000},
    procedure="kernel_ridge",
    # of none, signed_log and quantile, the lowest log loss or within 0.012 of it, out of fold, on GTZAN features,
    # AudioSet embeddings and MFCC statistics
    transform="quantile",
)

SEGMENT_MLP = Recipe(
    name="segment_mlp",
    summary="One hidden layer of 200 units on each segment, with the segments' posteriors averaged over the song",
    reference="genrezoo, after Tzanetakis and Cook 2002 on features of texture windows",
    model="fully_connected",
    arguments={"units": [200], "dropout": 0.5, "l2": 1e-4},
    settings={**PATIENT, "batch_size": 128},  # of segments, each an example with its song's genre
    chunks=Chunks(segments=1, hop=1, rule="mean"),
)

RECIPES.add(
    ATTENTION_POOL,
    BIGRU,
    CONFORMER,
    INCEPTION_TIME,
    RBF_NETWORK,
    ROCKET,
    SEGMENT_MLP,
    TABULAR_ENSEMBLE,
    TCN,
    TRANSFORMER,
)
