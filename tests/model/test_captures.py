"""Guitar captures found in graphs: recurrent layers, a dense layer, gains, the input added; graphs that are none."""

from dataclasses import replace

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.nodes import Activation, Add, Affine, Concat, Dense, Gru, Input, Lstm
from rtfx.model.reference import evaluate
from rtfx.model.spec import Knob, ModelSpec
from rtfx.model.write.captures import aidax, proteus, recurrent_net
from rtfx.model.write.plain_graph import PlainGraph

RNG = np.random.default_rng(7)
H = 4


def lstm(source, inputs=1):
    return Lstm((source,), *(RNG.normal(0, 0.4, shape) for shape in ((4 * H, inputs), (4 * H, H), (4 * H,))))


def gru(source, inputs=1):
    shapes = (3 * H, inputs), (3 * H, H), (3 * H,), (3 * H,)
    return Gru((source,), *(RNG.normal(0, 0.4, shape) for shape in shapes))


def dense(source, outputs=1):
    return Dense((source,), RNG.normal(0, 0.5, (outputs, H)), RNG.normal(0, 0.2, outputs))


def gain(source, value):
    return Affine((source,), np.full(1, value), np.zeros(1))


def graph_of(*nodes):
    knobs = tuple(Knob(node.name) for node in nodes if isinstance(node, Input) and node.role == "knob")
    return PlainGraph(ModelSpec("rtfx", nodes, sample_rate=48000.0, knobs=knobs))


def test_gains_and_the_direct_path_are_found_and_folded():
    graph = graph_of(Input(()), gain(0, 2.0), lstm(1), dense(2), Add((0, 3)), gain(4, 0.5))
    net = recurrent_net(graph)
    assert (net.before, net.after, net.direct) == (2.0, 0.5, 0.5)
    folded = net.folded()
    assert (folded.before, folded.after) == (1.0, 1.0)
    x = RNG.normal(0, 0.4, (1, 60))
    one = ModelSpec(
        "rtfx",
        (Input(()), replace(folded.layers[0], sources=(0,)), replace(folded.head, sources=(1,))),
        sample_rate=48000.0,
    )
    whole = evaluate(graph.spec, x, cold=True)
    assert np.abs(evaluate(one, x, cold=True) + net.direct * x - whole).max() <= 1e-14


def test_knobs_enter_beside_the_audio():
    knobs = (Input((), "knob", "bite"), Input((), "knob", "mud"))
    net = recurrent_net(graph_of(Input(()), *knobs, Concat((0, 1, 2)), gru(3, 3), dense(4)))
    assert net.entrance.knobs == ("bite", "mud") and net.entrance.width == 3


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ((Input(()), Dense((0,), np.ones((1, 1)), np.zeros(1))), "node 1 .dense.: expected recurrent layers first"),
        ((Input(()), lstm(0)), "node 1 .lstm.: expected a dense layer behind the recurrent ones"),
        ((Input(()), lstm(0), Activation((1,)), dense(2)), "node 2 .activation tanh.: expected recurrent layers, then"),
        ((Input(()), lstm(0), dense(1), Activation((2,)), Add((2, 3))), "expected the net's output and at most"),
    ],
)
def test_graphs_that_are_no_capture(nodes, words):
    with pytest.raises(errors.UnsupportedArchitecture, match=words):
        recurrent_net(graph_of(*nodes))


def test_a_format_refuses_what_its_players_have_not():
    two = graph_of(Input(()), lstm(0), lstm(1, H), dense(2)).spec
    assert proteus(two)[0]["model_data"]["num_layers"] == 2
    with pytest.raises(errors.UnsupportedArchitecture, match="AIDA-X plays one LSTM or GRU layer"):
        aidax(two)
    mixed = graph_of(Input(()), lstm(0), gru(1, H), dense(2)).spec
    with pytest.raises(errors.UnsupportedArchitecture, match="one kind and one size"):
        proteus(mixed)
    half = graph_of(Input(()), lstm(0), dense(1), gain(0, 0.5), Add((2, 3))).spec
    with pytest.raises(errors.UnsupportedArchitecture, match="adds the input times 0.5, the format only times 1"):
        proteus(half)
