"""The graph's own operations: growing, replacing, inserting, pruning, renumbering, checking, printing."""

import numpy as np
import pytest

from rtfx.errors import ModelError, ResourceLimit, ShapeMismatch
from rtfx.model import graph as graphs
from rtfx.model.graph import Graph, check, described, widths
from rtfx.model.nodes import Activation, Add, Concat, Dense, Input


def dense(source, outputs, inputs):
    return Dense((source,), np.ones((outputs, inputs)), np.zeros(outputs))


def net() -> Graph:
    """Input, a dense layer, its activation, and a sum with a layer of its own on the input: 0, (1, 2), 3, 4."""
    return Graph([Input(()), dense(0, 3, 1), Activation((1,), "tanh"), dense(0, 3, 1), Add((2, 3))])


def test_the_last_node_is_the_output_unless_another_is_set():
    graph = net()
    assert graph.output == 4 and list(graph.nodes) == [0, 1, 2, 3, 4]
    assert graph.widths == {0: 1, 1: 3, 2: 3, 3: 3, 4: 3}
    graph.output = 2
    assert graph.order() == [0, 1, 3, 4, 2]


def test_users():
    graph = net()
    assert graph.users() == {0: [1, 3], 1: [2], 2: [4], 3: [4], 4: [-1]}
    graph.output = 2
    assert graph.users()[2] == [4, -1]


def test_replacing_a_node_tells_its_width():
    graph = net()
    graph.replace(4, Concat((2, 3)))
    assert graph.widths[4] == 6
    graph.replace(4, dense(2, 1, 3))
    graph.prune()
    assert list(graph.nodes) == [0, 1, 2, 4], "nobody uses 3 any more"


def test_inserting_keeps_all_numbers():
    graph = net()
    number = graph.insert_before(2, Activation((1,), "relu"))
    assert list(graph.nodes) == [0, 1, number, 2, 3, 4] and graph.output == 4
    graph.replace(2, Activation((number,), "tanh"))
    nodes = graph.listed()
    assert [type(node).__name__ for node in nodes] == ["Input", "Dense", "Activation", "Activation", "Dense", "Add"]
    assert [node.sources for node in nodes] == [(), (0,), (1,), (2,), (0,), (3, 4)]
    assert graph.add(Activation((4,), "tanh")) == number + 1, "no number is given twice"


def test_inputs_stay_though_nobody_uses_them():
    graph = Graph([Input(()), Input((), "knob", "drive"), dense(0, 1, 1)])
    graph.prune(("audio",))
    assert list(graph.nodes) == [0, 2]
    graph = Graph([Input(()), Input((), "knob", "drive"), dense(0, 1, 1)])
    assert [type(node).__name__ for node in graph.listed()] == ["Input", "Input", "Dense"]


def test_a_list_ends_at_the_output():
    graph = net()
    nodes = graph.listed(2)
    assert [node.sources for node in nodes] == [(), (0,), (1,)]
    assert widths(nodes) == [1, 3, 3]


def test_a_graph_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(graphs, "NODES", 2)
    with pytest.raises(ResourceLimit, match="3"):
        Graph([Input(()), dense(0, 1, 1), dense(1, 1, 1)])


GOOD = [Input(()), Input((), "knob", "drive"), Concat((0, 1)), dense(2, 1, 2)]


@pytest.mark.parametrize(
    "nodes, knobs, words",
    [
        ([Input(()), dense(1, 1, 1)], (), r"node 1 .* sources \(1,\)"),  # itself
        ([Input(()), dense(2, 1, 1), dense(0, 1, 1)], (), r"sources \(2,\)"),  # a later one
        ([dense(-1, 1, 1)], (), r"sources \(-1,\)"),
        ([Input(()), Input((0,))], (), r"sources \(0,\)"),
        ([Input(()), Add(())], (), r"sources \(\)"),
        ([Input(()), dense(0, 1, 2)], (), "node 1"),  # a layer for two features
        ([Input((), "knob", "drive")], ("drive",), "no audio input"),
        (GOOD, (), r"knobs \[\], knob inputs \['drive'\]"),
        (GOOD, ("tone",), "expected the same names"),
        (GOOD, ("drive", "drive"), "each once"),
    ],
)
def test_what_does_not_fit_is_named(nodes, knobs, words):
    with pytest.raises(ModelError, match=words):
        check(nodes, knobs, "amp")


def test_a_graph_that_fits():
    check(GOOD, ("drive",), "amp")
    two = [Input((), "knob", "drive"), Input((), "knob", "drive"), *GOOD[:1], Concat((0, 1, 2)), dense(3, 1, 3)]
    with pytest.raises(ShapeMismatch, match="each once"):
        check(two, ("drive",), "amp")


def test_a_line_a_node():
    lines = str(net()).splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["0", "Input", "-", "1", "role", "audio"],
        ["1", "Dense", "0", "3", "weight", "3x1,", "bias", "3"],
        ["2", "Activation", "1", "3", "kind", "tanh,", "slope", "1.0"],
    ]
    assert lines[4].split() == ["4", "Add", "2,", "3", "3"]
    assert described({}, {}) == ""
