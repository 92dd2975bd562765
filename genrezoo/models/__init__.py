"""The zoo's models: list, build and register them.

Importing this package does not load Keras; the first look-up does.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from genrezoo.errors import SettingsError, check_known
from genrezoo.lazy import keras
from genrezoo.models._checks import InputShape, check_image_shape, check_input_shape, check_num_classes
from genrezoo.models._pretrained import published
from genrezoo.registry import MODELS
from genrezoo.seeds import keras_seed
from genrezoo.spaces import Space
from genrezoo.weights import WEIGHTS

SHARED = {
    "input_shape": "Shape of one song: `(n_segments, n_features)`, where `n_segments` may be None if the model takes "
    "any length; for a model of images `(height, width, channels)`.",
    "num_classes": "Number of genres, at least 2.",
    "weights": "Initial weights: a name from `gz.list_weights`, which also sets the options that they need, or "
    "the path of a safetensors file; None initialises the weights at random. If the number of genres differs, the "
    "output layer is always initialised at random.",
    "classifier_activation": "Activation of the layer `logits`: None for logits, `'softmax'` for posteriors.",
}
"""Descriptions of the arguments that all builders share; a builder's docstring need not repeat them."""

__all__ = ["create_model", "list_models", "model_info", "register_model"]


def create_model(
    name: str,
    input_shape: InputShape | None = None,
    num_classes: int | None = None,
    *,
    seed: int | None = None,
    **arguments: Any,
) -> Any:
    """Builds a model of the zoo from its name.

    Args:
        name: A name from `list_models`.
        input_shape: Shape of one song, see `SHARED`; defaults to that of the named ``weights``.
        num_classes: Number of genres, at least 2; defaults to the number of labels of the named ``weights``.
        seed: Seed of the initial weights and of dropout; None draws new ones in each call.
        **arguments: The builder's own keywords, see `model_info`.

    Returns:
        An uncompiled `keras.Model` that ends in ``logits``.

    Raises:
        UnknownNameError: The model or the keyword does not exist; the nearest names are suggested.
        SettingsError: The shape or the number of genres is invalid.
        DataError: The named weights cannot be loaded, or do not fit.

    Example:
        >>> model = create_model("lstm", input_shape=(120, 25), num_classes=10, seed=1, units=20)
        >>> model.output_shape
        (None, 10)
    """
    entry = MODELS.get(name)
    check_known(f"argument of model {name!r}", arguments, _defaults(entry.call))
    known = published(name, arguments.get("weights"))
    arguments = settled(name, arguments)
    input_shape = known.input_shape if input_shape is None and known else input_shape
    num_classes = len(known.labels) if num_classes is None and known and known.labels else num_classes
    if input_shape is None or num_classes is None:
        raise SettingsError(
            f"model {name!r} needs input_shape and num_classes; only named weights with an output layer define both, "
            f"see genrezoo.list_weights()"
        )
    if entry.expects == "image":
        check_image_shape(input_shape)
    else:
        check_input_shape(input_shape, any_length=entry.any_length)
    check_num_classes(num_classes)
    with contextlib.nullcontext() if seed is None else keras_seed(seed):
        shape = tuple(size if size is None else int(size) for size in input_shape)  # NumPy's whole numbers too
        return entry.build(shape, int(num_classes), **arguments)


