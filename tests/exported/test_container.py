"""Exported models that are damaged or hostile end in one clear error, before or within the memory allowed."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_exports import graph, metadata, model, sealed, weights
from onnx import TensorProto, helper, numpy_helper

import genrezoo as gz
from genrezoo import exported
from genrezoo.errors import DataError
from genrezoo.exported import container


@pytest.fixture
def content(tmp_path):
    return sealed(tmp_path / "whole.onnx").read_bytes()


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        gz.load_exported(path)
    assert str(path) in str(caught.value)
    assert "Remedy" in str(caught.value)


def test_every_damage_is_noticed(content, tmp_path):
    path, chance = tmp_path / "a.onnx", random.Random(1)
    for number in range(300):
        damaged = bytearray(content)
        place = chance.randrange(len(damaged))
        if number % 3 == 0:
            damaged[place] ^= 1 << chance.randrange(8)
        elif number % 3 == 1:
            del damaged[place:]
        else:
            damaged[place : place + chance.randrange(1, 20)] = chance.randbytes(chance.randrange(1, 20))
        path.write_bytes(damaged)
        refused(path, "damaged|changed|did not write|empty")


def test_metadata_of_another_file_are_noticed(content, tmp_path):
    other = sealed(tmp_path / "b.onnx", model(graph(weights(seed=2))), name="other").read_bytes()
    place, theirs = (one.index(b'{"activation"') for one in (content, other))
    path = tmp_path / "a.onnx"
    path.write_bytes(content[:place] + other[theirs:])
    refused(path, "damaged")
    path.write_bytes(content.replace(b'"by_hand"', b'"by_hund"'))
    refused(path, "its checksum differs")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda made: made.metadata_props.add(key="genrezoo", value="{}"), "not at its end"),
        (lambda made: made.metadata_props.add(key="other", value="{}"), "did not write"),
        (lambda made: None, "it has no metadata of genrezoo"),
    ],
)
def test_files_of_others_are_refused(tmp_path, change, match):
    made = model(graph(weights()))
    change(made)
    path = tmp_path / "a.onnx"
    path.write_bytes(made.SerializeToString() + (b"\x08\x0a" if match == "not at its end" else b""))
    refused(path, match)


def test_no_model_at_all(tmp_path):
    for text, match in (("<html>", "not an ONNX model"), ("", "empty")):
        (tmp_path / "a.onnx").write_text(text)
        refused(tmp_path / "a.onnx", match)
    with pytest.raises(DataError, match="cannot be read"):
        gz.load_exported(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"genres": ("a", "b")}, "there are 2 genres for 3 outputs"),
        ({"genres": ("a", "b", "b")}, "genres must be unique"),
        ({"other_tags": 3}, "other_tags leave at least one"),
        ({"kind": "image"}, "input_shape"),
        ({"masks_padding": "maybe"}, "masks_padding"),
        ({"card_sha256": "x"}, "card_sha256"),
        ({"surprise": 1}, "surprise: is unknown"),
        ({"format": 2}, "format"),
        ({"input_shape": (None, 2**30)}, "input_shape"),
    ],
)
def test_metadata_are_validated(tmp_path, changes, match):
    """Those of a file are checked as strictly as those that are written."""
    plain = {**metadata().model_dump(mode="json"), **changes}
    body = model(graph(weights())).SerializeToString()
    text = json.dumps({**plain, "digest": exported.metadata.digest(body, json.loads(json.dumps(plain)))})
    path = tmp_path / "a.onnx"
    path.write_bytes(body + exported.metadata.entry(text))
    refused(path, match)


def an_if(inner):
    """The node `If` whose branches are a graph of one node."""
    branch = helper.make_graph([inner], "branch", [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)])
    return helper.make_node("If", ["condition"], ["mean"], then_branch=branch, else_branch=branch)


def elsewhere():
    tensor = numpy_helper.from_array(np.ones(3, np.float32), "far")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    return tensor


def shaped(dims, kind=TensorProto.FLOAT, content=b"\0" * 12):
    return TensorProto(name="odd", dims=dims, data_type=kind, raw_data=content)


@pytest.mark.parametrize(
    ("options", "changes", "match"),
    [
        ({"nodes": [helper.make_node("Loop", ["mean"], ["x"])]}, {}, "operator 'Loop'"),
        ({"nodes": [helper.make_node("RandomNormal", [], ["x"], shape=[3])]}, {}, "operator 'RandomNormal'"),
        ({"nodes": [helper.make_node("Abs", ["mean"], ["x"], domain="evil")]}, {}, "operator 'Abs'"),
        ({"nodes": [an_if(helper.make_node("Loop", [], ["out"]))]}, {}, "operator 'Loop'"),
        ({"nodes": [helper.make_node("Concat", ["mean"], ["x"], axis=2**40)]}, {}, "'axis' of Concat.*out of range"),
        ({"initializers": [elsewhere()]}, {}, "'far' in another file"),
        ({"initializers": [shaped([2**40])]}, {}, "declares the tensor 'odd'"),
        ({"initializers": [shaped([2**20], content=b"")]}, {}, "declares the tensor 'odd'"),
        ({"initializers": [shaped([-3])]}, {}, "declares the tensor 'odd'"),
        ({"initializers": [shaped([3], TensorProto.STRING)]}, {}, "'odd' of type 8"),
        ({}, {"opset_imports": [helper.make_opsetid("", 13)]}, "uses the versions of operators"),
        ({}, {"opset_imports": [helper.make_opsetid("", 21), helper.make_opsetid("evil", 1)]}, "versions of operators"),
        ({}, {"ir_version": 99}, "format 99"),
        ({"inputs": ("batch", 7)}, {}, "its metadata declare songs"),
        ({"output": "embedding"}, {}, "the outputs"),
    ],
)
def test_what_no_model_needs_is_refused(tmp_path, options, changes, match):
    refused(sealed(tmp_path / "a.onnx", model(graph(weights(), **options), **changes)), match)


def test_graphs_within_graphs_end_somewhere(tmp_path):
    node = helper.make_node("Abs", ["mean"], ["out"])
    for _ in range(5):
        branch = helper.make_graph([node], "b", [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)])
        node = helper.make_node("If", ["condition"], ["out"], then_branch=branch, else_branch=branch)
    refused(sealed(tmp_path / "a.onnx", model(graph(weights(), nodes=[node]))), "more than 4 levels deep")


def test_functions_are_refused(tmp_path):
    made = model(graph(weights()))
    made.functions.add(name="f", domain="")
    refused(sealed(tmp_path / "a.onnx", made), "functions")


def test_sizes_are_limited(tmp_path, content, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    for name in ("MOST_BYTES", "MOST_METADATA", "MOST_NODES"):
        with monkeypatch.context() as patch:
            patch.setattr(container, name, 5)
            refused(path, "limit is 5|more than 5 operators")


def test_a_graph_that_fits_together_for_nobody_is_refused_when_it_is_used(tmp_path):
    made = graph(weights(), nodes=[helper.make_node("Abs", ["nothing"], ["x"])])
    path = sealed(tmp_path / "a.onnx", model(made))
    opened = gz.load_exported(path)
    with pytest.raises(DataError, match=r"a\.onnx: cannot be loaded .*Remedy"):
        opened.predict(np.ones((1, 3, 4), np.float32))


def bombs():
    """Small graphs that ask for terabytes: by a shape, by a shape made of the songs', by doubling, by a product."""

    def add(node, *more, **constants):
        total = helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0)
        nodes = [node, *more, total, helper.make_node("Add", ["sum", "total"], ["mean"])]
        stored = [numpy_helper.from_array(np.array(value), name) for name, value in constants.items()]
        made = graph(weights(), nodes=nodes, initializers=stored)
        made.node[6].output[0] = "quotient"  # `mean` is what the bomb adds to
        return model(made)

    yield "shape", add(helper.make_node("ConstantOfShape", ["s"], ["big"]), s=np.array([2**20, 2**20]))
    scaled = [helper.make_node("Mul", ["n", "s"], ["m"]), helper.make_node("ConstantOfShape", ["m"], ["big"])]
    yield "songs", add(helper.make_node("Shape", ["songs"], ["n"]), *scaled, s=np.array([2**14, 2**14, 2**14]))
    yield "expand", add(helper.make_node("Expand", ["songs", "s"], ["big"]), s=np.array([2**20, 2**20, 1, 1, 1]))
    yield "tile", add(helper.make_node("Tile", ["sum", "s"], ["big"]), s=np.array([2**20, 2**20]))
    ends = {"a": np.float32(0), "b": np.float32(1e13), "c": np.float32(1)}
    yield "range", add(helper.make_node("Range", ["a", "b", "c"], ["big"]), **ends)
    double = [helper.make_node("Concat", [f"d{i}", f"d{i}"], [f"d{i + 1}"], axis=0) for i in range(40)]
    last = helper.make_node("Abs", ["d40"], ["big"])
    yield "doubling", add(helper.make_node("Abs", ["sum"], ["d0"]), *double, last)


BOMBS = """
import json, re, sys, time
import numpy as np
from genrezoo.exported import model
from genrezoo.errors import DataError
model.MOST_MEMORY = 2**28
answers, begin = {}, time.monotonic()
for path in sys.argv[1:]:
    try:
        model.load_exported(path).predict(np.ones((2, 3, 4), np.float32))
        answers[path] = "answered"
    except DataError as error:
        answers[path] = str(error)
used = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
print(json.dumps([answers, used, time.monotonic() - begin]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_file_takes_more_memory_than_allowed(tmp_path):
    paths = [str(sealed(tmp_path / f"{name}.onnx", made)) for name, made in bombs()]
    done = subprocess.run([sys.executable, "-c", BOMBS, *paths], capture_output=True, text=True, check=True)
    answers, used, seconds = json.loads(done.stdout)
    for path in paths:
        assert "cannot compute the answers to songs of shape" in answers[path], path
        assert Path(path).name in answers[path]
    assert used < 500
    assert seconds < 60
