"""Models that learn a second task beside the genre, from one shared representation.

Choose one where songs are few for the size of the network: the second task keeps the shared part from learning what
serves the labels of these songs alone. The source gains half a per cent to one, and more by reconstruction than by
yes-or-no questions. The shared part, the trunk, is any model of segments with one output; what feeds its last affine
map is shared. The second head costs time in training; predictions of the genre need none of it.
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
    summary="a shared network with a second head that answers yes or no for each genre",
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
    """Beside the genre among all, for each genre whether the song is of it or not.

    The loss is ``E + alpha * (E_1 + … + E_n)``, with one binary cross-entropy for each of the ``n`` genres. Songs of
    any length and padding are handled as the trunk handles them.

    Args:
        trunk: Name of a model of segments with one output.
        trunk_arguments: Keywords of its builder; what is left out has its default.
        alpha: What the second task counts, from 0; 0 does not train it.

    Returns:
        An uncompiled model with outputs ``logits`` and ``binary``, one logit for each genre.

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
    """Beside the genre, all of the song's numbers again.

    The loss is ``E + alpha * E_song``, with the mean squared error of the standardised song, padding left out. The
    reconstruction is one affine map of the shared representation, so that the number of segments must be known.

    Args:
        trunk: Name of a model of segments with one output.
        trunk_arguments: Keywords of its builder; what is left out has its default.
        alpha: What the second task counts, from 0; 0 does not train it.

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
    """What the last affine map reads, ``(batch, units)``; what ``logits`` reads where a model has no such map."""
    last = layer = model.get_layer("logits")
    while isinstance(layer, keras.layers.BatchNormalization | keras.layers.Activation):
        layer = layer.input._keras_history.operation  # normalised logits: the map is before
    found = layer.input if isinstance(layer, keras.layers.Dense) else last.input
    if isinstance(found, list) or len(found.shape) != 2:
        raise SettingsError(f"trunk {name!r} has no single vector before its logits to share; choose e.g. 'lstm'")
    return found
