"""Convolution in time that keeps the number of segments, with Keras's layers, which ignore masks."""

from __future__ import annotations

from typing import Any

from genrezoo.lazy import layers


def convolved(x: Any, layer: Any) -> Any:
    """Applies a convolution with ``padding="same"`` to a song whose padded segments are set to zero first.

    Args:
        x: ``(batch, segments, features)``, with the mask of the real ones.
        layer: A Keras layer.

    Returns:
        ``(batch, segments, filters)`` with the mask of ``x``; values at masked segments are finite.
    """
    outputs = layer(layers.EndMask(name=f"{layer.name}_end_mask")(x))
    return layers.TakeMask(name=f"{layer.name}_take_mask")([outputs, x])
