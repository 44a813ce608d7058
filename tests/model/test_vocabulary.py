"""Every kind of node through the engine against the reference: random graphs, and joints where fusion may go wrong."""

import numpy as np
import pytest

from rtfx.api import Model
from rtfx.errors import ModelError, NonFiniteWeights, ShapeMismatch, UnsupportedArchitecture
from rtfx.kernels.elementwise import rows_kernel
from rtfx.kernels.processor import lanes
from rtfx.model import nodes as vocabulary
from rtfx.model.load import load
from rtfx.model.nodes import ACTIVATIONS, KINDS, Activation, Add, Concat, Conv1d, Dense, Input, Mul, Rnn, Slice
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.plan.arena import Builder
from rtfx.plan.lowering import lower

from ..sampled import sampled
from .nets import write
from .random_graphs import RATE, random_graph

SEEDS = range(40)
FRAMES = 300


def graph(*nodes):
    return ModelSpec("rtfx", nodes, name="graph", sample_rate=RATE, rate_source="file")


def noise(spec, seed=0):
    return np.random.default_rng(seed).normal(0, 0.5, (spec.inputs, FRAMES)).astype(np.float32)


def assert_engine_agrees(spec, seed=0):
    """The engine is as exact as NumPy in float32, up to a factor of eight, or to 1e-6 of the peak."""
    x = noise(spec, seed)
    exact = evaluate(spec, x, sample_rate=RATE)
    single = evaluate(spec, x, sample_rate=RATE, dtype=np.float32)
    y = np.atleast_2d(Model(spec)(x, RATE, bare=True))
    peak = max(1.0, np.abs(exact).max())
    assert exact.std() > 0.0
    assert np.abs(y - exact).max() <= max(1e-6 * peak, 8.0 * np.abs(single - exact).max())


@pytest.mark.parametrize("seed", sampled(SEEDS, 5))
def test_random_graph(seed):
    assert_engine_agrees(random_graph(seed), seed)


def test_random_graphs_hold_everything():
    nodes = [node for seed in SEEDS for node in random_graph(seed).nodes]
    assert {type(node) for node in nodes} == set(KINDS.values())
    assert {node.kind for node in nodes if isinstance(node, Activation)} == set(ACTIVATIONS)


@pytest.mark.parametrize("seed", SEEDS[::5])
def test_blocks_do_not_matter(seed):
    spec = random_graph(seed)
    x = noise(spec, seed)
    whole = np.atleast_2d(Model(spec)(x, RATE, bare=True))
    model, parts, done = Model(spec), [], 0
    for frames in (1, 64, 7, 100, 128):
        y = model(x[:, done : done + frames], RATE, reset=not done, bare=True)
        parts.append(np.atleast_2d(y))
        done += frames
    assert done == FRAMES
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("place", ["alone", "behind conv", "in a layer", "gate"])
def test_activation_in_every_place(kind, place):
    """Elementwise, fused into a convolution, inside a layer kernel, and as the gate of one."""
    rng = np.random.default_rng(4)
    conv = Conv1d((0,), weight=rng.normal(0, 1, (4, 1, 3)), bias=rng.normal(0, 0.5, 4), dilation=2)
    mix = {"weight": rng.normal(0, 0.5, (1, 4)), "bias": np.zeros(1)}
    constants = {"slope": 0.3, "slope_high": 0.2, "low": -0.5, "high": 0.7}
    if place == "alone":
        nodes = (
            Input(()),
            Activation((0,), kind=kind, **constants),
            Dense((1,), weight=np.ones((1, 1)), bias=np.ones(1)),
        )
    elif place == "behind conv":
        nodes = (Input(()), conv, Activation((1,), kind=kind, **constants), Dense((2,), **mix))
    elif place == "in a layer":
        residual = Dense((0,), weight=rng.normal(0, 1, (1, 1)), bias=np.zeros(1))
        nodes = (Input(()), conv, Activation((1,), kind=kind, **constants), Dense((2,), **mix), residual, Add((3, 4)))
    else:
        halves = (Slice((1,), start=0, stop=2), Slice((1,), start=2, stop=4))
        gates = (Activation((2,), kind="tanh"), Activation((3,), kind=kind, **constants))
        mix["weight"] = mix["weight"][:, :2]
        nodes = (Input(()), conv, *halves, *gates, Mul((4, 5)), Dense((6,), **mix))
    if place == "alone" and kind == "softmax":
        nodes = (Input((), channels=3), *nodes[1:2], Dense((1,), weight=rng.normal(0, 1, (1, 3)), bias=np.ones(1)))
    assert_engine_agrees(graph(*nodes))


