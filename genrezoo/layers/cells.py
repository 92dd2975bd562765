"""Basic recurrent cells, whose state is the tanh of an affine map of the segment and the previous state."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class TanhCell(keras.layers.Layer):
    """The basic recurrent cell: ``h_t = tanh([x_t; h_(t-1)] W + b)``, with one kernel for segment and state.

    For use in `keras.layers.RNN`. It is the simplest cell that is sensitive to the order of segments; its memory spans
    a few of them. It differs from `keras.layers.SimpleRNN` in having one kernel, which is initialised and regularised
    as a whole.

    Args:
        units: Size of the state, at least 1.
        kernel_regularizer: Keras regulariser of the kernel; None for none.

    Call arguments:
        inputs: One segment of each song, ``(batch, features)``.
        states: A list of one: the previous state, ``(batch, units)``; None at the start of a song, for zeros.

    Returns:
        The new state, and a list that holds it.

    Raises:
        SettingsError: ``units`` is below 1.

    Example:
        >>> import numpy as np
        >>> layer = keras.layers.RNN(TanhCell(4), return_state=True)
        >>> output, state = layer(np.ones((2, 10, 3), "float32"))
        >>> state.shape == (2, 4), layer.cell.kernel.shape == (3 + 4, 4)
        (True, True)

    Reference:
        J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990).
    """

    def __init__(self, units: int, *, kernel_regularizer: Any = None, **options: Any):
        super().__init__(**options)
        self.units = self.state_size = _check_units(units)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the kernel and the bias."""
        self.kernel = _add_kernel(self, input_shape)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs: Any, states: Any = None) -> Any:
        """Computes one step."""
        state = ops.zeros((ops.shape(inputs)[0], self.units), inputs.dtype) if states is None else states[0]
        new = ops.tanh(ops.matmul(ops.concatenate([inputs, state], axis=-1), self.kernel) + self.bias)
        return new, [new]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


