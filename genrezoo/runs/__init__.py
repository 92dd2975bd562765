"""Runs: a recipe trained on songs with a seed, kept in a folder that holds everything needed to use it again.

A run folder has ``weights.safetensors`` (arrays only), ``card.json`` (what the run depends on and came to),
``history.csv`` and ``predictions.npz`` (valid and test). The card is written last: a folder without one is a training
to be continued. Loading builds the model by name from the validated card and never deserialises code.
"""

from genrezoo.runs.folds import OutOfFold, out_of_fold
from genrezoo.runs.run import Card, Run, load_run
from genrezoo.runs.training import train

__all__ = ["Card", "OutOfFold", "Run", "load_run", "out_of_fold", "train"]
