"""Exported models: one ONNX file from raw features to logits, which runs without TensorFlow in the process.

`metadata` defines the content of such a file and its checksum, `container` validates a file, and `model` computes its
answers. The writers are in `genrezoo.exporting`.
"""

from genrezoo.exported.metadata import DOMAINS, IR_VERSION, OPERATORS, OPSET, Metadata, Parity, seal
from genrezoo.exported.model import Exported, load_exported

__all__ = [
    "DOMAINS",
    "IR_VERSION",
    "OPERATORS",
    "OPSET",
    "Exported",
    "Metadata",
    "Parity",
    "load_exported",
    "seal",
]
