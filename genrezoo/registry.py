"""Names for what the zoo holds: one `Registry` class, one instance for each kind of member.

A registry fills itself when it is first asked: it imports the public files of its folder in sorted order and then the
entry points of its group, so that ``import genrezoo`` stays light and a new member is one new file.
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
"""What Keras and its backends raise for an option or a shape that cannot be."""


@dataclass(frozen=True)
class Entry:
    """What the zoo knows of one member.

    Attributes:
        name: The name to look it up by.
        call: The builder, procedure or loader itself.
        summary: One line.
        reference: Document and section, or paper, that it comes from.
        reported: Results that the reference reports, by data set; never ours.
        expects: Input kind: ``"segments"`` (songs as segments x features) or ``"image"``.
        masks_padding: Padded segments have no influence on the logits.
        any_length: One model works on any number of segments.
        space: What each option may be in a search, of a procedure each setting (see `genrezoo.spaces`).
        settings: For a procedure: the class of its settings.
        members: For a composition: names of the models that it is made of, ``("*",)`` for two or more under any name;
            for a procedure: names of the models whose logits it needs.
        by_gradient: For a procedure: it learns from training songs by gradient, and chooses nothing but its best epoch;
            for a composition: it has weights of its own to train.
        forward: For a composition: a faster way to its logits than running all of it, ``forward(model, x)``.
        begins_with: For a model: names of arguments that only say where its initial weights come from; a trained model
            is built again without them.
        licence: For a data set: the licence of the data.
        detects: For a data set: whether a path holds it, ``detects(path)``: 0 for no, 1 for any folder of files that it
            can read, 2 for files that only it reads, 3 for names that only it has. The highest answer counts.
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
    licence: str = ""
    detects: Callable[[Path], int] | None = None

    def build(self, *given: Any, **options: Any) -> Any:
        """Builds the model or composition; whatever is refused on the way is told with what was asked for.

        Args:
            *given: What every builder takes: the members of a composition, the input shape, the number of genres.
            **options: The builder's own keywords.

        Raises:
            SettingsError: The builder, or Keras within it, refuses an option or a shape.
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
        """The record as plain data, for ``genrezoo show`` and programs."""
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
    """Anything with a name."""

    @property
    def name(self) -> str:
        """What it is looked up by."""


Member = TypeVar("Member", bound=Named)


class Registry(Generic[Member]):
    """A collection of named members, filled on first use.

    Args:
        kind: What a member is called in messages, e.g. ``"model"``.
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
            GenrezooError: A name is of another form, or is taken already.
        """
        for member in members:
            name, (words, pattern) = member.name, self.form
            if not re.fullmatch(pattern, name):
                raise GenrezooError(f"{self.kind} name {name!r} must be {words}")
            if name in self._members:
                raise GenrezooError(f"{self.kind} {name!r} is registered already; choose another name")
            self._members[name] = member

    def register(self, name: str, **facts: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator that registers a function as an `Entry`; ``facts`` are the fields of `Entry`."""

        def decorate(call: Callable[..., Any]) -> Callable[..., Any]:
            self.add(Entry(name=name, call=call, **facts))  # type: ignore[arg-type]  # registries of entries only
            return call

        return decorate

    def get(self, name: str) -> Member:
        """The member of that name.

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
        """Names that match a shell pattern, in natural order (``a2`` before ``a10``)."""
        check_type("a pattern", pattern, str, "text")
        self._fill()
        return sorted(fnmatch.filter(self._members, pattern), key=natural)

    def members(self, pattern: str = "*") -> list[Member]:
        """The members whose names match, in natural order."""
        return [self._members[name] for name in self.names(pattern)]

    def remove(self, name: str) -> None:
        """Forgets a member (for notebooks that register a model twice, and for tests)."""
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
    """The model or composition of that name.

    Raises:
        UnknownNameError: There is neither; the nearest names are suggested.
    """
    for registry in (MODELS, COMPOSITIONS):
        if name in registry.names():
            return registry.get(name)
    raise UnknownNameError("model or composition", name, {*MODELS.names(), *COMPOSITIONS.names()})
