"""The errors that genrezoo raises for what a user can cause.

All share one parent, so that a program (and the command line) can tell them from defects: ``GenrezooError`` means that
the message names what was wrong, what was expected and the remedy; anything else is a bug of this package.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

Made = TypeVar("Made")


class GenrezooError(Exception):
    """Base class of all errors that a user can cause and fix."""


class DataError(GenrezooError, ValueError):
    """Songs, a file or a run folder that cannot be used as it is.

    Args:
        what: What is wrong, with the offending value.
        path: File or folder that it was found in, if any.
        where: Place inside the file (a key, a row, a song's id), if any.
        remedy: What the user can do about it.

    Example:
        >>> str(DataError("label 12 is out of range", path="a.npz", where="y[3]", remedy="use 0 to 9"))
        'a.npz: y[3]: label 12 is out of range. Remedy: use 0 to 9.'
    """

    def __init__(
        self, what: str, *, path: str | Path | None = None, where: str | None = None, remedy: str | None = None
    ):
        self.what, self.path, self.where, self.remedy = what, path, where, remedy
        place = "".join(f"{part}: " for part in (path, where) if part is not None)
        advice = f" Remedy: {remedy.rstrip('.')}." if remedy else ""
        super().__init__(f"{place}{what.rstrip('.')}{'.' if remedy else ''}{advice}")

    @property
    def reason(self) -> str:
        """The message without the path, where that is said elsewhere."""
        return str(DataError(self.what, where=self.where, remedy=self.remedy))


class SettingsError(GenrezooError, ValueError):
    """An option outside its range, of the wrong kind, or at odds with another option."""


class ResourceError(GenrezooError):
    """A missing resource, such as disk space or the server of a logger. The same call may succeed later."""


class GenrezooWarning(UserWarning):
    """A problem that does not stop the call, but that the user should know of."""


class UnknownNameError(GenrezooError, LookupError):
    """A name that does not exist; the message suggests the nearest ones.

    Args:
        kind: What was looked up, e.g. ``"model"``.
        name: The name given.
        known: All names that exist.

    Example:
        >>> str(UnknownNameError("model", "lsmt", ["lstm", "mlp"]))
        "unknown model 'lsmt'. Did you mean 'lstm'?"
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        self.kind, self.name = kind, name
        known = sorted(known)
        short = [whole for whole in known if "".join(word[:1] for word in whole.split("_")) == name]  # lr
        near = short or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        if near:
            advice = f"Did you mean {' or '.join(map(repr, near))}?"
        else:
            advice = f"Known: {', '.join(known[:20]) or 'none'}{', …' if len(known) > 20 else ''}."
        super().__init__(f"unknown {kind} {name!r}. {advice}")


SCARCE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
"""Numbers of system errors that say that a resource is missing."""


def is_scarce(error: BaseException) -> bool:
    """Whether an error says that a resource was missing, so that the same call may succeed later or elsewhere.

    Example:
        >>> is_scarce(OSError(errno.ENOSPC, "No space left on device")), is_scarce(ValueError())
        (True, False)
    """
    return isinstance(error, ResourceError) or (isinstance(error, OSError) and error.errno in SCARCE)


class _Faults(Protocol):
    """The part of a pydantic ``ValidationError`` that is read here."""

    def errors(self) -> list[Any]:
        """The faults found, each with ``loc``, ``msg`` and ``input``."""


def first_problem(error: _Faults) -> str:
    """The first thing that a validation found, as one line: place, problem, value."""
    first = error.errors()[0]
    words = {"extra_forbidden": "is unknown", "missing": "is missing"}
    what: str = words.get(first.get("type", ""), first["msg"].removeprefix("Value error, "))
    what = what.replace("Input should be", "must be").replace("Input should have", "must have")
    place, given = ".".join(map(str, first["loc"])), repr(first["input"])
    if not place:
        return what  # a rule for several fields names them itself
    return f"{place}: {what}" + ("" if what == "is missing" else f", got {given[:200]}{'…' * (len(given) > 200)}")


def checked(make: Callable[[], Made], refuse: Callable[[str], GenrezooError] = SettingsError) -> Made:
    """What ``make`` gives: a pydantic model of values that a user wrote.

    Args:
        make: Makes it.
        refuse: Makes the error to raise of the first problem, if pydantic finds any.
    """
    from pydantic import ValidationError  # on first use: names are looked up without it

    try:
        return make()
    except ValidationError as error:
        raise refuse(first_problem(error)) from error


def check_type(name: str, value: Any, kinds: type | tuple[type, ...], expected: str) -> None:
    """Refuses an argument of another type, where Python would go on until something of it is missing.

    Raises:
        SettingsError: It is not of one of these types.
    """
    if not isinstance(value, kinds):
        given = repr(value)
        raise SettingsError(f"{name} must be {expected}, got {given[:100]}{'…' * (len(given) > 100)}")


def check_known(kind: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuses the first name that is not known.

    Raises:
        UnknownNameError: There is one; see there for ``kind``.
    """
    for name in given:
        if name not in known:
            raise UnknownNameError(kind, name, known)


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two plans, one text a key: of tables only the entries that do.

    Example:
        >>> differences({"seed": 1, "recipe": {"a": 1, "b": 2}}, {"seed": 1, "recipe": {"a": 1, "b": 3}})
        ["recipe was {'b': 2}, is {'b': 3}"]
    """
    found = []
    for key in sorted(before | now):
        then, new = before.get(key), now.get(key)
        if isinstance(then, dict) and isinstance(new, dict):
            inner = [name for name in sorted(then | new) if then.get(name) != new.get(name)]
            then, new = {name: then.get(name) for name in inner}, {name: new.get(name) for name in inner}
        if then != new:
            found.append(f"{key} was {then}, is {new}")
    return found
