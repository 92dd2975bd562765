"""Checks of values that Keras accepts, or rejects without a helpful message; Keras checks the rest (`Entry.build`)."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import TypeAlias

from genrezoo.errors import SettingsError

InputShape: TypeAlias = Sequence[int | None]
"""``(n_segments, n_features)``, where ``n_segments`` may be None for songs of any length, or ``(height, width,
channels)``."""


def check_input_shape(input_shape: InputShape, *, any_length: bool) -> tuple[int | None, int]:
    """Returns the shape of one song as a tuple.

    Args:
        input_shape: ``(n_segments, n_features)``.
        any_length: Whether ``n_segments`` may be None.

    Raises:
        SettingsError: The shape has another form, or the length is None where it must be known.
    """
    shape = tuple(input_shape) if isinstance(input_shape, tuple | list) else ()
    if len(shape) != 2 or not is_count(shape[1]) or not (shape[0] is None or is_count(shape[0])):
        raise SettingsError(
            f"input_shape must be (n_segments or None, n_features), e.g. (120, 25), got {input_shape!r}"
        )
    if shape[0] is None and not any_length:
        raise SettingsError(
            f"this model needs a fixed number of segments, got input_shape={shape!r}; "
            "specify the number, or choose a model that takes any length, e.g. 'lstm'"
        )
    return shape[0], int(shape[1] or 0)


def check_image_shape(input_shape: InputShape) -> tuple[int, int, int]:
    """Returns the shape of one image as a tuple.

    Raises:
        SettingsError: It is not ``(height, width, channels)``.
    """
    shape = tuple(input_shape) if isinstance(input_shape, tuple | list) else ()
    if len(shape) != 3 or not all(map(is_count, shape)):
        raise SettingsError(f"input_shape must be (height, width, channels), e.g. (172, 173, 3), got {input_shape!r}")
    height, width, channels = (int(size or 0) for size in shape)
    return height, width, channels


def check_num_classes(num_classes: int) -> int:
    """Returns the number of genres.

    Raises:
        SettingsError: It is not an integer of at least 2.
    """
    return check_count("num_classes", num_classes, least=2)


MOST = 2**20
"""Upper limit for units of a layer and layers of a stack: Keras accepts any number and would exhaust the memory."""


def check_count(name: str, value: int, *, least: int = 1, most: int = MOST) -> int:
    """Checks an integer and returns it.

    Raises:
        SettingsError: It is not an integer from ``least`` to ``most``.
    """
    if not is_count(value, least=least) or value > most:
        upper = f" to {most:,}" if is_count(value, least=least) else ""
        raise SettingsError(f"{name} must be a whole number from {least}{upper}, got {value!r}")
    return int(value)


def check_counts(name: str, values: Sequence[int], *, fewest: int = 1) -> tuple[int, ...]:
    """Checks a list of integers and returns it as a tuple; Keras has no lists of sizes.

    Args:
        name: Name of the option, for the message.
        values: The value passed.
        fewest: Least number of entries.

    Raises:
        SettingsError: It is not a list of at least that many integers of at least 1.
    """
    if not isinstance(values, tuple | list) or len(values) < fewest or not all(map(is_count, values)):
        raise SettingsError(f"{name} must be a list of whole numbers from 1, e.g. (200, 200), got {values!r}")
    return tuple(int(value) for value in values)


MOST_WEIGHTS = 2**30
"""Largest number of entries in one weight array (4 GiB); Keras would start to allocate a larger one."""


def check_weights(name: str, *sizes: int) -> None:
    """Rejects a layer whose weights would exhaust the memory, before they are allocated.

    Args:
        name: Name of the layer, for the message.
        sizes: Shape of its largest weight array.

    Raises:
        SettingsError: It holds more than `MOST_WEIGHTS` numbers.
    """
    if math.prod(sizes) > MOST_WEIGHTS:
        shape = " x ".join(f"{size:,}" for size in sizes)
        raise SettingsError(f"{name} would have {shape} weights, more than {MOST_WEIGHTS:,}; make the model smaller")


def check_rate(name: str, value: float) -> float:
    """Checks a dropout rate and returns it. Keras clamps the rates of recurrent layers, and accepts 1, which drops all.

    Raises:
        SettingsError: It is not a number in [0, 1).
    """
    if not is_number(value) or not 0 <= value < 1:
        raise SettingsError(f"{name} must be a number of at least 0 and below 1, got {value!r}")
    return float(value)


def check_choice(name: str, value: str | None, choices: Collection[str | None]) -> str | None:
    """Checks that a value is one of the choices and returns it.

    Raises:
        SettingsError: It is none of them.
    """
    if value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def is_count(value: object, *, least: int = 1) -> bool:
    """Whether it is an integer (not a bool) of at least ``least``."""
    return not isinstance(value, bool) and isinstance(value, int | Integral) and int(value) >= least


def is_number(value: object) -> bool:
    """Whether it is a real number (not a bool)."""
    return not isinstance(value, bool) and isinstance(value, float | Real)
