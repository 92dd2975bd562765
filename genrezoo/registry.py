"""The registries of the zoo: one `Registry` class, one instance per kind of member.

A registry is filled on first use: it imports the public files of its folder in sorted order and then the entry points
of its group, so that ``import genrezoo`` stays light and a new member is one new file.
"""

from __future__ import annotations

import fnmatch
import importlib
import importlib.metadata
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from genrezoo.errors import DataError, GenrezooError, SettingsError, UnknownNameError, check_type
from genrezoo.spaces import Space, describe

WORDS = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"
REFUSALS = (TypeError, ValueError, AttributeError, ArithmeticError, LookupError, RuntimeError, MemoryError)
"""Exceptions that Keras and its backends raise for an invalid option or shape."""


@dataclass(frozen=True)
class Entry:
    """The record of one member of a registry.

    Attributes:
        name: Name of the member.
        call: The builder, procedure or loader.
        summary: One line.
        reference: The document and section, or the paper, that it comes from.
        reported: Results that the reference reports, by data set; never genrezoo's.
        expects: Input kind: ``"segments"`` (songs as segments x features) or ``"image"``.
        masks_padding: Whether padded segments have no influence on the logits.
        any_length: Whether one model works on any number of segments.
        space: Search space of the options, or of a procedure's settings (see `genrezoo.spaces`).
        settings: For a procedure: the class of its settings.
        members: For a composition: names of its members, ``("*",)`` for two or more under any name; for a procedure:
            names of the models whose logits it needs.
        by_gradient: For a procedure: whether it trains by gradient descent and uses validation songs only to choose the
            best epoch; for a composition: whether it has trainable weights besides its members'.
        forward: For a composition: a faster way to compute its logits than running the whole model, ``forward(model,
            x)``.
        begins_with: For a model: names of arguments that only say where its initial weights come from; a trained model
            is rebuilt without them.
        counts_songs: For a model: names of arguments that are numbers of training songs; where there are fewer training
            songs, a training lowers the argument to their number.
        licence: For a data set: the licence of the data.
        detects: For a data set: whether a path holds it, ``detects(path)``: 0 for no, 1 for any folder of files that it
            can read, 2 for files that only it reads, 3 for names that only it has. The data set with the highest value
            is chosen.
    """

    name: str
    call: Callable[..., Any]
    summary: str
    reference: str
    reported: Mapping[str, str] = field(default_factory=dict)
    expects: str = "segments"
    masks_padding: bool = False
    any_length: bool = False
    space: Space = field(default_factory=dict)
    settings: type | None = None
    members: tuple[str, ...] = ()
    by_gradient: bool = True
    forward: Callable[..., Any] | None = None
    begins_with: tuple[str, ...] = ()
    counts_songs: tuple[str, ...] = ()
    licence: str = ""
    detects: Callable[[Path], int] | None = None

    def build(self, *given: Any, **options: Any) -> Any:
        """Builds the model or composition; errors state the requested options.

        Args:
            *given: The positional arguments of every builder: the members of a composition, the input shape, the number
                of genres.
            **options: The builder's keywords.

        Raises:
            SettingsError: The builder, or Keras, rejects an option or a shape.
        """
        try:
            return self.call(*given, **options)
        except (UnknownNameError, DataError):  # told already
            raise
        except REFUSALS as error:
            asked = ", ".join(f"{name}={value!r}" for name, value in options.items()) or "its defaults"
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise SettingsError(
                f"{self.name!r} cannot be built with {asked} "
                f"for input_shape={given[-2]}, num_classes={given[-1]}: {reason}"
            ) from error

    def describe(self) -> dict[str, Any]:
        """Returns the record as plain data, for ``genrezoo show`` and programs."""
        return {
            "name": self.name,
            "summary": self.summary,
            "reference": self.reference,
            "reported": dict(self.reported),
            "expects": self.expects,
            "masks_padding": self.masks_padding,
            "any_length": self.any_length,
            "space": {name: describe(domain) for name, domain in self.space.items()},
            "members": list(self.members),
            "licence": self.licence,
            "function": f"{self.call.__module__}.{self.call.__qualname__}",
        }


