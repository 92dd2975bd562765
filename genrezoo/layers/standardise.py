"""Selection and standardisation of features as a layer, so that a trained model takes raw features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class Standardise(keras.layers.Layer):
    """Selects features, subtracts their means, divides by their scales, and transforms and clips the result.

    It is the first layer of a run's `model` and turns raw features into the network's input. NaN, which marks padding,
    stays NaN.

    Args:
        mean: Value to subtract from each selected feature.
        scale: Value to divide each selected feature by; not zero.
        clip: Results are clipped to ``[-clip, clip]``; None does not clip.
        columns: Indices of the selected features, in the order of ``mean``; None selects all.
        transform: As `genrezoo.songs.Standardiser`'s.
        knots: As `genrezoo.songs.Standardiser`'s, for the transform ``quantile``.
        as_weights: Whether mean, scale and knots are untrained weights, so that they are stored and loaded with the
            weights of the surrounding model; the values passed here are then their initial ones.

    Call arguments:
        inputs: ``(batch, …, features)``, raw.

    Returns:
        ``(batch, …, len(mean))``.

    Raises:
        SettingsError: The lists differ in length, a scale is zero, or ``clip`` is not positive.

    Example:
        >>> import numpy as np
        >>> layer = Standardise([1.0], [2.0], clip=3.0, columns=[1])
        >>> np.asarray(layer(np.array([[[9.0, 3.0], [9.0, 99.0], [9.0, np.nan]]], "float32"))).ravel().tolist()
        [1.0, 3.0, nan]
    """

    def __init__(
        self,
        mean: Sequence[float],
        scale: Sequence[float],
        *,
        clip: float | None = None,
        columns: Sequence[int] | None = None,
        transform: str | None = None,
        knots: Any = None,
        as_weights: bool = False,
        **options: Any,
    ):
        super().__init__(**options)
        self.supports_masking = True
        self.mean, self.scale, self.clip = [float(m) for m in mean], [float(s) for s in scale], clip
        self.columns = None if columns is None else [int(column) for column in columns]
        if len({len(part) for part in (self.mean, self.scale, self.columns) if part is not None}) > 1:
            raise SettingsError(
                f"mean, scale and columns must have the same length, got {len(self.mean)}, {len(self.scale)}, {columns}"
            )
        self.transform = transform
        self.knots = None if knots is None else np.asarray(knots, np.float32).tolist()
        if (transform == "quantile") != (knots is not None):
            raise SettingsError(f"knots are only used by the transform 'quantile', got {transform!r}")
        if 0 in self.scale or (clip is not None and not clip > 0):
            raise SettingsError(f"scale must not be zero and clip must be positive, got {scale} and {clip}")
        self.as_weights = as_weights
        self._own: dict[str, Any] = {}

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights, if there are any."""
        for name in ("mean", "scale", "knots") if self.as_weights else ():
            if (start := getattr(self, name)) is not None:
                value = np.asarray(start, np.float32)
                self._own[name] = self.add_weight(
                    shape=value.shape, initializer=keras.initializers.Constant(value), trainable=False, name=name
                )

    def call(self, inputs: Any) -> Any:
        """Standardises the selected features."""
        if self.columns is not None:
            inputs = ops.take(inputs, self.columns, axis=-1)
        mean, scale = (self._numbers(name, inputs.dtype) for name in ("mean", "scale"))
        found = self._transformed((inputs - mean) / scale)
        if self.clip is None:
            return found
        return ops.where(ops.isnan(found), found, ops.clip(found, -self.clip, self.clip))

    def _transformed(self, z: Any) -> Any:
        if self.transform == "signed_log":
            return ops.sign(z) * ops.log(1.0 + ops.absolute(z))
        if self.transform == "smooth_clip":
            return z / ops.sqrt(1.0 + ops.square(z / 3.0))
        if self.knots is None:
            return z
        knots = self._numbers("knots", z.dtype)  # (2, knots, features)
        values, scores = ops.transpose(knots[0]), ops.transpose(knots[1])  # each (features, knots)
        width = values[:, 1:] - values[:, :-1]
        slope = (scores[:, 1:] - scores[:, :-1]) / ops.where(width > 0, width, ops.ones_like(width))
        slope = ops.where(width > 0, slope, ops.zeros_like(slope))
        # A line through the knots is a sum of ramps, one between each two of them.
        ramps = ops.expand_dims(z, -1) - values[:, :-1]  # (…, features, knots - 1)
        ramps = ops.minimum(ops.maximum(ramps, 0.0), width)
        found = ops.sum(ramps * slope, axis=-1)
        return ops.where(ops.isnan(z), z, found + scores[:, 0])

    def _numbers(self, name: str, dtype: Any) -> Any:
        """Returns mean, scale or knots, from the weights if they are weights."""
        return ops.convert_to_tensor(self._own.get(name, getattr(self, name)), dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input's shape with the selected features."""
        return (*input_shape[:-1], len(self.mean))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own: dict[str, Any] = {"mean": self.mean, "scale": self.scale, "clip": self.clip, "columns": self.columns}
        own |= {"transform": self.transform, "knots": self.knots, "as_weights": self.as_weights}
        return {**super().get_config(), **own}
