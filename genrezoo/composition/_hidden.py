"""Hidden representations of a model, found in its graph."""

from __future__ import annotations

from typing import Any

from genrezoo.composition._members import logits_of
from genrezoo.lazy import keras
from genrezoo.registry import natural


def hidden_representations(model: Any) -> list[Any]:
    """Returns the hidden vectors of a model, in order from the input.

    Each layer with a weight matrix (dense, convolution, recurrent, or a nested model) begins a representation; the
    activation, normalisation, dropout, pooling and flattening that follow belong to it. It counts if they end in one
    vector per song: the flattened last convolution, the last state of a recurrent layer, each hidden layer of a
    perceptron, the logits of nested experts. Sequences that no layer flattens are left out, because a dense layer on
    them would be far too large; so are the logits of the model itself, and the layers of nested models.

    Args:
        model: A functional model with one input.

    Returns:
        Symbolic tensors ``(batch, units)`` of the model's graph.

    Example:
        >>> from genrezoo.models import create_model
        >>> model = create_model("conv_in_time", (120, 25), 10)
        >>> [tensor.shape for tensor in hidden_representations(model)]  # 28 positions x 50 kernels, the dense layer
        [(None, 1400), (None, 200)]
    """
    answer = logits_of(model)
    # Nodes, because a layer that is a model itself calls its own graph's ends its input and output.
    by_depth = keras.Model(model.input, answer)._nodes_by_depth
    nodes = [
        node
        for depth in sorted(by_depth, reverse=True)
        for node in sorted(by_depth[depth], key=lambda node: natural(node.operation.name))  # a copy may mix them up
        if not node.is_input
    ]
    readers: dict[int, list[Any]] = {}
    for node in nodes:
        for tensor in node.input_tensors:
            readers.setdefault(id(tensor), []).append(node)
    found: dict[int, Any] = {}
    for node in filter(_learns, nodes):
        for tensor in node.output_tensors:
            end = _end(tensor, readers)
            if id(end) in readers and end is not answer and len(end.shape) == 2:
                found[id(end)] = end
    return list(found.values())


def _end(tensor: Any, readers: dict[int, list[Any]]) -> Any:
    """Follows a tensor through layers without weight matrices, as long as the graph neither branches nor merges."""
    while True:
        following = readers.get(id(tensor), [])
        if len(following) != 1 or _learns(following[0]):
            return tensor
        inputs, outputs = following[0].input_tensors, following[0].output_tensors
        if len(outputs) != 1 or sum(each.dtype != "bool" for each in inputs) != 1:  # a mask beside it joins nothing
            return tensor
        tensor = outputs[0]


def _learns(node: Any) -> bool:
    return any(len(weight.shape) > 1 for weight in getattr(node.operation, "weights", ()))
