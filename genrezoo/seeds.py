"""Randomness is an argument: one seed enters at the top, and named child seeds go to the parts that draw."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator
from numbers import Integral
from typing import TYPE_CHECKING

from genrezoo.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np


def check_seed(seed: int) -> int:
    """Returns ``seed`` as a plain int, refusing what is not an integer in [0, 2**32).

    Raises:
        SettingsError: The seed is a bool, not an integer, negative or 2**32 and above.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | Integral) or not 0 <= seed < 2**32:
        raise SettingsError(f"seed must be an integer from 0 to 2**32 - 1, got {seed!r}")
    return int(seed)


def child_seed(seed: int, *path: str | int) -> int:
    """A seed for one named part, the same on every platform and independent of all other parts.

    Args:
        seed: The seed that entered at the top.
        path: Names or numbers that identify the part, e.g. ``("order", epoch)``.

    Returns:
        An integer in [0, 2**32).

    Example:
        >>> child_seed(1, "weights") == child_seed(1, "weights") != child_seed(1, "order")
        True
    """
    text = "/".join([str(check_seed(seed)), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """A NumPy generator for one named part (see `child_seed`)."""
    import numpy as np  # here, because seeds are checked where nothing is drawn

    return np.random.default_rng(child_seed(seed, *path))


@contextlib.contextmanager
def keras_seed(seed: int) -> Iterator[None]:
    """Within the block, Keras layers draw their initial weights and dropout seeds from ``seed``.

    Keras takes the default seed of initialisers and seed generators from Python's `random`; its state is restored at
    the end, so that building a model leaves the caller's randomness alone.
    """
    state = random.getstate()
    random.seed(check_seed(seed))
    try:
        yield
    finally:
        random.setstate(state)
