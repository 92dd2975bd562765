"""The members of a composition: checking them, copying them and adding them to its graph."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_input_shape, check_num_classes

ANY = ("*",)
"""Stands for two or more members under any names."""


def check_members(
    members: Mapping[str, Any], expected: Sequence[str], *, input_shape: InputShape, num_classes: int
) -> dict[str, Any]:
    """Checks the members and returns them in the expected order, or as passed.

    Args:
        members: Built models by name, each with logits as its output or under the key ``logits``.
        expected: Names that must be present, or `ANY`.
        input_shape: ``(n_segments or None, n_features)`` of the composition.
        num_classes: Number of genres.

    Raises:
        SettingsError: A member is missing, unexpected or not such a model, or does not fit the songs or the genres.
    """
    if not isinstance(members, Mapping):
        raise SettingsError(
            f"members must be a dict of models by name, e.g. {{'original': model}}, got {type(members).__name__}"
        )
    given = ", ".join(map(repr, members)) or "none"
    if tuple(expected) == ANY:
        names = list(members)
        if len(names) < 2:
            raise SettingsError(f"expected at least two members, under any names, got: {given}")
    else:
        names = list(expected)
        if set(members) != set(names):
            raise SettingsError(f"expected the members {', '.join(map(repr, names))}; given: {given}")
    for name in names:
        _check_member(name, members[name], check_input_shape(input_shape, any_length=True), num_classes)
    return {name: members[name] for name in names}


def check_freeze(freeze: bool | Sequence[str], names: Sequence[str]) -> set[str]:
    """Returns the names of the members to freeze.

    Raises:
        SettingsError: It is neither a bool nor a list of names of members.
    """
    if isinstance(freeze, bool):
        return set(names) if freeze else set()
    if not isinstance(freeze, list | tuple | set) or not set(freeze) <= set(names):
        raise SettingsError(
            f"freeze must be True, False or a list of members out of {', '.join(map(repr, names))}, got {freeze!r}"
        )
    return set(freeze)


def copy_of(member: Any) -> Any:
    """Copies a model with its weights, so that a composition does not change the models passed to it."""
    copy = type(member).from_config(member.get_config())
    copy.set_weights(member.get_weights())
    return copy


def logits_of(model: Any) -> Any:
    """Returns the symbolic logits of a model with one or several outputs."""
    return model.output["logits"] if isinstance(model.output, dict) else model.output


def listen(name: str, member: Any, songs: Any, *, frozen: bool) -> Any:
    """Adds a copy of a member as the layer ``member_<name>`` and returns its logits.

    Args:
        name: The member's name.
        member: A model that passed `check_members`.
        songs: ``(batch, segments, features)``, padding as NaN.
        frozen: Whether the copy is excluded from the training of the composition.

    Returns:
        ``(batch, classes)``.
    """
    copy = copy_of(member)
    return attach(name, keras.Model(copy.input, logits_of(copy), name=f"member_{name}"), songs, frozen=frozen)


def attach(name: str, model: Any, songs: Any, *, frozen: bool) -> Any:
    """Returns the outputs of a model that becomes the layer ``member_<name>``; unfrozen ones have this name already."""
    return (layers.Frozen(model, name=f"member_{name}") if frozen else model)(songs)


def _check_member(name: str, member: Any, input_shape: tuple[int | None, ...], num_classes: int) -> None:
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise SettingsError(f"names of members must be lower-case words joined by underscores, got {name!r}")
    if not isinstance(member, keras.Model) or len(getattr(member, "inputs", None) or ()) != 1:
        raise SettingsError(f"member {name!r} must be a built functional model with one input, got {member!r}")
    if isinstance(member.output, dict) and "logits" not in member.output:
        raise SettingsError(f"member {name!r} has no output 'logits', only {', '.join(map(repr, member.output))}")
    takes = tuple(member.inputs[0].shape[1:])
    if len(takes) != 2 or any(own not in (None, size) for own, size in zip(takes, input_shape, strict=True)):
        raise SettingsError(
            f"member {name!r} takes songs of shape {takes}, but the composition is built for {input_shape}"
        )
    answers = tuple(getattr(logits_of(member), "shape", ()))
    if answers != (None, check_num_classes(num_classes)):
        raise SettingsError(f"member {name!r} returns logits of shape {answers}, expected {(None, num_classes)}")
