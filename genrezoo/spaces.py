"""Search spaces as data: the domain of each option of a builder or procedure.

A space maps the names of options to their domains. It does not repeat an option's default, which is that of the
builder's keyword or of the field of the procedure's settings. Spaces can be declared, shown and sampled without Keras
and KerasTuner.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

Number = TypeVar("Number", int, float)
Conditions: TypeAlias = Mapping[str, tuple[Any, ...]]
"""Conditions under which an option is active: the allowed values of other options, by name; all must hold."""


@dataclass(frozen=True)
class _Range(Generic[Number]):
    min: Number
    max: Number
    step: Number | None = None
    sampling: str = "linear"
    when: Conditions = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)


class Int(_Range[int]):
    """Whole numbers from ``min`` to ``max``, both included.

    Attributes:
        min: Smallest value.
        max: Largest value.
        step: Difference of two successive values, or their ratio if ``sampling`` is ``"log"``; None for every whole
            number.
        sampling: ``"linear"`` or ``"log"``.
        when: Conditions under which the option is active.

    Raises:
        ValueError: The range is empty or has more than 10,000 steps, or the step or the sampling is invalid.

    Example:
        >>> Int(25, 200, step=25)
        Int(min=25, max=200, step=25, sampling='linear', when={})
    """


class Float(_Range[float]):
    """Real numbers from ``min`` to ``max``, both included; the attributes are those of `Int`."""


@dataclass(frozen=True)
class Choice:
    """One of several values: numbers, strings, None, or tuples for an option that takes a list.

    Attributes:
        values: The values, in their natural order if they have one.
        when: Conditions under which the option is active.
    """

    values: tuple[Any, ...]
    when: Conditions = field(default_factory=dict)


@dataclass(frozen=True)
class Boolean:
    """True or False.

    Attributes:
        when: Conditions under which the option is active.
    """

    when: Conditions = field(default_factory=dict)


Domain: TypeAlias = Int | Float | Choice | Boolean
Space: TypeAlias = Mapping[str, Domain]
MOST_STEPS = 10_000


def values_of(domain: Domain) -> Sequence[Any] | None:
    """Returns all values of a domain in order; None for real numbers without a step.

    Example:
        >>> values_of(Int(8, 32, step=2, sampling="log")), values_of(Float(0.0, 0.3, step=0.1))
        ((8, 16, 32), (0.0, 0.1, 0.2, 0.3))
    """
    if isinstance(domain, Boolean):
        return (False, True)
    if isinstance(domain, Choice):
        return domain.values
    if domain.step is None:
        return range(domain.min, domain.max + 1) if isinstance(domain, Int) else None
    return tuple(_at_step(domain, number) for number in range(_steps(domain, domain.max) + 1))


def holds(domain: Domain, value: Any) -> bool:
    """Whether a value lies in a domain.

    Example:
        >>> holds(Int(1, 9), 9), holds(Int(1, 9, step=2), 2), holds(Choice(((8,), (8, 8))), [8, 8])
        (True, False, True)
    """
    if isinstance(domain, Boolean):
        return isinstance(value, bool)
    if isinstance(domain, Choice):
        return json.dumps(value) in map(json.dumps, domain.values)
    if isinstance(value, bool) or not isinstance(value, int if isinstance(domain, Int) else int | float):
        return False
    return domain.min <= value <= domain.max and (domain.step is None or nearest(domain, value) == value)


def nearest(domain: Int | Float, number: float) -> int | float:
    """Returns the value of a range that is nearest to a number.

    Example:
        >>> nearest(Int(10, 40, step=10), 26), nearest(Float(0.0, 0.5), 7)
        (30, 0.5)
    """
    number = min(max(number, domain.min), domain.max)
    if domain.step is not None:
        return _at_step(domain, min(_steps(domain, number, 0.5), _steps(domain, domain.max)))
    return round(number) if isinstance(domain, Int) else float(number)


def smallest(space: Space) -> dict[str, Any]:
    """Returns the smallest value of every unconditional option: the smallest model of a family, for quick checks.

    Example:
        >>> smallest({"units": Int(25, 200), "rule": Choice(("mean", "product")), "dropout": Float(0.0, 0.5)})
        {'units': 25, 'rule': 'mean', 'dropout': 0.0}
    """
    return {name: _least(domain) for name, domain in space.items() if not domain.when}


def describe(domain: Domain) -> str:
    """Formats the domain as one line of text.

    Example:
        >>> describe(Int(25, 200, step=25)), describe(Choice(("adam", "adamw")))
        ('25 to 200 in steps of 25', 'adam, adamw')
    """
    if isinstance(domain, Boolean):
        text = "true, false"
    elif isinstance(domain, Choice):
        text = ", ".join(value if isinstance(value, str) else json.dumps(value) for value in domain.values)
    else:
        text = f"{domain.min:g} to {domain.max:g}"
        if domain.step is not None:
            text += f"{' in steps' if domain.sampling == 'linear' else ' by factors'} of {domain.step:g}"
        elif domain.sampling == "log":
            text += ", logarithmic"
    conditions = " and ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in domain.when.items())
    return f"{text}; where {conditions}" if conditions else text


def _least(domain: Domain) -> Any:
    if isinstance(domain, Boolean):
        return False
    return domain.values[0] if isinstance(domain, Choice) else domain.min


def _steps(domain: _Range[Any], number: float, add: float = 1e-9) -> int:
    """Returns how many whole steps a number is above the smallest."""
    assert domain.step is not None  # only ranges with steps are asked
    if domain.sampling == "linear":
        return math.floor(float((number - domain.min) / domain.step) + add)
    return math.floor(float(math.log(number / domain.min, domain.step)) + add)


def _at_step(domain: Int | Float, number: int) -> int | float:
    assert domain.step is not None  # only ranges with steps are asked
    linear = domain.sampling == "linear"
    value = domain.min + number * domain.step if linear else domain.min * domain.step**number
    return value if isinstance(domain, Int) else float(f"{value:.12g}")


def _check(domain: _Range[Any]) -> None:
    log, step = domain.sampling == "log", domain.step
    if domain.sampling not in ("linear", "log"):
        raise ValueError(f"sampling must be 'linear' or 'log', got {domain.sampling!r}")
    if domain.min >= domain.max:
        raise ValueError(
            f"min must be below max, got {domain.min} and {domain.max}; to fix the option, pass the value itself"
        )
    if log and domain.min <= 0:
        raise ValueError(f"sampling 'log' needs a min above 0, got {domain.min}")
    if step is None:
        return
    if step <= (1 if log else 0):
        what = "above 1 with sampling 'log', where it is a ratio" if log else "above 0"
        raise ValueError(f"step must be {what}, got {step}")
    if not 2 <= (count := _steps(domain, domain.max) + 1) <= MOST_STEPS:
        raise ValueError(
            f"step {step} makes {count} values between {domain.min} and {domain.max}, expected 2 to {MOST_STEPS}; "
            "leave the step out to search every number in between"
        )
