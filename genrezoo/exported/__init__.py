"""Exported models: one ONNX file from raw features to logits, which answers without TensorFlow in the process.

`metadata` says what such a file holds and how it is sealed; the writers are in `genrezoo.export`.
"""

from genrezoo.exported.metadata import DOMAINS, IR_VERSION, OPERATORS, OPSET, Metadata, Parity, seal

__all__ = ["DOMAINS", "IR_VERSION", "OPERATORS", "OPSET", "Metadata", "Parity", "seal"]
