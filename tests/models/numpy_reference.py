"""The forward pass of every model in plain NumPy, song by song and segment by segment, from the descriptions alone.

Each function takes the model's weights by path (``"hidden_1/kernel"``), one song with padding as NaN, and the builder's
arguments that matter, and returns the logits. Nothing is shared with the package.
"""

from __future__ import annotations

import numpy as np

EPSILON = 1e-3  # of batch normalisation


def statistics_mlp(weights, song, *, layers):
    """`statistics_mlp`: the rows of padding are left out of mean and deviation."""
    real = song[~np.isnan(song).any(axis=1)]
    statistics = np.concatenate([real.mean(axis=0), np.sqrt(real.var(axis=0) + 1e-6)])
    x = _normalise(weights, "statistics_norm", statistics)
    for number in range(1, layers + 1):
        x = _relu(_normalise(weights, f"hidden_{number}_norm", _affine(weights, f"hidden_{number}", x)))
    return _affine(weights, "logits", x)


def dense_stack(weights, song, *, activation, layers, batch_norm):
    """`mlp` and `fully_connected`: padding counts as the training mean, which is zero."""
    x = np.nan_to_num(song).ravel()
    for number in range(1, layers + 1):
        x = _affine(weights, f"hidden_{number}", x)
        if batch_norm:
            x = _normalise(weights, f"hidden_{number}_norm", x)
        x = {"tanh": np.tanh, "relu": _relu}[activation](x)
    if batch_norm:
        return _normalise(weights, "logits", _affine(weights, "readout", x))
    return _affine(weights, "logits", x)


def convolution(weights, song, *, layers, pooling=None, pool_size=1):
    """`segment_cnn` and `conv_in_time`: windows without a real segment are zero, pools are over real positions."""
    real = ~np.isnan(song).any(axis=1)
    x = np.nan_to_num(song)
    for number in range(1, layers + 1):
        kernel, bias = weights[f"conv_{number}/kernel"], weights[f"conv_{number}/bias"]
        height = len(kernel)
        windows = [slice(start, start + height) for start in range(len(x) - height + 1)]
        found = [_relu(np.einsum("tf,tfk->k", x[w], kernel) + bias) if real[w].any() else 0 * bias for w in windows]
        x, real = np.stack(found), np.array([real[w].any() for w in windows])
        if pooling:
            windows = [slice(start, start + pool_size) for start in range(0, len(x) - pool_size + 1, pool_size)]
            pool = {"max": np.max, "average": np.mean}[pooling]
            found = [pool(x[w][real[w]], axis=0) if real[w].any() else np.zeros(x.shape[1]) for w in windows]
            x, real = np.stack(found), np.array([real[w].any() for w in windows])
    return _affine(weights, "logits", _relu(_affine(weights, "dense", x.ravel())))


def lstm(weights, song):
    """`lstm` and `stabilised_lstm`: the state after the last real segment."""
    return _affine(weights, "logits", lstm_states(weights, "lstm", song)[-1])


def snippet_lstm(weights, song, *, snippets, rule):
    """`snippet_lstm`: the logits, and the experts' logits."""
    parts = np.array_split(song, snippets)
    experts = [
        _affine(weights, f"readout_{number}", lstm_states(weights, f"lstm_{number}", part)[-1])
        for number, part in enumerate(parts, start=1)
    ]
    counted = [expert for expert, part in zip(experts, parts, strict=True) if not np.isnan(part).all()]
    posteriors = np.exp(counted) / np.exp(counted).sum(axis=1, keepdims=True)
    combined = posteriors.mean(axis=0) if rule == "mean" else posteriors.prod(axis=0)
    return np.log(combined / combined.sum()), experts


def lstm_states(weights, name, song):
    """The states of an LSTM: the zero at its start and one after each real segment."""
    kernel, recurrent = weights[f"{name}/lstm_cell/kernel"], weights[f"{name}/lstm_cell/recurrent_kernel"]
    bias = weights[f"{name}/lstm_cell/bias"]
    state = cell = np.zeros(len(recurrent))
    states = [state]
    for segment in song[~np.isnan(song).any(axis=1)]:
        take, keep, candidate, give = np.split(segment @ kernel + state @ recurrent + bias, 4)
        cell = _sigmoid(keep) * cell + _sigmoid(take) * np.tanh(candidate)
        state = _sigmoid(give) * np.tanh(cell)
        states.append(state)
    return states


def stabilisation(weights, name, songs, beta):
    """The penalty of activation stabilisation over a batch of songs."""
    changes = []
    for song in songs:
        lengths = [np.sqrt((state**2).sum()) for state in lstm_states(weights, name, song)]
        changes += [(after - before) ** 2 for before, after in zip(lengths, lengths[1:], strict=False)]
    return beta * np.mean(changes)


def _affine(weights, name, x):
    return x @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0)


def _normalise(weights, name, x):
    mean, variance = weights[f"{name}/moving_mean"], weights[f"{name}/moving_variance"]
    return (x - mean) / np.sqrt(variance + EPSILON) * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def _relu(x):
    return np.maximum(x, 0)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))
