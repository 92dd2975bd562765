"""What every model of the zoo must do, as named checks that anyone can run on an entry of their own.

    for name, check in model_checks():
        check(Case(MODELS.get("lstm"), row_of("lstm")))

A check says nothing if it passes and raises `AssertionError` if it does not.
"""

from __future__ import annotations

import doctest
import functools
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from settings import Row

import genrezoo
from genrezoo.exporting.formats import onnx_answers
from genrezoo.exporting.trace import to_onnx
from genrezoo.layers import Head
from genrezoo.models import SHARED
from genrezoo.registry import Entry
from genrezoo.seeds import keras_seed
from genrezoo.spaces import describe, holds, smallest
from genrezoo.training.objectives import binary_errors, member_errors, reconstruction_error


class Case:
    """A model under test: its entry, its smallest settings, and songs for them."""

    def __init__(self, entry: Entry, row: Row):
        self.entry, self.row = entry, row

    def build(self, *, seed: int = 1, n_segments: int | None | str = "row") -> Any:
        """A fresh model, on another number of segments if asked."""
        shape = self.row.input_shape if n_segments == "row" else (n_segments, *self.row.input_shape[1:])
        with keras_seed(seed):
            return self.entry.build(shape, self.row.num_classes, **self.row.arguments)

    @functools.cached_property
    def model(self) -> Any:
        """A model for the checks that change nothing in it, with weights that are all away from their start."""
        model = self.build()
        generator = np.random.default_rng(5)
        for weight in model.weights:
            if "seed_generator" not in weight.path:
                weight.assign(_numpy(weight) + _step(generator, weight.shape))
        return model

    @functools.cached_property
    def of_any_length(self) -> Any:
        """The same for songs of any number of segments; building it fails where `any_length` is not declared."""
        return _with_weights_of(self.model, self.build(n_segments=None))

    @functools.cached_property
    def fresh(self) -> Any:
        """A model whose trainable weights are as they were built, for the checks that leave these alone."""
        return self.build()

    def songs(self, number: int = 4) -> np.ndarray:
        """Random songs without padding."""
        songs = np.random.default_rng(2).standard_normal((number, *self.row.input_shape), dtype="float32")
        return songs * np.float32(self.row.spread)


def model_checks() -> Iterator[tuple[str, Callable[[Case], None]]]:
    """The checks, by name, in the order in which they are best read."""
    yield "builds", check_builds
    yield "output", check_output
    yield "heads", check_heads
    yield "seed", check_seed
    yield "batch_mates", check_batch_mates
    yield "gradients", check_gradients
    yield "reload", check_reload
    yield "layer_arguments", check_layer_arguments
    yield "learns", check_learns
    yield "padding", check_padding
    yield "lengths", check_lengths
    yield "wrong_rank", check_wrong_rank
    yield "onnx", check_onnx
    yield "documented", check_documented
    yield "example", check_example


def check_builds(case: Case) -> None:
    """Builds with its defaults, which lie in its space, and with the least of its space; ends in `logits`."""
    builds = []
    defaults = {name: each.default for name, each in inspect.signature(case.entry.call).parameters.items()}
    for name, domain in case.entry.space.items():
        assert name in defaults, f"the space names {name!r}, which the builder does not take"
        assert holds(domain, defaults[name]), f"the default of {name!r}, {defaults[name]}, is not in {describe(domain)}"
    for arguments in ({}, smallest(case.entry.space)):
        builds.append(case.entry.call(case.row.input_shape, case.row.num_classes, **arguments))
    for model in builds:
        assert isinstance(model, keras.Model), f"a keras.Model is expected, got {type(model)}"
        assert not model.compiled, "a builder leaves compiling to the training procedure"
        last = model.get_layer("logits").output
        assert _outputs(model.output)["logits"] is last, "the layer called logits is not the output"


def check_output(case: Case) -> None:
    """Every output is finite, and the logits are (batch, num_classes)."""
    outputs = predict(case.model, case.songs())
    assert tuple(outputs["logits"].shape) == (4, case.row.num_classes), f"shape {tuple(outputs['logits'].shape)}"
    for name, output in outputs.items():
        assert np.isfinite(output).all(), f"{name} is not finite"


