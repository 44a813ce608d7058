"""Second evaluators of the guitar families' files, importing nothing of rtfx: written from the formats' equations.

As in reference.py: signals are ``(frames, features)`` float64, tensors stay in the file's own order, plain loops.
"""

import json
from pathlib import Path

import numpy as np

from .reference import PREWARM_RECURRENT, causal_windows, keras_lstm, sigmoid, torch_gru

KNOBS = ("drive", "tone")


def evaluate_more(path, x, knobs=None, cold=False, arch=None):
    """Return the bare output ``(outputs, frames)`` of the model in a file for audio ``x``, ``(frames,)``.

    `knobs` holds values by name, 0.5 where it does not; `arch` is the description of a state_dict file.
    """
    data = json.loads(Path(path).read_text())
    values = [(knobs or {}).get(name, 0.5) for name in KNOBS]
    if "model_data" in data and data["model_data"]["model"] == "GatedConvNet":
        run, prewarm = gated_conv_net(data)
    elif "model_data" in data or "unit_type" in data:
        run, prewarm = agam(data, values)
    elif "input_size" in data:
        run, prewarm = smart_amp_pro(data), data["input_size"]
    elif "variables" in data:
        run, prewarm = wavenet_va(data, values)
    else:
        raise AssertionError("no family of these")
    x = np.asarray(x, np.float64).T  # (frames,) or, of several channels, (frames, channels)
    if cold:
        return run(x).T
    return run(np.concatenate([np.zeros((prewarm, *x.shape[1:])), x]))[prewarm:].T


def tensors(data):
    return {name: np.array(value, float) for name, value in data.items()}


def torch_stack(x, state, prefix, unit, layers):
    """Apply the layers of a torch.nn.LSTM, GRU or RNN."""
    for n in range(layers):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        t = {name: state[f"{prefix}{name}_l{n}"] for name in names if f"{prefix}{name}_l{n}" in state}
        rows = len(t["weight_ih"])
        t = {"bias_ih": np.zeros(rows), "bias_hh": np.zeros(rows)} | t
        if unit == "LSTM":
            x = keras_lstm(x, t["weight_ih"].T, t["weight_hh"].T, t["bias_ih"] + t["bias_hh"])
        elif unit == "GRU":
            x = torch_gru(x, t)
        else:
            h, out = np.zeros(rows), []
            for frame in x:
                h = np.tanh(t["weight_ih"] @ frame + t["bias_ih"] + t["weight_hh"] @ h + t["bias_hh"])
                out.append(h)
            x = np.array(out)
    return x


def rnn_block(x, state, prefix, unit, layers, skip):
    y = torch_stack(x, state, f"{prefix}rec.", unit, layers) @ state[f"{prefix}lin.weight"].T
    y = y + state.get(f"{prefix}lin.bias", 0.0)
    return y + x[:, :skip] if skip else y


def agam(data, knobs):
    """Return the function of a SimpleRNN, a RecNet or a legacy file with its weights."""
    state = tensors(data["state_dict"])
    model = data.get("model_data", {"model": "legacy"})
    if model["model"] == "SimpleRNN":
        blocks = [("", model["unit_type"], model.get("num_layers", 1), model.get("skip", 1))]
        width, whole = model["input_size"], 0
    elif model["model"] == "legacy":
        blocks, width, whole = [("layers.0.", data["unit_type"], data["num_layers"], 1)], data["in_size"], 0
    else:
        parts = [data["blocks"][str(i)] for i in range(len(data["blocks"]))]
        blocks = [
            (f"layers.block_{i}.", part["block_type"], part.get("num_layers", 1), part.get("skip", 1))
            for i, part in enumerate(parts, 1)
        ]
        width, whole = parts[0]["input_size"], model["skip"]

    def run(audio):
        channels = audio.shape[1] if audio.ndim > 1 else 1
        x = np.column_stack([audio] + [np.full(len(audio), knobs[i]) for i in range(width - channels)])
        y = x
        for prefix, unit, layers, skip in blocks:
            y = rnn_block(y, state, prefix, unit, layers, skip)
        return y + x[:, :whole] if whole else y

    return run, PREWARM_RECURRENT


def torch_convolution(x, weight, bias, dilation):
    """weight[out][in][taps], tap 0 the oldest."""
    return np.einsum("tki,oik->to", causal_windows(x, weight.shape[2], dilation), weight) + bias


def gated_conv_net(data):
    model, state = data["model_data"], tensors(data["state_dict"])
    channels, layers, taps = model["channels"], model["layers"], model["kernel_size"]
    dilations = [model["dilation_growth"] ** layer for layer in range(layers)]

    def run(audio):
        x, mix = audio[:, None], []
        for block in range(model["blocks"]):
            for layer, dilation in enumerate(dilations):
                prefix = f"blocks.{block}.layers.{layer}."
                y = torch_convolution(x, state[f"{prefix}conv.weight"], state[f"{prefix}conv.bias"], dilation)
                z = np.tanh(y[:, :channels]) * sigmoid(y[:, channels:])
                mix.append(z)
                x = torch_convolution(z, state[f"{prefix}mix.weight"], state[f"{prefix}mix.bias"], 1) + x
        head = f"blocks.{model['blocks']}."
        return torch_convolution(np.hstack(mix), state[f"{head}weight"], state[f"{head}bias"], 1)

    return run, 1 + model["blocks"] * (taps - 1) * sum(dilations)


