"""Search spaces as data: what each option of a builder or procedure may be.

A space is a mapping from the name of an option to its domain. The default of an option is not repeated here: it is the
default of the builder's keyword, or of the field of the procedure's settings. Keras and KerasTuner are not needed to
declare, show or sample a space.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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


def holds(domain: Domain, value: Any) -> bool:
    """Whether a domain has a value; of a number only its range is looked at, a list is the tuple of its values.

    Example:
        >>> holds(Float(0.0, 0.5), 0.3), holds(Choice(((8,), (8, 8))), [8, 8]), holds(Int(1, 9), None)
        (True, True, False)
    """
    if isinstance(domain, Boolean):
        return isinstance(value, bool)
    if isinstance(domain, Choice):
        return json.dumps(value) in map(json.dumps, domain.values)
    return isinstance(value, int | float) and not isinstance(value, bool) and domain.min <= value <= domain.max


def ask(space: Space, hp: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    """Declares a space to KerasTuner and reads the values of a point.

    KerasTuner's choices are of one simple type. Other values (tuples, None, several types) are JSON texts there, and
    themselves again in what is returned. A number whose own value is out of range begins at the middle of the range; a
    choice that lacks the own value has it too.

    Args:
        space: The options and their domains; an option follows those that its conditions name.
        hp: KerasTuner's ``HyperParameters``, or what has its methods.
        own: Values of the options where they are not searched, which is where a search begins.

    Returns:
        The options that count at this point, with their values.

    Example:
        >>> import keras_tuner
        >>> space = {"units": Choice(((8,), (8, 8))), "cell": Choice(("gru", "lstm")), "depth": Int(1, 3)}
        >>> hp = keras_tuner.HyperParameters()
        >>> ask(space, hp, {"units": [8, 8], "cell": "gru", "depth": 1})
        {'units': (8, 8), 'cell': 'gru', 'depth': 1}
        >>> hp.values
        {'units': '[8, 8]', 'cell': 'gru', 'depth': 1}
    """
    found: dict[str, Any] = {}
    domains: dict[str, Domain] = {}
    for name, domain in space.items():
        values = {**own, **found}
        met = {parent: holds(Choice(allowed), values.get(parent)) for parent, allowed in domain.when.items()}
        if not all(holding or parent in domains for parent, holding in met.items()):
            continue  # a condition on what is not searched does not hold
        domains[name] = _with(domain, own.get(name))
        with contextlib.ExitStack() as scopes:
            _enter(scopes, domains, name, hp)
            value = _declare(domains[name], name, hp, own.get(name))
        if all(met.values()):
            found[name] = value
    return found


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


def _with(domain: Domain, own: Any) -> Domain:
    """A choice with the option's own value among its values."""
    if not isinstance(domain, Choice) or own is None or holds(domain, own):
        return domain
    return replace(domain, values=(*domain.values, own))


def _enter(scopes: contextlib.ExitStack, domains: Mapping[str, Domain], name: str, hp: Any) -> None:
    """Enters the conditions of an option, after those of the option that they name.

    KerasTuner knows conditions within conditions, but no two that stand side by side: the first of those is told.
    """
    for parent, allowed in domains[name].when.items():
        if parent in domains:
            _enter(scopes, domains, parent, hp)
            scopes.enter_context(hp.conditional_scope(parent, [_key(domains[parent], value) for value in allowed]))
            return


def _key(domain: Domain, value: Any) -> Any:
    """What stands for a value in KerasTuner."""
    kinds = {type(each) for each in domain.values} if isinstance(domain, Choice) else {type(value)}
    return value if len(kinds) == 1 and kinds <= {bool, int, float, str} else json.dumps(value)


def _declare(domain: Domain, name: str, hp: Any, own: Any) -> Any:
    if isinstance(domain, Boolean):
        return hp.Boolean(name, default=bool(own))
    if isinstance(domain, Choice):
        values = {_key(domain, value): value for value in domain.values}
        begin = _key(domain, own)
        return values.get(hp.Choice(name, list(values), default=begin if begin in values else None))
    begin = own if holds(domain, own) else _middle(domain)
    method = hp.Int if isinstance(domain, Int) else hp.Float
    return method(name, domain.min, domain.max, step=domain.step, sampling=domain.sampling, default=begin)


def _middle(domain: Int | Float) -> float:
    middle = math.sqrt(domain.min * domain.max) if domain.sampling == "log" else (domain.min + domain.max) / 2
    return round(middle) if isinstance(domain, Int) else middle
