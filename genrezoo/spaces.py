"""Search spaces as data: what each option of a builder or procedure may be.

A space is a mapping from the name of an option to its domain. The default of an option is not repeated here: it is the
default of the builder's keyword, or of the field of the procedure's settings. Keras and KerasTuner are not needed to
declare, show or sample a space.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Conditions: TypeAlias = Mapping[str, tuple[Any, ...]]
"""By name of another option, the values of it that an option counts for; all of them must hold."""


@dataclass(frozen=True)
class Int:
    """Whole numbers from ``min`` to ``max``, both included.

    Attributes:
        min: Least value.
        max: Greatest value.
        step: Distance of two values, or their ratio where ``sampling`` is ``"log"``; None for every whole number.
        sampling: ``"linear"`` or ``"log"``.
        when: Conditions under which the option counts.

    Example:
        >>> Int(25, 200, step=25)
        Int(min=25, max=200, step=25, sampling='linear', when={})
    """

    min: int
    max: int
    step: int | None = None
    sampling: str = "linear"
    when: Conditions = field(default_factory=dict)


@dataclass(frozen=True)
class Float:
    """Real numbers from ``min`` to ``max``, both included; the attributes are those of `Int`."""

    min: float
    max: float
    step: float | None = None
    sampling: str = "linear"
    when: Conditions = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """One of several values: numbers, texts, None, or tuples for an option that takes a list.

    Attributes:
        values: The values, in their natural order if they have one.
        when: Conditions under which the option counts.
    """

    values: tuple[Any, ...]
    when: Conditions = field(default_factory=dict)


@dataclass(frozen=True)
class Boolean:
    """True or False.

    Attributes:
        when: Conditions under which the option counts.
    """

    when: Conditions = field(default_factory=dict)


Domain: TypeAlias = Int | Float | Choice | Boolean
Space: TypeAlias = Mapping[str, Domain]


def smallest(space: Space) -> dict[str, Any]:
    """The least value of every unconditional option: the smallest member of a family, for quick checks.

    Example:
        >>> smallest({"units": Int(25, 200), "rule": Choice(("mean", "product")), "dropout": Float(0.0, 0.5)})
        {'units': 25, 'rule': 'mean', 'dropout': 0.0}
    """
    return {name: _least(domain) for name, domain in space.items() if not domain.when}


def describe(domain: Domain) -> str:
    """The domain as one line of text.

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
