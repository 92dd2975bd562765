"""Which part of a network is trained: what comes before it stays as it is."""

from __future__ import annotations

from typing import Any

from genrezoo.models._checks import check_choice
from genrezoo.spaces import Choice

PARTS = ("all", "top", "head")
TRAINABLE = Choice(PARTS)


def train_from(model: Any, trainable: str, top: str) -> Any:
    """Freezes the layers before the part that is trained; batch normalisation among them keeps its statistics.

    Args:
        model: A functional model that ends in ``logits``; changed in place.
        trainable: ``"all"``, ``"top"`` or ``"head"``, the layer ``logits`` alone.
        top: Name of the first layer of the top.

    Raises:
        SettingsError: ``trainable`` is another word.
    """
    check_choice("trainable", trainable, PARTS)
    if trainable != "all":
        freeze_before(model, {"top": top, "head": "logits"}[trainable])
    return model


def freeze_before(model: Any, name: str) -> None:
    """Makes the layers that come before the one of that name untrainable."""
    for layer in model.layers:
        if layer.name == name:
            return
        layer.trainable = False
