"""Arrays of a file in the first format of `torch.save`, read without torch and without unpickling.

Such a file consists of four pickles (a magic number, a version, a description of the system, the named tensors), a
fifth with the order of the storages, and the bytes of the storages. Only the opcodes for tensors, dictionaries and
plain values are interpreted here. Nothing is imported or called, whatever the file contains; a file with any other
opcode or name is refused.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from genrezoo.errors import DataError

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
TYPES: dict[str, np.dtype[Any]] = {"torch FloatStorage": np.dtype("<f4"), "torch LongStorage": np.dtype("<i8")}
TENSOR, DICTIONARY = "torch._utils _rebuild_tensor_v2", "collections OrderedDict"

VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


@dataclass(frozen=True)
class _Name:
    """The name of a global in a pickle; it is never imported."""

    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    size: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch(content: bytes, where: str) -> dict[str, np.ndarray]:
    """Reads the named tensors of a file.

    Args:
        content: The bytes of the file.
        where: Its name in messages.

    Returns:
        Arrays of float32 and int64 by name.

    Raises:
        DataError: The file has another format, contains anything but named tensors, or is truncated.
    """
    file = io.BytesIO(content)
    try:
        if (_read(file), _read(file)) != (MAGIC, VERSION):
            raise ValueError("not of torch's first format")
        if _read(file).get("little_endian") is not True:
            raise ValueError("not little-endian")
        tensors, order = _read(file), _read(file)
        named = {name: tensor for name, tensor in tensors.items() if isinstance(name, str)}
        if len(named) != len(tensors) or not all(isinstance(tensor, _Tensor) for tensor in named.values()):
            raise ValueError("holds more than named tensors")
        storages = _read_storages(file, order, {tensor.storage.key: tensor.storage for tensor in named.values()})
        return {name: _array(tensor, storages[tensor.storage.key]) for name, tensor in named.items()}
    except (ValueError, TypeError, LookupError, AttributeError, struct.error) as error:
        what = f"cannot be read as arrays ({error})"
        raise DataError(what, path=where, remedy="download the file again from its publisher") from error


def _read(file: BinaryIO) -> Any:
    """Returns the value of the next pickle."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        values = stack[start:]
        del stack[start:]
        return values

    for operation, argument, _ in pickletools.genops(file):
        match operation.name:
            case "PROTO":
                pass
            case "STOP":
                (value,) = stack
                return value
            case name if name in VALUES:
                stack.append(argument)
            case name if name in CONSTANTS:
                stack.append(CONSTANTS[name])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                size = int(operation.name[-1])
                stack[-size:] = [tuple(stack[-size:])]
            case "APPEND":
                value = stack.pop()
                stack[-1].append(value)
            case "APPENDS":
                values = since_mark()
                stack[-1].extend(values)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1][key] = value
            case "SETITEMS":
                values = since_mark()
                stack[-1].update(zip(values[::2], values[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_Name(str(argument)))
            case "BINPERSID":
                stack.append(_storage(*stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_made(function, arguments))
            case "BUILD":  # the attributes of a dictionary: versions of torch's modules
                stack.pop()
            case other:
                raise ValueError(f"the opcode {other} is none of those that arrays need")
    raise ValueError("cut off")


def _storage(kind: str, type_: _Name, key: str, _device: str, size: int, view: None) -> _Storage:
    if kind != "storage" or view is not None or not isinstance(key, str) or size < 0:
        raise ValueError("a storage of another form")
    if type_.name not in TYPES:
        raise ValueError(f"numbers of the kind {type_.name!r}")
    return _Storage(key, TYPES[type_.name], size)


def _made(function: Any, arguments: tuple[Any, ...]) -> Any:
    if function == _Name(DICTIONARY) and arguments == ():
        return {}
    if function == _Name(TENSOR):
        storage, offset, shape, strides, *_ = arguments
        if not isinstance(storage, _Storage) or len(shape) != len(strides) or min(offset, *shape, *strides, 0) < 0:
            raise ValueError("a tensor of another form")
        if math.prod(shape) > storage.size:
            raise ValueError(f"a tensor of shape {shape} out of {storage.size} numbers")
        return _Tensor(storage, offset, shape, strides)
    raise ValueError(f"it asks for {getattr(function, 'name', function)!r}, which is not an array")


def _read_storages(file: BinaryIO, order: list[str], expected: dict[str, _Storage]) -> dict[str, np.ndarray]:
    """Reads the storages in their order in the file, ``(size,)`` each."""
    found = {}
    for key in order:
        (size,) = struct.unpack("<q", file.read(8))
        storage = expected[key]
        if size != storage.size:
            raise ValueError(f"a storage of {size} numbers, {storage.size} were declared")
        content = file.read(size * storage.dtype.itemsize)
        found[key] = np.frombuffer(content, storage.dtype, count=size)
    return found


def _array(tensor: _Tensor, storage: np.ndarray) -> np.ndarray:
    """Copies a tensor out of its storage."""
    position = np.full(tensor.shape, tensor.offset)  # of each number in the storage
    for axis, (size, stride) in enumerate(zip(tensor.shape, tensor.strides, strict=True)):
        position += (np.arange(size) * stride).reshape(-1, *[1] * (len(tensor.shape) - axis - 1))
    return np.asarray(storage[position])
