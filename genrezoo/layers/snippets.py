"""A song cut into snippets."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class CutSnippets(keras.layers.Layer):
    """Cuts songs into parts of equal length in time.

    Where that does not come out even, the first parts are one segment longer.

    Args:
        snippets: Number of parts, at least 1.

    Call arguments:
        inputs: ``(batch, segments, features)``, the number of segments known when the model is built.
        mask: ``(batch, segments)``, True where a segment is real; None if all are.

    Returns:
        The parts, each ``(batch, segments of the part, features)`` with its share of the mask, and last which parts
        hold a real segment at all: ``(batch, snippets)`` bool.

    Raises:
        SettingsError: ``snippets`` is below 1, the number of segments is not known or smaller than ``snippets``.

    Example:
        >>> import numpy as np
        >>> *parts, real = CutSnippets(4)(np.zeros((1, 10, 3), "float32"))
        >>> [part.shape[1] for part in parts]
        [3, 3, 2, 2]
    """

    def __init__(self, snippets: int, **options: Any):
        super().__init__(**options)
        if snippets < 1:
            raise SettingsError(f"snippets must be at least 1, got {snippets}")
        self.snippets = snippets
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Checks that the song can be cut."""
        segments = input_shape[1]
        if segments is None:
            raise SettingsError("a song of unknown length cannot be cut into snippets; give the number of segments")
        if segments < self.snippets:
            raise SettingsError(f"{segments} segments cannot be cut into {self.snippets} snippets")

    def call(self, inputs: Any, mask: Any = None) -> list[Any]:
        """The parts, and which of them are real."""
        parts = [inputs[:, start:stop] for start, stop in self._bounds(inputs.shape[1])]
        if mask is None:
            return [*parts, ops.ones((ops.shape(inputs)[0], self.snippets), dtype="bool")]
        real = [ops.any(mask[:, start:stop], axis=1) for start, stop in self._bounds(inputs.shape[1])]
        return [*parts, ops.stack(real, axis=1)]  # (batch, snippets)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> list[Any]:
        """Each part's share of the mask."""
        if previous_mask is None:
            return [None] * (self.snippets + 1)
        return [*(previous_mask[:, start:stop] for start, stop in self._bounds(inputs.shape[1])), None]

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> list[Any]:
        """Shapes and types of the outputs, of which one is bool."""
        batch, segments, features = inputs.shape
        parts = [keras.KerasTensor((batch, b - a, features), dtype=inputs.dtype) for a, b in self._bounds(segments)]
        return [*parts, keras.KerasTensor((batch, self.snippets), dtype="bool")]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "snippets": self.snippets}

    def _bounds(self, segments: int) -> list[tuple[int, int]]:
        size, longer = divmod(segments, self.snippets)
        starts = [part * size + min(part, longer) for part in range(self.snippets + 1)]
        return list(zip(starts, starts[1:], strict=False))
