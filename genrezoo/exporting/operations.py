"""Each operation of `keras.ops` that layers are made of, in ONNX's operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.exporting.graph import Graph, Value
from genrezoo.exporting.masks import is_binary, is_masked, masked, numbers_of, without_penalty

Translation = Callable[..., Value]
"""``(graph, operation, output, *arguments)``: the Keras operation with its settings, the shape and type that it
promises, and what it is called with, tensors as `Value`, constants as arrays."""

OPERATIONS: dict[str, Translation] = {}
"""By the name of the operation's class in Keras."""


def of(*names: str) -> Callable[[Translation], Translation]:
    """Decorator: the translation of the operations of these names."""

    def register(translation: Translation) -> Translation:
        OPERATIONS.update(dict.fromkeys(names, translation))
        return translation

    return register


# ----- element by element


def _elementwise(operator: str, *, compares: bool = False, **attributes: Any) -> Translation:
    """An operator on tensors of one type, which is that of the result except for comparisons."""

    def translate(graph: Graph, operation: Any, output: Any, *arguments: Any) -> Value:
        dtype = _common(arguments) if compares else output.dtype
        values = [graph.value(argument, dtype) for argument in arguments]
        return graph.elementwise(operator, values, output.shape, output.dtype, **attributes)

    return translate


def _common(arguments: Sequence[Any]) -> str:
    """The type in which tensors are compared; numbers and constants take that of the tensors."""
    types = [argument.dtype for argument in arguments if isinstance(argument, Value)]
    return max(types, key=lambda dtype: (dtype.startswith("float"), np.dtype(dtype).itemsize))


