"""A transformer encoder over the segments of a song.

Choose it where distant segments are related, such as a repeated chorus, and there are a few thousand songs. Songs may
have any length; its time grows with the square of the number of segments, which does not matter for 120 of them.
"""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import keras
from genrezoo.models._checks import InputShape, check_count
from genrezoo.models._encoder import ENCODER_SPACE, attention_block, embed, feed_forward_block
from genrezoo.models._frame import classify, song_input
from genrezoo.models._pooling import pool_song
from genrezoo.registry import MODELS


@MODELS.register(
    "transformer",
    summary="transformer encoder with rotary positions, then gated attention pooling",
    reference="genrezoo, after A. Vaswani et al., Attention is all you need, NeurIPS 2017; J. Su et al., RoFormer, "
    "2024",
    space=ENCODER_SPACE,
    masks_padding=True,
    any_length=True,
)
def build_transformer(
    input_shape: InputShape,
    num_classes: int,
    *,
    units: int = 64,
    heads: int = 4,
    blocks: int = 2,
    expansion: int = 2,
    activation: str = "gelu",
    pooling: str = "attention",
    input_dropout: float = 0.1,
    dropout: float = 0.3,
    classifier_activation: str | None = None,
) -> Any:
    """Pre-norm blocks of self-attention and feed-forward layers, and a pooling in time.

    Positions are rotary: an attention score depends on two segments and on the distance between them.
    ``gz.feature_extractor(run, layer="attention")`` returns the weights of the pooling, ``(songs, segments, 1)``.

    Args:
        units: Size of a segment's representation, a multiple of twice ``heads``.
        heads: Attention heads in each block.
        blocks: Number of blocks, at least 1.
        expansion: Size of each block's feed-forward hidden layer, as a multiple of ``units``.
        activation: Keras activation of that layer.
        pooling: How the segments of a song are pooled: ``"attention"`` or ``"mean"``.
        input_dropout: Fraction of the features to drop, in [0, 1).
        dropout: Dropout rate of each hidden layer, of each residual branch, and of the pooled song, in [0, 1).

    Returns:
        An uncompiled model; its last layer is called ``logits``.

    Raises:
        SettingsError: An option is out of range.

    Example:
        >>> model = build_transformer((None, 25), num_classes=10)
        >>> model.get_layer("block_2_attention").output.shape
        (None, None, 64)

    Reference:
        A. Vaswani et al., "Attention is all you need", NeurIPS 2017; normalised as in R. Xiong et al., "On layer
        normalization in the transformer architecture", ICML 2020; J. Su et al., "RoFormer: enhanced transformer with
        rotary position embedding", Neurocomputing 568 (2024).
    """
    songs, x = song_input(input_shape)
    x = embed(x, units, input_dropout=input_dropout)
    for number in range(1, check_count("blocks", blocks) + 1):
        x = attention_block(x, heads=heads, dropout=dropout, name=f"block_{number}_attention")
        x = feed_forward_block(
            x, expansion=expansion, activation=activation, dropout=dropout, name=f"block_{number}_feed_forward"
        )
    x = keras.layers.LayerNormalization(name="norm")(x)
    x = pool_song(x, pooling=pooling, dropout=dropout)
    return keras.Model(songs, classify(x, num_classes, classifier_activation=classifier_activation), name="transformer")
