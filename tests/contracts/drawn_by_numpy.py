"""A plugin of pytest for the JAX backend: NumPy makes the initial weights.

JAX compiles random numbers, zeros and ones for each shape, which takes a third of the time of the contracts of models.
What is drawn inside of a compiled function, such as dropout, is drawn by JAX itself.
"""

import jax
import numpy as np
from keras.src.backend.jax import numpy as constants
from keras.src.backend.jax import random
from keras.src.backend.jax.random import jax_draw_seed

DRAWS = {
    "uniform": lambda generator, shape, minval=0.0, maxval=1.0: generator.uniform(minval, maxval, shape),
    "normal": lambda generator, shape, mean=0.0, stddev=1.0: generator.normal(mean, stddev, shape),
    "truncated_normal": lambda generator, shape, mean=0.0, stddev=1.0: (
        mean + stddev * generator.standard_normal(shape).clip(-2, 2)
    ),
}


def is_known(shape):
    """Whether no size is a symbol, such as that of a batch."""
    return isinstance(shape, tuple | list) and all(isinstance(size, int) for size in shape)


def drawn_by_numpy(name):
    """The function of Keras's backend, drawn by NumPy where the seed is known."""
    original = getattr(random, name)

    def draw(shape, *, dtype=None, seed=None, **bounds):
        key = jax_draw_seed(seed)
        if isinstance(key, jax.core.Tracer) or not is_known(shape):
            return original(shape, dtype=dtype, seed=key, **bounds)
        drawn = DRAWS[name](np.random.default_rng(np.asarray(key)), shape, **bounds)
        return jax.numpy.asarray(drawn.astype(dtype or "float32"))

    return draw


def filled_by_numpy(name):
    """The function of Keras's backend for zeros or ones."""
    original, fill = getattr(constants, name), getattr(np, name)

    def filled(shape, dtype=None):
        return jax.numpy.asarray(fill(shape, dtype or "float32")) if is_known(shape) else original(shape, dtype)

    return filled


def pytest_configure():
    for name in DRAWS:
        setattr(random, name, drawn_by_numpy(name))
    for name in ("zeros", "ones"):
        setattr(constants, name, filled_by_numpy(name))
