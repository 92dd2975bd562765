"""The forward pass of every model in plain NumPy, song by song and segment by segment, from the descriptions alone.

Each function takes the model's weights by path (``"hidden_1/kernel"``), one song with padding as NaN, and the builder's
arguments that matter, and returns the logits. Nothing is shared with the package.
"""

from __future__ import annotations

import math

import numpy as np

EPSILON = 1e-3  # of batch normalisation


def song_statistics(song, names):
    """Statistics of each feature over the rows that are not padding."""
    real = song[~np.isnan(song).any(axis=1)]
    deltas = np.abs(np.diff(real, axis=0))
    quantiles = {"min": 0, "q10": 10, "q25": 25, "median": 50, "q75": 75, "q90": 90, "max": 100}
    found = {name: np.percentile(real, percent, axis=0) for name, percent in quantiles.items()}
    for prefix, values in (("", real), ("delta_", deltas if len(deltas) else 0 * real)):
        found[f"{prefix}mean"], found[f"{prefix}std"] = values.mean(axis=0), np.sqrt(values.var(axis=0) + 1e-6)
    return np.concatenate([found[name] for name in names])


def statistics_mlp(weights, song, *, layers, statistics=("mean", "std")):
    """`statistics_mlp`: the rows of padding are left out."""
    x = _normalise(weights, "statistics_norm", song_statistics(song, statistics))
    for number in range(1, layers + 1):
        x = _relu(_normalise(weights, f"hidden_{number}_norm", _affine(weights, f"hidden_{number}", x)))
    return _affine(weights, "logits", x)


def rbf_network(weights, song, *, statistics):
    """`rbf_network`, centre by centre."""
    x = (song_statistics(song, statistics) - weights["similarities/mean"]) * weights["similarities/scale"]
    distances = [np.mean((x - place) ** 2) for place in weights["similarities/places"]]
    similar = [np.mean([np.exp(-precision * d) for precision in (0.1, 0.3, 1, 3, 9)]) for d in distances]
    return _affine(weights, "logits", np.array(similar))


def tabular_ensemble(weights, song, *, layers, members, statistics=None, embedding=None):
    """`tabular_ensemble`, member by member; of a table the one row is read as it is."""
    x = song[0]
    if statistics:
        mean, variance = (weights[f"statistics_norm/moving_{name}"] for name in ("mean", "variance"))
        x = (song_statistics(song, statistics) - mean) / np.sqrt(variance + EPSILON)
    if embedding == "piecewise_linear":
        edges = [-0.9674216, 0.0, 0.9674216]  # the sixth, third and five sixths of a normal distribution: two bins
        parts = np.stack([np.minimum((x - edges[0]) / edges[2], 1), np.maximum((x - edges[1]) / edges[2], 0)], axis=1)
    elif embedding == "periodic":
        phase = 2 * np.pi * x[:, None] * weights["waves/kernel"]
        parts = np.concatenate([np.sin(phase), np.cos(phase)], axis=1)
    if embedding:
        embedded = [parts[f] @ kernel for f, kernel in enumerate(weights["embedding/kernel"])]
        x = (np.stack(embedded) + weights["embedding/bias"]).ravel()
        x = _relu(x) if embedding == "periodic" else x
    posteriors = []
    for member in range(members):
        h = x
        for number in range(1, layers + 1):
            part = {
                name: weights[f"hidden_{number}/{name}"] for name in ("kernel", "input_scale", "output_scale", "bias")
            }
            own = np.outer(part["input_scale"][member], part["output_scale"][member]) * part["kernel"]
            h = _relu(h @ own + part["bias"][member])
        logits = h @ weights["readout/kernel"][member] + weights["readout/bias"][member]
        posteriors.append(np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum())
    return np.log(np.mean(posteriors, axis=0))


def rocket(weights, song, *, groups):
    """`rocket`, place by place; the kernels are given, since they are no weights."""
    length, positive, largest = (~np.isnan(song).any(axis=1)).sum(), [], []
    for group in groups:
        taps, dilation = len(group.weights), group.dilation
        reach = (taps - 1) * dilation
        around = reach // 2 if group.padded else 0
        x = np.pad(song[:length], ((around, around + len(song)), (0, 0)))
        places = length if group.padded else length - reach
        found = [np.einsum("tf,tfk->k", x[p : p + reach + 1 : dilation], group.weights) for p in range(places)]
        found = np.array(found) + group.bias if found else np.full((1, len(group.bias)), -np.inf)
        positive.append(np.clip(found / 0.001 + 0.5, 0, 1).mean(axis=0))
        largest.append(np.nan_to_num(found.max(axis=0), neginf=0.0))
    return _affine(weights, "logits", np.concatenate([*positive, *largest]))


