"""Convolution in time that keeps the number of segments, by Keras's own layers, which know no mask."""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import layers


def convolved(x: Any, layer: Any) -> Any:
    """What a convolution with ``padding="same"`` makes of a song, to which padding is what lies outside: zeros.

    Args:
        x: ``(batch, segments, features)``, with the mask of the real ones.
        layer: A Keras layer, called on the song.

    Returns:
        ``(batch, segments, filters)`` with the mask of ``x``; what stands at masked segments is finite.
    """
    outputs = layer(layers.EndMask(name=f"{layer.name}_end_mask")(x))
    return layers.TakeMask(name=f"{layer.name}_take_mask")([outputs, x])
