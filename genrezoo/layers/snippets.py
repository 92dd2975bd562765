"""Cutting of songs into snippets."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class CutSnippets(keras.layers.Layer):
    """Cuts songs into parts of equal length in time.

    If the segments do not divide evenly, the first parts are one segment longer.

    Args:
        snippets: Number of parts, at least 1.

    Call arguments:
        inputs: ``(batch, segments, features)``, padding as NaN; the number of segments must be known when the model is
            built.

    Returns:
        The parts, each ``(batch, segments of the part, features)``, and last a tensor that tells which parts hold a
        real segment: ``(batch, snippets)`` bool.

    Raises:
        SettingsError: ``snippets`` is below 1, or the number of segments is unknown or smaller than ``snippets``.

    Example:
        >>> import numpy as np
        >>> *parts, real = CutSnippets(4)(np.zeros((1, 10, 3), "float32"))
        >>> [part.shape[1] for part in parts]
        [3, 3, 2, 2]
    """

    def __init__(self, snippets: int, **kwargs: Any):
        super().__init__(**kwargs)
        if snippets < 1:
            raise SettingsError(f"snippets must be at least 1, got {snippets}")
        self.snippets = snippets

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks that the song can be cut."""
        segments = input_shape[1]
        if segments is None:
            raise SettingsError("a song of unknown length cannot be cut into snippets; pass the number of segments")
        if segments < self.snippets:
            raise SettingsError(f"{segments} segments cannot be cut into {self.snippets} snippets")

    def call(self, inputs: Any) -> list[Any]:
        """Returns the parts, and which of them are real."""
        bounds = self._bounds(inputs.shape[1])
        segments = ops.logical_not(ops.any(ops.isnan(inputs), axis=-1))  # (batch, segments)
        real = [ops.any(segments[:, start:stop], axis=1) for start, stop in bounds]
        return [*(inputs[:, start:stop] for start, stop in bounds), ops.stack(real, axis=1)]  # (batch, snippets)

    def compute_output_spec(self, inputs: Any) -> list[Any]:
        """Returns the shapes and types of the outputs, one of which is bool."""
        batch, segments, features = inputs.shape
        parts = [keras.KerasTensor((batch, b - a, features), dtype=inputs.dtype) for a, b in self._bounds(segments)]
        return [*parts, keras.KerasTensor((batch, self.snippets), dtype="bool")]

    def _bounds(self, segments: int) -> list[tuple[int, int]]:
        size, longer = divmod(segments, self.snippets)
        starts = [part * size + min(part, longer) for part in range(self.snippets + 1)]
        return list(zip(starts, starts[1:], strict=False))