def attention_pool(weights, song, *, layers):
    """`attention_pool`: each head's softmax is over the real segments alone."""
    x = song[~np.isnan(song).any(axis=1)]
    for number in range(1, layers + 1):
        x = _relu(_affine(weights, f"hidden_{number}", x))
    return _affine(weights, "logits", _attended(weights, x))


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


def mel_cnn(weights, song, *, activation, batch_norm, pool_size, padding):
    """`mel_cnn`: padding counts as the training mean, which is zero."""
    x = np.nan_to_num(song)[..., None]
    function = {"relu": _relu, "linear": lambda x: x}[activation]
    for number in range(1, 5):
        x = _convolve(weights, f"conv_{number}", x, padding=padding)
        x = function(_normalise(weights, f"conv_{number}_norm", x) if batch_norm else x)
        x = _max_pool(x, pool_size, pool_size) if pool_size else x
    x = x.ravel()
    for number in (1, 2, 3):
        x = function(_affine(weights, f"hidden_{number}", x))
    return _affine(weights, "logits", x)


def spectrogram_cnn(weights, picture, *, layers, strides, padding):
    """`spectrogram_cnn`: strided convolutions with tanh, and one affine map of all that is left."""
    x = picture
    for number in range(1, layers + 1):
        x = np.tanh(_convolve(weights, f"conv_{number}", x, padding=padding, strides=strides))
    return _affine(weights, "logits", x.ravel())


def resnet50(weights, picture):
    """`resnet50`: bottlenecks of three convolutions beside a short cut, in stages of 3, 4, 6 and 3."""

    def layer(name, x, **options):
        return _normalise(weights, f"{name}_bn", _convolve(weights, f"{name}_conv", x, **options), epsilon=1.001e-5)

    x = np.broadcast_to(picture, (*picture.shape[:2], 3))[..., ::-1] - [103.939, 116.779, 123.68]
    x = np.pad(_relu(layer("conv1", x, padding=3, strides=2)), ((1, 1), (1, 1), (0, 0)))
    x = _max_pool(x, 3, 2)
    for stage, blocks in ((2, 3), (3, 4), (4, 6), (5, 3)):
        for block in range(1, blocks + 1):
            name, strides = f"conv{stage}_block{block}", 2 if block == 1 and stage > 2 else 1
            short = layer(f"{name}_0", x, strides=strides) if block == 1 else x
            inner = _relu(layer(f"{name}_1", x, strides=strides))
            inner = _relu(layer(f"{name}_2", inner, padding=1))
            x = _relu(short + layer(f"{name}_3", inner))
    return _affine(weights, "logits", x.mean(axis=(0, 1)))