class Named(Protocol):
    """Any object with a name."""

    @property
    def name(self) -> str:
        """The name that it is looked up by."""


Member = TypeVar("Member", bound=Named)


class Registry(Generic[Member]):
    """A collection of named members, filled on first use.

    Args:
        kind: Kind of the members, for messages, e.g. ``"model"``.
        package: Package whose public modules register members when imported.
        group: Entry-point group in which other distributions name modules that register members.
        form: Form of a name, in words and as a regular expression.
    """

    def __init__(
        self,
        kind: str,
        *,
        package: str,
        group: str | None = None,
        form: tuple[str, str] = ("lower-case words joined by underscores", WORDS),
    ):
        self.kind, self.package, self.group, self.form = kind, package, group, form
        self._members: dict[str, Member] = {}
        self._filled = False

    def add(self, *members: Member) -> None:
        """Adds members.

        Raises:
            GenrezooError: A name has another form, or is already taken.
        """
        for member in members:
            name, (words, pattern) = member.name, self.form
            if not re.fullmatch(pattern, name):
                raise GenrezooError(f"{self.kind} name {name!r} must be {words}")
            if name in self._members:
                raise GenrezooError(f"{self.kind} {name!r} is already registered; choose another name")
            self._members[name] = member

    def register(self, name: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator that registers a function as an `Entry`; ``facts`` are the fields of `Entry`."""

        def decorate(call: Callable[..., Any]) -> Callable[..., Any]:
            self.add(Entry(name=name, call=call, **facts))  # type: ignore[arg-type]  # registries of entries only
            return call

        return decorate

    def get(self, name: str) -> Member:
        """Returns the member with that name.

        Raises:
            UnknownNameError: There is none; the nearest names are suggested.
        """
        check_type(f"a {self.kind}'s name", name, str, "text")
        self._fill()
        try:
            return self._members[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._members) from None

    def names(self, pattern: str = "*") -> list[str]:
        """Returns the names that match a shell pattern, in natural order (``a2`` before ``a10``)."""
        check_type("a pattern", pattern, str, "text")
        self._fill()
        return sorted(fnmatch.filter(self._members, pattern), key=natural)

    def members(self, pattern: str = "*") -> list[Member]:
        """Returns the members whose names match, in natural order."""
        return [self._members[name] for name in self.names(pattern)]

    def remove(self, name: str) -> None:
        """Removes a member (for notebooks that register a model twice, and for tests)."""
        self.get(name)
        del self._members[name]

    def _fill(self) -> None:
        if self._filled:
            return
        self._filled = True  # first, because the modules below use this registry while they are imported
        try:
            package = importlib.import_module(self.package)
            for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda found: found.name):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self.package}.{module.name}")
            if self.group:
                for point in sorted(importlib.metadata.entry_points(group=self.group), key=lambda point: point.name):
                    point.load()
        except BaseException:
            self._filled = False
            raise


def natural(name: str) -> list[tuple[int, str]]:
    """Sort key that orders digits by value: ``mlp_2`` before ``mlp_10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", name)]


MODELS: Registry[Entry] = Registry("model", package="genrezoo.models", group="genrezoo.models")
COMPOSITIONS: Registry[Entry] = Registry("composition", package="genrezoo.composition")
PROCEDURES: Registry[Entry] = Registry("procedure", package="genrezoo.training")
DATASETS: Registry[Entry] = Registry("data set", package="genrezoo.datasets")


def find_builder(name: str) -> Entry:
    """Returns the model or composition with that name.

    Raises:
        UnknownNameError: Neither exists; the nearest names are suggested.
    """
    for registry in (MODELS, COMPOSITIONS):
        if name in registry.names():
            return registry.get(name)
    raise UnknownNameError("model or composition", name, {*MODELS.names(), *COMPOSITIONS.names()})
