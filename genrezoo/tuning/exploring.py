"""What a function ``space(hp)`` declares, found by running it.

A stand-in for KerasTuner's ``HyperParameters`` answers it and notes what it asks for.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from genrezoo.tuning.dimension import Condition, Dimension, plain

SpaceFunction = Callable[[Any], Mapping[str, Any]]
MOST_TRIED = 4096
"""Points that are tried at most to find out from which one some options follow."""


class Answering:
    """Stands for ``hp`` while a function of it runs: answers from values, or else with defaults.

    It has the methods by which hyperparameters are declared and read. Of a hyperparameter that does not count where the
    values are it answers None, as KerasTuner does.

    Args:
        values: Values by name.

    Example:
        >>> hp = Answering({"rule": "mean"})
        >>> hp.Choice("rule", ["product", "mean"]), hp.Int("units", 1, 9, parent_name="rule", parent_values=["product"])
        ('mean', None)
        >>> [dimension.name for dimension in hp.asked]
        ['rule', 'units']
    """

    def __init__(self, values: Mapping[str, Any]):
        self.values: dict[str, Any] = dict(values)
        self.counting: dict[str, Any] = {}
        self._asked: dict[tuple[str, tuple[Condition, ...]], Dimension] = {}
        self._conditions: list[Condition] = []
        self._scopes: list[str] = []

    @property
    def asked(self) -> list[Dimension]:
        """What was asked for, in order."""
        return list(self._asked.values())

    def Int(
        self,
        name: str,
        min_value: int,
        max_value: int,
        step: int | None = None,
        sampling: str | None = "linear",
        default: int | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A whole number."""
        dimension = Dimension(
            name,
            "int",
            default=int(min_value) if default is None else int(default),
            min=int(min_value),
            max=int(max_value),
            step=step,
            sampling=(sampling or "linear").lower(),
        )
        return self._ask(dimension, parent_name, parent_values)

    def Float(
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        sampling: str | None = "linear",
        default: float | None = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """A real number."""
        dimension = Dimension(
            name,
            "float",
            default=float(min_value) if default is None else float(default),
            min=float(min_value),
            max=float(max_value),
            step=None if step is None else float(step),
            sampling=(sampling or "linear").lower(),
        )
        return self._ask(dimension, parent_name, parent_values)

    def Choice(
        self,
        name: str,
        values: Sequence[Any],
        ordered: bool | None = None,
        default: Any = None,
        parent_name: str | None = None,
        parent_values: Any = None,
    ) -> Any:
        """One of several values."""
        begin = values[0] if default is None else default
        return self._ask(Dimension(name, "choice", values=tuple(values), default=begin), parent_name, parent_values)

    def Boolean(
        self, name: str, default: bool = False, parent_name: str | None = None, parent_values: Any = None
    ) -> Any:
        """Yes or no."""
        return self._ask(Dimension(name, "boolean", default=bool(default)), parent_name, parent_values)

    def Fixed(self, name: str, value: Any, parent_name: str | None = None, parent_values: Any = None) -> Any:
        """A value that is not searched; that of a recipe, if it has another one."""
        return self._ask(Dimension(name, "fixed", values=(value,), default=value), parent_name, parent_values)

    @contextlib.contextmanager
    def conditional_scope(self, parent_name: str, parent_values: Any) -> Iterator[None]:
        """What is declared within counts only where another hyperparameter has one of these values."""
        parent = self._full(parent_name)
        if parent not in {name for name, _ in self._asked}:
            raise ValueError(f"a condition names the hyperparameter {parent!r}, which is not declared before it")
        allowed = parent_values if isinstance(parent_values, list | tuple) else [parent_values]
        self._conditions.append((parent, tuple(allowed)))
        try:
            yield
        finally:
            self._conditions.pop()

    @contextlib.contextmanager
    def name_scope(self, name: str) -> Iterator[None]:
        """What is declared within has this name and a slash before its own."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def get(self, name: str) -> Any:
        """The value of a hyperparameter that counts.

        Raises:
            KeyError: It does not count, or is not declared.
        """
        return self.counting[self._full(name)]

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        return self._full(name) in self.counting

    def _full(self, name: str) -> str:
        return "/".join([*self._scopes, name])

    def _ask(self, dimension: Dimension, parent_name: str | None, parent_values: Any) -> Any:
        scope = contextlib.nullcontext() if parent_name is None else self.conditional_scope(parent_name, parent_values)
        with scope:
            found = replace(dimension, name=self._full(dimension.name), conditions=tuple(self._conditions))
        self._asked.setdefault((found.name, found.conditions), found)
        if not found.active(self.counting):
            return None
        return self.counting.setdefault(found.name, self.values.get(found.name, found.default))


@dataclass(frozen=True)
class Explored:
    """What a function declares.

    Attributes:
        function: The function.
        dimensions: All hyperparameters that it ever asks for, each after those that its conditions name.
        reach: By option that it returns, the hyperparameters that its value depends on.
        constant: Options that it returns and that depend on none.
    """

    function: SpaceFunction
    dimensions: tuple[Dimension, ...]
    reach: Mapping[str, frozenset[str]]
    constant: frozenset[str]

    def options(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """What it returns for these values."""
        return self.function(Answering(values))

    def values_of(self, options: Mapping[str, Any], tried: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Values of hyperparameters that lead to these options, as far as they can be found.

        Most hyperparameters are themselves an option. For others all values are tried.

        Args:
            options: Options and their values.
            tried: Further values to try, by name.
        """
        found: dict[str, Any] = {}
        derived: dict[str, list[Any]] = {}
        for dimension in self.dimensions:
            name, met = dimension.name, {parent: allowed[0] for parent, allowed in dimension.conditions}
            if name in options and dimension.takes(options[name]):
                value = options[name]
                value = float(value) if dimension.kind == "float" else value
                if same(self.options({**found, **met, name: value}).get(name), value):
                    found[name] = value
                    continue
            begin = dimension.default
            if not same(self.options({**found, **met, name: begin}).get(name), begin) and dimension.count is not None:
                derived.setdefault(name, list(tried.get(name, ())))
                derived[name] += [point for point in _few(dimension) if point not in derived[name]]
        for names, decided in self._groups(derived):
            wanted = {option: options[option] for option in decided if option in options}
            if not wanted or math.prod(len(derived[name]) for name in names) > MOST_TRIED:
                continue
            for point in itertools.product(*(derived[name] for name in names)):
                values = dict(zip(names, point, strict=True))
                made = self.options({**found, **values})
                if all(same(made.get(option, value), value) for option, value in wanted.items()):
                    found |= values
                    break
        return found

    def _groups(self, names: Mapping[str, Any]) -> list[tuple[list[str], set[str]]]:
        """The hyperparameters that decide options together, and the options."""
        groups: list[tuple[list[str], set[str]]] = []
        for name in names:
            options = {option for option, by in self.reach.items() if name in by}
            joined = [group for group in groups if group[1] & options]
            groups = [group for group in groups if group not in joined]
            every = [each for group in joined for each in group[0]]
            groups.append(([*every, name], options.union(*(group[1] for group in joined))))
        return groups


def explore(function: SpaceFunction) -> Explored:
    """Finds what a function declares, by giving each hyperparameter its values one after the other.

    Those under a condition are found where it holds, and so are those that are only asked for where another has a
    certain value.

    Args:
        function: A search space: takes ``hp`` and returns options.
    """
    start = Answering({})
    baseline = function(start)
    found = {(dimension.name, dimension.conditions): dimension for dimension in start.asked}
    reach: dict[str, set[str]] = {option: set() for option in baseline}
    queue = list(found.values())
    while queue:
        dimension = queue.pop(0)
        met = {parent: allowed[0] for parent, allowed in dimension.conditions}
        for base in _bases(list(found.values())):
            before: Mapping[str, Any] | None = None
            for value in _flipped(dimension):
                hp = Answering({**base, **met, dimension.name: value})
                made = function(hp)
                for option in _differing(made, before) if before is not None else ():
                    reach.setdefault(option, set()).add(dimension.name)
                if dimension.kind == "fixed" and same(made.get(dimension.name), value):
                    reach[dimension.name].add(dimension.name)
                before = made
                new = [each for each in hp.asked if (each.name, each.conditions) not in found]
                found |= {(each.name, each.conditions): each for each in new}
                queue += new
    constant = frozenset(option for option, names in reach.items() if not names)
    return Explored(function, tuple(found.values()), {o: frozenset(n) for o, n in reach.items() if n}, constant)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same as plain data."""
    one, other = plain(one), plain(other)
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _bases(dimensions: Sequence[Dimension]) -> list[dict[str, Any]]:
    """Values of the other hyperparameters from which one is moved: all at their defaults, at one end, at the other."""
    ends = [{d.name: _flipped(d)[end] for d in dimensions if d.kind != "fixed"} for end in (0, -1)]
    return [{}, *ends]


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """Options that only one of two answers has, or that differ."""
    return {name for name in {*one, *other} if name not in one or name not in other or not same(one[name], other[name])}


def _flipped(dimension: Dimension) -> tuple[Any, ...]:
    """Values to try; of a fixed yes or no both."""
    if dimension.kind == "fixed" and isinstance(dimension.default, bool):
        return (dimension.default, not dimension.default)
    return dimension.samples()


def _few(dimension: Dimension) -> Sequence[Any]:
    return dimension.points() if (dimension.count or 0) <= MOST_TRIED else ()
