"""A second evaluator that reads model *files* by itself and imports nothing of rtfx.

Written from the formats' equations, in the files' own axis orders, so that a mistake of a reader cannot be in both.
Signals are ``(frames, features)`` float64. Deliberately plain: windows are gathered, recurrent nets step by frame.
"""

import json
import math
from pathlib import Path

import numpy as np

PREWARM_RECURRENT = 2048


def evaluate_file(path, x, knobs=None, sample_rate=None, cold=False):
    """Return the bare output ``(outputs, frames)`` of the model in a file for audio ``x``, ``(channels, frames)``.

    `knobs` holds values by name; knobs not named stand at their default.
    """
    data = json.loads(Path(path).read_text())
    x = np.atleast_2d(np.asarray(x, np.float64)).T
    if data.get("format") == "rtfx":
        run, prewarm = _rtfx(data, knobs or {}, sample_rate)
    else:
        run, prewarm = _keras(data, knobs or {}, sample_rate)
    if cold:
        return run(x).T
    return run(np.vstack([np.zeros((prewarm, x.shape[1])), x]))[prewarm:].T


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


FUNCTIONS = {
    "": lambda x: x,
    "tanh": np.tanh,
    "relu": lambda x: x * (x > 0),
    "sigmoid": sigmoid,
    "softmax": softmax,
    "elu": elu,
}


def causal_windows(x, taps, dilation):
    """Return (frames, taps, features): for each frame the inputs that a causal convolution reads, the oldest first."""
    frames = len(x)
    index = np.arange(frames)[:, None] - dilation * np.arange(taps - 1, -1, -1)[None, :]
    return np.where(index[..., None] >= 0, x[np.maximum(index, 0)], 0.0)