for _name, _operator in {
    "Absolute": "Abs",
    "Add": "Add",
    "Ceil": "Ceil",
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
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Sqrt": "Sqrt",
    "Subtract": "Sub",
    "Tanh": "Tanh",
    "TrueDivide": "Div",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
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


# ----- over an axis


def _reduction(operator: str) -> Translation:
    def translate(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
        return _reduced(graph, operator, operation, output.shape, graph.value(x, output.dtype))

    return translate


def _reduced(graph: Graph, operator: str, operation: Any, shape: Sequence[int | None], x: Value) -> Value:
    x, axes = _axes(graph, x, operation.axis, operation.keepdims)
    first, keepdims = x.first and bool(operation.keepdims), int(operation.keepdims)
    return graph.emit(operator, [x, axes], tuple(shape), x.dtype, first=first, keepdims=keepdims)


def _axes(graph: Graph, x: Value, axis: Any, keepdims: bool) -> tuple[Value, Value]:
    """The tensor, and the axes to reduce in its layout, which stays where what is left has one order only."""
    rank = len(x.shape)
    axes = {a % rank for a in (range(rank) if axis is None else [axis] if isinstance(axis, int) else axis)}
    if x.first and (keepdims or axes >= set(range(1, rank - 1))):
        axes = {0 if a == 0 else 1 if a == rank - 1 else a + 1 for a in axes}
    else:
        x = graph.last(x)
    return x, graph.constant(np.array(sorted(axes), np.int64))


for _name, _operator in {"Sum": "ReduceSum", "Mean": "ReduceMean", "Max": "ReduceMax", "Min": "ReduceMin"}.items():
    OPERATIONS[_name] = _reduction(_operator)
OPERATIONS["Logsumexp"] = _reduction("ReduceLogSumExp")


@of("Any", "All")
def _any_or_all(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    if (made := graph.made_by(x, "IsNaN")) and type(operation).__name__ == "Any":
        total = _reduced(graph, "ReduceSum", operation, output.shape, made[0])  # NaN if one of the numbers is
        return graph.emit("IsNaN", [total], tuple(output.shape), "bool", first=total.first)
    operator = {"Any": "ReduceMax", "All": "ReduceMin"}[type(operation).__name__]
    return _reduction(operator)(graph, operation, output, x)


@of("Softmax", "LogSoftmax")
def _softmax(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return graph.emit(type(operation).__name__, [graph.last(x)], output.shape, output.dtype, axis=operation.axis)


@of("Cumsum")
def _cumsum(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    axis = graph.constant(np.asarray(operation.axis % len(x.shape), np.int64))
    return graph.emit("CumSum", [graph.value(graph.last(x), output.dtype), axis], output.shape, output.dtype)


# ----- affine maps


@of("Matmul")
def _matmul(graph: Graph, operation: Any, output: Any, x1: Any, x2: Any) -> Value:
    values = [graph.last(graph.value(x, output.dtype)) for x in (x1, x2)]
    return graph.emit("MatMul", values, output.shape, output.dtype)


@of("Conv", "DepthwiseConv")
def _conv(graph: Graph, operation: Any, output: Any, x: Value, kernel: Any) -> Value:
    kernel, rank = np.asarray(kernel), len(x.shape) - 2
    _channels_last(operation)
    groups = x.shape[-1] // kernel.shape[-2]
    if type(operation).__name__ == "DepthwiseConv":  # (…, channels, multiplier) -> (…, 1, channels * multiplier)
        groups = kernel.shape[-2]
        kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
    weights = graph.constant(kernel.transpose(rank + 1, rank, *range(rank)))  # (filters, channels, …)
    around: dict[str, Any] = {"auto_pad": {"valid": "VALID", "same": "SAME_UPPER"}[operation.padding]}
    x = graph.first(x)
    if operation.padding == "valid" and (made := graph.made_by(x, "Pad")) and not np.any(made[2].array):
        before, after = made[1].array.reshape(2, -1)
        if not any((*before[:2], *after[:2])):  # zeros around are a part of the convolution
            x, around = made[0], {"pads": [*before[2:].tolist(), *after[2:].tolist()]}
    return graph.emit(
        "Conv",
        [x, weights],
        output.shape,
        output.dtype,
        first=True,
        kernel_shape=list(kernel.shape[:rank]),
        strides=_sizes(operation.strides, rank),
        dilations=_sizes(operation.dilation_rate, rank),
        group=groups,
        **around,
    )


@of("BatchNorm")
def _batch_norm(
    graph: Graph, operation: Any, output: Any, x: Value, mean: Any, variance: Any, offset: Any = None, scale: Any = None
) -> Value:
    """One factor and one summand for each channel."""
    factor = np.asarray(1 / np.sqrt(np.asarray(variance, np.float64) + operation.epsilon))
    factor = factor * (1 if scale is None else np.asarray(scale))
    shift = (0 if offset is None else np.asarray(offset)) - np.asarray(mean) * factor
    rank, axis = len(x.shape), operation.axis % len(x.shape)
    shape = [-1 if a == axis else 1 for a in range(rank)]
    for operator, part in (("Mul", factor), ("Add", shift)):
        constant = graph.constant(part.reshape(shape), x.dtype)
        x = graph.elementwise(operator, [x, constant], output.shape, output.dtype)
    return x


# ----- windows


@of("MaxPool", "AveragePool")
def _pool(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    _channels_last(operation)
    rank = len(x.shape) - 2
    options = {} if type(operation).__name__ == "MaxPool" else {"count_include_pad": 0}
    x = x if options else without_penalty(graph, x)
    return graph.emit(
        type(operation).__name__,
        [graph.first(x)],
        output.shape,
        output.dtype,
        first=True,
        kernel_shape=_sizes(operation.pool_size, rank),
        strides=_sizes(operation.pool_size if operation.strides is None else operation.strides, rank),
        auto_pad={"valid": "VALID", "same": "SAME_UPPER"}[operation.padding],
        **options,
    )


@of("Pad")
def _pad(graph: Graph, operation: Any, output: Any, x: Value, constant_values: Any = None) -> Value:
    if operation.mode != "constant":
        raise SettingsError(f"padding by mode {operation.mode!r} has no translation to ONNX")
    widths = [tuple(pair) for pair in operation.pad_width]
    if len(widths) == 4 and widths[0] == widths[3] == (0, 0):  # an image, which a convolution will read
        x = graph.first(x)
    if x.first:
        widths = [widths[0], widths[-1], *widths[1:-1]]
    pads = graph.constant(np.array([pair[0] for pair in widths] + [pair[1] for pair in widths], np.int64))
    fill = graph.constant(np.asarray(constant_values or 0, x.dtype))
    return graph.emit("Pad", [x, pads, fill], output.shape, output.dtype, first=x.first, mode="constant")


def _sizes(value: Any, rank: int) -> list[int]:
    return [value] * rank if isinstance(value, int) else list(value)


def _channels_last(operation: Any) -> None:
    if operation.data_format not in (None, "channels_last"):
        raise SettingsError(f"only channels_last is translated to ONNX, got {operation.data_format!r}")


# ----- shape


def reshaped(graph: Graph, x: Value, sizes: Sequence[int | None], output_shape: Sequence[int | None]) -> Value:
    """A tensor in another shape; None where a size is that of the input's same axis, -1 for what is left."""
    target = graph.constant(np.array([0 if size is None else size for size in sizes], np.int64))
    return graph.emit("Reshape", [graph.last(x), target], tuple(output_shape), x.dtype)


@of("Reshape")
def _reshape(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    return reshaped(graph, x, operation.newshape, output.shape)


@of("Squeeze")
def _squeeze(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    rank = len(x.shape)
    given = [a for a, size in enumerate(x.shape) if size == 1] if operation.axis is None else operation.axis
    axes = sorted(a % rank for a in ([given] if isinstance(given, int) else given))
    if x.first and rank - 1 in axes:  # the channel: what is left has one order only
        axes = sorted(1 if a == rank - 1 else a + 1 for a in axes)
    else:
        x = graph.last(x)
    return graph.emit("Squeeze", [x, graph.constant(np.array(axes, np.int64))], output.shape, output.dtype)


@of("ExpandDims")
def _expand_dims(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    given, rank = operation.axis, len(output.shape)
    axes = sorted(a % rank for a in ([given] if isinstance(given, int) else given))
    if (made := graph.made_by(x, "Squeeze")) and made[0].shape == output.shape:
        before: Value = made[0]
        return before
    return graph.emit("Unsqueeze", [graph.last(x), graph.constant(np.array(axes, np.int64))], output.shape, x.dtype)


@of("Transpose")
def _transpose(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    order = operation.axes or range(len(x.shape))[::-1]
    return graph.emit("Transpose", [graph.last(x)], output.shape, x.dtype, perm=list(order))


@of("Concatenate")
def _concatenate(graph: Graph, operation: Any, output: Any, xs: Sequence[Any]) -> Value:
    return joined(graph, [graph.value(x, output.dtype) for x in xs], operation.axis, output.shape)


def joined(graph: Graph, values: Sequence[Value], axis: int, shape: Sequence[int | None]) -> Value:
    """Tensors one behind the other along an axis, in the layout that all of them have."""
    rank = len(shape)
    first, axis = all(value.first for value in values), axis % rank
    if first:
        axis = 0 if axis == 0 else 1 if axis == rank - 1 else axis + 1
    else:
        values = [graph.last(value) for value in values]
    return graph.emit("Concat", values, tuple(shape), values[0].dtype, first=first, axis=axis)


@of("Stack")
def _stack(graph: Graph, operation: Any, output: Any, xs: Sequence[Any]) -> Value:
    axis = operation.axis % len(output.shape)
    where = graph.constant(np.array([axis], np.int64))
    shape = tuple(1 if a == axis else size for a, size in enumerate(output.shape))
    values = [graph.last(graph.value(x, output.dtype)) for x in xs]
    parts = [graph.emit("Unsqueeze", [value, where], shape, output.dtype) for value in values]
    return graph.emit("Concat", parts, output.shape, output.dtype, axis=axis)


@of("Take")
def _take(graph: Graph, operation: Any, output: Any, x: Value, indices: Any) -> Value:
    where = indices if isinstance(indices, Value) else graph.constant(np.asarray(indices, np.int64))
    return _gathered(graph, x, where, operation.axis, output)


@of("Flip")
def _flip(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    axis = operation.axis % len(x.shape)
    return _gathered(graph, x, graph.constant(np.arange(_size(x, axis))[::-1].astype(np.int64)), axis, output)


@of("Repeat")
def _repeat(graph: Graph, operation: Any, output: Any, x: Value) -> Value:
    axis = operation.axis % len(x.shape)
    where = np.repeat(np.arange(_size(x, axis), dtype=np.int64), operation.repeats)
    return _gathered(graph, x, graph.constant(where), axis, output)


def _gathered(graph: Graph, x: Value, indices: Value, axis: int, output: Any) -> Value:
    return graph.emit("Gather", [graph.last(x), indices], output.shape, output.dtype, axis=axis)


def _size(x: Value, axis: int) -> int:
    size = x.shape[axis]
    if size is None:
        raise SettingsError(f"axis {axis} of {x.shape} has no fixed size, which the translation to ONNX needs")
    return size


@of("GetItem")
def _get_item(graph: Graph, operation: Any, output: Any, x: Value, key: Any) -> Value:
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in keys:
        place = keys.index(Ellipsis)
        missing = len(x.shape) - sum(k is not None for k in keys) + 1
        keys[place : place + 1] = [slice(None)] * missing
    x = graph.last(x)
    starts: list[int] = []
    ends: list[int] = []
    axes: list[int] = []
    steps: list[int] = []
    dropped: list[int] = []
    added: list[int] = []
    axis = 0
    for position, part in enumerate(keys):
        if part is None:
            added.append(position - len(dropped))
            continue
        if isinstance(part, slice):
            if part != slice(None):
                step = part.step or 1
                low, high = (0, 2**31 - 1) if step > 0 else (2**31 - 1, -(2**31) + 1)
                starts.append(low if part.start is None else part.start)
                ends.append(high if part.stop is None else part.stop)
                axes.append(axis)
                steps.append(step)
        elif isinstance(part, int | np.integer):
            starts.append(int(part))
            ends.append(2**31 - 1 if part == -1 else int(part) + 1)
            axes.append(axis)
            steps.append(1)
            dropped.append(axis)
        else:
            raise SettingsError(f"indexing by {part!r} has no translation to ONNX")
        axis += 1
    if axes:
        tables = [graph.constant(np.array(table, np.int64)) for table in (starts, ends, axes, steps)]
        shape = tuple(None if a in axes else size for a, size in enumerate(x.shape))
        x = graph.emit("Slice", [x, *tables], shape, x.dtype)
    for operator, where in (("Squeeze", dropped), ("Unsqueeze", added)):
        if where:
            x = graph.emit(operator, [x, graph.constant(np.array(where, np.int64))], output.shape, x.dtype)
    return Value(x.name, tuple(output.shape), x.dtype)
