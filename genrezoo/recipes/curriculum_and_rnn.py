"""Recipes of the report on MLPs, curricula and truncated RNNs (document A)."""

from genrezoo.recipes.recipe import RECIPES, Member, Recipe
from genrezoo.songs.chunks import Chunks

LAYERS = {"units": [500, 500, 25], "input_dropout": 0.3, "dropout": 0.16287534, "l2": 1e-2}
SETTINGS = {"optimizer": "adam", "learning_rate": 1e-4, "batch_size": 50}

MLP = Recipe(
    name="mlp",
    summary="3000-500-500-25-10 tanh network with batch norm, dropout and L2 on every layer",
    reference="document A, Baseline Classifier (without the autoencoder pretraining)",
    model="mlp",
    arguments=LAYERS,
    settings={**SETTINGS, "epochs": 35},
    reported={"MSD-10 validation accuracy": "about 0.50"},
)

MLP_PRETRAINED = Recipe(
    name="mlp_pretrained",
    summary="3000-500-500-25-10 tanh network with hidden layers pretrained as stacked autoencoders",
    reference="document A, Baseline Classifier",
    model="mlp",
    arguments=LAYERS,
    procedure="pretraining",
    settings={**SETTINGS, "epochs": 35},
    reported={"MSD-10 validation accuracy": "about 0.50"},
)


# The judge is the network with pretraining, as in the source; the one that it judges for begins without. Levels have
# the source's numbers of batches, which suit its 40,000 songs; `levels` makes as many levels of any number of songs.
JUDGE = {"judge": Member(recipe=MLP_PRETRAINED)}

CURRICULUM = Recipe(
    name="curriculum",
    summary="The tanh network trained on easy songs first, with 50 more batches every 10 epochs",
    reference="document A, Curriculum Learning Experiment 6",
    model="mlp",
    arguments=LAYERS,
    procedure="curriculum",
    settings={**SETTINGS, "batches_per_level": 50, "epochs_per_level": 10, "epochs": 180},
    members=JUDGE,
    reported={"MSD-10 validation accuracy": "0.46"},
)

# Self-paced runs end with their last level; the source's took 94 and 701 epochs.
CURRICULUM_SELF_PACED = Recipe(
    name="curriculum_self_paced",
    summary="The tanh network trained on easy songs first, and on harder ones once the validation loss rises",
    reference="document A, Curriculum Learning Experiment 9",
    model="mlp",
    arguments={**LAYERS, "input_dropout": 0.2, "dropout": 0.2},
    procedure="curriculum",
    settings={**SETTINGS, "batches_per_level": 50, "pace": "validation", "final_epochs": 0, "epochs": 200},
    members=JUDGE,
)

CURRICULUM_REVERSE = Recipe(
    name="curriculum_reverse",
    summary="The tanh network trained on hard songs first, and on easier ones once the validation loss rises",
    reference="document A, (Reverse) Curriculum Learning Experiment 11",
    model="mlp",
    arguments=LAYERS,
    procedure="curriculum",
    settings={
        **SETTINGS,
        "batches_per_level": 5,
        "hardest_first": True,
        "pace": "validation",
        "final_epochs": 0,
        "epochs": 800,
    },
    members=JUDGE,
    reported={"MSD-10 validation accuracy": "0.49 (0.46 with 50 batches per level)"},
)


# Where the source names the rate of a recurrent network, it is that of its perceptron. Without a readout the logits lie
# within -1 and 1 and move slowly: after 230 excerpts of 25 segments at most it is at chance (10.3 % of ten genres).
RNN_WITHOUT_READOUT = Recipe(
    name="rnn_without_readout",
    summary="Basic recurrent network with one unit per genre, trained in parts of 6 segments",
    reference="document A, RNNs manually implemented using Tensorflow",
    model="rnn",
    arguments={"readout": False},
    procedure="truncated",
    settings={"num_steps": 6, **SETTINGS, "epochs": 35},
    reported={"MSD-10 validation accuracy": "about 0.37"},
)

