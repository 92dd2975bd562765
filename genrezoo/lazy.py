"""Modules that are imported when something of them is first used, so that looking a name up does not wait for them."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any


def load_keras() -> None:
    """Imports Keras while its backend's native libraries cannot write to the terminal.

    TensorFlow's libraries greet on standard error before any setting can reach them; should the import fail, what they
    wrote is shown. Its advice on the number of compilations is for those who write models.
    """
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        try:
            os.dup2(said.fileno(), 2)
            import keras  # noqa: F401  # for its side effect
        except BaseException:
            said.seek(0)
            os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


class LazyModule:
    """Stands for a module until something of it is used.

    Choose it at the top of a file that a registry imports, for a module that takes long to import. Only functions may
    use it: a class that extends one of its classes needs the module itself.

    Args:
        name: Full name of the module.
        before: Called before it is imported.

    Example:
        >>> fractions = LazyModule("fractions")
        >>> fractions.Fraction(1, 2) + 1
        Fraction(3, 2)
    """

    def __init__(self, name: str, before: Callable[[], None] = lambda: None):
        self._name, self._before = name, before

    def __getattr__(self, attribute: str) -> Any:
        self._before()
        return getattr(importlib.import_module(self._name), attribute)


if TYPE_CHECKING:  # the modules themselves, for type checkers and editors
    import keras as keras

    from genrezoo import layers as layers
else:
    keras = LazyModule("keras", load_keras)
    layers = LazyModule("genrezoo.layers", load_keras)
