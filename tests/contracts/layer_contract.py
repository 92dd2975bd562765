"""What every layer must do, as named checks that anyone can run on a layer of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np


@dataclass(frozen=True)
class LayerCase:
    """A layer under test.

    Attributes:
        layer: The class.
        settings: Every argument of its constructor, each with a value that is not its default.
        inputs: Positional inputs of a call.
        masked: The layer has to look at a mask ``(batch, segments)``.
    """

    layer: type
    settings: dict[str, Any]
    inputs: Any
    masked: bool = False

    def make(self) -> Any:
        """A built layer with weights that are all away from their start, and variances above zero."""
        layer = self.layer(**self.settings)
        layer(self.inputs)
        generator = np.random.default_rng(3)
        for weight in layer.weights:
            weight.assign(generator.uniform(0.1 if "variance" in weight.path else -1, 1, weight.shape))
        return layer


def layer_checks() -> Iterator[tuple[str, Callable[[LayerCase], None]]]:
    """The checks, by name."""
    yield "configuration", check_configuration
    yield "round_trip", check_round_trip
    yield "shapes", check_shapes
    yield "mask", check_mask
    yield "half_precision", check_half_precision
    yield "documented", check_documented


def check_configuration(case: LayerCase) -> None:
    """Every argument of the constructor is in the configuration, with the value given."""
    config = case.layer(**case.settings).get_config()
    for parameter in own_parameters(case.layer):
        name = parameter.name
        assert name in case.settings, f"the case gives no value for {name!r}"
        assert case.settings[name] != parameter.default, f"the case gives {name!r} its default"
        assert name in config, f"get_config lacks {name!r}"
        kept = keras.saving.deserialize_keras_object(config[name])
        assert kept == case.settings[name] or _plain(kept) == _plain(case.settings[name]), f"{name!r} became {kept!r}"


def check_round_trip(case: LayerCase) -> None:
    """Written as plain data and read back through Keras's registry of names, the layer computes the same."""
    layer = case.make()
    data = keras.saving.serialize_keras_object(layer)
    assert data["registered_name"].startswith("genrezoo>"), f"registered as {data['registered_name']!r}"
    again = keras.saving.deserialize_keras_object(data)
    again(case.inputs)
    for weight, source in zip(again.weights, layer.weights, strict=True):
        weight.assign(source)
    for before, after in zip(_flat(layer(case.inputs)), _flat(again(case.inputs)), strict=True):
        np.testing.assert_array_equal(before, after)
    penalties = [[float(_array(loss)) for loss in side.losses] for side in (layer, again)]
    assert penalties[0] == penalties[1], f"the losses are {penalties[1]}, were {penalties[0]}"


def check_shapes(case: LayerCase) -> None:
    """The shapes and types promised for a symbolic input are those of the output."""
    symbolic = keras.tree.map_structure(
        lambda x: keras.KerasTensor((None, *x.shape[1:]), dtype=str(x.dtype)), case.inputs
    )
    promised = keras.tree.flatten(case.make()(symbolic))
    found = _flat(case.make()(case.inputs))
    promises, outputs = ([(tuple(x.shape[1:]), str(x.dtype)) for x in side] for side in (promised, found))
    assert promises == outputs, f"promised {promises}, found {outputs}"


def check_mask(case: LayerCase) -> None:
    """A mask of only real segments changes nothing; what stands at masked segments has no influence on the others."""
    if not case.masked:
        return
    layer, real = case.make(), np.ones(case.inputs.shape[:2], bool)
    for plain, masked in zip(_flat(layer(case.inputs)), _flat(layer(case.inputs, mask=real)), strict=True):
        np.testing.assert_allclose(plain, masked, atol=1e-6, err_msg="a mask without a masked segment matters")
    real[:, -2:] = False
    other = np.where(real[..., None], case.inputs, case.inputs + 7).astype(case.inputs.dtype)
    kept = layer.compute_mask(case.inputs, real)
    results = []
    for inputs in (case.inputs, other):
        outputs = keras.tree.flatten(layer(inputs, mask=real))
        marks = [None] * len(outputs) if kept is None else keras.tree.flatten(kept)
        results.append([_real(output, mark) for output, mark in zip(outputs, marks, strict=False)])
        results[-1] += [_array(loss) for loss in layer.losses]
    for first, second in zip(*results, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6, err_msg="masked segments have an influence")


def check_half_precision(case: LayerCase) -> None:
    """With 16-bit floats the layer computes about the same, and nothing that is not finite."""
    layer, marks = case.make(), {}
    if case.masked:
        marks = {"mask": np.arange(case.inputs.shape[1])[None] < [[case.inputs.shape[1] - 2]] * len(case.inputs)}
    expected = [each.astype(np.float32) for each in _flat(layer(case.inputs, **marks))]
    for policy in ("mixed_float16", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            half = case.layer(**case.settings)
            half(case.inputs)
            for weight, source in zip(half.weights, layer.weights, strict=True):
                weight.assign(source)
            found = [_array(keras.ops.cast(each, "float32")) for each in keras.tree.flatten(half(case.inputs, **marks))]
        finally:
            keras.config.set_dtype_policy("float32")
        for values, wanted in zip(found, expected, strict=True):
            scale = np.abs(wanted).max(initial=1, where=np.isfinite(wanted))  # padding is NaN
            np.testing.assert_allclose(values, wanted, atol=0.03 * scale, err_msg=policy)


def check_documented(case: LayerCase) -> None:
    """Every argument of the constructor and of the call is in the docstring, and there is an example."""
    text = inspect.getdoc(case.layer) or ""
    names = {parameter.name for parameter in own_parameters(case.layer)}
    names |= set(inspect.signature(case.layer.call).parameters) - {"self"}
    missing = {name for name in names if f"    {name}: " not in text}
    assert not missing, f"undocumented: {sorted(missing)}"
    assert ">>> " in text, "no example"


def own_parameters(layer: type) -> list[inspect.Parameter]:
    """The parameters of a layer's constructor, those forwarded to its parent left out."""
    parameters = inspect.signature(layer).parameters.values()
    return [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]


def _real(output: Any, mark: Any) -> np.ndarray:
    values = _array(output)
    return (
        values if mark is None else values * _array(mark).reshape(*mark.shape, *[1] * (values.ndim - len(mark.shape)))
    )


def _flat(outputs: Any) -> list[np.ndarray]:
    return [_array(output) for output in keras.tree.flatten(outputs)]


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach() if hasattr(tensor, "detach") else tensor)


def _plain(value: Any) -> Any:
    return value.get_config() if hasattr(value, "get_config") else getattr(value, "__name__", value)
