"""Small files of the guitar families made from a seed, for tests without the shared files."""

import numpy as np

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def filled(rng, shapes, scale=0.5):
    """Return nested lists of noise by name."""
    return {name: rng.normal(0, scale, shape).tolist() for name, shape in shapes.items()}


def rnn_shapes(prefix, unit, inputs, hidden, layers=1):
    """Return the shapes of a torch.nn.LSTM, GRU or RNN by name."""
    rows, shapes = GATES[unit] * hidden, {}
    for n in range(layers):
        shapes[f"{prefix}weight_ih_l{n}"] = (rows, inputs if n == 0 else hidden)
        shapes[f"{prefix}weight_hh_l{n}"] = (rows, hidden)
        shapes |= {f"{prefix}bias_{name}_l{n}": (rows,) for name in ("ih", "hh")}
    return shapes


def simple_rnn(rng, unit="LSTM", inputs=1, hidden=6, layers=1, skip=1, bias=True, outputs=1, **keys):
    """Return the parsed form of an Automated-GuitarAmpModelling file."""
    shapes = rnn_shapes("rec.", unit, inputs, hidden, layers) | {"lin.weight": (outputs, hidden)}
    if bias:
        shapes["lin.bias"] = (outputs,)
    model = {
        "model": "SimpleRNN", "unit_type": unit, "input_size": inputs, "hidden_size": hidden, "output_size": outputs,
        "num_layers": layers, "skip": skip, "bias_fl": bias,
    }  # fmt: skip
    return {"model_data": model | keys, "state_dict": filled(rng, shapes)}


def recnet(rng, *blocks, skip=0):
    """Return a RecNet of blocks ``(unit, inputs, hidden, outputs, further keys)``."""
    described, shapes = {}, {}
    for i, (unit, inputs, hidden, outputs, keys) in enumerate(blocks):
        entry = {"block_type": unit, "input_size": inputs, "hidden_size": hidden, "output_size": outputs}
        described[str(i)] = entry | keys
        prefix = f"layers.block_{i + 1}."
        shapes |= rnn_shapes(f"{prefix}rec.", unit, inputs, hidden, keys.get("num_layers", 1))
        shapes[f"{prefix}lin.weight"] = (outputs, hidden)
        if keys.get("lin_bias"):
            shapes[f"{prefix}lin.bias"] = (outputs,)
    return {"model_data": {"model": "RecNet", "skip": skip}, "blocks": described, "state_dict": filled(rng, shapes)}


def legacy(rng, unit="LSTM", inputs=2, hidden=5):
    """Return a legacy CoreAudioML description with its weights."""
    shapes = rnn_shapes("layers.0.rec.", unit, inputs, hidden)
    shapes |= {"layers.0.lin.weight": (1, hidden), "layers.0.lin.bias": (1,)}
    data = {"unit_type": unit, "in_size": inputs, "hidden_size": hidden, "num_layers": 1, "cur_epoch": 3, "pedal": "x"}
    return data | {"state_dict": filled(rng, shapes)}


def gated_conv_net(rng, blocks=2, layers=3, channels=4, taps=3, growth=2):
    """Return a GatedConvNet."""
    shapes = {}
    for block in range(blocks):
        for layer in range(layers):
            prefix, inputs = f"blocks.{block}.layers.{layer}.", 1 if block == layer == 0 else channels
            shapes[f"{prefix}conv.weight"] = (2 * channels, inputs, taps)
            shapes[f"{prefix}conv.bias"] = (2 * channels,)
            shapes[f"{prefix}mix.weight"] = (channels, channels, 1)
            shapes[f"{prefix}mix.bias"] = (channels,)
    shapes[f"blocks.{blocks}.weight"] = (1, channels * layers * blocks, 1)
    shapes[f"blocks.{blocks}.bias"] = (1,)
    model = {
        "model": "GatedConvNet", "layers": layers, "channels": channels, "dilation_growth": growth,
        "kernel_size": taps, "blocks": blocks,
    }  # fmt: skip
    return {"model_data": model, "state_dict": filled(rng, shapes)}


