"""The validation of a file before ONNX Runtime loads it.

A file may come from anybody. Its size, its checksum and its metadata are checked, then every operator, tensor and
attribute of its graph, including the subgraphs of `If` and `Scan`. The memory of a running graph is limited in
`genrezoo.exported.model`.
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
"""Largest size of a file, in bytes."""

MOST_METADATA = 2**24
"""Largest size of its metadata, in bytes."""

MOST_NODES = 50_000
"""Largest number of operators of a file, including those of subgraphs."""

_DEEPEST = 4  # levels of subgraphs
_MOST_UNPACKED = 2**16  # elements of a tensor that is not stored as raw bytes
_BITS = {1: 32, 6: 32, 7: 64, 9: 8, 11: 64}  # float, int32, int64, bool, double: bits of an element by type
_FLOAT = 1
_AGAIN = "download the file again, or export the model again"


def read_model(path: Path) -> tuple[bytes, Metadata]:
    """Reads an exported model and validates it.

    Args:
        path: The file.

    Returns:
        Its bytes, and its metadata.

    Raises:
        DataError: The file is damaged, was not written by `genrezoo.export`, or contains parts that no exported model
            has.
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
        raise DataError("is not an ONNX model, or is truncated or damaged", path=path, remedy=_AGAIN) from error
    return model


def _metadata(raw: bytes, model: Any, path: Path) -> Metadata:
    """Returns the metadata of a file, after checking its checksum."""
    foreign = "is an ONNX model that genrezoo did not write, or that was changed later"
    if [one.key for one in model.metadata_props] != [KEY.encode()]:
        _refuse(path, f"{foreign}: it has no metadata of genrezoo")
    text = model.metadata_props[0].value
    if len(text) > MOST_METADATA:
        _refuse(path, f"has {len(text):,} bytes of metadata, the limit is {MOST_METADATA:,}")
    try:
        plain = files.from_json(text)
        tail = entry(text.decode())
    except ValueError as error:
        _refuse(path, f"{foreign}: its metadata are not valid JSON ({error})")
    if not isinstance(plain, dict) or not raw.endswith(tail):
        _refuse(path, f"{foreign}: its metadata are not at its end")
    stated = plain.pop("digest", None)
    if stated != digest(memoryview(raw)[: -len(tail)], plain):
        _refuse(path, "is damaged or was changed: its checksum differs", _AGAIN)
    remedy = "export the model with this version of genrezoo"
    return checked(
        lambda: Metadata.model_validate_json(json.dumps(plain)),
        lambda what: DataError(what, path=path, where="metadata", remedy=remedy),
    )


def _check_versions(model: Any, path: Path) -> None:
    given = {one.domain.decode(errors="replace"): one.version for one in model.opset_import}
    if given != DOMAINS or len(model.opset_import) != len(DOMAINS) or not 3 <= model.ir_version <= IR_VERSION:
        found, expected = f"{given}, format {model.ir_version}", f"{DOMAINS}, format 3 to {IR_VERSION}"
        _refuse(path, f"uses the versions of operators {found}, expected {expected}")
    if model.training_info or model.functions or model.configuration:
        _refuse(path, "contains training steps, functions or configurations, which no exported model has")


def _nodes(graph: Any, path: Path, depth: int) -> Iterator[Any]:
    """Yields the nodes of a graph and of its subgraphs, and checks them and its tensors."""
    if depth > _DEEPEST:
        _refuse(path, f"has subgraphs more than {_DEEPEST} levels deep")
    if graph.sparse_initializer or graph.quantization_annotation:
        _refuse(path, "contains sparse or quantised tensors, which no exported model has")
    for tensor in graph.initializer:
        _check_tensor(tensor, path)
    for node in graph.node:
        name = node.op_type.decode(errors="replace")
        if node.domain.decode(errors="replace") not in DOMAINS or name not in OPERATORS or node.overload:
            _refuse(path, f"uses the operator {name[:100]!r}, which no exported model has")
        if node.device_configurations:
            _refuse(path, "configures devices, which no exported model does")
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
        _refuse(path, f"has a subgraph in the operator {operator!r}")
    if any(abs(number) > 2**31 for number in (attribute.i, *attribute.ints)):
        name = attribute.name.decode(errors="replace")[:100]
        _refuse(path, f"has an attribute {name!r} of {operator} that is out of range")


def _check_tensor(tensor: Any, path: Path) -> None:
    """Refuses tensors of other files, and those whose stored size does not match their shape."""
    name = tensor.name.decode(errors="replace")[:100]
    if tensor.data_location or tensor.external_data or tensor.HasField("segment"):
        _refuse(path, f"keeps the tensor {name!r} in another file")
    bits = _BITS.get(tensor.data_type)
    if bits is None:
        _refuse(path, f"has a tensor {name!r} of type {tensor.data_type}, which no exported model has")
    size = math.prod(tensor.dims) if min(tensor.dims, default=0) >= 0 else -1
    stored = len(tensor.raw_data) * 8 // bits if tensor.raw_data else min(size, _MOST_UNPACKED)
    if size != stored:
        _refuse(path, f"declares the tensor {name!r} of shape {list(tensor.dims)} and stores another size")


def _check_border(graph: Any, metadata: Metadata, path: Path) -> None:
    """Refuses a graph whose input and output differ from the metadata."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [_value(one) for one in graph.input if one.name not in stored]
    outputs = [_value(one) for one in graph.output]
    song, output = [None, *metadata.input_shape], [None, metadata.n_outputs]
    if inputs != [("songs", _FLOAT, song)] or outputs != [(metadata.output, _FLOAT, output)]:
        what = f"has the inputs {inputs} and the outputs {outputs}"
        _refuse(path, f"{what}; its metadata declare songs {song} and {metadata.output} {output}"[:1000])


def _value(value: Any) -> tuple[str, int, list[int | None]]:
    """Returns name, type and shape of an input or output; a dimension of any size is None."""
    kind = value.type.tensor_type
    shape = [one.dim_value if one.HasField("dim_value") else None for one in kind.shape.dim]
    return value.name.decode(errors="replace"), kind.elem_type, shape


def _refuse(path: Path, what: str, remedy: str = "export the model again with `genrezoo export`") -> NoReturn:
    raise DataError(what, path=path, remedy=remedy)
