"""The part of ONNX's file format that is validated here, read by protobuf's own parser.

The package ``onnx`` could do this, but it takes 12 MB and a third of the time of a whole prediction, and a machine that
predicts needs it for nothing else. The parser skips the fields that are not listed here.

Reference: ``onnx/onnx.proto`` of ONNX 1.16 and later.
"""

from __future__ import annotations

import functools
from typing import Any

_SCALARS = {"int64": 3, "int32": 5, "bytes": 12}  # numbers of types in FieldDescriptorProto
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3

MESSAGES = {  # the fields of each message: number, type, and "*" for a list
    "Model": {
        "ir_version": (1, "int64"), "graph": (7, "Graph"), "opset_import": (8, "Opset*"),
        "metadata_props": (14, "Entry*"), "training_info": (20, "Ignored*"), "functions": (25, "Ignored*"),
        "configuration": (26, "Ignored*"),
    },
    "Opset": {"domain": (1, "bytes"), "version": (2, "int64")},
    "Entry": {"key": (1, "bytes"), "value": (2, "bytes")},
    "Graph": {
        "node": (1, "Node*"), "initializer": (5, "Tensor*"), "input": (11, "Value*"), "output": (12, "Value*"),
        "quantization_annotation": (14, "Ignored*"), "sparse_initializer": (15, "Ignored*"),
    },
    "Node": {
        "input": (1, "bytes*"), "output": (2, "bytes*"), "op_type": (4, "bytes"), "attribute": (5, "Attribute*"),
        "domain": (7, "bytes"), "overload": (8, "bytes"), "device_configurations": (10, "Ignored*"),
    },
    "Attribute": {
        "name": (1, "bytes"), "i": (3, "int64"), "t": (5, "Tensor"), "g": (6, "Graph"), "ints": (8, "int64*"),
        "tensors": (10, "Ignored*"), "graphs": (11, "Ignored*"), "tp": (14, "Ignored"), "type_protos": (15, "Ignored*"),
        "ref_attr_name": (21, "bytes"), "sparse_tensor": (22, "Ignored"), "sparse_tensors": (23, "Ignored*"),
    },
    "Tensor": {
        "dims": (1, "int64*"), "data_type": (2, "int32"), "segment": (3, "Ignored"), "name": (8, "bytes"),
        "raw_data": (9, "bytes"), "external_data": (13, "Ignored*"), "data_location": (14, "int32"),
    },
    "Value": {"name": (1, "bytes"), "type": (2, "Type")},
    "Type": {
        "tensor_type": (1, "TensorType"), "sequence_type": (4, "Ignored"), "map_type": (5, "Ignored"),
        "opaque_type": (7, "Ignored"), "sparse_tensor_type": (8, "Ignored"), "optional_type": (9, "Ignored"),
    },
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "Shape")},
    "Shape": {"dim": (1, "Dimension*")},
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "bytes")},
    "Ignored": {},
}  # fmt: skip
"""The messages. Those whose presence alone matters are ``Ignored``."""


@functools.cache
def model_class() -> Any:
    """Returns protobuf's class of a whole file."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="genrezoo/onnx.proto", package="genrezoo.onnx", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            one = kind.removesuffix("*")
            added = message.field.add(name=field, number=number, label=_REPEATED if kind.endswith("*") else _OPTIONAL)
            added.type = _SCALARS.get(one, _MESSAGE)
            if one not in _SCALARS:
                added.type_name = f".genrezoo.onnx.{one}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("genrezoo.onnx.Model"))
