"""Trained weights by name, ``ARCHITECTURE.SOURCE``: look them up, fetch them, add your own.

Importing this package loads no Keras; only the conversion of fetched weights loads what it needs.
"""

from __future__ import annotations

from typing import Any

from genrezoo.weights._cache import fetch_weights, remove_weights, verify_weights, weights_path
from genrezoo.weights._entry import WEIGHTS, KerasFile, Weights, Wheel

__all__ = [
    "WEIGHTS",
    "KerasFile",
    "Weights",
    "Wheel",
    "fetch_weights",
    "list_weights",
    "register_weights",
    "remove_weights",
    "verify_weights",
    "weights_info",
    "weights_path",
]


def list_weights(pattern: str = "*") -> list[str]:
    """Returns the names of the weights that match a shell pattern.

    Args:
        pattern: The pattern; all weights if left out.

    Example:
        >>> list_weights("*.msd")
        ['musicnn.msd', 'vgg_tagger.msd']
    """
    return WEIGHTS.names(pattern)


def weights_info(name: str) -> dict[str, Any]:
    """Describes weights as plain data: the fields of `Weights`.

    Args:
        name: A name from `list_weights`.

    Raises:
        UnknownNameError: There are no such weights; the nearest names are suggested.

    Example:
        >>> info = weights_info("vgg_tagger.msd")
        >>> info["model"], info["licence"], info["labels"][:3]
        ('vgg_tagger', 'ISC', ['rock', 'pop', 'alternative'])
    """
    return WEIGHTS.get(name).describe()


def register_weights(weights: Weights) -> None:
    """Registers your own weights in this process.

    To register them in every process, list a module that calls this in the entry-point group ``genrezoo.weights`` of a
    package.

    Args:
        weights: The entry of the weights; their name must be free.

    Raises:
        GenrezooError: The name is malformed or not free.

    Example:
        >>> mine = Weights(
        ...     name="lstm.mine", summary="mine", reference="me", input_shape=(None, 25), labels=("blues", "jazz"),
        ...     weights_sha256="0" * 64, size=8, licence="MIT", trained_on="my songs",
        ... )
        >>> register_weights(mine)
        >>> weights_info("lstm.mine")["labels"]
        ['blues', 'jazz']
        >>> WEIGHTS.remove("lstm.mine")
    """
    WEIGHTS.names()  # registers those of the package first, so that a clash is reported here
    WEIGHTS.add(weights)