def check_heads(case: Case) -> None:
    """Every output beside the logits is a head, and has the shape that its target asks for."""
    classes = (case.row.num_classes,)
    shapes = {"genre": classes, "binary": classes, "members": classes, "song": case.row.input_shape}
    for name, output in _outputs(case.model.output).items():
        layer = case.model.get_layer(name)
        assert name == "logits" or isinstance(layer, Head), f"{name} is not a head"
        if isinstance(layer, Head):
            shape = tuple(output.shape[2 if layer.target == "members" else 1 :])
            assert shape == shapes[layer.target], f"{name} has shape {shape}, its target {shapes[layer.target]}"


def check_seed(case: Case) -> None:
    """The same seed gives the same weights to the bit, another seed others."""

    def weights(model: Any) -> np.ndarray:
        return np.concatenate([_numpy(weight).ravel() for weight in model.trainable_weights])

    first = weights(case.fresh)
    assert np.array_equal(first, weights(case.build())), "the same seed gives other weights"
    assert not np.array_equal(first, weights(case.build(seed=2))), "another seed gives the same weights"


def check_batch_mates(case: Case) -> None:
    """A song's logits do not depend on what else is in the batch, padded songs included."""
    songs = case.songs(4)
    if case.entry.masks_padding:
        songs[1:3, -2:] = np.nan
    others = np.concatenate([songs[:2], -2 * case.songs(4)[:1:-1]])
    one, other = (_logits(case.model, batch)[:2] for batch in (songs, others))
    size = max(np.abs(one).max(), 1)  # of what float32 rounds
    np.testing.assert_allclose(one / size, other / size, atol=1e-5, err_msg="batch mates matter")


def check_gradients(case: Case) -> None:
    """Every trainable weight gets a finite gradient that is not zero, from songs with padding where that is masked."""
    model, songs = case.fresh, case.songs(8)
    if case.entry.masks_padding:
        songs[0, 2:], songs[1, -2:] = np.nan, np.nan  # nearly all, and a little
    for weight, gradient in zip(model.trainable_weights, gradients(model, songs, _labels(case, 8)), strict=True):
        assert gradient is not None, f"{weight.path} gets no gradient"
        assert np.isfinite(gradient).all(), f"the gradient of {weight.path} is not finite"
        assert np.abs(gradient).max() > 1e-7, f"the gradient of {weight.path} is zero"


def check_reload(case: Case) -> None:
    """A fresh process gets the same outputs from saved weights, and from Keras's own file knowing only our layers."""
    for way, outputs in (_reloaded.get(case) or reload_together([case])[0]).items():
        for name, output in predict(case.model, case.songs()).items():
            np.testing.assert_allclose(outputs[name], output, atol=1e-6, err_msg=f"{name} differs, {way}")


def check_layer_arguments(case: Case) -> None:
    """Every constructor argument of every layer that is not Keras's own is in its configuration."""
    for layer in case.model._flatten_layers(include_self=False):
        if not type(layer).__module__.startswith("keras."):
            missing = constructor_arguments(type(layer)) - set(layer.get_config())
            assert not missing, f"get_config of {type(layer).__name__} lacks {sorted(missing)}"


def check_learns(case: Case) -> None:
    """Sixteen songs that differ by genre can be learnt."""
    model, labels, classes = case.build(), _labels(case, 16), case.row.num_classes
    songs = case.songs(16)
    means = np.eye(classes, songs.shape[2])[labels] * case.row.spread  # genre k differs by feature k, or column k
    songs = (0.3 * songs + means.reshape(16, 1, -1, *[1] * (songs.ndim - 3))).astype("float32")
    aims, single = trained_outputs(model), not isinstance(model.output, dict)
    losses = {name: LOSSES[target] for name, (target, _) in aims.items()}
    shares = {name: weight for name, (_, weight) in aims.items()}
    targets = {name: _target(target, songs, labels, classes) for name, (target, _) in aims.items()}
    model.compile(
        keras.optimizers.Adam(0.02),
        loss=losses["logits"] if single else losses,
        loss_weights=None if single else shares,
    )
    right = 0
    for step in range(1, 81):
        model.train_on_batch(songs, targets["logits"] if single else targets)
        if step % 10 == 0:
            right = (_logits(model, songs).argmax(axis=1) == labels).sum()
            if right >= 15:
                break
    assert right >= 15, f"only {right} of 16 songs were learnt"