def settled(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Merges a builder's keywords with those required by the weights that they name.

    Args:
        name: Name of the model.
        arguments: Keywords of its builder; they take precedence over those of the weights.

    Raises:
        SettingsError: The weights belong to another model.
        UnknownNameError: There are no such weights.
    """
    known = published(name, arguments.get("weights"))
    return {**known.arguments, **arguments} if known else dict(arguments)


def embedding_of(network: Any, layer: str | None = None) -> Any:
    """Returns a built model without its output layer, as a functional model that shares its weights.

    Args:
        network: The model.
        layer: Name of the layer to end in. The default is the input of the layer ``logits``; several inputs are
            concatenated.

    Raises:
        UnknownNameError: There is no such layer.
    """
    if layer is not None:
        check_known(f"layer of {network.name!r}", [layer], [one.name for one in network.layers])
    output = network.get_layer("logits").input if layer is None else network.get_layer(layer).output
    if isinstance(output, list):
        output = keras.layers.Concatenate(name="embedding")(output)
    return keras.Model(network.input, output, name=f"{network.name}_embedding")


def list_models(
    pattern: str = "*",
    *,
    expects: str | None = None,
    masks_padding: bool | None = None,
    any_length: bool | None = None,
    pretrained: bool | None = None,
) -> list[str]:
    """Returns the names of the models that match a shell pattern and have the requested properties.

    Args:
        pattern: Shell pattern of the names.
        expects: Input kind, ``"segments"`` or ``"image"``; either if left out.
        masks_padding: Whether padded segments have no influence on the logits; None matches both, here and in the next
            two.
        any_length: Whether one model works on any number of segments.
        pretrained: Whether trained weights exist for it (`genrezoo.list_weights`).

    Raises:
        SettingsError: ``expects`` is not an input kind.

    Example:
        >>> list_models("*lstm")
        ['lstm', 'snippet_lstm', 'stabilised_lstm']
        >>> list_models(any_length=True, pretrained=True)
        ['musicnn']
    """
    if expects not in (None, "segments", "image"):
        raise SettingsError(f"expects must be 'segments' or 'image', got {expects!r}")
    known = {entry.model for entry in WEIGHTS.members()} if pretrained is not None else set()
    wanted = {"expects": expects, "masks_padding": masks_padding, "any_length": any_length}
    return [
        name
        for name in MODELS.names(pattern)
        if all(value is None or getattr(MODELS.get(name), key) == value for key, value in wanted.items())
        and (pretrained is None or (name in known) == pretrained)
    ]


def model_info(name: str) -> dict[str, Any]:
    """Describes a model: its options, properties and reference, as plain data.

    Returns:
        The fields of its `Entry`, and under ``"arguments"`` the builder's keywords with their defaults.

    Raises:
        UnknownNameError: There is no such model; the nearest names are suggested.

    Example:
        >>> info = model_info("lstm")
        >>> info["any_length"], info["arguments"]["units"]
        (True, 100)
    """
    entry = MODELS.get(name)
    return {**entry.describe(), "arguments": _defaults(entry.call)}


def register_model(
    name: str,
    *,
    summary: str,
    reference: str,
    reported: Mapping[str, str] | None = None,
    expects: str = "segments",
    masks_padding: bool = False,
    any_length: bool = False,
    space: Space | None = None,
    begins_with: tuple[str, ...] = (),
    counts_songs: tuple[str, ...] = (),
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a builder as a model of the zoo (a decorator).

    Args:
        name: Lower-case words joined by underscores; must not be taken.
        summary: One line.
        reference: Where the model comes from.
        reported: Results that the reference reports, by data set.
        expects: Input kind, ``"segments"`` or ``"image"``.
        masks_padding: Padded segments have no influence on the logits.
        any_length: One model works on any number of segments.
        space: Search space: the domain of each option (see `genrezoo.spaces`).
        begins_with: Options that only say where the initial weights come from, e.g. a file; a trained model is rebuilt
            without them.
        counts_songs: Options that are numbers of training songs; where there are fewer, training lowers them to that.

    Returns:
        A decorator that returns the builder unchanged.

    Raises:
        SettingsError: The builder does not have the form ``build(input_shape, num_classes, *, option=default, …)``, or
            the summary or the reference is missing.
        GenrezooError: The name is malformed or taken.

    Example:
        >>> import keras
        >>> @register_model("softmax_regression", summary="one affine map", reference="textbooks")
        ... def build(input_shape, num_classes, *, l2=0.0):
        ...     songs = keras.Input(input_shape)
        ...     logits = keras.layers.Dense(num_classes, kernel_regularizer=keras.regularizers.L2(l2), name="logits")
        ...     return keras.Model(songs, logits(keras.layers.Flatten()(songs)))
        >>> create_model("softmax_regression", (120, 25), 10).output_shape
        (None, 10)
        >>> MODELS.remove("softmax_regression")
    """
    if not summary.strip() or not reference.strip():
        raise SettingsError(f"model {name!r} needs a summary and a reference")
    if expects not in ("segments", "image"):
        raise SettingsError(f"expects must be 'segments' or 'image', got {expects!r}")

    def decorate(build: Callable[..., Any]) -> Callable[..., Any]:
        _check_builder(name, build)
        MODELS.names()  # the zoo's own models first, so that a clash is reported here
        roles = {"search": space or {}, "begin with": begins_with, "lower to the number of songs": counts_songs}
        for role, named in roles.items():
            for option in named:
                if option not in _defaults(build):
                    raise SettingsError(f"model {name!r} has no option {option!r} to {role}")
        register = MODELS.register(
            name,
            summary=summary,
            reference=reference,
            reported=reported or {},
            expects=expects,
            masks_padding=masks_padding,
            any_length=any_length,
            space=space or {},
            begins_with=begins_with,
            counts_songs=counts_songs,
        )
        return register(build)

    return decorate


def _check_builder(name: str, build: Callable[..., Any]) -> None:
    form = "build(input_shape, num_classes, *, option=default, …)"
    parameters = list(inspect.signature(build).parameters.values())
    if [parameter.name for parameter in parameters[:2]] != ["input_shape", "num_classes"]:
        raise SettingsError(f"the builder of model {name!r} must be of the form {form}, got {inspect.signature(build)}")
    for option in parameters[2:]:
        if option.kind is not option.KEYWORD_ONLY or option.default is option.empty:
            raise SettingsError(f"option {option.name!r} of model {name!r} must be keyword-only with a default: {form}")


def _defaults(build: Callable[..., Any]) -> dict[str, Any]:
    options = list(inspect.signature(build).parameters.values())[2:]
    return {option.name: option.default for option in options}
