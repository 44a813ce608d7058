"""A second evaluator of NAM files, which imports nothing of rtfx.

Written from the format's equations alone: every architecture is a function of a whole signal ``(frames, features)`` in
float64. Weights come off a tape in the file's order; an endless tape counts how many a config asks for.
"""

import json
import math
from pathlib import Path

import numpy as np

from .reference_nam_layers import LayerArray, activation, convolve, sigmoid


def evaluate_nam(file, x, cold=False, size=1.0, old_post_film=False):
    """Return ``(outputs, frames)`` for audio ``(channels, frames)``; `file` is a path or a parsed model."""
    model = file if isinstance(file, dict) else json.loads(Path(file).read_text())
    run, zeros = build(model, size, old_post_film)
    x = np.atleast_2d(np.asarray(x, np.float64)).T
    if cold:
        return run(x).T
    return run(np.vstack([np.zeros((zeros, x.shape[1])), x]))[zeros:].T


def count_weights(architecture, config):
    """Return how many weights a config asks for."""
    tape = Endless()
    READERS[architecture](config, tape, 48000.0, 1.0, False)
    return tape.used


class Tape:
    """Weights in the order of the file, single precision as in every player."""

    def __init__(self, values):
        self.values, self.used = np.asarray(values, np.float32).astype(np.float64), 0

    def take(self, *shape):
        n = math.prod(shape)
        part = self.values[self.used : self.used + n]
        self.used += n
        assert len(part) == n, f"weights end at {len(self.values)}, expected more than {self.used}"
        return part.reshape(shape)


class Endless(Tape):
    def __init__(self):
        super().__init__([])

    def take(self, *shape):
        self.used += math.prod(shape)
        return np.ones(shape)


def build(model, size, old):
    """Return the function of a complete model, and how many zeros it wants first."""
    tape = Tape(model["weights"])
    run, zeros = READERS[model["architecture"]](model["config"], tape, model.get("sample_rate") or 48000.0, size, old)
    assert tape.used == len(tape.values), f"{len(tape.values) - tape.used} weights left over"
    return run, zeros


def linear(config, tape, rate, size, old):
    n = config["receptive_field"]
    h = tape.take(n)
    bias = tape.take(1)[0] if config["bias"] else 0.0

    def run(x):
        return np.stack([np.convolve(column, h)[: len(column)] + bias for column in x.T], axis=1)

    return run, 0


def convnet(config, tape, rate, size, old):
    channels, groups, width = config["channels"], config.get("groups", 1), config.get("in_channels", 1)
    blocks = []
    for dilation in config["dilations"]:
        weight = tape.take(channels, width // groups, 2)
        bias = None if config["batchnorm"] else tape.take(channels)
        norm = [tape.take(channels) for _ in range(4)] + [tape.take(1)] if config["batchnorm"] else None
        blocks.append((weight, bias, dilation, norm))
        width = channels
    outputs = config.get("out_channels", 1)
    head, head_bias = tape.take(outputs, channels), tape.take(outputs)
    act = activation(config["activation"])

    def run(x):
        for weight, bias, dilation, norm in blocks:
            x = convolve(x, weight, bias, dilation)
            if norm:
                mean, var, gamma, beta, eps = norm
                x = (x - mean) / np.sqrt(var + eps) * gamma + beta
            x = act(x)
        return x @ head.T + head_bias

    return run, 1 + sum(config["dilations"])


def lstm(config, tape, rate, size, old):
    hidden, width = config["hidden_size"], config["input_size"]
    layers = []
    for _ in range(config["num_layers"]):
        layers.append(
            [tape.take(*shape) for shape in ((4 * hidden, width + hidden), (4, hidden), (hidden,), (hidden,))]
        )
        width = hidden
    outputs = config.get("out_channels", 1)
    head, head_bias = tape.take(outputs, hidden), tape.take(outputs)

    def run(x):
        for weight, bias, h, c in layers:
            y = []
            for frame in x:
                i, f, g, o = (weight @ np.concatenate([frame, h])).reshape(4, hidden) + bias
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
                y.append(h)
            x = np.array(y)
        return x @ head.T + head_bias

    return run, int(0.5 * rate)


def wavenet(config, tape, rate, size, old):
    arrays = [LayerArray(entry, tape) for entry in config["layers"]]
    post, width = [], arrays[-1].head.shape[0]
    if config.get("head"):
        head = config["head"]
        for i, k in enumerate(head["kernel_sizes"]):
            n = head["out_channels"] if i + 1 == len(head["kernel_sizes"]) else head["channels"]
            post.append((tape.take(n, width, k), tape.take(n)))
            width = n
    scale = tape.take(1)[0]
    inner, zeros = None, 1
    if config.get("condition_dsp"):
        if isinstance(tape, Endless):
            inner = None
        else:
            inner, zeros = build(config["condition_dsp"], 1.0, old)
    zeros += sum(array.lookback for array in arrays) + sum(weight.shape[2] - 1 for weight, _ in post)
    counts = [entry["channels"] for entry in config["layers"]]
    if size < 1.0:
        for i, entry in enumerate(config["layers"]):
            if entry.get("slimmable"):
                allowed = (entry["slimmable"].get("kwargs") or {}).get("allowed_channels")
                allowed = allowed or list(range(1, counts[i] + 1))
                counts[i] = allowed[min(math.floor(size * len(allowed)), len(allowed) - 1)]
        for i, array in enumerate(arrays):
            inputs = array.config["input_size"] if i == 0 else counts[i - 1]
            array.slim(inputs, counts[i], counts[i + 1] if i + 1 < len(arrays) else array.head.shape[0])

    def run(x):
        c = x if inner is None else inner(x)
        v, total = x, 0.0
        for array in arrays:
            v, total = array.run(v, total, c, old)
        total = scale * total
        for weight, bias in post:
            total = convolve(activation(config["head"]["activation"])(total), weight, bias)
        return total

    return run, zeros


def container(config, tape, rate, size, old):
    models = config["submodels"]
    chosen = next((entry for entry in models if size < entry["max_value"]), models[-1])
    return build(chosen["model"], 1.0, old)


def sequential(config, tape, rate, size, old):
    parts = [build(model, size, old) for model in config["models"]]

    def run(x):
        for part, _ in parts:
            x = part(x)
        return x

    return run, sum(zeros for _, zeros in parts)


READERS = {
    "Linear": linear,
    "ConvNet": convnet,
    "LSTM": lstm,
    "WaveNet": wavenet,
    "SlimmableContainer": container,
    "Sequential": sequential,
}
