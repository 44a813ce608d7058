"""Makes small NAM files: one for each feature of the format, and any mixture of them from a seed."""

import numpy as np

from ..reference_nam import count_weights

FILMS = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
)
ACTIVATIONS = [
    *("Tanh", "Hardtanh", "Fasttanh", "ReLU", "LeakyReLU", "PReLU", "Sigmoid", "SiLU", "Hardswish", "Softsign"),
    "LeakyHardtanh",
    {"type": "Tanh"},
    {"type": "LeakyReLU", "negative_slope": 0.2},
    {"type": "PReLU", "negative_slope": 0.3},
    {"type": "LeakyHardTanh", "min_val": -0.2, "max_val": 0.3, "min_slope": 0.1, "max_slope": 0.05},
]
RATE = 2000.0  # Hz: an LSTM's half second is then short


def nam(architecture, config, seed=0, **keys):
    """Return a complete model with random weights, as many as `config` asks for."""
    rng = np.random.default_rng(seed)
    count = 0 if architecture in ("SlimmableContainer", "Sequential") else count_weights(architecture, config)
    weights = np.float32(rng.normal(0, 0.4, count))
    if architecture == "ConvNet" and config["batchnorm"]:
        weights = np.abs(weights) + np.float32(0.05)  # variances are positive
    model = {"version": "0.7.0", "architecture": architecture, "config": config, "weights": weights.tolist()}
    return model | {"sample_rate": RATE} | keys


def array(**keys):
    """Return a layer array of three channels and two layers."""
    defaults = {"input_size": 1, "condition_size": 1, "channels": 3, "dilations": [1, 3], "activation": "Tanh"}
    if "kernel_sizes" not in keys:
        defaults["kernel_size"] = 3
    if "head" not in keys:
        defaults |= {"head_size": 1, "head_bias": False}
    return defaults | keys


def wavenet(*arrays, **keys):
    """Return the config of a WaveNet."""
    return {"layers": list(arrays), "head": None, "head_scale": 0.02} | keys


def gated(**keys):
    return array(gating_mode="gated", **keys)


def stack(**keys):
    """Return two arrays, as in every A1 file."""
    first = array(head_size=2, **keys)
    return first, array(
        input_size=3, channels=2, head_bias=True, **{k: v for k, v in keys.items() if k != "bottleneck"}
    )


def films(names, shift=True, groups=1):
    return {name: {"active": True, "shift": shift, "groups": groups} for name in names}


HEAD = {"out_channels": 1, "kernel_size": 4, "bias": True}
POST = {"channels": 3, "out_channels": 2, "kernel_sizes": [2, 3], "activation": "Tanh"}
ACTIVE = {"active": True, "out_channels": 4, "groups": 1}
SLIM = {"method": "slice_channels_uniform", "kwargs": {"allowed_channels": [1, 2, 3]}}
TWO_CONDITIONS = nam("WaveNet", wavenet(array(head_size=2, channels=2, dilations=[1, 2])), 5)
LSTM_CONDITION = nam("LSTM", {"input_size": 1, "hidden_size": 3, "num_layers": 1, "out_channels": 2}, 6)


