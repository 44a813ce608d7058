"""RTNeural JSON: the meaning of its inputs, refused files, and the place that the error names."""

import pytest

from rtfx.model.load import load
from rtfx.model.nodes import Activation, Conv1d
from rtfx.model.reference import evaluate

from .nets import (
    batchnorm,
    batchnorm2d,
    conv1d,
    conv2d,
    dense,
    gru,
    layer,
    lstm,
    network,
    np,
    refuse,
    small_nets,
    write,
)

RNG = np.random.default_rng(1)
HEAD = dense(RNG, 6, 1)
IMAGE = {"in_shape": [None, None, 7, 1]}


@pytest.mark.parametrize(
    "name, inputs, knobs",
    [
        ("gru", 1, []),
        ("two-input-gru", 1, ["drive"]),
        ("three-input-lstm", 1, ["drive", "tone"]),
        ("klon", 1, ["gain"]),
        ("aidax-knobs", 1, ["param1", "param2"]),
        ("wide-input", 5, []),
    ],
)
def test_inputs_and_knobs(tmp_path, name, inputs, knobs):
    spec = load(write(tmp_path, small_nets()[name]))
    assert spec.inputs == inputs
    assert [knob.name for knob in spec.knobs] == knobs
    assert {knob.default for knob in spec.knobs} <= {0.0 if name.startswith("aidax") else 0.5}


def test_two_inputs_without_a_recurrent_layer_are_channels(tmp_path):
    spec = load(write(tmp_path, network(2, dense(RNG, 2, 1))))
    assert (spec.inputs, spec.knobs) == (2, ())


@pytest.mark.parametrize("keys, activations", [({}, 0), ({"activation": ""}, 0), (None, 1)])
def test_tanh_is_implied_only_where_the_key_is_missing(tmp_path, keys, activations):
    entry = dense(RNG, 1, 6, type="time-distributed-dense")
    if keys is None:
        del entry["activation"]
    spec = load(write(tmp_path, network(1, entry, HEAD)))
    assert sum(isinstance(node, Activation) for node in spec.nodes) == activations


def test_a_dense_layer_without_activation_key_is_linear(tmp_path):
    entry = dense(RNG, 1, 6)
    del entry["activation"]
    spec = load(write(tmp_path, network(1, entry, HEAD)))
    assert not any(isinstance(node, Activation) for node in spec.nodes)


def test_the_receptive_field_counts_every_convolution(tmp_path):
    net = network(1, conv1d(RNG, 1, 4, taps=3, dilation=5), conv1d(RNG, 4, 1, taps=2, dilation=7))
    spec = load(write(tmp_path, net))
    assert spec.receptive_field == spec.prewarm_frames == 1 + 2 * 5 + 7
    assert [n.weight.shape for n in spec.nodes if isinstance(n, Conv1d)] == [(4, 1, 3), (1, 4, 2)]


def test_an_unknown_key_of_a_layer_is_named_in_a_warning(tmp_path):
    spec = load(write(tmp_path, network(1, dense(RNG, 1, 1, units=3))))
    assert any("layers[0]" in warning and "units" in warning for warning in spec.warnings)


def test_a_net_of_whole_frames_is_named_in_a_warning(tmp_path):
    net = network(1, conv1d(RNG, 1, 2, taps=5, shape=[None, 60, 2]), dense(RNG, 2, 1, shape=[None, 60, 1]))
    net["in_shape"] = [None, 64, 1]
    assert [text for text in load(write(tmp_path, net)).warnings if "leaves 60 frames of 64" in text]
    net["layers"][0]["shape"][1] = net["layers"][1]["shape"][1] = 64
    assert not [text for text in load(write(tmp_path, net)).warnings if "frames of" in text]


def test_a_frame_of_features_is_an_input_of_that_width(tmp_path):
    spec = load(write(tmp_path, small_nets()["conv2d"]))
    assert (spec.inputs, spec.outputs, spec.receptive_field) == (7, 1, 1 + 2 * 2)


@pytest.mark.parametrize(
    "entry",
    [
        layer("unknown", 1, shape=[[None, 1]]),  # as RTNeural's exporter writes Keras' InputLayer
        layer("unknown", 1, shape=[None, None, 1]),
        {"type": "input", "shape": [None, None, 1]},
        {"type": "InputLayer"},
    ],
)
def test_an_input_layer_is_passed_over(tmp_path, entry):
    net = network(1, gru(RNG, 1, 6), HEAD)
    plain, x = load(write(tmp_path, net)), np.ones((1, 30))
    with_input = load(write(tmp_path, net | {"layers": [entry, *net["layers"]]}))
    assert np.array_equal(evaluate(with_input, x), evaluate(plain, x)) and with_input.warnings == plain.warnings
    rated = load(write(tmp_path, net | {"layers": [entry, *net["layers"]], "samplerate": "48000"}))
    assert np.array_equal(evaluate(rated, x), evaluate(plain, x)) and rated.family == "aidax"


def flat_bias(entry):
    entry["weights"][2] = entry["weights"][2][0]
    return entry


def without(entry, key):
    return {name: value for name, value in entry.items() if name != key}


