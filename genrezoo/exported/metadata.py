"""What an exported model is: the operators that its graph may use, and its metadata.

The graph has one input ``songs``, float32: ``(batch, segments, features)`` with padding as NaN, or images
``(batch, height, width, channels)``; and one output ``logits`` (of a network without its last layer ``embedding``),
float32 ``(batch, n_outputs)``. Everything is in one file. Its metadata are one JSON text at the end of the file, with a
checksum of everything else, so that a file that was damaged or changed is refused and does not answer wrongly.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from genrezoo.songs.chunks import Chunks

KEY = "genrezoo"
"""Key of the metadata in the file."""

OPSET = 21
"""Version of ONNX's operators; onnxruntime knows it since 1.18, and all that models here need is in it."""

IR_VERSION = 10
"""Version of the file format, which belongs to `OPSET`."""

DOMAINS = {"": OPSET}
"""Sets of operators that a file may use, with their versions."""

OPERATORS = frozenset({
    "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip",
    "Compress", "Concat", "Constant", "ConstantOfShape", "Conv", "CumSum", "DepthToSpace", "Div", "Einsum", "Elu",
    "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "GRU", "Gather", "GatherElements", "GatherND", "Gelu",
    "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish",
    "Identity", "If", "IsInf", "IsNaN", "LSTM", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log",
    "LogSoftmax", "MatMul", "Max", "MaxPool", "Min", "Mish", "Mod", "Mul", "Neg", "NonZero", "Not", "OneHot", "Or",
    "PRelu", "Pad", "Pow", "RNN", "Range", "Reciprocal", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "ReverseSequence",
    "Round", "Scan", "ScatterElements", "ScatterND", "Selu", "Shape", "Sigmoid", "Sign", "Size", "Slice", "Softmax",
    "Softplus", "Softsign", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK", "Transpose",
    "Unsqueeze", "Where", "Xor",
})  # fmt: skip
"""Operators that a file may use: none reads files, draws random numbers or loops without a bound."""

MOST_OUTPUTS = 100_000

