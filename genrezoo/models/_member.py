"""Models of the registry as parts of other models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.models import create_model
from genrezoo.models._checks import InputShape
from genrezoo.registry import MODELS


def build_member(
    option: str, name: str, input_shape: InputShape, num_classes: int, arguments: Mapping[str, Any]
) -> Any:
    """A fresh model of the registry that turns a song, or a part of one, into logits.

    Args:
        option: What messages call it, e.g. ``"member"``.
        name: Name of a model of segments with one output.
        input_shape: ``(n_segments or None, n_features)`` of what it sees.
        num_classes: Number of genres.
        arguments: Keywords of its builder.

    Returns:
        An uncompiled model.

    Raises:
        UnknownNameError: There is no such model.
        SettingsError: The model is of another kind, is told to give posteriors, or refuses its arguments.
    """
    if MODELS.get(name).expects != "segments":
        raise SettingsError(f"{option} must be a model of segments, but {name!r} takes images")
    if arguments.get("classifier_activation") is not None:
        raise SettingsError(
            f"{option} must return logits, got {arguments['classifier_activation']!r}; leave classifier_activation out"
        )
    model = create_model(name, input_shape, num_classes, **arguments)
    if isinstance(model.output, dict):
        raise SettingsError(
            f"{option} must be a model with one output, but {name!r} has {', '.join(model.output)}; choose e.g. 'lstm'"
        )
    return model
