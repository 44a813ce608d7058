"""Small RTNeural files made from a seed: one a layer type, for tests without the shared files."""

import json

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load


def layer(kind, width, weights=(), **keys):
    """Return a layer object whose output is `width` features wide; `activation` defaults to none."""
    lists = [np.asarray(w).tolist() for w in weights]
    return {"type": kind, "activation": "", "shape": [None, None, width], "weights": lists} | keys


def dense(rng, inputs, outputs, bias=True, **keys):
    weights = [rng.normal(0, 0.6, (inputs, outputs)), rng.normal(0, 0.3, outputs)]
    return layer("dense", outputs, weights if bias else weights[:1], **keys)


def conv1d(rng, inputs, outputs, taps, dilation=1, groups=1, bias=True, **keys):
    weights = [rng.normal(0, 0.5, (taps, inputs // groups, outputs)), rng.normal(0, 0.3, outputs)]
    keys = {"kernel_size": [taps], "dilation": [dilation], "groups": groups} | keys
    return layer("conv1d", outputs, weights if bias else weights[:1], **keys)


def gru(rng, inputs, hidden, **keys):
    shapes = [(inputs, 3 * hidden), (hidden, 3 * hidden), (2, 3 * hidden)]
    return layer("gru", hidden, [rng.normal(0, 0.5, shape) for shape in shapes], **keys)


def lstm(rng, inputs, hidden, **keys):
    shapes = [(inputs, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,)]
    return layer("lstm", hidden, [rng.normal(0, 0.5, shape) for shape in shapes], **keys)


def batchnorm(rng, width, affine=True):
    mean, variance = rng.normal(0, 0.5, width), rng.uniform(0.2, 2.0, width)
    weights = [rng.normal(1, 0.3, width), rng.normal(0, 0.3, width), mean, variance] if affine else [mean, variance]
    return layer("batchnorm", width, weights, epsilon=0.01)


def conv2d(rng, features, inputs, outputs, taps, reach, dilation=1, stride=1, padding="valid", bias=True, **keys):
    """A convolution over time and features; `features` and `inputs` (channels) are those of its input."""
    places = -(-(features if padding == "same" else features - reach + 1) // stride)
    weights = [rng.normal(0, 0.4, (taps, reach, inputs, outputs)), rng.normal(0, 0.3, outputs)]
    sizes = {
        "kernel_size_time": taps, "kernel_size_feature": reach, "dilation": dilation, "strides": stride,
        "num_filters_in": inputs, "num_features_in": features, "num_filters_out": outputs, "padding": padding,
    }  # fmt: skip
    entry = layer("conv2d", outputs, weights if bias else weights[:1], **sizes, **keys)
    return entry | {"shape": [None, None, places, outputs]}


def batchnorm2d(rng, features, channels, affine=True):
    entry = batchnorm(rng, channels, affine) | {"type": "batchnorm2d", "shape": [None, None, features, channels]}
    return entry | {"num_filters_in": channels, "num_features_in": features}


def network(inputs, *layers, **keys):
    """Return the parsed form of an RTNeural file."""
    return {"in_shape": [None, None, inputs], "layers": list(layers)} | keys


def write(folder, data, name="net.json"):
    """Write `data` as JSON and return the path."""
    path = folder / name
    path.write_text(json.dumps(data))
    return path


def refuse(path, error, words):
    """Check that loading a file ends in an error of this class, in one line that begins with the path."""
    with pytest.raises(errors.ModelError) as caught:
        load(path)
    message = str(caught.value)
    assert type(caught.value).__name__ == error, message
    assert message.startswith(str(path)) and words in message and "\n" not in message, message


def small_nets():
    """Return one network for each layer type and option, by name."""
    rng = np.random.default_rng(7)
    head = dense(rng, 6, 1)
    nets = {
        "dense": network(1, dense(rng, 1, 6), head),
        "dense-no-bias": network(1, dense(rng, 1, 6, bias=False), head),
        "time-distributed": network(1, dense(rng, 1, 6, type="time-distributed-dense"), head),
        "conv1d": network(1, conv1d(rng, 1, 6, taps=3, dilation=2), head),
        "conv1d-bare-integers": network(1, conv1d(rng, 1, 6, taps=4, kernel_size=4, dilation=1), head),
        "conv1d-groups": network(1, dense(rng, 1, 4), conv1d(rng, 4, 6, taps=3, dilation=3, groups=2), head),
        "conv1d-depthwise": network(1, dense(rng, 1, 6), conv1d(rng, 6, 6, taps=2, groups=6, bias=False), head),
        "gru": network(1, gru(rng, 1, 6, activation="tanh"), head),
        "lstm": network(1, lstm(rng, 1, 6, activation="tanh"), head),
        "stacked": network(1, conv1d(rng, 1, 3, taps=2), gru(rng, 3, 4), lstm(rng, 4, 6), head),
        "batchnorm": network(1, dense(rng, 1, 6), batchnorm(rng, 6), head),
        "batchnorm-two": network(1, dense(rng, 1, 6), batchnorm(rng, 6, affine=False), head),
        "prelu": network(1, dense(rng, 1, 6), layer("prelu", 6, [rng.uniform(0, 0.5, (1, 6))]), head),
        "prelu-shared": network(1, dense(rng, 1, 6), layer("prelu", 6, [[[0.3]]]), head),
        "two-outputs": network(1, gru(rng, 1, 5), dense(rng, 5, 2)),
        "wide-input": network(5, dense(rng, 5, 6), head),
        "two-input-gru": network(2, gru(rng, 2, 6), head),
        "three-input-lstm": network(3, lstm(rng, 3, 6), head),
    }
    image = {"in_shape": [None, None, 7, 1]}
    flat = conv2d(rng, 3, 2, 1, taps=1, reach=3)  # to one feature of one channel
    nets |= {
        "conv2d": network(7, conv2d(rng, 7, 1, 2, taps=3, reach=5, dilation=2, activation="tanh"), flat, **image),
        "conv2d-same": network(
            7, conv2d(rng, 7, 1, 2, taps=2, reach=4, stride=3, padding="same"), batchnorm2d(rng, 3, 2), flat, **image
        ),
        "conv2d-stride": network(
            7, conv2d(rng, 7, 1, 2, taps=1, reach=2, stride=2, bias=False), batchnorm2d(rng, 3, 2, False), flat, **image
        ),
        "conv2d-wide-kernel": network(7, conv2d(rng, 7, 1, 2, taps=2, reach=9, padding="same"), **image),
    }
    for name in ("tanh", "relu", "sigmoid", "softmax", "elu"):
        nets[f"dense-{name}"] = network(1, dense(rng, 1, 6, activation=name), head)
        nets[f"activation-{name}"] = network(1, dense(rng, 1, 6), layer("activation", 6, activation=name), head)
    nets["aidax"] = network(1, lstm(rng, 1, 6), head, in_skip=1, in_gain=-3.0, out_gain=2.5, samplerate="44100")
    nets["aidax-knobs"] = network(3, gru(rng, 3, 6), head, in_skip=1, in_gain=4.0, metadata={"samplerate": 96000})
    nets["klon"] = network(
        3,
        dense(rng, 3, 4, type="time-distributed-dense"),
        gru(rng, 4, 6),
        head | {},
    )
    for entry in nets["klon"]["layers"]:
        del entry["activation"]
    return nets