Size = Annotated[int, Field(ge=1, le=2**24)]
Name = Annotated[str, Field(min_length=1, max_length=1000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Parity(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How near the file's answers are to those of the model that it was made from."""

    largest_difference: float = Field(ge=0, description="Largest difference of a logit, relative to their scale.")
    tolerance: float = Field(gt=0, description="Difference that was allowed.")
    songs: int = Field(ge=1, description="Songs compared.")
    real_songs: int = Field(0, ge=0, description="How many of them were songs of the run; the others were random.")


class Cascade(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """That a second model answers only where the first one is not sure."""

    threshold: float = Field(ge=0, le=1, description="Highest posterior below which the second model is asked.")


class Metadata(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What a file knows of itself besides the graph; checked when it is written and when it is read."""

    format: Literal[1] = 1
    genrezoo: Name = Field(description="Version of the package that wrote the file.")
    source: Literal["run", "weights"] = Field(
        "run",
        description="What was exported. Published weights read each window by itself: a shorter recording is "
        "repeated, and the windows' scores are averaged.",
    )
    name: Name = Field(description="Name of the recipe, or of the published weights.")
    output: Literal["logits", "embedding"] = Field("logits", description="Name of the output, and what it is.")
    n_outputs: int = Field(ge=1, le=MOST_OUTPUTS, description="Numbers that the output has for each song.")
    genres: tuple[Name, ...] = Field((), max_length=MOST_OUTPUTS, description="Names of the logits, genres first.")
    other_tags: int = Field(0, ge=0, description="How many of `genres`, at their end, are tags but no genres.")
    activation: Literal["softmax", "sigmoid"] = Field("softmax", description="What makes scores of the logits.")
    kind: Literal["segments", "image"] = Field("segments", description="What a song is; a table has one segment.")
    input_shape: tuple[Size | None, ...] = Field(
        min_length=2,
        max_length=3,
        description="Shape of a song as the graph reads it, with all its features: segments (None for any number) and "
        "features, or height, width and channels.",
    )
    trained_segments: Size | None = Field(None, description="Segments of the songs trained on; of images None.")
    masks_padding: bool = Field(False, description="Whether padding, NaN, is ignored.")
    chunks: Chunks | None = Field(None, description="How songs are cut for the graph; None for whole songs.")
    window: float | None = Field(None, gt=0, le=1e6, description="Seconds of a window, where any length is read.")
    features: dict[str, Any] | None = Field(None, description="Settings of the features, for `feature_settings`.")
    feature_names: tuple[str, ...] | None = Field(None, max_length=2**20, description="Names of the features.")
    layer: Name | None = Field(None, description="Layer of an embedding; None for the last but one.")
    weights_sha256: Sha256 | None = Field(None, description="Of the weights that were exported.")
    card_sha256: Sha256 | None = Field(None, description="Of the run's card.json; None for published weights.")
    provenance: Name | None = Field(None, description="Where the split of the training songs came from.")
    parity: Parity
    cascade: Cascade | None = None

    @model_validator(mode="after")
    def _fits(self) -> Metadata:
        if self.output == "logits" and (len(self.genres) != self.n_outputs or self.n_outputs < 2):
            raise ValueError(f"there are {len(self.genres)} genres for {self.n_outputs} outputs")
        if self.output == "embedding" and self.genres:
            raise ValueError("an embedding has no genres")
        if len(set(self.genres)) < len(self.genres) or self.other_tags > max(0, len(self.genres) - 1):
            raise ValueError("genres must be unique, and other_tags leave at least one")
        if len(self.input_shape) != (3 if self.kind == "image" else 2) or None in self.input_shape[1:]:
            raise ValueError(f"input_shape {self.input_shape} is not that of a song of kind {self.kind!r}")
        if self.kind == "image" and (self.input_shape[0] is None or self.chunks):
            raise ValueError("images have one size and no chunks")
        if self.chunks and self.chunks.segments != self.input_shape[0]:
            raise ValueError("chunks and input_shape differ")
        if self.kind == "segments" and self.trained_segments is None and self.source == "run":
            raise ValueError("trained_segments are missing")
        if self.feature_names is not None and len(self.feature_names) != self.input_shape[-1]:
            raise ValueError("feature_names do not fit input_shape")
        if math.prod(size or 1 for size in self.input_shape) > 2**28:
            raise ValueError(f"input_shape {self.input_shape} is too large")
        return self

    @property
    def any_length(self) -> bool:
        """Whether songs may have any number of segments."""
        return self.kind == "segments" and (self.chunks is not None or self.input_shape[0] is None)


def seal(model: bytes, metadata: Metadata) -> bytes:
    """An ONNX model with its metadata and a checksum of both, as the bytes of a file.

    Args:
        model: The model, serialised, without metadata of its own.
        metadata: What the file says of itself.

    Returns:
        The bytes of the same model whose ``metadata_props`` have the one entry `KEY`.
    """
    plain = metadata.model_dump(mode="json")
    text = json.dumps({**plain, "digest": digest(model, plain)}, sort_keys=True)
    return model + entry(text)


def digest(model: bytes | memoryview, metadata: dict[str, Any]) -> str:
    """The sha256 of a model without its metadata, and of these."""
    sha256 = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    sha256.update(model)
    return sha256.hexdigest()


def entry(text: str) -> bytes:
    """The bytes of one entry of ``metadata_props`` (field 14 of a model, with a key and a value), in protobuf's form.

    A message followed by a field of it is the message with that field.
    """
    return _field(14, _field(1, KEY.encode()) + _field(2, text.encode()))


def _field(number: int, content: bytes) -> bytes:
    head, size = bytearray([number << 3 | 2]), len(content)
    while size >= 128:
        head.append(size & 127 | 128)
        size >>= 7
    return bytes(head) + bytes([size]) + content
