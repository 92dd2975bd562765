"""One hyperparameter of a search: what it may be, and under which conditions it counts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import keras_tuner
import numpy as np

from genrezoo.errors import SettingsError

Condition = tuple[str, tuple[Any, ...]]
"""Name of another hyperparameter, and the values of it that this one counts for."""
MOST_STEPS = 10_000
"""Values of a range with a step."""
LARGEST = 2**53
"""Of whole numbers: up to it a float is one too."""


@dataclass(frozen=True)
class Dimension:
    """A hyperparameter.

    Attributes:
        name: Its name.
        kind: ``"float"``, ``"int"``, ``"choice"``, ``"boolean"``, or ``"fixed"`` for one that is not searched.
        values: Of a choice all values, of a fixed one its value.
        default: Where a search begins.
        min: Least number.
        max: Greatest number.
        step: Distance of two numbers, or with logarithmic sampling their ratio; None for any number in between.
        sampling: ``"linear"``, ``"log"`` or ``"reverse_log"``.
        conditions: All of them must hold for it to count.

    Example:
        >>> Dimension("units", "int", default=8, min=8, max=32, step=2, sampling="log").points()
        (8, 16, 32)
    """

    name: str
    kind: str
    values: tuple[Any, ...] = ()
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    sampling: str = "linear"
    conditions: tuple[Condition, ...] = ()

    @property
    def count(self) -> int | None:
        """How many values it has; None for a range of real numbers."""
        if self.min is None or self.max is None:
            return len(self.points())
        if self.step is None:
            return None if self.kind == "float" else int(self.max) - int(self.min) + 1
        if self.sampling == "linear":
            return math.floor((self.max - self.min) / self.step + 1e-9) + 1
        return math.floor(math.log(self.max / self.min, self.step) + 1e-9) + 1

    def points(self) -> tuple[Any, ...]:
        """All its values, if they can be counted."""
        if self.kind == "boolean":
            return (False, True)
        if self.min is None or self.max is None:
            return self.values
        return tuple(self._at(number) for number in range(self.count or 0))

    def samples(self) -> tuple[Any, ...]:
        """All its values if they are few, else some over the whole range."""
        if self.min is None or self.max is None or (self.count is not None and self.count <= 16):
            return self.points()
        middle = math.sqrt(self.min * self.max) if self.sampling != "linear" else (self.min + self.max) / 2
        return tuple(dict.fromkeys([self._typed(self.min), self.nearest(middle), self._typed(self.max), self.default]))

    def holds(self, value: Any) -> bool:
        """Whether a value is one of its values."""
        if not self.takes(value):
            return False
        if self.min is None or self.max is None:
            return value in self.points()
        if self.step is None:
            return bool(self.min <= value <= self.max)
        return bool(self.min <= value <= self.max) and self.nearest(value) == value

    def takes(self, value: Any) -> bool:
        """Whether a value is of its type."""
        if self.kind == "boolean" or self.kind == "fixed":
            return isinstance(value, bool) or self.kind == "fixed"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind == "float":
            return number
        if self.kind == "int":
            return number and isinstance(value, int)
        return type(value) is type(self.values[0])

    def nearest(self, value: float) -> Any:
        """The value of a range that is nearest to a number."""
        assert self.min is not None  # only ranges are asked
        assert self.max is not None
        value = min(max(value, self.min), self.max)
        if self.step is None:
            return self._typed(value)
        if self.sampling == "linear":
            number = round((value - self.min) / self.step)
        elif self.sampling == "log":
            number = round(math.log(value / self.min, self.step))
        else:
            number = round(math.log((self.max - value + self.min) / self.min, self.step))
        return self._at(min(number, (self.count or 1) - 1))

    def begin(self, value: Any) -> Any:
        """Where a search begins that would like to begin at a value: there, or as near as can be."""
        if self.holds(value):
            return float(value) if self.kind == "float" else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.min is not None:
                return self.nearest(value)
            if self.kind == "choice" and isinstance(self.values[0], int | float):
                return min(self.points(), key=lambda point: abs(point - value))
        return self.default if self.holds(self.default) else self.samples()[0]

    def active(self, values: Mapping[str, Any]) -> bool:
        """Whether it counts where others have these values."""
        return all(parent in values and values[parent] in allowed for parent, allowed in self.conditions)

    def register(self, hp: keras_tuner.HyperParameters) -> None:
        """Makes it known to KerasTuner, which must know those that its conditions name."""
        with ExitStack() as scopes:
            for parent, allowed in self.conditions:
                scopes.enter_context(hp.conditional_scope(parent, list(allowed)))
            if self.kind == "boolean":
                hp.Boolean(self.name, default=self.default)
            elif self.kind == "int":
                hp.Int(self.name, self.min, self.max, step=self.step, sampling=self.sampling, default=self.default)
            elif self.kind == "float" and self.step is None:
                hp.Float(self.name, self.min, self.max, sampling=self.sampling, default=self.default)
            else:  # real numbers with a step too: KerasTuner's own leave out the last one where rounding wants it so
                hp.Choice(self.name, list(self.points()), default=self.default)

    def describe(self) -> dict[str, Any]:
        """It as plain data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "min": self.min,
            "max": self.max,
            "step": self.step,
            "sampling": self.sampling if self.min is not None else None,
            "values": list(self.values) or None,
            "default": self.default,
            "conditions": [{"name": parent, "values": list(allowed)} for parent, allowed in self.conditions],
        }

    def _at(self, number: int) -> Any:
        assert self.min is not None  # only ranges are asked
        assert self.max is not None
        step = 1.0 if self.step is None else self.step
        if self.sampling == "linear":
            return self._typed(self.min + number * step)
        if self.sampling == "log":
            return self._typed(self.min * step**number)
        return self._typed(self.max + self.min - self.min * step**number)

    def _typed(self, value: float) -> Any:
        if self.kind == "int":
            return int(value) if isinstance(value, int) else math.floor(value + 1e-9)
        return float(value) if self.step is None else float(f"{value:.12g}")


