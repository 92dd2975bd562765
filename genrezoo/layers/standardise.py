"""Selection and standardisation of features as a layer, so that a finished model reads raw features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class Standardise(keras.layers.Layer):
    """Selects features, subtracts each one's mean, divides by its standard deviation, and limits the result.

    The first layer of a run's `model`: it makes of raw features what the network was trained on. NaN, which marks
    padding, stays NaN.

    Args:
        mean: Of each selected feature, subtracted.
        scale: Of each selected feature, divided by; not zero.
        clip: Results are limited to ``[-clip, clip]``; None leaves them alone.
        columns: Positions of the selected features among all, in the order of ``mean``; None selects all.

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
        if 0 in self.scale or (clip is not None and not clip > 0):
            raise SettingsError(f"scale must not be zero and clip must be positive, got {scale} and {clip}")

    def call(self, inputs: Any) -> Any:
        """The selected features, standardised."""
        if self.columns is not None:
            inputs = ops.take(inputs, self.columns, axis=-1)
        mean, scale = (ops.convert_to_tensor(part, inputs.dtype) for part in (self.mean, self.scale))
        found = (inputs - mean) / scale
        if self.clip is None:
            return found
        return ops.where(ops.isnan(found), found, ops.clip(found, -self.clip, self.clip))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """As many features as there are means."""
        return (*input_shape[:-1], len(self.mean))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {"mean": self.mean, "scale": self.scale, "clip": self.clip, "columns": self.columns}
        return {**super().get_config(), **own}
