"""A trained model as a frozen layer."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class Frozen(keras.layers.Layer):
    """Runs a trained model in inference mode, even while the surrounding model is trained.

    Choose it for the trained members of a composition. Dropout is off and batch normalisation keeps its moving
    averages; no gradient reaches the weights or the inputs; the model's regularisation and activity losses are not
    added to the outer loss; the weights stay untrainable even if ``trainable`` is set on the outer model.

    Args:
        model: A built functional model with one input. It is not copied: its weights become untrainable.

    Call arguments:
        inputs: The model's input, e.g. songs ``(batch, segments, features)`` with padding as NaN.

    Returns:
        The model's output, a tensor or a dict of tensors, without a mask.

    Raises:
        SettingsError: ``model`` is not a built functional `keras.Model` with one input.

    Example:
        >>> songs = keras.Input((5, 3))
        >>> member = keras.Model(songs, keras.layers.Dense(2)(keras.layers.Flatten()(songs)))
        >>> layer = Frozen(member)
        >>> layer(songs).shape, len(layer.trainable_weights), len(layer.non_trainable_weights)
        ((None, 2), 0, 2)
    """

    def __init__(self, model: keras.Model, **options: Any):
        super().__init__(**options)
        if not isinstance(model, keras.Model) or len(getattr(model, "inputs", None) or ()) != 1:
            raise SettingsError(f"only a built functional model with one input can be frozen, got {model!r}")
        model.trainable = False
        self.model = model

    @property
    def trainable(self) -> bool:
        """Always False; setting it has no effect, because Keras sets it for all layers of a model at once."""
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        pass

    def call(self, inputs: Any) -> Any:
        """Returns the model's outputs in inference mode."""
        # Without side effects: what layers inside add to the losses, or would write to their weights, is dropped.
        weights = self.model.trainable_variables, self.model.non_trainable_variables
        outputs, _ = self.model.stateless_call(*weights, inputs, training=False)
        # Copied, because a mask from inside would come along with the very tensor.
        return keras.tree.map_structure(lambda output: ops.stop_gradient(ops.copy(output)), outputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the shape of the model's outputs."""
        return self.model.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "model": keras.saving.serialize_keras_object(self.model)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Frozen:
        """Builds the layer, with its model read from plain data."""
        return cls(**{**config, "model": keras.saving.deserialize_keras_object(config["model"])})
