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


def gru(weights, song):
    """`gru` and `stabilised_gru`: the state after the last real segment."""
    return _affine(weights, "logits", gru_states(weights, "gru", song)[-1])


def rnn(weights, song, *, readout=True):
    """`rnn` and `stabilised_rnn`: the state after the last real segment, mapped to the genres or as it is."""
    last = rnn_states(weights, "rnn", song)[-1]
    return _affine(weights, "logits", last) if readout else last


def batch_norm_rnn(weights, song):
    """`batch_norm_rnn`: normalised by the moving averages before tanh."""
    state = np.zeros(len(weights["rnn/cell/gamma"]))
    for segment in _real(song):
        state = np.tanh(_normalise(weights, "rnn/cell", _affine(weights, "rnn/cell", np.concatenate([segment, state]))))
    return _affine(weights, "logits", state)


def snippet_lstm(weights, song, *, snippets, rule):
    """`snippet_lstm`: the logits, and the experts' logits."""

    def expert(number, part):
        return _affine(weights, f"readout_{number}", lstm_states(weights, f"lstm_{number}", part)[-1])

    return _snippets(weights, song, expert, snippets=snippets, rule=rule)


def snippet_ensemble(weights, song, member, *, snippets, rule):
    """`snippet_ensemble`: each part goes to its own copy of a model whose forward pass is ``member``."""

    def expert(number, part):
        start = f"member_{number}/"
        return member({path.removeprefix(start): w for path, w in weights.items() if path.startswith(start)}, part)

    return _snippets(weights, song, expert, snippets=snippets, rule=rule)


def second_head(weights, representation, name):
    """The second head of the multitask models: one affine map of what the first one reads."""
    return _affine(weights, name, representation)


def lstm_states(weights, name, song):
    """The states of an LSTM: the zero at its start and one after each real segment."""
    kernel, recurrent = weights[f"{name}/lstm_cell/kernel"], weights[f"{name}/lstm_cell/recurrent_kernel"]
    bias = weights[f"{name}/lstm_cell/bias"]
    state = cell = np.zeros(len(recurrent))
    states = [state]
    for segment in _real(song):
        take, keep, candidate, give = np.split(segment @ kernel + state @ recurrent + bias, 4)
        cell = _sigmoid(keep) * cell + _sigmoid(take) * np.tanh(candidate)
        state = _sigmoid(give) * np.tanh(cell)
        states.append(state)
    return states


def gru_states(weights, name, song):
    """The states of a GRU whose reset gate acts on the mapped state: the zero at its start, one after each segment."""
    kernel, recurrent = weights[f"{name}/gru_cell/kernel"], weights[f"{name}/gru_cell/recurrent_kernel"]
    bias, recurrent_bias = weights[f"{name}/gru_cell/bias"]
    states = [np.zeros(len(recurrent))]
    for segment in _real(song):
        keep, reset, candidate = np.split(segment @ kernel + bias, 3)
        held, cleared, mapped = np.split(states[-1] @ recurrent + recurrent_bias, 3)
        keep, reset = _sigmoid(keep + held), _sigmoid(reset + cleared)
        states.append(keep * states[-1] + (1 - keep) * np.tanh(candidate + reset * mapped))
    return states


def rnn_states(weights, name, song):
    """The states of a basic recurrent layer: the zero at its start and one after each real segment."""
    states = [np.zeros(len(weights[f"{name}/tanh_cell/bias"]))]
    for segment in _real(song):
        states.append(np.tanh(_affine(weights, f"{name}/tanh_cell", np.concatenate([segment, states[-1]]))))
    return states


def stabilisation(states_of_songs, beta):
    """The penalty of activation stabilisation over a batch of songs, from the states of each."""
    changes = []
    for states in states_of_songs:
        lengths = [np.sqrt((state**2).sum()) for state in states]
        changes += [(after - before) ** 2 for before, after in zip(lengths, lengths[1:], strict=False)]
    return beta * np.mean(changes)


def _snippets(weights, song, expert, *, snippets, rule):
    parts = np.array_split(song, snippets)
    heard = [not np.isnan(part).all() for part in parts]
    experts = [expert(number, part) * counts for number, (part, counts) in enumerate(zip(parts, heard, strict=True), 1)]
    posteriors = np.exp(experts) / np.exp(experts).sum(axis=1, keepdims=True)
    if rule == "weighted":
        inputs = (posteriors * np.array(heard)[:, None]).ravel()
        scores = np.exp(_affine(weights, "rule/scores", _affine(weights, "rule/hidden", inputs))) * heard
        combined = scores / scores.sum() @ posteriors
    else:
        combined = {"mean": np.mean, "product": np.prod}[rule](posteriors[heard], axis=0)
    return np.log(combined / combined.sum()), experts


def _real(song):
    return song[~np.isnan(song).any(axis=1)]


def _affine(weights, name, x):
    return x @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0)


def _normalise(weights, name, x):
    mean, variance = weights[f"{name}/moving_mean"], weights[f"{name}/moving_variance"]
    return (x - mean) / np.sqrt(variance + EPSILON) * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def _relu(x):
    return np.maximum(x, 0)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))
