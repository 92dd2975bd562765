"""A trained model as a layer that nothing around it can change."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from genrezoo.errors import SettingsError


@keras.saving.register_keras_serializable("genrezoo")
class Frozen(keras.layers.Layer):
    """Runs a trained model in inference mode, whatever is done to the model around it.

    Choose it for the finished members of a composition. Dropout is off and batch normalisation keeps its moving
    averages even while the model around it trains; no gradient passes, to the weights or to the inputs; penalties and
    activity losses inside stay inside; the weights are untrainable and stay so if ``trainable`` is set from outside.

    Args:
        model: A built functional model of one input. It is not copied: its weights become untrainable.

    Call arguments:
        inputs: What the model takes, e.g. songs ``(batch, segments, features)`` with padding as NaN.

    Returns:
        What the model returns, a tensor or a dict of tensors, without a mask.

    Raises:
        SettingsError: ``model`` is not a built functional `keras.Model` of one input.

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
            raise SettingsError(f"only a built functional model of one input can be frozen, got {model!r}")
        model.trainable = False
        self.model = model

    @property
    def trainable(self) -> bool:
        """Never; setting it has no effect, because Keras sets it for all layers of a model at once."""
        return False

    @trainable.setter
    def trainable(self, value: bool) -> None:
        pass

    def call(self, inputs: Any) -> Any:
        """The model's outputs in inference mode."""
        # Without side effects: what layers inside add to the losses, or would write to their weights, is dropped.
        weights = self.model.trainable_variables, self.model.non_trainable_variables
        outputs, _ = self.model.stateless_call(*weights, inputs, training=False)
        # Copied, because a mask from inside would come along with the very tensor.
        return keras.tree.map_structure(lambda output: ops.stop_gradient(ops.copy(output)), outputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """What the model promises."""
        return self.model.compute_output_spec(inputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "model": keras.saving.serialize_keras_object(self.model)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Frozen:
        """The layer, with its model read from plain data."""
        return cls(**{**config, "model": keras.saving.deserialize_keras_object(config["model"])})