def check_padding(case: Case) -> None:
    """Declared equals measured: padded segments have no influence on the logits, or are not claimed to be handled.

    Where one model takes any length, padding must be as if it were not there. Where the length is fixed, songs must
    come out finite however much of them is padding, and so must each gradient (see `check_gradients`).
    """
    songs = case.songs()
    if case.entry.expects == "image":
        assert not case.entry.masks_padding, "pictures have no padding that could be masked"
        return
    if case.entry.any_length:
        shorter = songs[:, :-2].copy()
        songs[:, -2:] = np.nan
        padded, alone = (_logits(case.of_any_length, part) for part in (songs, shorter))
        measured = np.allclose(padded, alone, atol=1e-5)
    else:
        for song in range(1, len(songs)):
            songs[song, -2 * song :] = np.nan
        measured = bool(np.isfinite(_logits(case.model, songs)).all())
    assert measured == case.entry.masks_padding, f"masks_padding={case.entry.masks_padding}, measured {measured}"


def check_lengths(case: Case) -> None:
    """Declared equals measured: one model takes songs of two lengths if and only if `any_length`."""
    songs = case.songs()
    try:
        shapes = [_logits(case.of_any_length, part).shape for part in (songs, songs[:, :-2])]
        measured = shapes == [(4, case.row.num_classes)] * 2
    except ValueError:
        measured = False
    assert measured == case.entry.any_length, f"any_length={case.entry.any_length}, measured {measured}"


def check_wrong_rank(case: Case) -> None:
    """Songs without the axis of segments are refused with a `ValueError` that names both shapes."""
    songs = case.songs()[:, 0]
    message = _refusal(case.model, songs)
    assert message is not None, f"songs of shape {songs.shape} are taken"
    for shape in ((None, *case.row.input_shape), songs.shape):
        assert str(shape) in message, f"the error does not name {shape}: {message}"


def check_onnx(case: Case) -> None:
    """ONNX Runtime gives the same logits, of one song and of several, padded where padding is masked, of any length."""
    model, songs = case.of_any_length if case.entry.any_length else case.model, case.songs()
    if case.entry.masks_padding:
        songs[1, -1:], songs[2, -3:], songs[3, 1:] = np.nan, np.nan, np.nan
    lengths = [songs, songs[:, :-2]] if case.entry.any_length else [songs]
    answers = onnx_answers(to_onnx(model))
    for part in (*lengths, songs[:1]):
        expected = _logits(model, part)
        size = max(np.abs(expected).max(), 1)  # of what float32 rounds
        np.testing.assert_allclose(answers(part) / size, expected / size, atol=1e-5, err_msg="ONNX differs")


def check_documented(case: Case) -> None:
    """Reference, summary and every argument."""
    assert case.entry.reference.strip(), "no reference"
    assert case.entry.summary.strip(), "no summary"
    text = inspect.getdoc(case.entry.call) or ""
    documented = set(
        re.findall(r"^    (\w+): ", text.partition("Args:")[2].partition("Returns:")[0], flags=re.MULTILINE)
    )
    arguments = set(inspect.signature(case.entry.call).parameters)
    assert documented - set(SHARED) == arguments - set(SHARED), (
        f"documented {sorted(documented)}, taken {sorted(arguments)}"
    )


def check_example(case: Case) -> None:
    """There is an example, and it runs."""
    text = inspect.getdoc(case.entry.call) or ""
    examples = doctest.DocTestParser().get_doctest(text, dict(case.entry.call.__globals__), case.entry.name, None, None)
    assert examples.examples, "no example"
    report: list[str] = []
    doctest.DocTestRunner().run(examples, out=report.append)
    assert not report, "".join(report)


def gradients(model: Any, songs: np.ndarray, labels: np.ndarray) -> list[np.ndarray | None]:
    """The gradient of the training loss for each trainable weight, on any backend."""
    trained, classes = trained_outputs(model), _outputs(model.output)["logits"].shape[-1]
    targets = {name: _target(target, songs, labels, classes) for name, (target, _) in trained.items()}

    def total(outputs: Any, penalties: list[Any]) -> Any:
        found = _outputs(outputs)
        errors = [
            weight * keras.ops.mean(LOSSES[target](targets[name], found[name]))
            for name, (target, weight) in trained.items()
        ]
        return sum([*errors, *penalties])

    backend = keras.backend.backend()
    if backend == "jax":
        jax = importlib.import_module("jax")

        def loss(trainable: Any, rest: Any) -> Any:
            outputs, _, penalties = model.stateless_call(trainable, rest, songs, training=True, return_losses=True)
            return total(outputs, penalties)

        values = [[w.value for w in ws] for ws in (model.trainable_variables, model.non_trainable_variables)]
        found = jax.jit(jax.grad(loss))(*values)
    elif backend == "torch":
        total(model(songs, training=True), model.losses).backward()
        found = [weight.value.grad for weight in model.trainable_variables]
    else:
        tensorflow = importlib.import_module("tensorflow")
        with tensorflow.GradientTape() as tape:
            loss = total(model(songs, training=True), model.losses)
        found = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
    return [None if gradient is None else _numpy(gradient) for gradient in found]


