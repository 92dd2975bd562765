"""What is believed of a file before ONNX Runtime sees it.

A file may come from anybody. Its size, its checksum and its metadata are checked, then every operator, tensor and
attribute of its graph, those of the graphs inside `If` and `Scan` included. What a graph asks for while it runs is
bounded by the memory that ONNX Runtime is given, see `genrezoo.exported.model`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from genrezoo import files
from genrezoo.errors import DataError, checked
from genrezoo.exported.messages import model_class
from genrezoo.exported.metadata import DOMAINS, IR_VERSION, KEY, OPERATORS, Metadata, digest, entry

MOST_BYTES = 2**30
"""Bytes that a file may have."""

MOST_METADATA = 2**24
"""Bytes of its metadata."""

MOST_NODES = 50_000
"""Operators that a file may have, those of inner graphs included."""

_DEEPEST = 4  # graphs within graphs
_MOST_UNPACKED = 2**16  # numbers of a tensor that is not stored as raw bytes
_BITS = {1: 32, 6: 32, 7: 64, 9: 8, 11: 64}  # float, int32, int64, bool, double: bits of a number by its type
_FLOAT = 1


def read_model(path: Path) -> tuple[bytes, Metadata]:
    """The bytes of an exported model and its metadata, checked.

    Raises:
        DataError: The file is damaged, was not written by `genrezoo.export`, or holds what no model needs.
    """
    raw = files.read_bytes(path, most=MOST_BYTES)
    model = _parse(raw, path)
    metadata = _metadata(raw, model, path)
    _check_versions(model, path)
    nodes = list(_nodes(model.graph, path, 1))
    if len(nodes) > MOST_NODES:
        _refuse(path, f"has more than {MOST_NODES:,} operators")
    _check_border(model.graph, metadata, path)
    return raw, metadata


def _parse(raw: bytes, path: Path) -> Any:
    from google.protobuf.message import DecodeError

    model = model_class()()
    try:
        model.ParseFromString(raw)
    except DecodeError as error:
        remedy = "fetch the file again, or export the run anew"
        raise DataError("is no ONNX model, or is cut or damaged", path=path, remedy=remedy) from error
    return model


def _metadata(raw: bytes, model: Any, path: Path) -> Metadata:
    """The metadata of a file whose checksum fits."""
    foreign = "is an ONNX model that genrezoo did not write, or that was changed afterwards"
    if [one.key for one in model.metadata_props] != [KEY.encode()]:
        _refuse(path, f"{foreign}: it has no metadata of its own")
    text = model.metadata_props[0].value
    if len(text) > MOST_METADATA:
        _refuse(path, f"has {len(text):,} bytes of metadata, the limit is {MOST_METADATA:,}")
    try:
        plain = files.from_json(text)
        tail = entry(text.decode())
    except ValueError as error:
        _refuse(path, f"{foreign}: its metadata are no JSON ({error})")
    if not isinstance(plain, dict) or not raw.endswith(tail):
        _refuse(path, f"{foreign}: its metadata are not at its end")
    stated = plain.pop("digest", None)
    if stated != digest(memoryview(raw)[: -len(tail)], plain):
        _refuse(path, "is damaged or was changed: its checksum differs", "fetch the file again, or export the run anew")
    remedy = "export it with this version of genrezoo"
    return checked(
        lambda: Metadata.model_validate_json(json.dumps(plain)),
        lambda what: DataError(what, path=path, where="metadata", remedy=remedy),
    )


def _check_versions(model: Any, path: Path) -> None:
    given = {one.domain.decode(errors="replace"): one.version for one in model.opset_import}
    if given != DOMAINS or len(model.opset_import) != len(DOMAINS) or not 3 <= model.ir_version <= IR_VERSION:
        what = f"is written with operators {given} of format {model.ir_version}, expected {DOMAINS} of {IR_VERSION}"
        _refuse(path, what)
    if model.training_info or model.functions or model.configuration:
        _refuse(path, "holds training steps, functions or configurations, which no exported model has")


def _nodes(graph: Any, path: Path, depth: int) -> Iterator[Any]:
    """The nodes of a graph and of those inside it, checked."""
    if depth > _DEEPEST:
        _refuse(path, f"has graphs inside graphs, more than {_DEEPEST} deep")
    if graph.sparse_initializer or graph.quantization_annotation:
        _refuse(path, "holds sparse or quantised tensors, which no exported model has")
    for tensor in graph.initializer:
        _check_tensor(tensor, path)
    for node in graph.node:
        name = node.op_type.decode(errors="replace")
        if node.domain.decode(errors="replace") not in DOMAINS or name not in OPERATORS or node.overload:
            _refuse(path, f"uses the operator {name[:100]!r}, which no exported model needs")
        if node.device_configurations:
            _refuse(path, "asks for devices, which no exported model does")
        yield node
        for attribute in node.attribute:
            _check_attribute(attribute, name, path)
            if attribute.HasField("t"):
                _check_tensor(attribute.t, path)
            if attribute.HasField("g"):
                yield from _nodes(attribute.g, path, depth + 1)


def _check_attribute(attribute: Any, operator: str, path: Path) -> None:
    unexpected = ("tensors", "graphs", "type_protos", "sparse_tensors")
    if any(len(getattr(attribute, name)) for name in unexpected) or any(
        attribute.HasField(name) for name in ("tp", "sparse_tensor", "ref_attr_name")
    ):
        _refuse(path, f"has an attribute of {operator} of a kind that no exported model has")
    if attribute.HasField("g") and operator not in ("If", "Scan"):
        _refuse(path, f"has a graph inside {operator}")
    if any(abs(number) > 2**31 for number in (attribute.i, *attribute.ints)):
        name = attribute.name.decode(errors="replace")[:100]
        _refuse(path, f"has an attribute {name!r} of {operator} that is out of range")


def _check_tensor(tensor: Any, path: Path) -> None:
    """Refuses tensors that are elsewhere, and those whose bytes are not those that their shape needs."""
    name = tensor.name.decode(errors="replace")[:100]
    if tensor.data_location or tensor.external_data or tensor.HasField("segment"):
        _refuse(path, f"keeps the tensor {name!r} in another file")
    bits = _BITS.get(tensor.data_type)
    if bits is None:
        _refuse(path, f"has a tensor {name!r} of type {tensor.data_type}, which no exported model has")
    size = math.prod(tensor.dims) if min(tensor.dims, default=0) >= 0 else -1
    stored = len(tensor.raw_data) * 8 // bits if tensor.raw_data else min(size, _MOST_UNPACKED)
    if size != stored:
        _refuse(path, f"declares the tensor {name!r} of shape {list(tensor.dims)}, which is not what is stored of it")


def _check_border(graph: Any, metadata: Metadata, path: Path) -> None:
    """Refuses a graph whose input and output are not those that the metadata state."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [_value(one) for one in graph.input if one.name not in stored]
    outputs = [_value(one) for one in graph.output]
    song, output = [None, *metadata.input_shape], [None, metadata.n_outputs]
    if inputs != [("songs", _FLOAT, song)] or outputs != [(metadata.output, _FLOAT, output)]:
        what = f"reads {inputs} and answers {outputs}; its metadata state songs {song} and {metadata.output} {output}"
        _refuse(path, what[:1000])


def _value(value: Any) -> tuple[str, int, list[int | None]]:
    """Name, type and shape of an input or output; a dimension of any size is None."""
    kind = value.type.tensor_type
    shape = [one.dim_value if one.HasField("dim_value") else None for one in kind.shape.dim]
    return value.name.decode(errors="replace"), kind.elem_type, shape


def _refuse(path: Path, what: str, remedy: str = "export it anew with `genrezoo export`") -> NoReturn:
    raise DataError(what, path=path, remedy=remedy)
