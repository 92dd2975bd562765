"""Models that learn a second task besides the genre, from one shared representation.

Choose one where songs are few for the size of the network: the second task regularises the shared layers. The source
gains half a per cent to one, and more with reconstruction than with binary classification. The shared part, the trunk,
is any segment model with one output; both heads read the input of its last affine map. The second head costs time in
training only; predictions of the genre do not need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genrezoo.errors import SettingsError
from genrezoo.lazy import keras, layers
from genrezoo.models._checks import InputShape, check_input_shape
from genrezoo.models._member import build_member
from genrezoo.registry import MODELS
from genrezoo.spaces import Float

SPACE = {"alpha": Float(0.1, 10.0, sampling="log")}


@MODELS.register(
    "multitask_binary",
    summary="a shared network with a second head of one binary classifier per genre",
    reference="J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017): sections 2.3 and 5",
    reported={"MSD-10 and MSD-25 validation accuracy": "0.5 to 1 % above the stabilised LSTM"},
    space=SPACE,
    masks_padding=True,
    any_length=True,
)
def build_multitask_binary(
    input_shape: InputShape,
    num_classes: int,
    *,
    trunk: str = "lstm",
    trunk_arguments: Mapping[str, Any] = {},
    alpha: float = 1.0,
) -> Any:
    """Adds a second task: for each genre, whether the song belongs to it.

    The loss is ``E + alpha * (E_1 + … + E_n)``, with one binary cross-entropy for each of the ``n`` genres. The trunk
    determines how variable lengths and padding are handled.

    Args:
        trunk: Name of a segment model with one output.
        trunk_arguments: Keywords of its builder; options left out keep their defaults.
        alpha: Weight of the second task in the loss, at least 0; 0 does not train it.

    Returns:
        An uncompiled model with outputs ``logits`` and ``binary``, one logit per genre.

    Raises:
        UnknownNameError: There is no such trunk.
        SettingsError: An option is out of range, or the trunk has several outputs or no representation to share.

    Example:
        >>> arguments = {"units": 20, "beta": 100.0}
        >>> model = build_multitask_binary((None, 25), 10, trunk="stabilised_lstm", trunk_arguments=arguments)
        >>> {name: output.shape for name, output in model.output.items()}
        {'logits': (None, 10), 'binary': (None, 10)}

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 2.3 and 5.1.
    """
    model = build_member("trunk", trunk, input_shape, num_classes, trunk_arguments)
    answers = keras.layers.Dense(num_classes, name="answers")(_representation(model, trunk))
    outputs = {"logits": model.output, "binary": layers.Head(target="binary", weight=alpha, name="binary")(answers)}
    return keras.Model(model.input, outputs, name="multitask_binary")


@MODELS.register(
    "multitask_autoencoder",
    summary="a shared network with a second head that reconstructs the song",
    reference="J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017): sections 2.3 and 5",
    reported={"MSD-10 and MSD-25 validation accuracy": "0.5 to 1 % above the stabilised LSTM, the better of the two"},
    space=SPACE,
    masks_padding=True,
)
def build_multitask_autoencoder(
    input_shape: InputShape,
    num_classes: int,
    *,
    trunk: str = "lstm",
    trunk_arguments: Mapping[str, Any] = {},
    alpha: float = 1.0,
) -> Any:
    """Adds a second task: reconstruction of the song's input.

    The loss is ``E + alpha * E_song``, where ``E_song`` is the mean squared error of the standardised song without
    padding. The reconstruction is one affine map of the shared representation, so the number of segments must be known.

    Args:
        trunk: Name of a segment model with one output.
        trunk_arguments: Keywords of its builder; options left out keep their defaults.
        alpha: Weight of the second task in the loss, at least 0; 0 does not train it.

    Returns:
        An uncompiled model with outputs ``logits`` and ``song`` ``(batch, n_segments, n_features)``.

    Raises:
        UnknownNameError: There is no such trunk.
        SettingsError: An option is out of range, or the trunk has several outputs or no representation to share.

    Example:
        >>> model = build_multitask_autoencoder((120, 25), 10, trunk_arguments={"units": 20})
        >>> model.get_layer("numbers").units, model.output["song"].shape
        (3000, (None, 120, 25))

    Reference:
        J. Wilsenach, RNNs on The Million Song Dataset: Training with Multiple Tasks (2017), sections 2.3 and 5.2.
    """
    n_segments, n_features = check_input_shape(input_shape, any_length=False)
    model = build_member("trunk", trunk, input_shape, num_classes, trunk_arguments)
    size = (n_segments or 0) * n_features
    numbers = keras.layers.Dense(size, name="numbers")(_representation(model, trunk))
    song = keras.layers.Reshape((n_segments, n_features), name="reconstruction")(numbers)
    outputs = {"logits": model.output, "song": layers.Head(target="song", weight=alpha, name="song")(song)}
    return keras.Model(model.input, outputs, name="multitask_autoencoder")


def _representation(model: Any, name: str) -> Any:
    """The input of the last affine map, ``(batch, units)``, or of ``logits`` if a model has no such map."""
    last = layer = model.get_layer("logits")
    while isinstance(layer, keras.layers.BatchNormalization | keras.layers.Activation):
        layer = layer.input._keras_history.operation  # normalised logits: the map is before
    found = layer.input if isinstance(layer, keras.layers.Dense) else last.input
    if isinstance(found, list) or len(found.shape) != 2:
        raise SettingsError(f"trunk {name!r} has no single vector before its logits to share; choose e.g. 'lstm'")
    return found
