"""Elementwise operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.exporting.graph import Graph, Value
from genrezoo.exporting.masks import is_binary, is_masked, masked, numbers_of
from genrezoo.exporting.operations.registry import OPERATIONS, Translation, of


def _elementwise(operator: str, *, compares: bool = False, **attributes: Any) -> Translation:
    """Translates to an operator whose inputs have one type: that of the result, except for comparisons."""

    def translate(graph: Graph, operation: Any, output: Any, *arguments: Any) -> Value:
        dtype = _common(arguments) if compares else output.dtype
        values = [graph.value(argument, dtype) for argument in arguments]
        return graph.elementwise(operator, values, output.shape, output.dtype, **attributes)

    return translate


def _common(arguments: Sequence[Any]) -> str:
    """Returns the type in which tensors are compared; numbers and constants are cast to it."""
    types = [argument.dtype for argument in arguments if isinstance(argument, Value)]
    return max(types, key=lambda dtype: (dtype.startswith("float"), np.dtype(dtype).itemsize))


for _name, _operator in {
    "Absolute": "Abs",
    "Add": "Add",
    "Ceil": "Ceil",
    "Cos": "Cos",
    "Divide": "Div",
    "Exp": "Exp",
    "Floor": "Floor",
    "Log": "Log",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mish": "Mish",
    "Negative": "Neg",
    "Power": "Pow",
    "Reciprocal": "Reciprocal",
    "Relu": "Relu",
    "Selu": "Selu",
    "Sigmoid": "Sigmoid",
    "Sign": "Sign",
    "Sin": "Sin",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Sqrt": "Sqrt",
    "Subtract": "Sub",
    "Tanh": "Tanh",
    "TrueDivide": "Div",
    "LogicalNot": "Not",
}.items():
    OPERATIONS[_name] = _elementwise(_operator)
for _name, _operator in {
    "Equal": "Equal",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "Isnan": "IsNaN",
}.items():
    OPERATIONS[_name] = _elementwise(_operator, compares=True)


@of("LogicalAnd", "LogicalOr")
def _logical(graph: Graph, operation: Any, output: Any, x1: Any, x2: Any) -> Value:
    if isinstance(x1, Value) and isinstance(x2, Value) and x1.name == x2.name:  # a sum combines the masks of its terms
        return x1
    operator = {"LogicalAnd": "And", "LogicalOr": "Or"}[type(operation).__name__]
    return _elementwise(operator)(graph, operation, output, x1, x2)


@of("Elu", "Celu")
def _elu(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    name = type(operation).__name__
    return graph.elementwise(name, [x], output.shape, output.dtype, alpha=float(operation.alpha))


@of("LeakyRelu")
def _leaky_relu(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return graph.elementwise("LeakyRelu", [x], output.shape, output.dtype, alpha=float(operation.negative_slope))


@of("ReLU")
def _any_relu(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    if operation.threshold or (operation.negative_slope and operation.max_value is not None):
        raise SettingsError("a ReLU with a threshold, or with both slope and limit, has no translation to ONNX")
    if operation.negative_slope:
        return _leaky_relu(graph, operation, output, x)
    if operation.max_value is None:
        return graph.elementwise("Relu", [x], output.shape, output.dtype)
    return _limited(graph, x, 0.0, operation.max_value)


@of("Relu6")
def _relu6(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return _limited(graph, x, 0.0, 6.0)


@of("Clip")
def _clip(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return _limited(graph, x, operation.x_min, operation.x_max)


def _limited(graph: Graph, x: Value, low: Any, high: Any) -> Value:
    bounds = [graph.constant(np.asarray(bound, x.dtype)) for bound in (low, high)]
    return graph.emit("Clip", [x, *bounds], x.shape, x.dtype, first=x.first)


@of("Gelu")
def _gelu(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    approximate = "tanh" if operation.approximate else "none"
    return graph.elementwise("Gelu", [x], output.shape, output.dtype, approximate=approximate)


@of("Silu")
def _silu(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    gate = graph.elementwise("Sigmoid", [x], output.shape, output.dtype)
    return graph.elementwise("Mul", [x, gate], output.shape, output.dtype)


@of("HardSigmoid")
def _hard_sigmoid(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return graph.elementwise("HardSigmoid", [x], output.shape, output.dtype, alpha=1 / 6, beta=0.5)


@of("Square")
def _square(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    x = graph.value(x, output.dtype)
    return graph.elementwise("Mul", [x, x], output.shape, output.dtype)


@of("Rsqrt")
def _rsqrt(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    root = graph.elementwise("Sqrt", [x], output.shape, output.dtype)
    return graph.elementwise("Reciprocal", [root], output.shape, output.dtype)


@of("Where")
def _where(graph: Graph, operation: Any, output: Any, condition: Any, x1: Any, x2: Any) -> Value:
    values = [graph.value(condition, "bool"), *(graph.value(x, output.dtype) for x in (x1, x2))]
    return graph.elementwise("Where", values, output.shape, output.dtype)


@of("Cast")
def _cast(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    numbers = numbers_of(graph, x)
    return numbers if numbers and numbers.dtype == output.dtype else graph.value(x, output.dtype)


@of("Multiply")
def _multiply(graph: Graph, operation: Any, output: Any, x1: Any, x2: Any) -> Value:
    for mask, x in ((x1, x2), (x2, x1)):
        if isinstance(x, Value) and is_binary(graph, mask):
            if is_masked(graph, x, mask):
                return x
            if found := masked(graph, x, mask):
                return found
    return _elementwise("Mul")(graph, operation, output, x1, x2)


@of("Copy", "StopGradient", "Identity")
def _same(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return x


@of("ZerosLike", "OnesLike", "FullLike")
def _filled(graph: Graph, operation: Any, output: Any, x: Value, fill: Any = None) -> Value:
    number = float(fill if fill is not None else type(operation).__name__ == "OnesLike")
    size = graph.emit("Shape", [x], (len(x.shape),), "int64")
    scalar = graph.constant(np.asarray(number, output.dtype))
    found = graph.emit("Expand", [scalar, size], output.shape, output.dtype, first=x.first)
    return Value(found.name, found.shape, found.dtype, fill=number, first=x.first)