def by_feature():
    """Return one file for each feature, by name."""
    files = {
        "linear": nam("Linear", {"receptive_field": 5, "bias": True}),
        "linear-fft": nam("Linear", {"receptive_field": 70, "bias": False, "implementation": "FFT"}),
        "linear-stereo": nam("Linear", {"receptive_field": 4, "bias": True, "in_channels": 2, "out_channels": 2}),
        "lstm": nam("LSTM", {"input_size": 1, "hidden_size": 3, "num_layers": 1}),
        "lstm-deep": nam("LSTM", {"input_size": 1, "hidden_size": 3, "num_layers": 3, "out_channels": 2}),
        "lstm-stereo": nam("LSTM", {"input_size": 2, "in_channels": 2, "hidden_size": 3, "num_layers": 1}),
        "a1": nam("WaveNet", wavenet(*stack())),
        "a1-wider-conditions": nam("WaveNet", wavenet(*stack(condition_size=2), condition_dsp=TWO_CONDITIONS)),
        "condition-lstm": nam("WaveNet", wavenet(array(condition_size=2), condition_dsp=LSTM_CONDITION)),
        "stereo": nam("WaveNet", wavenet(array(input_size=2, condition_size=2, head_size=2), in_channels=2)),
        "a2": nam("WaveNet", wavenet(array(kernel_sizes=[6, 2], activation=["LeakyReLU", "Tanh"], head=HEAD))),
        "head-dilation": nam("WaveNet", wavenet(array(head=HEAD | {"head_dilation": 3}))),
        "post-head": nam("WaveNet", wavenet(array(head_size=2), head=POST)),
        "post-head-prelu": nam("WaveNet", wavenet(array(), head=POST | {"activation": "PReLU", "in_channels": 1})),
        "gated-flag": nam("WaveNet", wavenet(array(gated=True, secondary_activation="Tanh"))),
        "gated": nam("WaveNet", wavenet(gated(secondary_activation=["ReLU", "Softsign"]))),
        "blended": nam("WaveNet", wavenet(array(gating_mode="blended", bottleneck=2))),
        "mixed-gates": nam(
            "WaveNet",
            wavenet(array(gating_mode=["none", "blended"], secondary_activation=[None, {"type": "Sigmoid"}])),
        ),
        "bottleneck": nam("WaveNet", wavenet(array(bottleneck=5))),
        "layer1x1-off": nam("WaveNet", wavenet(array(layer1x1={"active": False, "groups": 1}))),
        "head1x1": nam("WaveNet", wavenet(array(head1x1=ACTIVE, bottleneck=2))),
        "groups": nam(
            "WaveNet",
            wavenet(
                array(
                    channels=4,
                    condition_size=2,
                    groups_input=2,
                    groups_input_mixin=2,
                    layer1x1={"active": True, "groups": 4},
                    head1x1=ACTIVE | {"groups": 2},
                ),
                condition_dsp=TWO_CONDITIONS,
            ),
        ),
        "film-no-shift": nam("WaveNet", wavenet(array(head1x1=ACTIVE, **films(FILMS, shift=False)))),
        "film-groups": nam(
            "WaveNet",
            wavenet(
                array(condition_size=2, channels=4, head1x1=ACTIVE, **films(FILMS, groups=2)),
                condition_dsp=TWO_CONDITIONS,
            ),
        ),
        "film-active-unsaid": nam("WaveNet", wavenet(array(conv_post_film={}, conv_pre_film=False))),
        "slimmable": nam("WaveNet", wavenet(array(slimmable=SLIM, bottleneck=2))),
        "slimmable-all": nam("WaveNet", wavenet(*stack(slimmable={"method": "slice_channels_uniform"}))),
        "slimmable-films": nam("WaveNet", wavenet(gated(slimmable=SLIM, head1x1=ACTIVE, **films(FILMS)))),
    }
    for name in FILMS:
        files[name] = nam("WaveNet", wavenet(array(head1x1=ACTIVE, **films([name]))))
        files[f"{name}-gated"] = nam("WaveNet", wavenet(gated(head1x1=ACTIVE, **films([name]))))
    for value in ACTIVATIONS:
        files[f"activation-{len(files)}"] = nam("WaveNet", wavenet(array(activation=value)))
    slopes = {"type": "PReLU", "negative_slopes": [0.1, 0.2, 0.3]}
    files["activation-slopes"] = nam("WaveNet", wavenet(gated(activation=slopes, secondary_activation=slopes)))
    convnet = {"channels": 4, "dilations": [1, 2, 4], "batchnorm": False, "activation": "ReLU"}
    files["convnet"] = nam("ConvNet", convnet)
    files["convnet-batchnorm"] = nam("ConvNet", convnet | {"batchnorm": True, "activation": {"type": "Tanh"}})
    files["convnet-wide"] = nam("ConvNet", convnet | {"in_channels": 2, "out_channels": 3, "groups": 2})
    inner = [files[name] | {"metadata": {"loudness": -20.0 - i}} for i, name in enumerate(("a1", "lstm", "a2"))]
    submodels = [{"max_value": m, "model": model} for m, model in zip((0.3, 0.6, 1.0), inner, strict=True)]
    files["container"] = nam("SlimmableContainer", {"submodels": submodels})
    files["sequential"] = nam("Sequential", {"models": [files["a1"], files["slimmable"], files["lstm"]]})
    files["nested"] = nam("Sequential", {"models": [files["container"], files["sequential"], files["linear"]]})
    return files


def mixture(seed):
    """Return a WaveNet that has any features, chosen by `seed`."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    condition = pick(None, TWO_CONDITIONS, LSTM_CONDITION)
    arrays: list[dict] = []
    count = int(rng.integers(1, 4))
    groups = pick(1, 2)
    for i in range(count):
        channels = arrays[-1]["head"]["out_channels"] if arrays else pick(2, 4, 6)
        layers = int(rng.integers(1, 4))
        conditions = 2 if condition else 1
        entry = {
            "input_size": arrays[-1]["channels"] if arrays else 1,
            "condition_size": conditions,
            "channels": channels,
        }
        entry["dilations"] = rng.integers(1, 6, layers).tolist()
        entry["kernel_sizes"] = rng.integers(1, 5, layers).tolist()
        entry["activation"] = [pick(*ACTIVATIONS) for _ in range(layers)]
        entry["gating_mode"] = [pick("none", "gated", "blended") for _ in range(layers)]
        entry["secondary_activation"] = [pick(*ACTIVATIONS) for _ in range(layers)]
        bottleneck = pick(2, 4, channels)
        entry["layer1x1"] = {"active": bottleneck != channels or pick(True, False), "groups": pick(1, 2)}
        # the accumulator of a later array is as wide as the head of the one before
        entry["head1x1"] = {"active": True, "out_channels": channels if arrays else pick(2, 4), "groups": pick(1, 2)}
        if bottleneck == channels:
            entry["head1x1"]["active"] = pick(True, False)
        entry["bottleneck"] = bottleneck
        entry["groups_input"], entry["groups_input_mixin"] = groups, pick(1, conditions)
        taken = [name for name in FILMS if pick(True, False)]
        absent = [f"{name}_post_film" for name in ("layer1x1", "head1x1") if not entry[name]["active"]]
        for name in sorted(set(taken) - set(absent)):
            entry[name] = {"active": True, "shift": pick(True, False), "groups": pick(1, conditions)}
        last = i + 1 == count
        entry["head"] = {
            "out_channels": pick(1, 2) if last else pick(2, 4),
            "kernel_size": pick(1, 3),
            "bias": pick(True, False),
        }
        entry["head"]["head_dilation"] = pick(1, 2)
        arrays.append(entry)
    post = POST | {"activation": pick(*ACTIVATIONS)} if pick(True, False) else None
    return nam("WaveNet", wavenet(*arrays, head=post, condition_dsp=condition), seed)
