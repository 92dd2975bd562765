"""Exported models: one ONNX file from raw features to logits, which answers without TensorFlow in the process.

`metadata` says what such a file holds and how it is sealed, `container` checks one before it is believed, and `model`
answers with it. The writers are in `genrezoo.exporting`.
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
