"""The definition of an exported model: the operators that its graph may use, and its metadata.

The graph has one input ``songs``, float32: ``(batch, segments, features)`` with padding as NaN, or images
``(batch, height, width, channels)``; and one output ``logits`` (of a network without its last layer ``embedding``),
float32 ``(batch, n_outputs)``. Everything is in one file. Its metadata are one JSON text at the end of the file, with a
checksum of everything else, so that a damaged or changed file is refused instead of giving wrong answers.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from genrezoo.reading import Name, Reading

KEY = "genrezoo"
"""Key of the metadata in the file."""

OPSET = 21
"""Version of ONNX's operators; onnxruntime supports it since 1.18."""

IR_VERSION = 10
"""Version of the file format that goes with `OPSET`."""

DOMAINS = {"": OPSET}
"""Sets of operators that a file may use, with their versions."""

OPERATORS = frozenset({
    "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip",
    "Compress", "Concat", "Constant", "ConstantOfShape", "Conv", "Cos", "CumSum", "DepthToSpace", "Div", "Einsum",
    "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "GRU", "Gather", "GatherElements", "GatherND",
    "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish",
    "Identity", "If", "IsInf", "IsNaN", "LSTM", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log",
    "LogSoftmax", "MatMul", "Max", "MaxPool", "Min", "Mish", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or",
    "PRelu", "Pad", "Pow", "RNN", "Range", "Reciprocal", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "ReverseSequence",
    "Round", "Scan", "ScatterElements", "ScatterND", "Selu", "Shape", "Sigmoid", "Sign", "Sin", "Size", "Slice",
    "Softmax", "Softplus", "Softsign", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK",
    "Transpose", "Unsqueeze", "Where", "Xor",
})  # fmt: skip
"""Operators that a file may use: none reads files, draws random numbers or loops without a bound."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Parity(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The comparison of the file's answers with those of its model."""

    largest_difference: float = Field(ge=0, description="Largest difference of a logit, relative to their scale.")
    tolerance: float = Field(gt=0, description="Difference that was allowed.")
    songs: int = Field(ge=1, description="Songs compared.")
    real_songs: int = Field(0, ge=0, description="How many of them were songs of the run; the others were random.")


class Cascade(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The rule by which a second model answers the songs of which the first one is uncertain."""

    threshold: float = Field(
        ge=0, le=1, description="Uncertainty of the first model, 0 to 1, above which the second is asked."
    )


class Metadata(Reading, frozen=True, extra="forbid", allow_inf_nan=False):
    """The metadata of a file, validated when it is written and when it is read."""

    format: Literal[1] = 1
    genrezoo: Name = Field(description="Version of the package that wrote the file.")
    weights_sha256: Sha256 | None = Field(None, description="Of the weights that were exported.")
    card_sha256: Sha256 | None = Field(None, description="Of the run's card.json; None for published weights.")
    provenance: Name | None = Field(None, description="Where the split of the training songs came from.")
    parity: Parity
    cascade: Cascade | None = None


def seal(model: bytes, metadata: Metadata) -> bytes:
    """Adds metadata, and a checksum of model and metadata, to an ONNX model.

    Args:
        model: The serialised model, without metadata of its own.
        metadata: The metadata.

    Returns:
        The bytes of the same model with one entry `KEY` in its ``metadata_props``.
    """
    plain = metadata.model_dump(mode="json")
    text = json.dumps({**plain, "digest": digest(model, plain)}, sort_keys=True)
    return model + entry(text)


def digest(model: bytes | memoryview, metadata: dict[str, Any]) -> str:
    """Returns the sha256 of the metadata followed by the model without them."""
    sha256 = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    sha256.update(model)
    return sha256.hexdigest()


def entry(text: str) -> bytes:
    """Encodes one entry of ``metadata_props`` (field 14 of a model, with a key and a value) for protobuf.

    Appending an encoded field to an encoded message adds the field to the message.
    """
    return _field(14, _field(1, KEY.encode()) + _field(2, text.encode()))


def _field(number: int, content: bytes) -> bytes:
    head, size = bytearray([number << 3 | 2]), len(content)
    while size >= 128:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes(head) + bytes([size]) + content
