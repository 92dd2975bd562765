"""Recipes of the assignment on MFCCs and mel spectrograms of one second (document D)."""

from genrezoo.recipes.recipe import RECIPES, Recipe
from genrezoo.songs.chunks import Chunks

SOURCE = {"optimizer": "sgd", "learning_rate": 2e-3, "batch_size": 16, "epochs": 30, "monitor": "macro_f1"}
"""The source's settings; the weights of the epoch with the best macro F1 on the validation songs are the result. The
source then tries other optimisers on its convolutional network and does not name the best, so its variants use this
one."""

SECOND = Chunks(segments=21, hop=21, rule="mean")
"""One second of mel spectrogram; a song's prediction is the mean over its seconds."""

PLAIN = {"pool_size": None, "padding": 0, "batch_norm": False, "activation": "linear"}

# On a few hundred short excerpts its steps are too few: after 230 it is near chance (11.9 % of ten genres).
MFCC_MLP = Recipe(
    name="mfcc_mlp",
    summary="26-128-32 perceptron on the MFCC statistics of each second",
    reference="document D, question 1",
    model="mfcc_mlp",
    arguments={"units": [128, 32]},
    settings=SOURCE,
    chunks=Chunks(segments=1, hop=1, rule="mean"),
)

MEL_CNN_PLAIN = Recipe(
    name="mel_cnn_plain",
    summary="Four 5 x 5 convolutions and three dense layers on each second, all linear",
    reference="document D, question 2, step 2",
    model="mel_cnn",
    arguments=PLAIN,
    settings=SOURCE,
    chunks=SECOND,
)

MEL_CNN_POOLED = Recipe(
    name="mel_cnn_pooled",
    summary="The linear mel-spectrogram network with padding of 2 and max pooling of 2 in its convolutions",
    reference="document D, question 2, step 4",
    model="mel_cnn",
    arguments={**PLAIN, "pool_size": 2, "padding": 2},
    settings=SOURCE,
    chunks=SECOND,
)

MEL_CNN_RELU = Recipe(
    name="mel_cnn_relu",
    summary="The mel-spectrogram network with padding, pooling and ReLU",
    reference="document D, question 3, step 2",
    model="mel_cnn",
    arguments={"pool_size": 2, "padding": 2, "batch_norm": False, "activation": "relu"},
    settings=SOURCE,
    chunks=SECOND,
)

MEL_CNN_BATCH_NORM = Recipe(
    name="mel_cnn_batch_norm",
    summary="The mel-spectrogram network without padding and pooling, with batch norm before each ReLU",
    reference="document D, question 2, step 2, with question 3, step 4",
    model="mel_cnn",
    arguments={**PLAIN, "batch_norm": True, "activation": "relu"},
    settings=SOURCE,
    chunks=SECOND,
)

MEL_CNN = Recipe(
    name="mel_cnn",
    summary="Four 5 x 5 convolutions with padding, batch norm, ReLU and pooling, and three dense layers on each second",
    reference="document D, question 3, step 4",
    model="mel_cnn",
    arguments={"pool_size": 2, "padding": 2, "batch_norm": True, "activation": "relu"},
    settings=SOURCE,
    chunks=SECOND,
)

RECIPES.add(MFCC_MLP, MEL_CNN_PLAIN, MEL_CNN_POOLED, MEL_CNN_RELU, MEL_CNN_BATCH_NORM, MEL_CNN)
