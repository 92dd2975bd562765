"""Layers without any knowledge of genres, in `keras.ops` alone: the same code runs on TensorFlow, JAX and torch.

Importing this package is all that Keras's own loader needs to read a model made of them. Keras records the plain
arguments of a constructor by itself if further ones are called ``kwargs``; layers with others define ``get_config``.
"""

from genrezoo.layers.aggregation import Aggregate, RealMembers
from genrezoo.layers.attention import GatedAttention, WeightedPooling
from genrezoo.layers.cascade import Cascade, uncertainty
from genrezoo.layers.cells import BatchNormRNN, TanhCell
from genrezoo.layers.convolution import MaskedConv1D
from genrezoo.layers.diversity import DiversityPenalty, similarity
from genrezoo.layers.embedding import Periodic, PiecewiseLinear
from genrezoo.layers.frozen import Frozen
from genrezoo.layers.heads import Head
from genrezoo.layers.images import ImagenetInput
from genrezoo.layers.kernels import RandomKernels
from genrezoo.layers.masking import EndMask, MaskPadding, TakeMask
from genrezoo.layers.members import RankOneDense, SeparateDense
from genrezoo.layers.pooling import LastSegment, MaskedPooling1D, MaxMeanPooling, MeanPooling
from genrezoo.layers.rotary import RotaryAttention
from genrezoo.layers.snippets import CutSnippets
from genrezoo.layers.stabiliser import ActivityStabiliser
from genrezoo.layers.standardise import Standardise
from genrezoo.layers.statistics import PooledStatistics
from genrezoo.layers.temperature import Temperature
from genrezoo.layers.weighting import WeightedAggregate

__all__ = [
    "ActivityStabiliser",
    "Aggregate",
    "BatchNormRNN",
    "Cascade",
    "CutSnippets",
    "DiversityPenalty",
    "EndMask",
    "Frozen",
    "GatedAttention",
    "Head",
    "RealMembers",
    "ImagenetInput",
    "LastSegment",
    "MaskPadding",
    "MaskedConv1D",
    "MaskedPooling1D",
    "MaxMeanPooling",
    "MeanPooling",
    "Periodic",
    "PiecewiseLinear",
    "PooledStatistics",
    "RotaryAttention",
    "RandomKernels",
    "RankOneDense",
    "SeparateDense",
    "Standardise",
    "TakeMask",
    "TanhCell",
    "Temperature",
    "WeightedAggregate",
    "WeightedPooling",
    "similarity",
    "uncertainty",
]
