"""A transformer's encoder over the segments of a song.

Choose it where distant segments explain each other, such as a chorus that comes back, and there are some thousands of
songs. It has no longest song; its time grows with the square of the number of segments, which 120 of them do not show.
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
    summary="transformer encoder with rotary positions, whose segments are pooled by gated attention",
    reference="own; A. Vaswani et al., Attention is all you need, NeurIPS 2017; J. Su et al., RoFormer, 2024",
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
    """Blocks of self-attention and perceptron, each normalised before it (pre-norm); the last segments are pooled.

    Positions are rotary: what a segment gathers from another depends on both and on the distance between them.
    ``gz.feature_extractor(run, layer="attention")`` gives the weights of the pooling, ``(songs, segments, 1)``.

    Args:
        units: Numbers that stand for a segment, an even number for each head.
        heads: Attentions side by side in each block.
        blocks: Blocks, one after the other, from 1.
        expansion: Size of the hidden layer of each block's perceptron, in ``units``.
        activation: Keras activation of that layer.
        pooling: How the segments of a song become one: ``"attention"`` or ``"mean"``.
        input_dropout: Fraction of the features to drop, in [0, 1).
        dropout: Fraction of each hidden layer, of what each block adds, and of the pooled song, to drop, in [0, 1).

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