def efficientnet_lite0(weights, picture):
    """`efficientnet_lite0`: what does not change the shape is added to what comes out."""

    def layer(name, x, size=1, strides=1, depthwise=False):
        pads = []
        for length in x.shape[:2]:
            missing = max((-(-length // strides) - 1) * strides + size - length, 0)
            pads.append((missing // 2, missing - missing // 2))
        windows = _windows(np.pad(x, (*pads, (0, 0))), size, strides)
        kernel = weights[f"{name}/kernel"]
        if depthwise:
            x = np.einsum("hwcij,ijc->hwc", windows, kernel[..., 0])
        else:
            x = np.einsum("hwcij,ijck->hwk", windows, kernel, optimize=True)
        return _normalise(weights, f"{name}_norm", x)

    def clipped(x):
        return np.minimum(_relu(x), 6)

    x = np.broadcast_to(picture, (*picture.shape[:2], 3))
    x = clipped(layer("stem", (x - 127) / 128, size=3, strides=2))
    stages = [(1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1)]
    for stage, (blocks, size, first) in enumerate(stages, start=1):
        for block in range(1, blocks + 1):
            name, strides = f"stage{stage}_block{block}", first if block == 1 else 1
            inner = clipped(layer(f"{name}_expand", x)) if stage > 1 else x
            inner = clipped(layer(f"{name}_depthwise", inner, size, strides, depthwise=True))
            inner = layer(f"{name}_project", inner)
            x = inner + x if inner.shape == x.shape else inner
    return _affine(weights, "logits", clipped(layer("head", x)).mean(axis=(0, 1)))


def vgg_tagger(weights, song, *, sizes, strides):
    """`vgg_tagger`: padding counts as silence, which is zero."""
    x = _normalise(weights, "input_norm", np.nan_to_num(song)[..., None])
    for number, (size, stride) in enumerate(zip(sizes, strides, strict=True), start=1):
        x = _normalise(weights, f"conv_{number}_norm", _relu(_convolve(weights, f"conv_{number}", x, padding=1)))
        x = np.lib.stride_tricks.sliding_window_view(x, size, axis=(0, 1))[:: stride[0], :: stride[1]].max(axis=(3, 4))
    return _affine(weights, "logits", x.ravel())


def musicnn(weights, song):
    """`musicnn`: frame by frame over the real ones, what is before and after them being zero."""
    x = _normalise(weights, "input_norm", _real(song)[..., None])[..., 0]
    parts = []
    for name in ("timbral_1", "timbral_2", "temporal_1", "temporal_2", "temporal_3"):
        kernel = weights[f"{name}/kernel"][:, :, 0]  # (frames, bands, filters)
        before = (len(kernel) - 1) // 2
        padded = np.pad(x, ((before, len(kernel) - 1 - before), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2])  # (frames, places, ...)
        found = _relu(np.einsum("tpij,ijk->tpk", windows, kernel) + weights[f"{name}/bias"])
        parts.append(_normalise(weights, f"{name}_norm", found).max(axis=1))
    parts = [np.concatenate(parts, axis=1)]
    for number in (1, 2, 3):
        padded = np.pad(parts[-1], ((3, 3), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, 7, axis=0)  # (frames, channels, 7)
        found = _relu(
            np.einsum("tci,ick->tk", windows, weights[f"conv_{number}/kernel"]) + weights[f"conv_{number}/bias"]
        )
        found = _normalise(weights, f"conv_{number}_norm", found)
        parts.append(found + parts[-1] if number > 1 else found)
    x = np.concatenate(parts, axis=1)
    x = np.stack([x.max(axis=0), x.mean(axis=0)], axis=1).ravel()  # maximum and mean of each channel in turn
    x = _relu(_affine(weights, "hidden_1", _normalise(weights, "pooled_norm", x)))
    return _affine(weights, "logits", _normalise(weights, "hidden_1_norm", x))


def transformer(weights, song, *, heads, blocks, pooling):
    """`transformer`: attention is over the real segments alone."""
    x = _affine(weights, "embedding", _real(song))
    for number in range(1, blocks + 1):
        x = x + self_attention(weights, f"block_{number}_attention", x, heads)
        x = x + feed_forward(weights, f"block_{number}_feed_forward", x, _gelu)
    return _affine(weights, "logits", _pooled(weights, _layer_norm(weights, "norm", x), pooling))


def self_attention(weights, name, x, heads):
    """What a block's attention adds: scores turn with the distance of two segments, as products of complex numbers."""
    maps = _affine(weights, f"{name}_maps", _layer_norm(weights, f"{name}_norm", x))
    parts = maps.reshape(len(x), 3, heads, -1)
    half = parts.shape[-1] // 2
    vectors = parts[..., :half] + 1j * parts[..., half:]
    found = []
    for head in range(heads):
        queries, keys = vectors[:, 0, head], vectors[:, 1, head]
        scores = np.empty((len(x), len(x)))
        for here in range(len(x)):
            for there in range(len(x)):
                turn = np.exp(1j * (here - there) * 10_000.0 ** (-np.arange(half) / half))
                scores[here, there] = (queries[here] * turn * keys[there].conj()).real.sum() / np.sqrt(2 * half)
        shares = np.exp(scores)
        found.append(shares / shares.sum(axis=1, keepdims=True) @ parts[:, 2, head])
    return _affine(weights, f"{name}_output", np.concatenate(found, axis=1))


def feed_forward(weights, name, x, activation):
    """What a block's perceptron adds."""
    hidden = activation(_affine(weights, f"{name}_hidden", _layer_norm(weights, f"{name}_norm", x)))
    return _affine(weights, f"{name}_output", hidden)


def conformer(weights, song, *, heads, blocks, pooling):
    """`conformer`: what lies before and after the real segments is zero to the convolution."""
    x = _affine(weights, "embedding", _real(song))
    for block in (f"block_{number}" for number in range(1, blocks + 1)):
        x = x + feed_forward(weights, f"{block}_first", x, _silu) / 2
        x = x + self_attention(weights, f"{block}_attention", x, heads)
        y = _layer_norm(weights, f"{block}_conv_norm", x)
        y = _affine(weights, f"{block}_conv_content", y) * _sigmoid(_affine(weights, f"{block}_conv_gate", y))
        kernel = weights[f"{block}_conv/kernel"][..., 0]  # (segments, channels), each channel by itself
        y = _convolve_in_time({**weights, "alone/kernel": np.stack([np.diag(row) for row in kernel])}, "alone", y)
        y = y + weights[f"{block}_conv/bias"]
        y = _silu(_layer_norm(weights, f"{block}_conv_inner_norm", y))
        x = x + _affine(weights, f"{block}_conv_output", y)
        x = x + feed_forward(weights, f"{block}_second", x, _silu) / 2
        x = _layer_norm(weights, f"{block}_norm", x)
    return _affine(weights, "logits", _pooled(weights, x, pooling))


def tcn(weights, song, *, dilations, pooling):
    """`tcn`: what lies before and after the real segments is zero to every convolution."""
    x = _real(song)
    for block, dilation in enumerate(dilations, start=1):
        y = x
        for name in (f"block_{block}_conv_1", f"block_{block}_conv_2"):
            y = _relu(_layer_norm(weights, f"{name}_norm", _convolve_in_time(weights, name, y, dilation)))
        x = _relu(y + (_affine(weights, f"block_{block}_shortcut", x) if x.shape != y.shape else x))
    return _affine(weights, "logits", _pooled(weights, x, pooling))


def inception_time(weights, song, *, modules, kernels, pooling):
    """`inception_time`: a maximum, like a convolution, is over the real segments alone."""
    x = before = _real(song)
    for number in range(1, modules + 1):
        name = f"module_{number}"
        reduced = _affine(weights, f"{name}_bottleneck", x)
        found = [_convolve_in_time(weights, f"{name}_conv_{place}", reduced) for place in range(1, kernels + 1)]
        largest = np.stack([x[max(segment - 1, 0) : segment + 2].max(axis=0) for segment in range(len(x))])
        found.append(_affine(weights, f"{name}_pool_map", largest))
        x = _relu(_normalise(weights, f"{name}_norm", np.concatenate(found, axis=1)))
        if number % 3 == 0:
            shortcut = _normalise(weights, f"{name}_shortcut_norm", _affine(weights, f"{name}_shortcut", before))
            before = x = _relu(x + shortcut)
    return _affine(weights, "logits", _pooled(weights, x, pooling))


def lstm(weights, song):
    """`lstm` and `stabilised_lstm`: the state after the last real segment."""
    return _affine(weights, "logits", lstm_states(weights, "lstm", song)[-1])


def bigru(weights, song, *, layers, pooling):
    """`bigru`: the second direction begins at the last real segment; each segment has a state of both."""
    x = _real(song)
    for number in range(1, layers + 1):
        forward = gru_states(weights, f"bigru_{number}/forward_gru", x)[1:]
        backward = gru_states(weights, f"bigru_{number}/backward_gru", x[::-1])[1:]
        x = np.concatenate([forward, backward[::-1]], axis=1)
    return _affine(weights, "logits", _pooled(weights, x, pooling))


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


def _pooled(weights, x, pooling):
    return _attended(weights, x) if pooling == "attention" else x.mean(axis=0)


def _attended(weights, x):
    gate = _sigmoid(x @ weights["attention/gate_kernel"] + weights["attention/gate_bias"])
    content = np.tanh(x @ weights["attention/kernel"] + weights["attention/bias"])
    shares = np.exp((content * gate) @ weights["attention/scores"])  # (segments, heads)
    return ((shares / shares.sum(axis=0)).T @ x).ravel()  # one head after the other


def _real(song):
    return song[~np.isnan(song).any(axis=1)]


def _affine(weights, name, x):
    return x @ weights[f"{name}/kernel"] + weights.get(f"{name}/bias", 0)


def _normalise(weights, name, x, epsilon=EPSILON):
    mean, variance = weights[f"{name}/moving_mean"], weights[f"{name}/moving_variance"]
    return (x - mean) / np.sqrt(variance + epsilon) * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def _layer_norm(weights, name, x, epsilon=EPSILON):
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + epsilon)
    return scaled * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def _convolve(weights, name, x, *, padding=0, strides=1):
    kernel = weights[f"{name}/kernel"]
    x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    windows = _windows(x, len(kernel), strides)  # (height, width, channels, kernel, kernel)
    return np.einsum("hwcij,ijck->hwk", windows, kernel, optimize=True) + weights.get(f"{name}/bias", 0)


def _convolve_in_time(weights, name, x, dilation=1):
    kernel, bias = weights[f"{name}/kernel"], weights.get(f"{name}/bias", 0)
    before = dilation * (len(kernel) - 1) // 2
    found = np.zeros((len(x), kernel.shape[-1])) + bias
    for segment in range(len(x)):
        for place, matrix in enumerate(kernel):
            other = segment + place * dilation - before
            if 0 <= other < len(x):
                found[segment] += x[other] @ matrix
    return found


def _max_pool(x, size, strides):
    return _windows(x, size, strides).max(axis=(3, 4))


def _windows(x, size, strides):
    return np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(0, 1))[::strides, ::strides]


def _relu(x):
    return np.maximum(x, 0)


def _silu(x):
    return x * _sigmoid(x)


def _gelu(x):
    return x * np.vectorize(lambda number: 0.5 * math.erfc(-number / math.sqrt(2)))(x)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))
