"""Multiply-add operations of a model."""

from __future__ import annotations

import math

import keras

from genrezoo.layers import Frozen, Standardise


def multiply_adds(model: keras.Model, n_segments: int) -> int:
    """Counts the multiply-add operations of one song's forward pass.

    Each weight of a dense, convolution or recurrent kernel counts once for every position at which it is applied.
    Biases, activations, normalisation and pooling are left out, as is usual.

    Args:
        model: A built model.
        n_segments: Segments of the song, for models of any length.

    Returns:
        The number for a batch of one.
    """
    total = 0
    for layer in model.layers:
        inner = layer.model if isinstance(layer, Frozen) else layer
        if isinstance(inner, keras.Model):
            total += multiply_adds(inner, n_segments)
            continue
        if isinstance(layer, Standardise):
            continue  # its knots are no kernel
        kernels = [weight for weight in layer.weights if len(weight.shape) > 1 and "bias" not in weight.name]
        if kernels:
            # a recurrent layer applies its kernels at every step of its input, whatever it returns
            place = layer.input if isinstance(layer, keras.layers.RNN) else layer.output
            place = place[0] if isinstance(place, list) else place  # a mask stands behind the sequence
            positions = math.prod(size or n_segments for size in place.shape[1:-1])
            total += sum(math.prod(weight.shape) for weight in kernels) * positions
    return total