def layer_then(*nodes):
    """A layer of three features on the input, node 2, then `nodes`."""
    rng = np.random.default_rng(5)
    conv = Conv1d((0,), weight=rng.normal(0, 1, (3, 1, 2)), bias=rng.normal(0, 0.5, 3))
    return graph(Input(()), conv, Activation((1,)), *nodes)


def dense(source, inputs, outputs, seed=6):
    rng = np.random.default_rng(seed)
    return Dense((source,), weight=rng.normal(0, 0.5, (outputs, inputs)), bias=rng.normal(0, 0.3, outputs))


def conv1d(source, inputs, outputs, taps=3):
    rng = np.random.default_rng(7)
    return Conv1d((source,), weight=rng.normal(0, 0.5, (outputs, inputs, taps)), bias=rng.normal(0, 0.3, outputs))


JOINTS = {
    # one dense layer is the head of the first layer and the condition of the second
    "head-is-condition": lambda: layer_then(
        dense(2, 3, 4), conv1d(0, 1, 4), Add((4, 3)), Activation((5,)), dense(6, 4, 1)
    ),
    "head-is-gated-condition": lambda: layer_then(
        dense(2, 3, 4),
        conv1d(0, 1, 4),
        Add((4, 3)),
        Slice((5,), start=0, stop=2),
        Slice((5,), start=2, stop=4),
        Activation((6,)),
        Activation((7,), kind="sigmoid"),
        Mul((8, 9)),
        dense(10, 2, 1),
    ),
    "head-is-residual": lambda: layer_then(
        conv1d(2, 3, 3), Activation((3,)), dense(4, 3, 3), Add((2, 5)), dense(6, 3, 1)
    ),
    "features-twice-in-a-sum": lambda: layer_then(Add((2, 2)), Mul((2, 2)), Add((3, 4)), dense(5, 3, 1)),
    "one-signal-twice-in-a-mix": lambda: layer_then(Concat((2, 2, 0, 2)), dense(3, 10, 1)),
    "mix-that-others-read": lambda: layer_then(
        Concat((2, 0)), dense(3, 4, 1), Slice((3,), start=1, stop=2), Add((4, 5))
    ),
    "sum-of-one": lambda: layer_then(Add((2,)), Mul((3,)), Concat((4,)), dense(5, 3, 2)),
    "slice-of-a-slice-with-history": lambda: layer_then(
        Slice((2,), start=1, stop=3),
        Slice((3,), start=1, stop=2),
        conv1d(4, 1, 2, taps=5),
        Concat((5, 3)),
        dense(6, 4, 1),
    ),
    "slice-of-the-input": lambda: graph(
        Input((), channels=3), Slice((0,), start=1, stop=3), conv1d(1, 2, 2), Mul((1, 2)), Slice((3,), start=0, stop=1)
    ),
    "input-that-nothing-uses": lambda: graph(Input(()), Input(()), dense(1, 1, 1)),
    "nothing-but-input": lambda: graph(Input(())),
}


@pytest.mark.parametrize("name", JOINTS)
def test_joints_of_fusion(name):
    assert_engine_agrees(JOINTS[name]())


def test_a_mix_of_all_layers_copies_nothing():
    """WaveNetVA's output: one dense layer over the concatenated features of every layer."""
    nodes, heads, source = [Input(()), dense(0, 1, 4)], [], 1
    for i in range(10):
        z = len(nodes) + 1
        nodes += [conv1d(source, 4, 4), Activation((z - 1,)), dense(z, 4, 4, seed=i), Add((z + 1, source))]
        heads, source = [*heads, z], z + 2
    nodes += [Concat(tuple(heads)), dense(len(nodes), 40, 1)]
    spec = graph(*nodes)
    builder = Builder()
    builder.buffer(1)
    lower(spec, builder, builder.buffer(1), {})
    copies = {rows_kernel(0, rows, lanes()).name for rows in range(1, 41)}
    assert len(builder.steps) <= 11
    assert not [step for step in builder.steps if step.kernel.name in copies]
    assert_engine_agrees(spec)


