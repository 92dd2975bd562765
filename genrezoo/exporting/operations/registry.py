"""The registry of translations."""

from __future__ import annotations

from collections.abc import Callable

from genrezoo.exporting.graph import Value

Translation = Callable[..., Value]
"""``(graph, operation, output, *arguments)``: the Keras operation with its settings, a symbolic tensor with the shape
and type of its output, and its arguments, tensors as `Value` and constants as arrays."""

OPERATIONS: dict[str, Translation] = {}
"""The translations by the name of the operation's class in Keras."""


def of(*names: str) -> Callable[[Translation], Translation]:
    """Decorates the translation of the operations of these names."""

    def register(translation: Translation) -> Translation:
        OPERATIONS.update(dict.fromkeys(names, translation))
        return translation

    return register
