"""The queries of writers on a graph: terms of a sum, a chain of layers, its start, a part of it."""

import numpy as np
import pytest

from rtfx.errors import UnsupportedArchitecture
from rtfx.model.nodes import Activation, Add, Affine, Concat, Dense, Input
from rtfx.model.spec import Knob, ModelSpec
from rtfx.model.write.plain_graph import PlainGraph, single


def dense(source, outputs, inputs):
    return Dense((source,), np.full((outputs, inputs), 0.5), np.zeros(outputs))


def plain(*nodes, knobs=()) -> PlainGraph:
    return PlainGraph(ModelSpec("test", nodes, name="test", knobs=tuple(map(Knob, knobs))))


def test_sums_within_sums_are_taken_apart():
    graph = plain(Input(()), dense(0, 2, 1), dense(0, 2, 1), Add((1, 2)), dense(0, 2, 1), Add((3, 4)), dense(5, 1, 2))
    assert graph.terms(5) == [1, 2, 4] and graph.terms(1) == [1]
    with pytest.raises(UnsupportedArchitecture, match=r"node 5 \(add\): joins signals"):
        graph.source(5)


def test_a_chain_from_the_audio_on():
    graph = plain(Input(()), dense(0, 2, 1), Activation((1,), "tanh"), dense(2, 1, 2))
    entrance, layers = graph.chain(graph.last)
    assert layers == [1, 2, 3]
    assert (entrance.node, entrance.audio, entrance.knobs, entrance.period, entrance.width) == (0, 0, (), False, 1)
    assert entrance.gain == 1.0


def test_a_chain_from_audio_knobs_and_gain_on():
    scale = Affine((0,), np.array([0.25]), np.zeros(1))
    knobs = (Input((), "knob", "drive"), Input((), "knob", "tone"))
    graph = plain(Input(()), *knobs, scale, Concat((3, 1, 2)), dense(4, 1, 3), knobs=("drive", "tone"))
    entrance, layers = graph.chain(graph.last)
    assert [type(graph.nodes[i]).__name__ for i in layers] == ["Dense"]
    assert entrance.knobs == ("drive", "tone") and entrance.gain == 0.25 and entrance.width == 3
    assert isinstance(graph.nodes[entrance.audio], Input)


def test_audio_comes_first():
    graph = plain(Input(()), Input((), "knob", "drive"), Concat((1, 0)), dense(2, 1, 2), knobs=("drive",))
    with pytest.raises(UnsupportedArchitecture, match="expected audio, then knobs"):
        graph.chain(graph.last)


def test_a_part_has_its_own_input_and_knows_where_it_came_from():
    graph = plain(Input(()), dense(0, 2, 1), Activation((1,), "tanh"), dense(2, 1, 2))
    part = graph.part(1, 2)
    assert [type(node).__name__ for node in part.nodes] == ["Input", "Activation"]
    assert part.widths == [2, 2] and part.origin == [1, 2]
    with pytest.raises(UnsupportedArchitecture, match="node 2"):
        part.fail(1, "no")
    assert len(graph.nodes) == 4, "the whole is as it was"


def test_a_part_that_depends_on_more_is_refused():
    graph = plain(Input(()), dense(0, 2, 1), Activation((1,), "tanh"), Add((1, 2)), dense(3, 1, 2))
    with pytest.raises(UnsupportedArchitecture, match="is read beside node 2"):
        graph.part(2, 3)


def test_a_gain_is_a_scale_without_a_shift():
    scaled, shifted = Affine((0,), np.array([2.0]), np.zeros(1)), Affine((0,), np.array([2.0]), np.ones(1))
    graph = plain(Input(()), scaled, shifted, Add((1, 2)), dense(3, 1, 1))
    assert graph.gain(1) == 2.0 and graph.gain(2) is graph.gain(0) is None


def test_a_single_value():
    assert single(np.full(3, 0.5)) == 0.5
    assert single(np.array([0.5, 0.25])) is None
