"""Recipes with pretrained taggers: small models on their embeddings, and fine-tuning.

The first three need songs with the features `embedding`, of one or both of ``vgg_tagger.msd`` and ``musicnn.msd``; the
last two need `tagger_mel`.
"""

from genrezoo.recipes.recipe import RECIPES, Member, Recipe
from genrezoo.songs.chunks import Chunks

SLOW = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
    "schedule": "cosine",
    "batch_size": 32,
    "epochs": 100,
    "patience": 20,
    "monitor": "loss",
}

TAGGER_PROBE = Recipe(
    name="tagger_probe",
    summary="A linear output layer on the mean and standard deviation of a tagger's embeddings",
    reference="genrezoo, after G. Alain, Y. Bengio, Understanding intermediate layers using linear classifier probes, "
    "2016",
    model="statistics_mlp",
    arguments={"units": [], "input_dropout": 0.5},
    settings={**SLOW, "weight_decay": 0.1, "epochs": 150},
)

# of four sizes and amounts of dropout the one with the highest validation accuracy on GTZAN excerpts (mean of 3 seeds)
TAGGER_MLP = Recipe(
    name="tagger_mlp",
    summary="One hidden layer on the mean and standard deviation of a tagger's embeddings, with strong dropout",
    reference="genrezoo, after A. van den Oord et al., Transfer learning by supervised pre-training, ISMIR 2014",
    model="statistics_mlp",
    arguments={"units": [512], "input_dropout": 0.5, "dropout": 0.5},
    settings=SLOW,
)

# ahead of one perceptron on both embeddings, and of the product, on the validation songs named above
TAGGER_ENSEMBLE = Recipe(
    name="tagger_ensemble",
    summary="Two perceptrons on the embeddings of one tagger each, with the mean of their posteriors",
    reference="genrezoo",
    model="ensemble",
    arguments={"rule": "mean"},
    members={
        tagger: Member(recipe=TAGGER_MLP.changed({"features": [f"{tagger}.msd"]}))
        for tagger in ("musicnn", "vgg_tagger")
    },
    procedure="stagewise",
)

TAGGER_FROM_SCRATCH = Recipe(
    name="tagger_from_scratch",
    summary="The network of a tagger trained from scratch on its mel spectrograms, 3 s at a time",
    reference="genrezoo, after J. Pons, X. Serra, musicnn, ISMIR late-breaking demo 2019",
    model="vgg_tagger",
    arguments={"dropout": 0.5},
    settings={**SLOW, "epochs": 40},
    standardise=False,
    chunks=Chunks(segments=187, hop=187),
)

TAGGER_FINETUNED = Recipe(
    name="tagger_finetuned",
    summary="A tagger with its last two convolutions fine-tuned and a new output layer, 3 s at a time",
    reference="genrezoo, after J. Pons, X. Serra, musicnn, ISMIR late-breaking demo 2019",
    model="vgg_tagger",
    arguments={"weights": "vgg_tagger.msd", "trainable": "top", "dropout": 0.5},
    settings={**SLOW, "learning_rate": 3e-4, "epochs": 20, "patience": 6},
    standardise=False,  # its first layer normalises as it learnt to
    chunks=Chunks(segments=187, hop=187),
)

RECIPES.add(TAGGER_PROBE, TAGGER_MLP, TAGGER_ENSEMBLE, TAGGER_FROM_SCRATCH, TAGGER_FINETUNED)