def test_slices_cost_no_step():
    builder = Builder()
    builder.buffer(1)
    lower(graph(Input((), channels=4), Slice((0,), start=1, stop=3)), builder, builder.buffer(4), {})
    assert builder.steps == []


def test_defaults_of_the_constants():
    slopes = {
        kind: Activation((0,), kind=kind).constants for kind in ("tanh", "elu", "leaky_relu", "hardtanh", "softshrink")
    }
    assert [constants[0] for constants in slopes.values()] == [1.0, 1.0, 0.01, 0.0, 0.5]
    assert {constants[1:] for constants in slopes.values()} == {(0.0, -1.0, 1.0)}
    x = np.linspace(-3, 3, 50)
    clipped = evaluate(graph(Input(()), Activation((0,), kind="hardtanh")), x)
    assert np.array_equal(clipped[0], np.clip(x, -1, 1))


REFUSED = {
    "slice-empty": (lambda: Slice((0,), start=1, stop=1), ShapeMismatch, "features 1 to 1 of 2"),
    "slice-backwards": (lambda: Slice((0,), start=2, stop=1), ShapeMismatch, "features 2 to 1 of 2"),
    "slice-negative": (lambda: Slice((0,), start=-1, stop=1), ShapeMismatch, "features -1 to 1 of 2"),
    "slice-behind": (lambda: Slice((0,), start=1, stop=3), ShapeMismatch, "features 1 to 3 of 2"),
    "slice-of-two": (lambda: Slice((0, 1), start=0, stop=1), ShapeMismatch, "2 sources"),
    "mul-widths": (lambda: Mul((0, 1)), ShapeMismatch, r"\[2, 1\] features"),
    "mul-of-nothing": (lambda: Mul(()), ShapeMismatch, "sources"),
    "rnn-recurrent": (lambda: Rnn((0,), np.ones((3, 2)), np.ones((2, 3)), np.ones(3)), ShapeMismatch, "weight_hh"),
    "rnn-input": (lambda: Rnn((0,), np.ones((3, 1)), np.ones((3, 3)), np.ones(3)), ShapeMismatch, "weight_ih"),
    "rnn-start": (lambda: Rnn((0,), np.ones((3, 2)), np.ones((3, 3)), np.ones(3), np.ones(2)), ShapeMismatch, "h0"),
    "kind": (lambda: Activation((0,), kind="swoosh"), UnsupportedArchitecture, "swoosh"),
    "low-high": (lambda: Activation((0,), kind="hardtanh", low=1.0, high=0.0), ShapeMismatch, "low is 1, high 0"),
    "infinite": (lambda: Activation((0,), kind="elu", slope=np.inf), NonFiniteWeights, "finite"),
    "shrink": (lambda: Activation((0,), kind="softshrink", slope=-0.1), ShapeMismatch, "at least 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    node, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        graph(Input((), channels=2), dense(0, 2, 1), node())


FILES = {
    "no-stop": ({"op": "slice", "sources": [0], "start": 0}, "no key 'stop'"),
    "start-fraction": ({"op": "slice", "sources": [0], "start": 0.5, "stop": 1}, "start"),
    "huge-stop": ({"op": "slice", "sources": [0], "start": 0, "stop": 10**30}, "features 0 to 1"),
    "slope-text": ({"op": "activation", "sources": [0], "kind": "hardtanh", "low": "minus one"}, "low"),
    "constant-huge": ({"op": "activation", "sources": [0], "kind": "hardtanh", "high": 1e999}, "high"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_refused(tmp_path, name):
    node, words = FILES[name]
    path = write(tmp_path, {"format": "rtfx", "version": 1, "nodes": [{"op": "input"}, node]})
    with pytest.raises(ModelError, match=words) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


def test_every_node_is_public():
    assert {kind.__name__ for kind in KINDS.values()} <= set(vocabulary.__all__)
