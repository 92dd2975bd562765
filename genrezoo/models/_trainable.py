"""Freezing of the first layers of a network."""

from __future__ import annotations

from typing import Any

from genrezoo.models._checks import check_choice
from genrezoo.spaces import Choice

PARTS = ("all", "top", "head")
TRAINABLE = Choice(PARTS)


def train_from(model: Any, trainable: str, top: str) -> Any:
    """Freezes all layers before the trained part; frozen batch normalisation keeps its statistics.

    Args:
        model: A functional model that ends in ``logits``; changed in place.
        trainable: ``"all"``, ``"top"`` or ``"head"`` (only the layer ``logits``).
        top: Name of the first layer of the top.

    Raises:
        SettingsError: ``trainable`` is none of these.
    """
    check_choice("trainable", trainable, PARTS)
    if trainable != "all":
        freeze_before(model, {"top": top, "head": "logits"}[trainable])
    return model


def freeze_before(model: Any, name: str) -> None:
    """Freezes the layers before the one with that name."""
    for layer in model.layers:
        if layer.name == name:
            return
        layer.trainable = False