def agam_files():
    """Return one file of every form of Automated-GuitarAmpModelling, by name."""
    rng = np.random.default_rng(11)
    files = {f"simple-{unit}": simple_rnn(rng, unit) for unit in GATES}
    files |= {f"deep-{unit}": simple_rnn(rng, unit, inputs=2, layers=3, skip=0) for unit in GATES}
    files |= {
        "simple-no-bias": simple_rnn(rng, bias=False),
        "simple-two-knobs": simple_rnn(rng, "GRU", inputs=3),
        "simple-two-outputs": simple_rnn(rng, outputs=2),
        "simple-skip-both": simple_rnn(rng, inputs=2, outputs=2, skip=2),
        "recnet": recnet(rng, ("LSTM", 2, 5, 1, {"lin_bias": True}), ("GRU", 1, 4, 1, {"skip": 0, "num_layers": 2})),
        "recnet-skip": recnet(rng, ("RNN", 2, 5, 3, {}), ("GRU", 3, 4, 2, {"lin_bias": True}), skip=1),
        "legacy": legacy(rng),
        "gated": gated_conv_net(rng),
        "gated-one-channel": gated_conv_net(rng, blocks=1, layers=2, channels=1, growth=3),
        "gated-one-layer": gated_conv_net(rng, blocks=1, layers=1, channels=3),
    }
    return files


def wavenet_va(
    rng, activation="gated", inputs=1, channels=4, taps=3, dilations=(1, 2, 4), outputs=1, text=False, **keys
):
    """Return the parsed form of a WaveNetVA file; `text` writes the numbers as strings, as PedalNetRT does."""
    doubled = 2 * channels if activation in ("gated", "softgated") else channels
    sizes = {(-1, "W"): inputs * channels, (-1, "b"): channels}
    for layer in range(len(dilations)):
        sizes |= {(layer, "W_conv"): taps * channels * doubled, (layer, "b_conv"): doubled}
        sizes |= {(layer, "W_out"): channels * channels, (layer, "b_out"): channels}
    sizes |= {(len(dilations), "W"): channels * len(dilations) * outputs, (len(dilations), "b"): outputs}
    variables = []
    for (layer, name), size in sizes.items():
        values = rng.normal(0, 0.5, size).tolist()
        variables.append({"layer_idx": layer, "name": name, "data": [str(v) for v in values] if text else values})
    return {
        "activation": activation, "input_channels": inputs, "output_channels": outputs, "residual_channels": channels,
        "filter_width": taps, "dilations": list(dilations), "variables": variables,
    } | keys  # fmt: skip


def wavenet_va_files():
    """Return one WaveNetVA file of every activation and form, by name."""
    rng = np.random.default_rng(12)
    kinds = ("tanh", "sigmoid", "relu", "softsign", "linear", "gated", "softgated")
    files = {kind: wavenet_va(rng, kind) for kind in kinds}
    return files | {
        "strings": wavenet_va(rng, text=True),
        "conditioned": wavenet_va(rng, inputs=2, text=True),
        "two-outputs": wavenet_va(rng, outputs=2),
        "one-layer": wavenet_va(rng, dilations=(3,), taps=2),
        "one-channel": wavenet_va(rng, "tanh", channels=1),
        "level-adjust": wavenet_va(rng, text=True, level_adjust=5.0),
    }


def smartamppro(rng, frames=24, channels=(3, 2), taps=(4, 4), strides=(4, 6), hidden=5, recurrent=False):
    """Return the parsed form of a SmartAmpPro file."""
    lstm = {"kernel:0": (channels[1], 4 * hidden), "bias:0": (4 * hidden,)}
    if recurrent:
        lstm["recurrent_kernel:0"] = (hidden, 4 * hidden)
    data = {
        "conv1d": filled(rng, {"kernel:0": (taps[0], 1, channels[0]), "bias:0": (channels[0],)}),
        "conv1d_1": filled(rng, {"kernel:0": (taps[1], *channels), "bias:0": (channels[1],)}),
        "lstm": filled(rng, lstm) | ({} if recurrent else {"lstm_cell": []}),
        "dense": filled(rng, {"kernel:0": (hidden, 1), "bias:0": (1,)}),
        "input_size": frames,
    }
    names = ("conv1d_stride", "conv1d_1_stride")
    return data | {name: stride for name, stride in zip(names, strides, strict=True) if stride}


def smartamppro_files():
    """Return SmartAmpPro files by name: of one step and several, with even and uneven padding."""
    rng = np.random.default_rng(13)
    return {
        "usual": smartamppro(rng, 120, taps=(12, 12), strides=(12, 12)),
        "no-stride": smartamppro(rng, 120, taps=(12, 12), strides=(None, None)),
        "uneven-padding": smartamppro(rng, 14, taps=(7, 5), strides=(3, 5)),
        "short-taps": smartamppro(rng, 23, taps=(2, 3), strides=(6, 7)),
        "one-step-recurrent": smartamppro(rng, 24, strides=(4, 6), recurrent=True),
        "two-steps": smartamppro(rng, 30, strides=(4, 4), recurrent=True),
        "five-steps": smartamppro(rng, 21, taps=(3, 2), strides=(2, 2), recurrent=True, hidden=3),
    }
