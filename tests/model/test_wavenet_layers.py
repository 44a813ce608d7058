"""WaveNet layers that are found in graphs: each kind alone, on a small graph, played as in the float64 reference."""

import numpy as np
import pytest

from rtfx import api
from rtfx.model.nodes import Activation, Add, Conv1d, Dense, Input, Mul, PRelu, Slice
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.model.wavenet_layers import match, matches

RNG = np.random.default_rng(3)
C = 3  # features of every layer


def dense(source, outputs=C, inputs=C):
    return Dense((source,), RNG.normal(0, 0.5, (outputs, inputs)), RNG.normal(0, 0.2, outputs))


def conv(source, outputs=C, inputs=C, taps=2, dilation=3, groups=1):
    return Conv1d((source,), RNG.normal(0, 0.4, (outputs, inputs // groups, taps)), np.zeros(outputs), dilation, groups)


def tanh(source):
    return Activation((source,))


BEGIN = [Input(()), dense(0, C, 1)]
GATED = [
    conv(1, 2 * C), Slice((2,), 0, C), Slice((2,), C, 2 * C), tanh(3), Activation((4,), "sigmoid"), Mul((5, 6)),
]  # fmt: skip
FOUND = {  # name: nodes, and the layers found, each by its parts
    "residual": (
        [*BEGIN, conv(1), tanh(2), dense(3), Add((1, 4)), tanh(5)],
        [{"conv": 2, "activations": [3], "features": 3, "mixed": 4, "output": 5}],
    ),
    "residual of a dense layer": (
        [*BEGIN, conv(1), tanh(2), dense(3), dense(1), Add((4, 5)), tanh(6)],
        [{"mixed": 4, "residual": 5, "output": 6}],
    ),
    "condition": (
        [*BEGIN, conv(1), dense(0, C, 1), Add((2, 3)), tanh(4), dense(5), Add((1, 6)), tanh(7)],
        [{"condition": 3, "activations": [5], "mixed": 6, "output": 7, "between": [4]}],
    ),
    "gated": ([*BEGIN, *GATED, dense(7), Add((1, 8)), tanh(9)], [{"activations": [5, 6], "features": 7, "mixed": 8}]),
    "gate of the other half": (
        [*BEGIN, *GATED[:5], Mul((6, 5)), dense(7), Add((8, 1)), tanh(9)],
        [{"activations": [5, 6], "features": 7, "mixed": 8, "output": 9}],
    ),
    "narrow head": (
        [*BEGIN, conv(1), tanh(2), dense(3), Add((1, 4)), dense(3, 1), dense(5, 1), Add((6, 7))],
        [{"mixed": 4, "output": 5, "head": 6, "head_sum": 8}],
    ),
    "features as head": (
        [*BEGIN, conv(1), tanh(2), dense(3), Add((1, 4)), conv(5), tanh(6), Add((3, 7))],
        [{"conv": 2, "mixed": 4, "head": None, "head_sum": 8}, {"conv": 6, "mixed": None, "head_sum": 8}],
    ),
    "read by another too": (
        [*BEGIN, *GATED, dense(7), Mul((7, 8))],
        [{"features": 7, "mixed": None, "exposed": True}],
    ),
    "a convolution and its activation alone": ([*BEGIN, conv(1), tanh(2)], []),
    "groups": ([*BEGIN, conv(1, groups=3), tanh(2), dense(3), Add((1, 4)), tanh(5)], []),
}


def users_of(nodes):
    users = [[] for _ in nodes]
    for i, node in enumerate(nodes):
        for source in node.sources:
            users[source].append(i)
    return users


@pytest.mark.parametrize("name", FOUND)
def test_layers_of_kernels(name):
    nodes, expected = FOUND[name]
    found = matches(nodes, users_of(nodes))
    assert [
        {key: getattr(layer, key) for key in parts} for layer, parts in zip(found, expected, strict=True)
    ] == expected


@pytest.mark.parametrize("name", FOUND)
def test_the_graph_is_played_as_the_reference_has_it(name):
    spec = ModelSpec("rtfx", tuple(FOUND[name][0]), name=name, sample_rate=48000.0, rate_source="file")
    x = RNG.normal(0, 0.4, 300)
    expected = evaluate(spec, x, cold=True)
    played = np.atleast_2d(api.Model(spec)(x.astype(np.float32), 48000, bare=True, cold=True))
    assert np.abs(played - expected).max() <= 1e-6 * np.abs(expected).max()


def test_of_two_layers_that_claim_one_node_the_earlier_is_found():
    """The head of the first is the condition of the second: it can be inside one of them alone."""
    head = [
        *BEGIN,
        conv(1),
        tanh(2),
        dense(3),
        Add((1, 4)),
        dense(3),
        conv(5),
        Add((6, 7)),
        tanh(8),
        dense(9),
        Add((5, 10)),
    ]
    found = matches([*head, tanh(11)], users_of([*head, tanh(11)]))
    assert found[0].conv == 2
    inside = [part for layer in found for part in layer.inside]
    assert len(inside) == len(set(inside))


@pytest.mark.parametrize(
    ("nodes", "index", "parts"),
    [
        ([*BEGIN, conv(1), PRelu((2,), np.full(C, 0.1)), dense(3), Add((1, 4))], 2, {"activations": [3], "output": 5}),
        ([*BEGIN, conv(1), dense(2), Add((1, 3))], 2, {"activations": [], "features": 2, "mixed": 3, "output": 4}),
        ([*BEGIN, dense(1), tanh(2), dense(3, 7), tanh(3), dense(5, 7), Add((4, 6))], 2, {"head": None, "features": 3}),
        ([*BEGIN, conv(1), tanh(2), dense(3, 7), dense(0, 7, 1), Add((4, 5))], 2, {"head": 4, "head_sum": 6}),
    ],
)
def test_layers_of_files_may_have_what_kernels_have_not(nodes, index, parts):
    found = match(nodes, users_of(nodes), index, for_file=True)
    assert {key: getattr(found, key) for key in parts} == parts
    assert not any(layer.conv == index for layer in matches(nodes, users_of(nodes)))
