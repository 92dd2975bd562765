"""Layers that know nothing of genres and use `keras.ops` only, so that they run on TensorFlow, JAX and torch.

Import this package before you load a model with Keras's own loader. Keras records the simple arguments of a constructor
automatically if the remaining ones are called ``kwargs``; layers with other arguments define ``get_config``.
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
from genrezoo.layers.radial import RadialBasis
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
    "RadialBasis",
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