def keras_conv1d(x, kernel, bias, dilation, groups):
    """kernel[taps][in/groups][out]: output channel o belongs to group o // (out/groups)."""
    taps, per_group, outputs = kernel.shape
    windows = causal_windows(x, taps, dilation)
    y = np.empty((len(x), outputs))
    for o in range(outputs):
        first = (o // (outputs // groups)) * per_group
        y[:, o] = np.einsum("tkc,kc->t", windows[:, :, first : first + per_group], kernel[:, :, o]) + bias[o]
    return y


def keras_conv2d(layer, x, kernel, bias=0.0):
    """kernel[time][feature][in][out]; time is causal, features are padded as `padding` says."""
    taps, reach = kernel.shape[:2]
    image = x.reshape(len(x), layer["num_features_in"], layer["num_filters_in"])
    stride, features = layer["strides"], image.shape[1]
    if layer["padding"] == "same":
        total = max((math.ceil(features / stride) - 1) * stride + reach - features, 0)
        image = np.pad(image, ((0, 0), (total // 2, total - total // 2), (0, 0)))
    past = (taps - 1) * layer["dilation"]
    image = np.pad(image, ((past, 0), (0, 0), (0, 0)))
    columns = []
    for start in range(0, image.shape[1] - reach + 1, stride):
        column = np.zeros((len(x), kernel.shape[3])) + bias
        for tap in range(taps):
            part = image[tap * layer["dilation"] :][: len(x), start : start + reach]
            column += np.tensordot(part, kernel[tap], 2)
        columns.append(column)
    return np.hstack(columns)


def keras_gru(x, kernel, recurrent, bias):
    """Gate columns z, r, h; bias row 0 with the input, row 1 inside the reset product."""
    units = recurrent.shape[0]
    z_, r_, h_ = slice(0, units), slice(units, 2 * units), slice(2 * units, 3 * units)
    h = np.zeros(units)
    out = []
    for frame in x:
        a = frame @ kernel + bias[0]
        b = h @ recurrent + bias[1]
        z = sigmoid(a[z_] + b[z_])
        r = sigmoid(a[r_] + b[r_])
        candidate = np.tanh(a[h_] + r * b[h_])
        h = (1 - z) * candidate + z * h
        out.append(h)
    return np.array(out)


def keras_lstm(x, kernel, recurrent, bias, h=None, c=None):
    """Gate columns i, f, c, o."""
    units = recurrent.shape[0]
    h = np.zeros(units) if h is None else h
    c = np.zeros(units) if c is None else c
    out = []
    for frame in x:
        z = frame @ kernel + h @ recurrent + bias
        i, f, g, o = (z[k * units : (k + 1) * units] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def keras_layer(layer, x):
    """Apply one layer of an RTNeural file."""
    kind, name = layer["type"], layer.get("activation")
    w = [np.array(t, float) for t in layer.get("weights", [])]
    if kind in ("dense", "time-distributed-dense"):
        if name is None:
            name = "tanh" if kind == "time-distributed-dense" else ""
        return FUNCTIONS[name](x @ w[0] + (w[1] if len(w) > 1 else 0.0))
    if kind == "conv1d":
        (dilation,) = np.atleast_1d(layer["dilation"])
        bias = w[1] if len(w) > 1 else np.zeros(w[0].shape[2])
        return FUNCTIONS[name or ""](keras_conv1d(x, w[0], bias, int(dilation), layer.get("groups", 1)))
    if kind == "conv2d":
        return FUNCTIONS[name or ""](keras_conv2d(layer, x, *w))
    if kind == "batchnorm2d":
        flat = layer | {"type": "batchnorm", "weights": [np.tile(t, layer["num_features_in"]) for t in w]}
        return keras_layer(flat, x)
    if kind == "gru":
        return keras_gru(x, *w)
    if kind == "lstm":
        return keras_lstm(x, *w)
    if kind == "prelu":
        return np.where(x < 0, w[0][0] * x, x)
    if kind == "batchnorm":
        gamma, beta, mean, variance = w if len(w) == 4 else (1.0, 0.0, *w)
        return gamma * (x - mean) / np.sqrt(variance + layer["epsilon"]) + beta
    assert kind == "activation", kind
    return FUNCTIONS[name](x)


def _keras(data, knobs, sample_rate):
    """Return the function of an RTNeural, KlonCentaur or AIDA-X file, and its prewarm."""
    layers, width = data["layers"], math.prod(data["in_shape"][2 if len(data["in_shape"]) == 4 else -1 :])
    types = [layer["type"] for layer in layers]
    recurrent = "gru" in types or "lstm" in types
    aidax = any(key in data for key in ("in_skip", "in_gain", "out_gain", "input_batch", "metadata", "samplerate"))
    klon = types == ["time-distributed-dense", "gru", "dense"] and all("activation" not in layer for layer in layers)
    if aidax:
        extra = [knobs.get("param1", 0.0), knobs.get("param2", 0.0)][: width - 1]
    elif klon:
        extra = [knobs.get("gain", 0.5), 1.0 / sample_rate if sample_rate else math.nan]
    elif recurrent and width <= 3:
        extra = [knobs.get("drive", 0.5), knobs.get("tone", 0.5)][: width - 1]
    else:
        extra = []
    convolutions = [layer for layer in layers if layer["type"] in ("conv1d", "conv2d")]
    lookback = sum((len(layer["weights"][0]) - 1) * int(np.ravel(layer["dilation"])[0]) for layer in convolutions)

    def decibels(key):
        value = data.get(key, 0.0) if aidax else 0.0
        return 10.0 ** (value / 20.0) if value > -90 else 0.0

    def run(x):
        dry = x * decibels("in_gain")
        signal = np.hstack([dry, np.broadcast_to(extra, (len(x), len(extra)))])
        for layer in layers:
            signal = keras_layer(layer, signal)
        if aidax and data.get("in_skip", 0) == 1:
            signal = signal + dry
        return signal * decibels("out_gain")

    return run, PREWARM_RECURRENT if recurrent else lookback + 1


def _rtfx(data, knobs, sample_rate):
    """Return the function of an rtfx JSON file, and its prewarm."""
    nodes = data["nodes"]
    defaults = {knob["name"]: knob.get("default", 0.5) for knob in data.get("knobs", [])}
    values = {**defaults, **knobs}
    prewarm = data.get("prewarm", "auto")
    if prewarm == "auto":
        recurrent = any(node["op"] in ("gru", "lstm", "rnn") for node in nodes)
        prewarm = PREWARM_RECURRENT if recurrent else 1 + _lookback(nodes, len(nodes) - 1)
        period = math.lcm(*(node["stride"] for node in nodes if node["op"] == "hold"))
        prewarm = -(-prewarm // period) * period

    def run(x):
        signals, used = [], 0
        for node in nodes:
            if node["op"] == "input":
                role, channels = node.get("role", "audio"), node.get("channels", 1)
                if role == "audio":
                    signals.append(x[:, used : used + channels])
                    used += channels
                else:
                    constant = values[node["name"]] if role == "knob" else 1.0 / sample_rate
                    signals.append(np.full((len(x), 1), float(constant)))
            else:
                signals.append(torch_node(node, [signals[s] for s in node["sources"]]))
        return signals[-1]

    return run, prewarm


def _lookback(nodes, index):
    """Frames before the present that node `index` depends on."""
    node = nodes[index]
    own = (len(node["weight"][0][0]) - 1) * node.get("dilation", 1) if node["op"] == "conv1d" else 0
    if node["op"] == "hold" and node.get("between", "last") == "last":
        own = node["stride"] - 1
    return own + max((_lookback(nodes, source) for source in node.get("sources", [])), default=0)


def torch_node(node, sources):
    """Apply one node of an rtfx JSON file; tensors are in PyTorch's orders."""
    op, x = node["op"], sources[0]
    t = {key: np.array(value, float) for key, value in node.items() if isinstance(value, list) and key != "sources"}
    if op == "dense":
        return x @ t["weight"].T + t["bias"]
    if op == "conv1d":
        kernel = np.transpose(t["weight"], (2, 1, 0))
        return keras_conv1d(x, kernel, t["bias"], node.get("dilation", 1), node.get("groups", 1))
    if op == "lstm":
        return keras_lstm(x, t["weight_ih"].T, t["weight_hh"].T, t["bias"], t.get("h0"), t.get("c0"))
    if op == "gru":
        return torch_gru(x, t)
    if op == "activation":
        return torch_activation(node, x)
    if op == "rnn":
        return torch_rnn(x, t)
    if op == "prelu":
        return np.where(x < 0, t["alpha"] * x, x)
    if op == "affine":
        return x * t["scale"] + t["shift"]
    if op == "add":
        return sum(sources)
    if op == "mul":
        return math.prod(sources)
    if op == "hold":
        return torch_hold(node, x)
    if op == "slice":
        return x[:, node["start"] : node["stop"]]
    assert op == "concat", op
    return np.hstack(sources)


def torch_hold(node, x):
    """Every stride-th frame; between them the last such or zero."""
    out, last = np.zeros_like(x), np.zeros(x.shape[1])
    for t, frame in enumerate(x):
        taken = t >= node.get("phase", 0) and (t - node.get("phase", 0)) % node["stride"] == 0
        last = frame if taken else last
        out[t] = last if taken or node.get("between", "last") == "last" else 0.0
    return out


def torch_gru(x, t):
    """Gate rows r, z, n."""
    h = t["h0"] if "h0" in t else np.zeros(t["weight_hh"].shape[1])
    out = []
    for frame in x:
        ir, iz, i_n = np.split(t["weight_ih"] @ frame + t["bias_ih"], 3)
        hr, hz, hn = np.split(t["weight_hh"] @ h + t["bias_hh"], 3)
        z = sigmoid(iz + hz)
        h = (1 - z) * np.tanh(i_n + sigmoid(ir + hr) * hn) + z * h
        out.append(h)
    return np.array(out)


def torch_rnn(x, t):
    h = t["h0"] if "h0" in t else np.zeros(t["weight_hh"].shape[1])
    out = []
    for frame in x:
        h = np.tanh(np.hstack([t["weight_ih"], t["weight_hh"]]) @ np.hstack([frame, h]) + t["bias"])
        out.append(h)
    return np.array(out)


def torch_activation(node, x):
    kind = node.get("kind", "tanh")
    slope = node.get("slope", {"leaky_relu": 0.01, "hardtanh": 0.0, "softshrink": 0.5}.get(kind, 1.0))
    if kind == "leaky_relu":
        return np.where(x < 0, slope * x, x)
    if kind == "elu":
        return elu(x, slope)
    if kind == "sine":
        return np.sin(slope * x)
    if kind == "hardtanh":
        low, high = node.get("low", -1.0), node.get("high", 1.0)
        inside = np.clip(x, low, high)
        return inside + slope * np.minimum(x - low, 0) + node.get("slope_high", 0.0) * np.maximum(x - high, 0)
    if kind == "softshrink":
        return np.sign(x) * np.maximum(np.abs(x) - slope, 0)
    if kind == "fasttanh":
        return nam_fasttanh(x)
    if kind == "silu":
        return x / (1 + np.exp(-x))
    if kind == "hardswish":
        return np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6))
    if kind == "softsign":
        return np.where(x < 0, x / (1 - x), x / (1 + x))
    if kind == "selu":
        return 1.0507009873554804934 * elu(x, 1.6732632423543772848)
    if kind == "gelu":
        return x * np.vectorize(lambda v: 1 - math.erfc(v / math.sqrt(2)) / 2)(x)
    if kind == "softplus":
        return np.where(x > 20, x, np.logaddexp(0, x))
    return FUNCTIONS[kind](x)


def nam_fasttanh(x):
    a, s = np.abs(x), x**2
    top = x * (2.45550750702956 + 2.45550750702956 * a + (0.893229853513558 + 0.821226666969744 * a) * s)
    return top / (2.44506634652299 + (2.44506634652299 + s) * np.abs(x + 0.814642734961073 * x * a))