def predict(model: Any, songs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs by name; compiled on JAX, where compiling each operation by itself takes longer."""
    outputs = model.predict_on_batch(songs) if keras.backend.backend() == "jax" else model(songs)
    return {name: _numpy(output) for name, output in _outputs(outputs).items()}


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "genre": functools.partial(keras.losses.sparse_categorical_crossentropy, from_logits=True),
    "binary": binary_errors,
    "members": member_errors,
    "song": reconstruction_error,
}
"""What each target of a head asks for, one value a song."""


def trained_outputs(model: Any) -> dict[str, tuple[str, float]]:
    """The outputs that training has to look at, with their targets and weights in the loss, as the heads say."""
    found = {}
    for name in _outputs(model.output):
        layer = model.get_layer(name)
        found[name] = (layer.target, layer.weight) if isinstance(layer, Head) else ("genre", 1.0)
    return {name: (target, weight) for name, (target, weight) in found.items() if weight}


def constructor_arguments(layer: type) -> set[str]:
    """Names of the arguments of a layer's constructor, those of its parent left out."""
    parameters = inspect.signature(layer).parameters.values()
    return {one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}


_reloaded: dict[Case, dict[str, dict[str, np.ndarray]]] = {}


def reload_together(cases: Sequence[Case]) -> list[dict[str, dict[str, np.ndarray]]]:
    """Saves models and has one fresh process read them and predict: outputs by way of reading, then by name."""
    with tempfile.TemporaryDirectory() as folder:
        orders = []
        for number, case in enumerate(cases):
            with warnings.catch_warnings():  # Keras's writer converts its variables in a way that NumPy calls outdated
                warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
                case.model.save_weights(Path(folder, f"{number}.weights.h5"))
                case.model.save(Path(folder, f"{number}.keras"))
            np.save(Path(folder, f"{number}.npy"), case.songs())
            where = {"module": case.entry.call.__module__, "function": case.entry.call.__qualname__}
            orders.append({**where, **vars(case.row)})
        Path(folder, "orders.json").write_text(json.dumps(orders))
        here = Path(__file__).parent
        paths = [str(Path(genrezoo.__file__).parents[1]), str(here), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, str(here / "reload.py"), folder]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for number, case in enumerate(cases):
            _reloaded[case] = {}
            for way in ("built anew", "Keras's own file"):
                with np.load(Path(folder, f"{number} {way}.npz")) as outputs:
                    _reloaded[case][way] = dict(outputs)
    return [_reloaded[case] for case in cases]


def _refusal(model: Any, songs: np.ndarray) -> str | None:
    try:
        model(songs)
    except ValueError as error:
        return str(error)
    return None


def _step(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """How far a weight goes from its start: variances stay positive, and deep networks let songs through."""
    step = generator.uniform(0.05, 0.4, shape)
    if len(shape) < 4:
        return step
    signs = generator.choice([-1, 1], shape)  # else what 50 layers add up could not be told in float32
    return step * signs / np.sqrt(np.prod(shape[:-1]))


def _labels(case: Case, number: int) -> np.ndarray:
    return np.arange(number) % case.row.num_classes


def _target(target: str, songs: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    one_hot = np.eye(classes, dtype="float32")[labels]
    return {"genre": labels, "binary": one_hot, "members": one_hot, "song": songs}[target]


def _outputs(outputs: Any) -> dict[str, Any]:
    return outputs if isinstance(outputs, dict) else {"logits": outputs}


def _logits(model: Any, songs: np.ndarray) -> np.ndarray:
    return predict(model, songs)["logits"]


def _with_weights_of(model: Any, other: Any) -> Any:
    for weight, source in zip(other.weights, model.weights, strict=True):
        weight.assign(np.array(_numpy(source)))  # a copy: JAX gives the memory of weights away
    return other


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach() if hasattr(tensor, "detach") else tensor)