REFUSED = {
    "gru-reset-before": (network(1, flat_bias(gru(RNG, 1, 6)), HEAD), "UnsupportedArchitecture", "reset_after=True"),
    "unknown-layer": (network(6, HEAD, layer("wobble", 6)), "UnsupportedArchitecture", "layers[1] is a 'wobble'"),
    "unknown-in-between": (
        network(1, layer("unknown", 1), dense(RNG, 1, 6), layer("unknown", 6, shape=[[None, 6]]), HEAD),
        "UnsupportedArchitecture", "layers[2] is one that its exporter did not know",
    ),
    "unknown-of-another-width": (network(1, layer("unknown", 6), HEAD), "UnsupportedArchitecture", "layers[0] is one"),
    "unknown-activation": (network(1, dense(RNG, 1, 1, activation="tahn")), "UnsupportedArchitecture", "mean 'tanh'"),
    "activation-on-prelu": (
        network(1, layer("prelu", 1, [[[0.1]]], activation="tanh")), "UnsupportedArchitecture", "layers[0].activation",
    ),
    "strided": (network(1, conv1d(RNG, 1, 1, taps=2, strides=[2])), "UnsupportedArchitecture", "strides"),
    "dense-shape": (network(1, dense(RNG, 2, 6), HEAD), "ShapeMismatch", "layers[0].weights[0] has shape (2, 6)"),
    "declared-width": (network(1, dense(RNG, 1, 5, shape=[None, 6]), HEAD), "ShapeMismatch", "expected (1, 6)"),
    "taps": (network(1, conv1d(RNG, 1, 6, taps=3, kernel_size=[4]), HEAD), "ShapeMismatch", "expected (4, 1, 6)"),
    "groups": (network(1, conv1d(RNG, 1, 6, taps=3, groups=2), HEAD), "ShapeMismatch", "2 groups"),
    "zero-dilation": (network(1, conv1d(RNG, 1, 6, taps=3, dilation=0), HEAD), "ShapeMismatch", "dilation is 0"),
    "batchnorm-width": (network(1, dense(RNG, 1, 6), batchnorm(RNG, 5), HEAD), "ShapeMismatch", "layers[1]"),
    "no-epsilon": (network(1, without(batchnorm(RNG, 1), "epsilon")), "MissingKey", "layers[0] has no key 'epsilon'"),
    "no-kernel-size": (network(1, without(conv1d(RNG, 1, 1, taps=2), "kernel_size")), "MissingKey", "kernel_size"),
    "no-type": (network(1, without(HEAD, "type")), "MissingKey", "layers[0] has no key 'type'"),
    "extra-weights": (network(1, layer("activation", 1, [[1]], activation="elu")), "WeightCountMismatch", "expected 0"),
    "lstm-no-bias": (network(1, layer("lstm", 1, np.ones((2, 1, 4)))), "WeightCountMismatch", "expected 3"),
    "no-in-shape": ({"layers": [HEAD]}, "MissingKey", "'in_shape'"),
    "no-layers": ({"in_shape": [None, None, 1]}, "MissingKey", "'layers'"),
    "layers-empty": (network(1), "ShapeMismatch", "layers is empty"),
    "in-shape-null": ({"in_shape": [None, None], "layers": [HEAD]}, "ShapeMismatch", "in_shape[1]"),
    "conv2d-features": (
        IMAGE | {"layers": [conv2d(RNG, 6, 1, 2, taps=1, reach=2)]}, "ShapeMismatch", "6 features of 1 channels in",
    ),
    "conv2d-places": (
        IMAGE | {"layers": [conv2d(RNG, 7, 1, 2, taps=1, reach=2) | {"shape": [None, None, 5, 2]}]},
        "ShapeMismatch", "6 features of 2 channels out",
    ),
    "conv2d-reach": (
        IMAGE | {"layers": [conv2d(RNG, 7, 1, 2, taps=1, reach=9) | {"shape": [None, None, 1, 2]}]},
        "ShapeMismatch", "0 features",
    ),
    "conv2d-kernel": (
        IMAGE | {"layers": [conv2d(RNG, 7, 1, 2, taps=1, reach=2) | {"kernel_size_time": 2}]},
        "ShapeMismatch", "layers[0].weights[0] has shape (1, 2, 1, 2), expected (2, 2, 1, 2)",
    ),
    "conv2d-padding": (
        IMAGE | {"layers": [conv2d(RNG, 7, 1, 2, taps=1, reach=2, padding="causal")]},
        "UnsupportedArchitecture", "layers[0].padding",
    ),
    "conv2d-huge": (
        IMAGE | {"layers": [conv2d(RNG, 7, 1, 2, taps=1, reach=2) | {"kernel_size_time": 10**9}]},
        "ResourceLimit", "weights of layers[0] as a matrix",
    ),
    "batchnorm2d-channels": (IMAGE | {"layers": [batchnorm2d(RNG, 3, 2)]}, "ShapeMismatch", "expected 7 numbers"),
    "negative-variance": (
        network(1, layer("batchnorm", 1, [[0.0], [-1.0]], epsilon=0.1)), "NonFiniteWeights", "variance",
    ),
    "aidax-four-inputs": (network(4, lstm(RNG, 4, 6), HEAD, in_skip=0), "UnsupportedInput", "at most 3"),
    "aidax-skip-two": (network(1, lstm(RNG, 1, 6), HEAD, in_skip=2), "UnsupportedInput", "in_skip is 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    data, error, words = REFUSED[name]
    refuse(write(tmp_path, data), error, words)
