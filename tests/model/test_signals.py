"""Tensors of an exported program as streams: shifts are made equal, axes are moved, widths are joined."""

import numpy as np
import pytest

from rtfx.errors import ModelError, UnsupportedArchitecture, UsageError
from rtfx.model.nodes import Conv1d, Dense, Input
from rtfx.model.read import signals
from rtfx.model.read.signals import FEATURE, ONE, TIME, Signal, SignalGraph, Unfinished
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec

LAID_OUT = (ONE, FEATURE, TIME)


def graph_of(width: int = 1) -> tuple[SignalGraph, Signal]:
    graph = SignalGraph()
    graph.place = "aten.add"
    return graph, Signal(graph.add(Input((), channels=width)), width, LAID_OUT)


def played(graph: SignalGraph, signal: Signal, x: np.ndarray) -> np.ndarray:
    return evaluate(ModelSpec("test", graph.listed(signal.node)), x, cold=True)


def test_a_later_shift_is_a_delay():
    graph, x = graph_of(2)
    late = graph.delayed(x, 3)
    assert late.shift == 3 and late.width == 2 and isinstance(graph.nodes[late.node], Conv1d)
    audio = np.random.default_rng(0).standard_normal((2, 20))
    assert np.array_equal(played(graph, late, audio), np.pad(audio, ((0, 0), (3, 0)))[:, :20])


def test_nothing_is_added_where_nothing_is_to_be_delayed():
    graph, x = graph_of()
    steady = Signal(x.node, 1, (ONE,), steady=True)
    assert graph.delayed(x, 0) == x
    assert graph.delayed(steady, 9).node == steady.node
    assert len(graph.nodes) == 1


def test_signals_meet_at_the_latest_shift():
    graph, x = graph_of()
    early, late = x, Signal(x.node, 1, LAID_OUT, shift=4)
    knob = Signal(x.node, 1, (ONE,), steady=True)
    found = graph.aligned([early, late, knob])
    assert [signal.shift for signal in found] == [4, 4, 4]
    assert found[0].node != x.node and found[1].node == x.node == found[2].node
    assert graph.aligned([knob]) == [knob]
    slower = Signal(x.node, 1, LAID_OUT, period=2)
    with pytest.raises(UnsupportedArchitecture, match="unequal strides"):
        graph.aligned([x, slower])


def test_one_feature_is_spread_over_several():
    graph, x = graph_of()
    wide = graph.spread(x, 3)
    assert wide.width == 3 and isinstance(graph.nodes[wide.node], Dense)
    audio = np.random.default_rng(1).standard_normal((1, 5))
    assert np.array_equal(played(graph, wide, audio), audio.repeat(3, 0))
    assert graph.spread(wide, 3) == wide
    with pytest.raises(UnsupportedArchitecture, match="joins 3 and 2 features"):
        graph.spread(wide, 2)


@pytest.mark.parametrize(
    "a, b, merged",
    [
        (LAID_OUT, LAID_OUT, LAID_OUT),
        (LAID_OUT, (FEATURE, ONE), LAID_OUT),
        ((TIME,), LAID_OUT, LAID_OUT),
        ((ONE,), (ONE, TIME), (ONE, TIME)),
        ((), (TIME,), (TIME,)),
        ((TIME, FEATURE), (FEATURE, TIME), None),
        ((TIME, ONE), (ONE, TIME), None),
        ((FEATURE,), (TIME,), None),
    ],
)
def test_axes_are_broadcast_from_the_last_one_back(a, b, merged):
    graph, _ = graph_of()
    if merged is not None:
        assert graph.merged_axes(a, b) == graph.merged_axes(b, a) == merged
    else:
        with pytest.raises(UnsupportedArchitecture, match="axes|axis"):
            graph.merged_axes(a, b)


def test_axes_may_be_moved_about():
    graph, x = graph_of(2)
    assert signals.permute(graph, {"self": x, "dims": [0, 2, -2]}).axes == (ONE, TIME, FEATURE)
    assert signals.transpose(graph, {"self": x, "dim0": 1, "dim1": -1}).axes == (ONE, TIME, FEATURE)
    assert signals.matrix_transpose(graph, {"self": x}).axes == (ONE, TIME, FEATURE)
    assert signals.squeeze(graph, {"self": x}).axes == (FEATURE, TIME)
    assert signals.squeeze(graph, {"self": x, "dim": 1}).axes == LAID_OUT, "an axis of another size stays"
    assert signals.unsqueeze(graph, {"self": x, "dim": -1}).axes == (*LAID_OUT, ONE)
    assert signals.unsqueeze(graph, {"self": x, "dim": 0}).axes == (ONE, *LAID_OUT)
    with pytest.raises(UnsupportedArchitecture, match="axis 3 of 3"):
        signals.permute(graph, {"self": x, "dims": [3, 1, 0]})


