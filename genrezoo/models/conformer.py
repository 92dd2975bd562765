"""A conformer: every block combines attention for distant segments with convolution for neighbouring ones.

Choose it over `transformer` where both the order of neighbouring segments and distant ones matter. It has twice the
weights and layers of a transformer of the same size, and needs a few thousand songs.
"""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import keras
from genrezoo.models._checks import InputShape, check_count, check_weights
from genrezoo.models._encoder import ENCODER_SPACE, added, attention_block, embed, feed_forward_block
from genrezoo.models._frame import classify, song_input
from genrezoo.models._pooling import pool_song
from genrezoo.models._time_convolution import convolved
from genrezoo.registry import MODELS
from genrezoo.spaces import Choice

ACTIVATION = "silu"


@MODELS.register(
    "conformer",
    summary="conformer: blocks of attention and convolution, then gated attention pooling",
    reference="genrezoo, after A. Gulati et al., Conformer: convolution-augmented transformer for speech recognition, "
    "Interspeech 2020",
    space={**ENCODER_SPACE, "kernel_size": Choice((3, 5, 7, 15, 31))},
    masks_padding=True,
    any_length=True,
)
def build_conformer(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 64,
    heads: int = 4,
    blocks: int = 2,
    expansion: int = 2,
    kernel_size: int = 7,
    pooling: str = "attention",
    input_dropout: float = 0.1,
    dropout: float = 0.3,
    classifier_activation: str | None = None,
) -> Any:
    """Blocks of half-step feed-forward, self-attention, convolution and half-step feed-forward, and a pooling in time.

    It differs from the source in three points: positions are rotary instead of learnt relative ones; the convolution is
    followed by layer normalisation instead of batch normalisation, so that songs of a batch do not influence each
    other; and kernels are shorter than the source's, which cover 32 frames of speech. ``gz.feature_extractor(run,
    layer="attention")`` returns the weights of the pooling, ``(songs, segments, 1)``.

    Args:
        units: Size of a segment's representation, a multiple of twice ``heads``.
        heads: Attention heads in each block.
        blocks: Number of blocks, at least 1.
        expansion: Size of the feed-forward hidden layers, as a multiple of ``units``.
        kernel_size: Segments that a kernel covers, at least 1; the convolution is depthwise.
        pooling: How the segments of a song are pooled: ``"attention"`` or ``"mean"``.
        input_dropout: Fraction of the features to drop, in [0, 1).
        dropout: Dropout rate of each hidden layer, of each residual branch, and of the pooled song, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Raises:
        SettingsError: An option is out of range.

    Example:
        >>> model = build_conformer((None, 25), num_classes=10)
        >>> model.get_layer("block_2_conv").output.shape
        (None, None, 64)

    Reference:
        A. Gulati et al., "Conformer: convolution-augmented transformer for speech recognition", Interspeech 2020.
    """
    check_count("kernel_size", kernel_size)
    songs, x = song_input(input_shape)
    x = embed(x, units, input_dropout=input_dropout)
    perceptron: dict[str, Any] = {"expansion": expansion, "activation": ACTIVATION, "dropout": dropout, "scale": 0.5}
    for block in (f"block_{number}" for number in range(1, check_count("blocks", blocks) + 1)):
        x = feed_forward_block(x, **perceptron, name=f"{block}_first")
        x = attention_block(x, heads=heads, dropout=dropout, name=f"{block}_attention")
        x = _convolution_block(x, kernel_size=kernel_size, dropout=dropout, name=f"{block}_conv")
        x = feed_forward_block(x, **perceptron, name=f"{block}_second")
        x = keras.layers.LayerNormalization(name=f"{block}_norm")(x)
    x = pool_song(x, pooling=pooling, dropout=dropout)
    return keras.Model(songs, classify(x, num_classes, classifier_activation=classifier_activation), name="conformer")


def _convolution_block(x: Any, *, kernel_size: int, dropout: float, name: str) -> Any:
    """A residual block: gating and a depthwise convolution, ``(batch, segments, units)``."""
    units = x.shape[-1]
    check_weights(name, kernel_size, units)
    y = keras.layers.LayerNormalization(name=f"{name}_norm")(x)
    content = keras.layers.Dense(units, name=f"{name}_content")(y)
    gate = keras.layers.Dense(units, activation="sigmoid", name=f"{name}_gate")(y)
    y = keras.layers.Multiply(name=f"{name}_gated")([content, gate])
    y = convolved(y, keras.layers.DepthwiseConv1D(kernel_size, padding="same", name=name))
    y = keras.layers.LayerNormalization(name=f"{name}_inner_norm")(y)
    y = keras.layers.Activation(ACTIVATION, name=f"{name}_activation")(y)
    y = keras.layers.Dense(units, name=f"{name}_output")(y)
    return added(x, y, dropout=dropout, name=name)