class BatchNormTanhCell(keras.layers.Layer):
    """The cell of `BatchNormRNN`, which documents the arguments; it works in no other layer.

    Call arguments:
        inputs: ``(batch, features)``; in training with an extra column that is 1 where the song has a segment and 0
            elsewhere.
        states: ``[state]``; in training ``[state, moving mean, moving variance]``, so that the averages are passed
            through the loop as values. On some backends a variable assigned within a loop would be lost.
        training: Whether to normalise by the statistics of this step.

    Returns:
        The new state, and all states.
    """

    def __init__(
        self,
        units: int,
        *,
        initial_scale: float,
        momentum: float,
        epsilon: float,
        kernel_regularizer: Any,
        **options: Any,
    ):
        super().__init__(**options)
        self.units = self.state_size = _check_units(units)
        if not 0 <= momentum < 1:
            raise SettingsError(f"momentum must be at least 0 and below 1, got {momentum}")
        for name, value in {"initial_scale": initial_scale, "epsilon": epsilon}.items():
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"{name} must be a finite number above 0, got {value}")
        self.initial_scale, self.momentum, self.epsilon = float(initial_scale), float(momentum), float(epsilon)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the kernel and the variables of batch normalisation, whose shift replaces the bias."""
        self.kernel = _add_kernel(self, input_shape)
        scale = keras.initializers.Constant(self.initial_scale)
        self.gamma = self.add_weight(name="gamma", shape=(self.units,), initializer=scale)
        self.beta = self.add_weight(name="beta", shape=(self.units,), initializer="zeros")
        self.moving_mean = self.add_weight(
            name="moving_mean", shape=(self.units,), initializer="zeros", trainable=False
        )
        self.moving_variance = self.add_weight(
            name="moving_variance", shape=(self.units,), initializer="ones", trainable=False
        )

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """Computes one step."""
        if not training:
            new = self._normalised_tanh(self._map(inputs, states[0]), self.moving_mean, self.moving_variance)
            return new, [new]
        state, moving_mean, moving_variance = states
        real = inputs[:, -1:]  # (batch, 1)
        x = self._map(inputs[:, :-1], state)
        weight = real / ops.maximum(ops.sum(real), 1.0)
        mean = ops.sum(weight * x, axis=0)
        variance = ops.sum(weight * ops.square(x - mean), axis=0)
        new = ops.where(real > 0, self._normalised_tanh(x, mean, variance), state)
        # Every segment has the same share in the averages, so a step that few songs reach moves them little.
        pace = (1 - self.momentum) * ops.mean(real)
        moving_mean = moving_mean + pace * (ops.stop_gradient(mean) - moving_mean)
        moving_variance = moving_variance + pace * (ops.stop_gradient(variance) - moving_variance)
        return new, [new, moving_mean, moving_variance]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "units": self.units,
            "initial_scale": self.initial_scale,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }

    def _map(self, inputs: Any, state: Any) -> Any:
        return ops.matmul(ops.concatenate([inputs, state], axis=-1), self.kernel)

    def _normalised_tanh(self, x: Any, mean: Any, variance: Any) -> Any:
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        return ops.tanh((x - mean) * scale + self.beta)


@keras.saving.register_keras_serializable("genrezoo")
class BatchNormRNN(keras.layers.RNN):
    """A basic recurrent layer with batch normalisation between its affine map and tanh.

    Choose it over `keras.layers.RNN` of a `TanhCell`: the inputs of tanh keep the same scale at all steps, which makes
    training more stable and the result better.

    In training each step is normalised by the mean and variance of its segments over the batch. Inference uses one pair
    of moving averages for all steps, updated step by step. A song that has no segment at a step keeps its state and is
    excluded from the statistics. A frozen layer (``trainable = False``) normalises as in inference.

    Args:
        units: Size of the state, at least 1.
        initial_scale: Initial scale (gamma) of the batch normalisation, above 0. At 1 much of tanh is saturated from
            the start, and on small data sets the averages may not fit every step; the literature recommends 0.1.
        momentum: Momentum of the moving averages, in [0, 1). A step at which only a fraction of the songs have a
            segment contributes in proportion.
        epsilon: Added to the variance, above 0.
        kernel_regularizer: Keras regulariser of the kernel; None for none.
        return_sequences: Return the states of all steps instead of the last one.
        return_state: Return the final state as well.

    Call arguments:
        sequences: ``(batch, segments, features)``.
        initial_state: A list of one: the initial state, ``(batch, units)``; None for zeros.
        mask: ``(batch, segments)``, True where a segment is real; None if all are. Values at other segments have no
            influence as long as they are finite.
        training: Whether to normalise by the batch and update the averages.

    Returns:
        ``(batch, units)``, or ``(batch, segments, units)`` with ``return_sequences``; with ``return_state`` a list of
        this output and the final state.

    Raises:
        SettingsError: A number is out of range, or the option ``zero_output_for_mask`` of `keras.layers.RNN` is set.

    Example:
        >>> import numpy as np
        >>> layer = BatchNormRNN(4)
        >>> layer(np.ones((2, 10, 3), "float32")).shape == (2, 4)
        True

    Reference:
        S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
        shift", ICML 2015; inside a recurrent cell: C. Laurent et al., "Batch normalized recurrent neural networks",
        ICASSP 2016; the initial scale: T. Cooijmans et al., "Recurrent batch normalization", ICLR 2017.
    """

    def __init__(
        self,
        units: int,
        *,
        initial_scale: float = 1.0,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        kernel_regularizer: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        **options: Any,
    ):
        if options.get("zero_output_for_mask"):
            raise SettingsError("BatchNormRNN keeps the state over masked segments; it has no zero_output_for_mask")
        cell = BatchNormTanhCell(
            units,
            initial_scale=initial_scale,
            momentum=momentum,
            epsilon=epsilon,
            kernel_regularizer=kernel_regularizer,
            name="cell",
        )
        super().__init__(cell, return_sequences=return_sequences, return_state=return_state, **options)

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """Returns the last output, all outputs, and the final state."""
        if not (training and self.trainable):
            return super().inner_loop(sequences, initial_state, mask)
        real = ops.ones_like(sequences[:, :, :1]) if mask is None else ops.cast(mask, sequences.dtype)[:, :, None]
        averages = [self.cell.moving_mean, self.cell.moving_variance]
        last, outputs, (state, *moved) = super().inner_loop(
            ops.concatenate([sequences, real], axis=-1),  # (batch, segments, features + 1)
            [*initial_state, *(ops.convert_to_tensor(average) for average in averages)],
            mask=None,
            training=True,
        )
        for average, value in zip(averages, moved, strict=True):
            average.assign(value)
        return last, outputs, [state]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config, cell = super().get_config(), self.cell.get_config()
        del config["cell"]
        own = ("units", "initial_scale", "momentum", "epsilon", "kernel_regularizer")
        return {**config, **{name: cell[name] for name in own}}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> BatchNormRNN:
        """Builds a layer from these arguments."""
        return cls(**config)


def _check_units(units: int) -> int:
    if units < 1:
        raise SettingsError(f"units must be at least 1, got {units}")
    return units


def _add_kernel(cell: Any, input_shape: tuple[int | None, ...]) -> Any:
    """Creates the kernel that maps a segment and the previous state."""
    return cell.add_weight(
        name="kernel",
        shape=((input_shape[-1] or 0) + cell.units, cell.units),
        initializer="glorot_uniform",
        regularizer=cell.kernel_regularizer,
    )