def softsign(x):
    return x / (1.0 + np.abs(x))


WAVENET_VA = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.where(x > 0, x, 0.0),
    "softsign": softsign,
    "linear": lambda x: x,
    "gated": lambda x: np.tanh(x[:, : x.shape[1] // 2]) * sigmoid(x[:, x.shape[1] // 2 :]),
    "softgated": lambda x: softsign(x[:, : x.shape[1] // 2]) * softsign(x[:, x.shape[1] // 2 :]),
}


def wavenet_va(data, knobs):
    """Flat kernels are [tap][in][out]."""
    flat = {(v["layer_idx"], v["name"]): np.array([float(n) for n in v["data"]]) for v in data["variables"]}
    channels, taps, dilations = data["residual_channels"], data["filter_width"], data["dilations"]
    activation = WAVENET_VA[data["activation"]]
    last = len(dilations)

    def run(audio):
        x = np.column_stack([audio] + [np.full(len(audio), knobs[0])] * (data["input_channels"] - 1))
        x = x @ flat[-1, "W"].reshape(-1, channels) + flat[-1, "b"]
        skips = []
        for layer, dilation in enumerate(dilations):
            kernel = flat[layer, "W_conv"].reshape(taps, channels, -1)
            z = np.einsum("tki,kio->to", causal_windows(x, taps, dilation), kernel) + flat[layer, "b_conv"]
            skips.append(activation(z))
            x = skips[-1] @ flat[layer, "W_out"].reshape(channels, channels) + flat[layer, "b_out"] + x
        return np.hstack(skips) @ flat[last, "W"].reshape(channels * last, -1) + flat[last, "b"]

    return run, 1 + (taps - 1) * sum(dilations)


def keras_same(x, kernel, bias, stride):
    """A Keras convolution of one window ``(frames, features)`` with padding "same"."""
    taps, frames = len(kernel), len(x)
    total = max((-(-frames // stride) - 1) * stride + taps - frames, 0)
    x = np.vstack([np.zeros((total // 2, x.shape[1])), x, np.zeros((total - total // 2, x.shape[1]))])
    starts = range(0, len(x) - taps + 1, stride)
    return np.array([np.tensordot(x[start : start + taps], kernel, 2) + bias for start in starts])


def smart_amp_pro(data):
    """The whole network, window by window."""
    part = {name: tensors(data[name]) for name in ("conv1d", "conv1d_1", "dense")}
    lstm = {name.split(":")[0]: np.array(value, float) for name, value in data["lstm"].items() if ":" in name}
    recurrent = lstm.get("recurrent_kernel", np.zeros((len(lstm["bias"]) // 4, len(lstm["bias"]))))

    def run(audio):
        padded = np.concatenate([np.zeros(data["input_size"] - 1), audio])
        out = []
        for t in range(len(audio)):
            v = padded[t : t + data["input_size"], None]
            for name in ("conv1d", "conv1d_1"):
                v = keras_same(v, part[name]["kernel:0"], part[name]["bias:0"], data.get(f"{name}_stride", 12))
            h = keras_lstm(v, lstm["kernel"], recurrent, lstm["bias"])[-1]
            out.append(h @ part["dense"]["kernel:0"] + part["dense"]["bias:0"])
        return np.array(out)

    return run


def valid_convolution(x, weight, bias, stride=1, dilation=1, groups=1):
    """torch.nn.Conv1d without padding; weight[out][in/groups][taps]."""
    outputs, per_group, taps = weight.shape
    starts = range(0, len(x) - (taps - 1) * dilation, stride)
    rows = []
    for start in starts:
        window = x[start : start + (taps - 1) * dilation + 1 : dilation]
        row = []
        for o in range(outputs):
            first = o // (outputs // groups) * per_group
            row.append(np.sum(window[:, first : first + per_group].T * weight[o]) + bias[o])
        rows.append(row)
    return np.array(rows)


def transposed_convolution(x, weight, bias, stride=1, dilation=1, groups=1):
    """torch.nn.ConvTranspose1d without padding; weight[in][out/groups][taps]."""
    inputs, per_group, taps = weight.shape
    y = np.zeros(((len(x) - 1) * stride + (taps - 1) * dilation + 1, per_group * groups)) + bias
    for n, frame in enumerate(x):
        for i in range(inputs):
            first = i // (inputs // groups) * per_group
            for k in range(taps):
                y[n * stride + k * dilation, first : first + per_group] += frame[i] * weight[i, :, k]
    return y
