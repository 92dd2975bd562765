"""Modules that are imported when something of them is first used, so that looking a name up does not wait for them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class LazyModule:
    """Stands for a module until something of it is used.

    Choose it at the top of a file that a registry imports, for a module that takes long to import. Only functions may
    use it: a class that extends one of its classes needs the module itself.

    Args:
        name: Full name of the module.

    Example:
        >>> fractions = LazyModule("fractions")
        >>> fractions.Fraction(1, 2) + 1
        Fraction(3, 2)
    """

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


if TYPE_CHECKING:  # the modules themselves, for type checkers and editors
    import keras as keras

    from genrezoo import layers as layers
else:
    keras = LazyModule("keras")
    layers = LazyModule("genrezoo.layers")