def read_dimension(name: str, given: Any, own: Dimension | None) -> tuple[Dimension, dict[str, Any]]:
    """A hyperparameter from what a caller says of it.

    Args:
        name: Its name.
        given: A list of values, a table with ``min`` and ``max`` and perhaps ``step`` and ``sampling``, or one value.
        own: What it is if nothing is said; its kind of number counts, and what the table leaves out.

    Returns:
        The hyperparameter, and where values are lists or tables the value of each text that stands for one.

    Raises:
        SettingsError: An empty choice, values of several types or twice the same, or an impossible range.

    Example:
        >>> read_dimension("units", [64, 16, 32], None)[0].values
        (16, 32, 64)
        >>> read_dimension("units", [[8], [8, 8]], None)[1]
        {'[8]': [8], '[8, 8]': [8, 8]}
    """
    if isinstance(given, Mapping):
        return _read_range(name, given, own), {}
    if not isinstance(given, list | tuple):
        return Dimension(name, "fixed", values=(plain(given),), default=plain(given)), {}
    values, texts = [plain(value) for value in given], dict[Any, Any]()
    if not values:
        raise SettingsError(f"{name}: an empty list leaves no choice")
    if all(isinstance(value, list | dict) for value in values):  # KerasTuner knows numbers and texts alone
        texts = {json.dumps(value): value for value in values}
        values = [json.dumps(value) for value in values]
    kinds = {type(value) for value in values}
    if kinds <= {int, float} and not all(map(_bounded, values)):
        raise SettingsError(f"{name}: numbers must be finite, whole ones at most 2**53, got {given!r}")
    if kinds == {int, float} or (kinds == {int} and own is not None and own.kind == "float"):
        values, kinds = [float(value) for value in values], {float}
    if len(kinds) > 1 or not kinds <= {bool, int, float, str}:
        raise SettingsError(f"{name}: values must be of one type, all numbers, texts, booleans or lists, got {given!r}")
    if len(set(values)) < len(values):
        raise SettingsError(f"{name}: a value stands there twice in {given!r}")
    if own is not None and own.kind == "int":
        values = _whole(name, values)
    if len(values) == 1:
        value = texts.get(values[0], values[0])
        return Dimension(name, "fixed", values=(value,), default=value), {}
    if kinds == {bool}:
        return Dimension(name, "boolean", default=values[0]), {}
    if kinds <= {int, float}:
        values = sorted(values)
    return Dimension(name, "choice", values=tuple(values), default=values[0]), texts


def plain(value: Any) -> Any:
    """A value as plain data: numbers of NumPy as Python's own, tuples as lists."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def _read_range(name: str, given: Mapping[str, Any], own: Dimension | None) -> Dimension:
    ranged = own is not None and own.min is not None
    whole = own.kind == "int" if own is not None and own.kind in ("int", "float") else None
    known = {"min", "max", "step", "sampling"}
    if not set(given) <= known or (not ranged and not {"min", "max"} <= set(given)):
        raise SettingsError(f"{name}: a range is a table of min, max and perhaps step and sampling, got {dict(given)}")
    table: dict[str, Any] = (
        {"min": own.min, "max": own.max, "sampling": own.sampling} if own is not None and ranged else {}
    )
    table = {**table, **{key: plain(value) for key, value in given.items() if value is not None}}
    numbers = [table[key] for key in ("min", "max", "step") if table.get(key) is not None]
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in numbers):
        raise SettingsError(f"{name}: min, max and step must be numbers, got {dict(given)}")
    if not all(map(_bounded, numbers)):
        raise SettingsError(f"{name}: min, max and step must be finite, whole ones at most 2**53, got {dict(given)}")
    least, most, step, sampling = table["min"], table["max"], table.get("step"), table.get("sampling", "linear")
    if sampling not in ("linear", "log"):
        raise SettingsError(f"{name}: sampling must be 'linear' or 'log', got {sampling!r}")
    if least >= most:
        raise SettingsError(f"{name}: min must be below max, got {least} and {most}; give one value to fix it")
    if sampling == "log" and least <= 0:
        raise SettingsError(f"{name}: sampling 'log' needs a min above 0, got {least}")
    if step is not None and step <= (1 if sampling == "log" else 0):
        what = "above 1 with sampling 'log', where it is a ratio" if sampling == "log" else "above 0"
        raise SettingsError(f"{name}: step must be {what}, got {step}")
    whole = all(isinstance(number, int) for number in (least, most)) if whole is None else whole
    least, most, *rest = _whole(name, numbers) if whole else [float(number) for number in numbers]
    step = rest[0] if rest else None
    kind = "int" if whole else "float"
    dimension = Dimension(name, kind, default=least, min=least, max=most, step=step, sampling=sampling)
    if step is not None and not 1 < (dimension.count or 0) <= MOST_STEPS:
        raise SettingsError(
            f"{name}: step {step} makes {dimension.count} values between {least} and {most}, 2 to {MOST_STEPS} can be; "
            "without a step any number in between is tried"
        )
    return dimension


def _bounded(number: float) -> bool:
    """Whether a number is finite; a whole one also whether a float can hold it."""
    return abs(number) <= LARGEST if isinstance(number, int) else math.isfinite(number)


def _whole(name: str, values: Sequence[Any]) -> list[int]:
    if any(isinstance(value, str | bool) or value != int(value) for value in values):
        raise SettingsError(f"{name}: whole numbers are expected, got {list(values)}")
    return [int(value) for value in values]
