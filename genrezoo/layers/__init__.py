"""Layers without any knowledge of genres, in `keras.ops` alone: the same code runs on TensorFlow, JAX and torch.

Importing this package is all that Keras's own loader needs to read a model made of them.
"""

from genrezoo.layers.aggregation import RULES, Aggregate, aggregate, aggregate_logits
from genrezoo.layers.convolution import MaskedConv1D
from genrezoo.layers.heads import Head
from genrezoo.layers.masking import EndMask, MaskPadding
from genrezoo.layers.pooling import LastSegment, MaskedPooling1D, StatisticsPooling
from genrezoo.layers.snippets import CutSnippets
from genrezoo.layers.stabiliser import ActivityStabiliser

__all__ = [
    "RULES",
    "ActivityStabiliser",
    "Aggregate",
    "CutSnippets",
    "EndMask",
    "Head",
    "LastSegment",
    "MaskPadding",
    "MaskedConv1D",
    "MaskedPooling1D",
    "StatisticsPooling",
    "aggregate",
    "aggregate_logits",
]
