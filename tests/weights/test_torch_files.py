from __future__ import annotations

import os
import pickle
import pickletools

import numpy as np
import pytest
from made_weights import torch_file

from genrezoo.errors import DataError
from genrezoo.weights._torch import read_torch

TENSORS = {
    "kernel": np.arange(24, dtype="float32").reshape(2, 3, 4),
    "turned": np.arange(6, dtype="float32").reshape(2, 3).T,
    "count": np.array([7]),
}


def test_arrays_are_read_without_torch():
    content = torch_file(TENSORS)
    found = read_torch(content, "a.pth")
    assert list(found) == list(TENSORS)
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def replaced(new):
    """The file with another pickle in place of the one that holds the tensors."""
    content = torch_file(TENSORS)
    ends = [place for operation, _, place in pickletools.genops(content) if operation.name == "STOP"]
    start = 0
    pickles = []
    for _ in range(5):
        end = start + next(place for op, _, place in pickletools.genops(content[start:]) if op.name == "STOP") + 1
        pickles.append(content[start:end])
        start = end
    assert ends
    pickles[3] = new
    return b"".join(pickles) + content[start:]


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(path):
    """Pickles that would write a file, by every opcode that calls or imports."""
    command = f"touch {path}"
    shell = command.encode()
    yield "reduce", pickle.dumps({"a": Attack(os.system, command)}, protocol=2)
    yield "eval", pickle.dumps({"a": Attack(eval, f"__import__('pathlib').Path({str(path)!r}).touch()")}, protocol=2)
    yield "stack global", pickle.dumps({"a": Attack(os.system, command)}, protocol=4)
    yield "inst", b"(S'" + shell + b"'\nios\nsystem\n."
    yield "obj", b"(cos\nsystem\nS'" + shell + b"'\no."
    yield "newobj", b"\x80\x02cos\nsystem\n(S'" + shell + b"'\nt\x81."
    yield "extension", b"\x80\x02\x82\x01)R."
    yield "build of a name", b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aNsb."
    yield "tensor of a name", b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n(cos\nsystem\nttRs."


@pytest.mark.parametrize("number", range(9))
def test_crafted_pickles_are_refused_without_effect(tmp_path, number):
    _, content = list(attacks(tmp_path / "run"))[number]
    with pytest.raises(DataError, match="a.pth: cannot be read as arrays"):
        read_torch(replaced(content), "a.pth")
    assert not list(tmp_path.iterdir())
    assert len(list(attacks(tmp_path))) == 9


def test_the_attacks_are_attacks(tmp_path):
    done = 0
    for name, content in attacks(tmp_path / "run"):
        if name in ("reduce", "eval", "stack global", "inst", "obj"):
            pickle.loads(content)
            (tmp_path / "run").unlink()
            done += 1
    assert done == 5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut off|none|pickle exhausted"),
        (b"PK\x03\x04" + bytes(40), "cannot be read as arrays"),
        (torch_file(TENSORS)[:-5], "buffer"),
        (torch_file(TENSORS)[:-40], "buffer"),
        (torch_file({"a": TENSORS["kernel"]}, reduce=print), "asks for '.* print', which is not an array"),
        (replaced(pickle.dumps({"a": 3}, protocol=2)), "holds more than named tensors"),
        (replaced(pickle.dumps([], protocol=2)), "no attribute"),
        (pickle.dumps(7, protocol=2) * 5, "not of torch's first format"),
    ],
)
def test_other_files_are_refused(content, reason):
    with pytest.raises(DataError, match=reason):
        read_torch(content, "a.pth")


@pytest.mark.parametrize(("shape", "strides"), [((10**12,), (0,)), ((5, 5), (5, 1)), ((2, 3, 4), (12, 4, 2))])
def test_a_tensor_beyond_its_storage_is_refused(shape, strides):
    class Lying(np.ndarray):
        @property
        def shape(self):
            return self.declared[0]

        @property
        def strides(self):
            return tuple(4 * stride for stride in self.declared[1])

    lying = np.arange(24, dtype="float32").view(Lying)
    lying.declared = shape, strides
    with pytest.raises(DataError, match="out of 24 numbers|out of bounds"):
        read_torch(torch_file({"a": lying}), "a.pth")
