"""Selection and standardisation of features as a layer, so that a finished model reads raw features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class Standardise(keras.layers.Layer):
    """Selects features, subtracts each one's centre, divides by its scale, transforms and limits the result.

    The first layer of a run's `model`: it makes of raw features what the network was trained on. NaN, which marks
    padding, stays NaN.

    Args:
        mean: Of each selected feature, subtracted.
        scale: Of each selected feature, divided by; not zero.
        clip: Results are limited to ``[-clip, clip]``; None leaves them alone.
        columns: Positions of the selected features among all, in the order of ``mean``; None selects all.
        transform: As `genrezoo.songs.Standardiser`'s.
        knots: As `genrezoo.songs.Standardiser`'s, for the transform ``quantile``.

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
        **options: Any,
    ):
        super().__init__(**options)
        self.supports_masking = True
        self.mean, self.scale, self.clip = [float(m) for m in mean], [float(s) for s in scale], clip
        self.columns = None if columns is None else [int(column) for column in columns]
        if len({len(part) for part in (self.mean, self.scale, self.columns) if part is not None}) > 1:
            raise SettingsError(
                f"mean, scale and columns must have one length, got {len(self.mean)}, {len(self.scale)}, {columns}"
            )
        self.transform = transform
        self.knots = None if knots is None else np.asarray(knots, np.float32).tolist()
        if (transform == "quantile") != (knots is not None):
            raise SettingsError(f"knots belong to the transform 'quantile', got {transform!r}")
        if 0 in self.scale or (clip is not None and not clip > 0):
            raise SettingsError(f"scale must not be zero and clip must be positive, got {scale} and {clip}")

    def call(self, inputs: Any) -> Any:
        """The selected features, standardised."""
        if self.columns is not None:
            inputs = ops.take(inputs, self.columns, axis=-1)
        mean, scale = (ops.convert_to_tensor(part, inputs.dtype) for part in (self.mean, self.scale))
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
        values, scores = np.asarray(self.knots, np.float32)  # each (knots, features)
        width = values[1:] - values[:-1]
        slope = np.where(width > 0, (scores[1:] - scores[:-1]) / np.where(width > 0, width, 1), 0)
        # A line through the knots is a sum of ramps, one between each two of them.
        ramps = ops.expand_dims(z, -1) - ops.convert_to_tensor(values[:-1].T, z.dtype)  # (…, features, knots - 1)
        ramps = ops.minimum(ops.maximum(ramps, 0.0), ops.convert_to_tensor(width.T, z.dtype))
        found = ops.sum(ramps * ops.convert_to_tensor(slope.T.astype(np.float32), z.dtype), axis=-1)
        return ops.where(ops.isnan(z), z, found + ops.convert_to_tensor(scores[0], z.dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """As many features as there are means."""
        return (*input_shape[:-1], len(self.mean))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own: dict[str, Any] = {"mean": self.mean, "scale": self.scale, "clip": self.clip, "columns": self.columns}
        own |= {"transform": self.transform, "knots": self.knots}
        return {**super().get_config(), **own}
