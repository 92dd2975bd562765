"""Exported models made by hand: a softmax regression on the mean of a song's real segments."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from genrezoo import exported

GENRES = ("blues", "jazz", "ska")


def weights(n_features=4, n_genres=3, seed=1):
    generator = np.random.default_rng(seed)
    return generator.standard_normal((n_features, n_genres), dtype=np.float32)


def regression(x, lengths, kernel):
    """What the model answers."""
    return np.stack([song[:length].mean(axis=0) @ kernel for song, length in zip(x, lengths, strict=True)])


def graph(kernel, segments=None, *, images=False, output="logits", inputs=(), nodes=None, initializers=()):
    """The graph of the regression; `nodes` go before the last one, which reads `mean`."""
    n_features, n_genres = kernel.shape
    shape = [*(inputs or ("batch", segments or "segments")), n_features]
    songs = helper.make_tensor_value_info("songs", TensorProto.FLOAT, shape)
    answer = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", n_genres])
    constants = {"kernel": kernel, "zero": np.float32(0), "axis": np.array([1], np.int64)}
    axes = [1, 2] if images else [1]
    steps = [
        helper.make_node("IsNaN", ["songs"], ["padding"]),
        helper.make_node("Where", ["padding", "zero", "songs"], ["kept"]),
        helper.make_node("Not", ["padding"], ["real"]),
        helper.make_node("Cast", ["real"], ["counted"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["kept", "axes"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["counted", "axes"], ["count"], keepdims=0),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        *(nodes or []),
        helper.make_node("MatMul", ["mean", "kernel"], [output]),
    ]
    constants["axes"] = np.array(axes, np.int64)
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items() if name != "axis"]
    return helper.make_graph(steps, "genrezoo", [songs], [answer], [*stored, *initializers])


def model(made, **changes):
    """The bytes of a model of a graph."""
    options = {"opset_imports": [helper.make_opsetid("", exported.OPSET)], "ir_version": exported.IR_VERSION}
    return helper.make_model(made, **{**options, **changes})


def metadata(n_features=4, segments=None, **changes):
    """Metadata of the regression."""
    known = {
        "genrezoo": "0",
        "name": "by_hand",
        "n_outputs": 3,
        "genres": GENRES,
        "input_shape": (segments, n_features),
        "trained_segments": segments or 5,
        "masks_padding": True,
        "parity": {"largest_difference": 0, "tolerance": 1e-4, "songs": 1},
    }
    return exported.Metadata.model_validate({**known, **changes})


def sealed(path, made=None, about=None, **changes):
    """Writes an exported model."""
    made = model(graph(weights())) if made is None else made
    content = made.SerializeToString() if isinstance(made, onnx.ModelProto) else made
    path.write_bytes(exported.seal(content, about or metadata(**changes)))
    return path
