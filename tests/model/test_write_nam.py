"""Graphs as arrays of NAM's WaveNet: what the config says, as the second evaluation reads it; graphs that are none."""

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.nodes import Activation, Add, Affine, Conv1d, Dense, Input, Mul, PRelu, Slice
from rtfx.model.reference import evaluate
from rtfx.model.spec import Knob, ModelSpec
from rtfx.model.write.nam_wavenet import wavenet
from rtfx.model.write.plain_graph import PlainGraph

from ..reference_nam import evaluate_nam

RNG = np.random.default_rng(6)
C = 3
X = RNG.normal(0, 0.4, (1, 80))


def dense(source, outputs=C, inputs=C):
    return Dense((source,), RNG.normal(0, 0.5, (outputs, inputs)), RNG.normal(0, 0.2, outputs))


def conv(source, outputs=C, inputs=C, taps=2, groups=1):
    return Conv1d(
        (source,), RNG.normal(0, 0.4, (outputs, inputs // groups, taps)), RNG.normal(0, 0.2, outputs), 3, groups
    )


def tanh(source):
    return Activation((source,))


BEGIN = [Input(()), dense(0, C, 1)]
ARRAYS = {  # name: nodes, and some of what the array's entry must say
    "one layer": ([Input(()), conv(0, C, 1), tanh(1), dense(2, 1)], {"dilations": [3], "activation": "Tanh"}),
    "residual layers that are added up": (
        [*BEGIN, conv(1), tanh(2), dense(3), Add((1, 4)), conv(5), tanh(6), Add((3, 7)), dense(8, 1)],
        {"dilations": [3, 3], "head_size": 1, "head_bias": True},
    ),
    "each layer with a head of its own": (
        [*BEGIN, conv(1), tanh(2), dense(3), Add((1, 4)), conv(5), tanh(6), dense(3, 1), dense(7, 1), Add((8, 9))],
        {"head1x1": {"active": True, "out_channels": 1, "groups": 1}},
    ),
    "gated": (
        [*BEGIN, conv(1, 2 * C), Slice((2,), 0, C), Slice((2,), C, 2 * C), tanh(3), Activation((4,), "sigmoid"),
         Mul((5, 6)), dense(7, 1)],
        {"gated": True},
    ),
    "a condition": (
        [*BEGIN, conv(1), dense(0, C, 1), Add((2, 3)), PRelu((4,), np.full(C, 0.25)), dense(5, 1)],
        {"activation": {"type": "PReLU", "negative_slopes": [0.25] * C}},
    ),
    "layers side by side, one of them straight": (
        [*BEGIN, conv(1), tanh(2), conv(1, taps=1, groups=C), Add((3, 4))],
        {"kernel_sizes": [1, 2], "layer1x1": {"active": False, "groups": 1}},
    ),
    "a convolution behind the sum": ([*BEGIN, conv(1), tanh(2), conv(3, 1, C, taps=4)], {"head": "kernel_size 4"}),
    "a gain": ([Input(()), Affine((0,), np.full(1, 0.5), np.zeros(1)), tanh(1)], {"channels": 1}),
}  # fmt: skip
NONE = {  # name: nodes, and the words of the error
    "a product": ([*BEGIN, conv(1), tanh(2), Mul((3, 1)), dense(4, 1)], "node 4 .mul."),
    "a layer added twice": ([*BEGIN, conv(1), tanh(2), dense(3), Add((3, 4))], "is added twice"),
    "two convolutions in a row with a sum of both": (
        [*BEGIN, conv(1), tanh(2), conv(3), tanh(4), Add((3, 5))], "is read by layers|beside the chain",
    ),
    "another activation": ([*BEGIN, Activation((1,), "gelu"), dense(2, 1)], "NAM has no gelu"),
    "a knob": ([Input(()), Input((), "knob", "bite"), Add((0, 1))], "NAM has no knobs"),
}  # fmt: skip


def graph_of(nodes):
    knobs = [node for node in nodes if isinstance(node, Input) and node.role == "knob"]
    return PlainGraph(ModelSpec("rtfx", tuple(nodes), knobs=tuple(Knob(node.name) for node in knobs)))


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_says_the_graph(name):
    nodes, expected = ARRAYS[name]
    written = wavenet(graph_of(nodes))
    (entry,) = written.config["layers"]
    if expected.get("head") == "kernel_size 4":
        assert entry["head"]["kernel_size"] == 4 and entry["head"]["head_dilation"] == 3
        expected = {}
    assert {key: entry[key] for key in expected} == expected
    weights = np.concatenate([np.ravel(tensor) for tensor in written.weights])
    model = {"version": "0.7.0", "architecture": "WaveNet", "config": written.config, "weights": weights.tolist()}
    y = evaluate(ModelSpec("rtfx", tuple(nodes)), X)
    assert np.abs(evaluate_nam(model, X) - y).max() <= 2e-6 * np.abs(y).max()  # the file's weights are float32


@pytest.mark.parametrize("name", NONE)
def test_a_graph_that_is_no_array_is_refused_by_its_node(name):
    nodes, words = NONE[name]
    with pytest.raises(errors.UnsupportedArchitecture, match=words):
        wavenet(graph_of(nodes))
