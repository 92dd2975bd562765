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
    """Builds a new model of the registry that maps a song, or a part of one, to logits.

    Args:
        option: Name of the option in error messages, e.g. ``"member"``.
        name: Name of a segment model with one output.
        input_shape: ``(n_segments or None, n_features)`` of its input.
        num_classes: Number of genres.
        arguments: Keywords of its builder.

    Returns:
        An uncompiled model.

    Raises:
        UnknownNameError: There is no such model.
        SettingsError: The model takes images, has several outputs, returns posteriors, or rejects its arguments.
    """
    if MODELS.get(name).expects != "segments":
        raise SettingsError(f"{option} must be a segment model, but {name!r} takes images")
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
