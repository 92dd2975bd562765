"""The translations of the operations of `keras.ops` to ONNX operators.

To add one, write a function in the file of its kind and decorate it with the name of the operation's class.
"""

from genrezoo.exporting.operations import elementwise, reductions, shapes, windows
from genrezoo.exporting.operations.registry import OPERATIONS
from genrezoo.exporting.operations.shapes import reshaped

__all__ = ["OPERATIONS", "elementwise", "reductions", "reshaped", "shapes", "windows"]
