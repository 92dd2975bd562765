"""Several ensemble members in one layer: affine maps that share most of their weights, or none."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class RankOneDense(keras.layers.Layer):
    """One affine map for all members of an ensemble, which each member adapts by a rank-one factor.

    Member ``m`` computes ``((x * input_scale[m]) kernel) * output_scale[m] + bias[m]``: its kernel is the shared one
    multiplied elementwise by a rank-one matrix. So an ensemble needs little more memory than one network, and the
    shared weights regularise the members.

    Args:
        units: Size of the output, at least 1.
        members: Number of members, at least 1.
        signs: Initialise the input's factors as random signs, so that the members differ from the start, instead of
            ones. In a stack of these layers only the first needs it.

    Call arguments:
        inputs: ``(batch, features)``, shared by all members, or ``(batch, members, features)``.

    Returns:
        ``(batch, members, units)``.

    Raises:
        SettingsError: ``units`` or ``members`` is below 1, or the input has another number of members.

    Example:
        >>> import numpy as np
        >>> layer = RankOneDense(3, members=5)
        >>> layer(np.ones((2, 7), "float32")).shape == (2, 5, 3)
        True

    Reference:
        Y. Wen, D. Tran, J. Ba, BatchEnsemble: an alternative approach to efficient ensemble and lifelong learning, ICLR
        2020, section 3; the start: Y. Gorishniy, A. Kotelnikov, A. Babenko, TabM, ICLR 2025, section 3.
    """

    def __init__(self, units: int, members: int, signs: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        if units < 1 or members < 1:
            raise SettingsError(f"units and members must be at least 1, got {units} and {members}")
        self.units, self.members, self.signs = units, members, signs

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the shared kernel, and each member's factors and bias."""
        if len(input_shape) == 3 and input_shape[1] != self.members:
            raise SettingsError(f"inputs must have {self.members} members, got {input_shape[1]}")
        features = input_shape[-1]
        start = _signs if self.signs else "ones"
        self.kernel = self.add_weight(name="kernel", shape=(features, self.units))
        self.input_scale = self.add_weight(name="input_scale", shape=(self.members, features), initializer=start)
        self.output_scale = self.add_weight(name="output_scale", shape=(self.members, self.units), initializer="ones")
        self.bias = self.add_weight(name="bias", shape=(self.members, self.units), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Computes each member's map."""
        x = ops.expand_dims(inputs, 1) if len(inputs.shape) == 2 else inputs
        return ops.matmul(x * self.input_scale, self.kernel) * self.output_scale + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the output's shape: one vector per member."""
        return input_shape[0], self.members, self.units


@keras.saving.register_keras_serializable("genrezoo")
class SeparateDense(keras.layers.Layer):
    """A separate affine map for each row, such as each member of an ensemble or each embedded feature.

    Args:
        units: Size of the output, at least 1.

    Call arguments:
        inputs: ``(batch, rows, features)``.

    Returns:
        ``(batch, rows, units)``.

    Raises:
        SettingsError: ``units`` is below 1.

    Example:
        >>> import numpy as np
        >>> layer = SeparateDense(4)
        >>> layer(np.ones((2, 5, 3), "float32")).shape == (2, 5, 4), layer.kernel.shape == (5, 3, 4)
        (True, True)
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        if units < 1:
            raise SettingsError(f"units must be at least 1, got {units}")
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the maps, each initialised like a dense layer's kernel."""
        _, rows, features = input_shape
        limit = math.sqrt(6 / ((features or 0) + self.units))
        start = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight(name="kernel", shape=(rows, features, self.units), initializer=start)
        self.bias = self.add_weight(name="bias", shape=(rows, self.units), initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Computes each row's map."""
        by_row = ops.matmul(ops.transpose(inputs, (1, 0, 2)), self.kernel)  # (rows, batch, units)
        return ops.transpose(by_row, (1, 0, 2)) + self.bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the output's shape: the input's rows, with ``units`` columns."""
        return input_shape[0], input_shape[1], self.units


def _signs(shape: tuple[int, ...], dtype: Any = None) -> Any:
    """A Keras initialiser of random signs; 1 where zero is drawn."""
    drawn = keras.initializers.RandomUniform(-1.0, 1.0)(shape, dtype)
    return ops.where(drawn < 0, -ops.ones_like(drawn), ops.ones_like(drawn))
