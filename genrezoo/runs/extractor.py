"""A trained model without its output layer: from songs to embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras
from genrezoo.models import create_model, embedding_of
from genrezoo.runs.run import Run
from genrezoo.weights import WEIGHTS

if TYPE_CHECKING:
    from keras import Model


def feature_extractor(source: Any, layer: str | None = None) -> Model:
    """Builds a Keras model from songs to embeddings, from named weights, a run or a model.

    Args:
        source: A name from `genrezoo.list_weights`; a `Run`, in which case the extractor reads raw features; or a built
            model.
        layer: Name of the layer whose output is the embedding. The default is the input of the layer ``logits``;
            several inputs are concatenated.

    Returns:
        A functional model that shares its weights with the source's.

    Raises:
        UnknownNameError: There are no such weights, or no such layer.
        SettingsError: The source is of another kind.
        DataError: The weights cannot be obtained.

    Example:
        >>> model = create_model("lstm", input_shape=(None, 25), num_classes=10, units=20)
        >>> feature_extractor(model).output_shape
        (None, 20)
    """
    if isinstance(source, str):
        source = create_model(WEIGHTS.get(source).model, weights=source)
    network = source.network if isinstance(source, Run) else source
    if not isinstance(network, keras.Model):
        raise SettingsError(f"source must be the name of weights, a run or a model, got {source!r}")
    embedding = embedding_of(network, layer)
    if not isinstance(source, Run):
        return embedding
    whole = source.model  # from raw features
    return keras.Model(whole.input, embedding(whole.layers[1].output), name=embedding.name)
