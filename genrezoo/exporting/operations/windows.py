"""Matrix products, convolutions, normalisation, pooling and padding."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from genrezoo.errors import SettingsError
from genrezoo.exporting.graph import Graph, Value
from genrezoo.exporting.masks import without_penalty
from genrezoo.exporting.operations.registry import of


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
    x, dilations = graph.first(x), _sizes(operation.dilation_rate, rank)
    if operation.padding == "same" and max(dilations) > 1:  # ONNX Runtime has no auto_pad for it
        reach = [dilation * (size - 1) for dilation, size in zip(dilations, kernel.shape[:rank], strict=True)]
        around = {"pads": [*(size // 2 for size in reach), *(size - size // 2 for size in reach)]}
    if operation.padding == "valid" and (made := graph.made_by(x, "Pad")) and not np.any(made[2].array):
        before, after = made[1].array.reshape(2, -1)
        if not any((*before[:2], *after[:2])):  # the convolution pads with zeros itself
            x, around = made[0], {"pads": [*before[2:].tolist(), *after[2:].tolist()]}
    return graph.emit(
        "Conv",
        [x, weights],
        output.shape,
        output.dtype,
        first=True,
        kernel_shape=list(kernel.shape[:rank]),
        strides=_sizes(operation.strides, rank),
        dilations=dilations,
        group=groups,
        **around,
    )


@of("BatchNorm")
def _batch_norm(
    graph: Graph, operation: Any, output: Any, x: Value, mean: Any, variance: Any, offset: Any = None, scale: Any = None
) -> Value:
    """Writes one factor and one summand for each channel."""
    factor = np.asarray(1 / np.sqrt(np.asarray(variance, np.float64) + operation.epsilon))
    factor = factor * (1 if scale is None else np.asarray(scale))
    shift = (0 if offset is None else np.asarray(offset)) - np.asarray(mean) * factor
    rank, axis = len(x.shape), operation.axis % len(x.shape)
    shape = [-1 if a == axis else 1 for a in range(rank)]
    for operator, part in (("Mul", factor), ("Add", shift)):
        constant = graph.constant(part.reshape(shape), x.dtype)
        x = graph.elementwise(operator, [x, constant], output.shape, output.dtype)
    return x


@of("LayerNorm")
def _layer_norm(graph: Graph, operation: Any, output: Any, x: Value, gamma: Any = None, beta: Any = None) -> Value:
    axes = [operation.axis] if isinstance(operation.axis, int) else list(operation.axis)
    if axes not in ([-1], [len(x.shape) - 1]) or operation.rms_scaling:
        raise SettingsError("layer normalisation must be over the last axis, without RMS scaling, for ONNX")
    units = x.shape[-1] or 0
    scale = np.ones(units) if gamma is None else gamma
    shift = np.zeros(units) if beta is None else beta  # ONNX Runtime crashes without it
    values = [graph.last(x), *(graph.constant(np.asarray(part), x.dtype) for part in (scale, shift))]
    epsilon = float(operation.epsilon or keras.config.epsilon())
    return graph.emit("LayerNormalization", values, output.shape, output.dtype, axis=-1, epsilon=epsilon)


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
    if len(widths) == 4 and widths[0] == widths[3] == (0, 0):  # an image, the input of a convolution
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
        raise SettingsError(f"data_format must be 'channels_last' for ONNX, got {operation.data_format!r}")