@pytest.mark.parametrize("operation", ["permute", "transpose", "unsqueeze", "squeeze", "reshape"])
def test_constants_are_moved_as_numpy_moves_them(operation):
    graph, _ = graph_of()
    w = np.arange(6.0).reshape(1, 2, 3)
    arguments = {"dims": [2, 0, 1], "dim0": 0, "dim1": 2, "dim": 0, "sizes": {"out": [3, 2]}}
    expected = {
        "permute": w.transpose(2, 0, 1),
        "transpose": w.swapaxes(0, 2),
        "unsqueeze": w[None],
        "squeeze": w[0],
        "reshape": w.reshape(3, 2),
    }
    found = getattr(signals, operation)(graph, {"self": w, **arguments})
    assert np.array_equal(found, expected[operation])


def test_a_reshape_may_add_and_drop_axes_of_one():
    graph, x = graph_of(2)
    sizes = {"self": (1, 2, 64), "out": (2, 1, 64, 1)}
    assert signals.reshape(graph, {"self": x, "sizes": sizes}).axes == (FEATURE, ONE, TIME, ONE)
    with pytest.raises(UnsupportedArchitecture, match=r"\[1, 2, 64\] into \[1, 128\]"):
        signals.reshape(graph, {"self": x, "sizes": sizes | {"out": (1, 128)}})


def test_a_layer_reads_a_signal_that_is_laid_out_as_it_must_be():
    graph, x = graph_of(2)
    assert graph.laid_out(x, *LAID_OUT) is x
    single = Signal(x.node, 1, (ONE, TIME, ONE))
    assert graph.laid_out(single, ONE, TIME, FEATURE) is single
    knob = Signal(x.node, 1, (ONE, ONE), steady=True)
    assert graph.laid_out(knob, FEATURE, TIME) is knob
    with pytest.raises(UnsupportedArchitecture, match=r"aten.add: reads \(one, feature, time\)"):
        graph.laid_out(x, ONE, TIME, FEATURE)


def test_what_depends_on_the_audio_and_what_does_not():
    graph, x = graph_of()
    table = np.ones(3)
    assert graph.signal(x) is x and graph.constant(table, "its weight") is table
    for call in (
        lambda: graph.signal(table),
        lambda: graph.constant(x, "its weight"),
        lambda: graph.signal(Unfinished("softplus", x)),
    ):
        with pytest.raises(UnsupportedArchitecture, match="aten.add"):
            call()


@pytest.mark.parametrize(
    "sizes, axes, width",
    [
        ((1, 1, 64), (ONE, ONE, TIME), 1),
        ((1, 2, 64), (ONE, FEATURE, TIME), 2),
        ((64, 2), (TIME, FEATURE), 2),
        ((1, 64, 3), (ONE, TIME, FEATURE), 3),
        ((64,), (TIME,), 1),
        ((64, 64), (FEATURE, TIME), 64),
    ],
)
def test_the_audio_input(sizes, axes, width):
    graph, values = SignalGraph(), {}
    entered = signals.enter(graph, {"x": sizes}, 64, False, values, None)
    assert values["x"].axes == axes and values["x"].width == width and entered.knobs == []


def test_other_inputs_and_the_last_features_are_knobs():
    graph, values = SignalGraph(), {}
    entered = signals.enter(graph, {"x": (1, 3, 64), "c": (1, 2)}, 64, False, values, ["drive", "tone", "mix"])
    assert entered.knobs == ["drive", "tone", "mix"]
    assert values["x"].width == 3 and values["c"].width == 2 and values["c"].steady
    names = [node.name for node in graph.nodes.values() if isinstance(node, Input) and node.role == "knob"]
    assert names == ["drive", "tone", "mix"]
    audio = next(node for node in graph.nodes.values() if isinstance(node, Input) and node.role == "audio")
    assert audio.width == 2, "one of three features is a knob"
    graph, values = SignalGraph(), {}
    assert signals.enter(graph, {"x": (1, 1, 64), "c": (1, 2)}, 64, False, values, None).knobs == ["c_1", "c_2"]


@pytest.mark.parametrize(
    "sizes, knobs",
    [({"x": (1, 2, 3, 64)}, None), ({"x": (1, 0, 64)}, None), ({"x": (1, 2, 64)}, ["a", "b"])],
    ids=["two axes of features", "nothing", "no audio left"],
)
def test_inputs_that_are_no_audio(sizes, knobs):
    with pytest.raises((ModelError, UsageError), match="expected"):
        signals.enter(SignalGraph(), sizes, 64, False, {}, knobs)
