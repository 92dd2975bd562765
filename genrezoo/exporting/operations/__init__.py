"""Each operation of `keras.ops` that layers are made of, in ONNX's operators.

To add one, write a function in the file that it belongs to and put the name of the operation's class above it.
"""

from genrezoo.exporting.operations import elementwise, reductions, shapes, windows
from genrezoo.exporting.operations.registry import OPERATIONS
from genrezoo.exporting.operations.shapes import reshaped

__all__ = ["OPERATIONS", "elementwise", "reductions", "reshaped", "shapes", "windows"]