RNN = Recipe(
    name="rnn",
    summary="Basic recurrent network with a linear output layer, trained in parts of 4 segments",
    reference="document A, RNN Experiment with Best Parameters",
    model="rnn",
    arguments={"units": 341},
    procedure="truncated",
    settings={"num_steps": 4, **SETTINGS, "epochs": 50},
    reported={"MSD-10 validation accuracy": "0.5744", "MSD-25 validation accuracy": "0.2294"},
)

BATCH_NORM_RNN = Recipe(
    name="batch_norm_rnn",
    summary="Recurrent network with batch norm before its tanh, trained in parts of 4 segments",
    reference="document A, RNN with Batch Normalization Experiment for 100 epochs",
    model="batch_norm_rnn",
    arguments={"units": 341},
    procedure="truncated",
    settings={"num_steps": 4, **SETTINGS, "epochs": 100},
    reported={"MSD-10 validation accuracy": "0.6117, with parts of 8 segments over 0.62"},
)

GRU = Recipe(
    name="gru",
    summary="One GRU layer with L2 and a linear output layer",
    reference="document A, Future work; with the settings of the LSTM of document C",
    model="gru",
    arguments={"units": 100, "l2": 1e-3},
    settings={"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 50, "epochs": 40},
)


# Each training song's logits are of one of ten teachers, one that never saw it; they were trained for 30 epochs. The
# source's folds are of training and validation songs together, and its test songs validate the student. Here validation
# songs choose the student's epoch, so that the test songs stay unseen, and have no part in the folds.
TEACHER = {"teacher": Member(recipe=RNN.model_copy(update={"settings": {**RNN.settings, "epochs": 30}}), folds=10)}

STUDENT_MLP = Recipe(
    name="student_mlp",
    summary="One hidden layer of 1784 units, trained on the logits of the recurrent network",
    reference="document A, Full training of Student Shallow Neural Network with learning rate 1e-4",
    model="student_mlp",
    arguments={"units": 1784, "input_dropout": 0.5, "dropout": 0.0, "l2": 1e-3},
    procedure="distillation",
    settings={**SETTINGS, "class_reduction": "sum", "epochs": 100},
    members=TEACHER,
    reported={"MSD-10 test accuracy": "0.50"},
)

STUDENT_MLP_SMALL = Recipe(
    name="student_mlp_small",
    summary="One hidden layer of 828 units, trained on the logits of the recurrent network",
    reference="document A, Full training of Student Shallow Neural Network with learning rate 1e-5",
    model="student_mlp",
    arguments={"units": 828, "input_dropout": 1 - 0.605013, "dropout": 1 - 0.684124, "l2": 0.06207},
    procedure="distillation",
    settings={**SETTINGS, "class_reduction": "sum", "learning_rate": 1e-5, "epochs": 100},
    members=TEACHER,
    reported={"MSD-10 test accuracy": "0.45 to 0.46"},
)

CASCADE = Recipe(
    name="cascade",
    summary="A student that consults the recurrent teacher where it is uncertain",
    reference="document A, Future work",
    model="cascade",
    members={"student": Member(recipe=STUDENT_MLP), "teacher": Member(recipe=RNN)},
    procedure="cascade_threshold",
)

RNN_WITH_NOISE = Recipe(
    name="rnn_with_noise",
    summary="The basic recurrent network with a linear output layer, trained with Gaussian noise on the songs",
    reference="document A, Future work",
    model="rnn",
    arguments=RNN.arguments,
    procedure="truncated",
    settings={**RNN.settings, "noise": 0.1},  # of each feature's standard deviation; the source gives no number
)

RNN_IN_CHUNKS = Recipe(
    name="rnn_in_chunks",
    summary="The basic recurrent network on overlapping chunks of 60 segments, with their posteriors averaged",
    reference="document A, Future work",
    model="rnn",
    arguments=RNN.arguments,
    procedure="truncated",
    settings=RNN.settings,
    chunks=Chunks(segments=60, hop=30),
)

RECIPES.add(
    MLP,
    MLP_PRETRAINED,
    CURRICULUM,
    CURRICULUM_SELF_PACED,
    CURRICULUM_REVERSE,
    RNN_WITHOUT_READOUT,
    RNN,
    BATCH_NORM_RNN,
    GRU,
    STUDENT_MLP,
    STUDENT_MLP_SMALL,
    CASCADE,
    RNN_WITH_NOISE,
    RNN_IN_CHUNKS,
)
