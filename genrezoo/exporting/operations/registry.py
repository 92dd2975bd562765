"""The translations by the names of the operations."""

from __future__ import annotations

from collections.abc import Callable

from genrezoo.exporting.graph import Value

Translation = Callable[..., Value]
"""``(graph, operation, output, *arguments)``: the Keras operation with its settings, the shape and type that it
promises, and what it is called with, tensors as `Value`, constants as arrays."""

OPERATIONS: dict[str, Translation] = {}
"""By the name of the operation's class in Keras."""


def of(*names: str) -> Callable[[Translation], Translation]:
    """Decorator: the translation of the operations of these names."""

    def register(translation: Translation) -> Translation:
        OPERATIONS.update(dict.fromkeys(names, translation))
        return translation

    return register
