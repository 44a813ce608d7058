"""rtfx JSON: a written file is read back bit for bit; any other form than the documented one is refused."""

import json
from dataclasses import fields

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.nodes import (
    ACTIVATIONS,
    Activation,
    Add,
    Affine,
    Concat,
    Conv1d,
    Dense,
    Gru,
    Input,
    Lstm,
    Mul,
    PRelu,
    Rnn,
    Slice,
)
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save
from rtfx.model.spec import Knob, ModelSpec

from ..reference import evaluate_file
from .nets import refuse, small_nets, write

NETS = small_nets()


def everything():
    """Return a graph with every kind of node, every option and every fact at another value than its default."""
    rng = np.random.default_rng(9)

    def random(*shape):
        return rng.normal(0, 0.4, shape)

    nodes = (
        Input((), channels=2),
        Input((), role="knob", name="bite"),
        Input((), role="sample_period", name="period"),
        Concat((0, 1, 2)),
        Dense((3,), weight=random(4, 4), bias=random(4)),
        Conv1d((4,), weight=random(6, 2, 3), bias=random(6), dilation=4, groups=2),
        Activation((5,), kind="leaky_relu", slope=0.125),
        PRelu((6,), alpha=random(6)),
        Affine((7,), scale=random(6), shift=random(6)),
        Lstm((8,), weight_ih=random(20, 6), weight_hh=random(20, 5), bias=random(20), h0=random(5), c0=random(5)),
        Activation((9,), kind="sine", slope=3.0),
        Gru((10,), random(15, 5), random(15, 5), bias_ih=random(15), bias_hh=random(15), h0=random(5)),
        Add((10, 11)),
        Activation((12,), kind="elu", slope=1.7),
        Rnn((13,), weight_ih=random(6, 5), weight_hh=random(6, 6), bias=random(6), h0=random(6)),
        Slice((14,), start=1, stop=6),
        Mul((13, 15)),
        *(Activation((16,), kind=kind) for kind in ACTIVATIONS),
        Activation((16,), "hardtanh", slope=0.3, slope_high=0.2, low=-0.25, high=0.125),
        Add(tuple(range(17, 18 + len(ACTIVATIONS)))),
        Dense((18 + len(ACTIVATIONS),), weight=random(2, 5), bias=random(2)),
    )
    return ModelSpec(
        family="rtfx",
        nodes=nodes,
        name="everything, \u00e9",
        sample_rate=44100.0,
        rate_source="file",
        knobs=(Knob("bite", -1.0, 2.0, 0.25, "dB"),),
        kind="amp+cab",
        prewarm=321,
        dc_block=False,
        level_db=-7.1,
        metadata={"esr": 1e-3, "by": ["a", None]},
    )


def assert_same(found, expected):
    """Every field equal, every tensor to the bit."""
    assert len(found.nodes) == len(expected.nodes)
    for a, b in zip(found.nodes, expected.nodes, strict=True):
        assert type(a) is type(b) and a.tensors.keys() == b.tensors.keys()
        for name, tensor in a.tensors.items():
            assert tensor.dtype == np.float64 and np.array_equal(tensor, b.tensors[name])
        plain = [field.name for field in fields(a) if field.name not in a.tensors]
        assert [getattr(a, name) for name in plain] == [getattr(b, name) for name in plain]
    for name in ("name", "sample_rate", "rate_source", "knobs", "kind", "prewarm", "dc_block", "level_db", "metadata"):
        assert getattr(found, name) == getattr(expected, name), name


def test_everything_comes_back(tmp_path):
    expected = everything()
    assert_same(load(save(expected, tmp_path / "all.json")), expected)


@pytest.mark.parametrize("name", [name for name in NETS if not name.startswith("aidax")])
def test_every_net_comes_back_and_sounds_the_same(tmp_path, name):
    original = load(write(tmp_path, NETS[name]))
    copy = load(save(original, tmp_path / "copy.json"))
    assert_same(copy, original)
    x = np.random.default_rng(1).normal(0, 0.3, (original.inputs, 50))
    assert np.array_equal(evaluate(copy, x, sample_rate=48000), evaluate(original, x, sample_rate=48000))


@pytest.mark.parametrize("cold", [False, True])
def test_both_oracles_agree(tmp_path, cold):
    path = save(everything(), tmp_path / "all.json")
    x = np.random.default_rng(2).normal(0, 0.5, (2, 120))
    y = evaluate(load(path), x, {"bite": 1.5}, 44100.0, cold)
    assert np.abs(y).max() > 0.1
    assert np.abs(y - evaluate_file(path, x, {"bite": 1.5}, 44100.0, cold)).max() < 1e-13


def test_a_random_net_is_right_at_every_rate_after_saving(tmp_path):
    original = load("random:tcn?seed=3")
    copy = load(save(original, tmp_path / "ronn.json"))
    assert_same(copy, original)
    assert (copy.rate_source, copy.warnings) == ("any", ())


def test_saving_replaces_in_one_step_and_says_why_it_cannot(tmp_path):
    path = tmp_path / "a.json"
    save(everything(), path)
    before = path.read_bytes()
    save(everything(), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(errors.ModelError, match="not written"):
        save(everything(), tmp_path / "nowhere" / "a.json")


def minimal():
    nodes = [{"op": "input"}, {"op": "dense", "sources": [0], "weight": [[1.0]], "bias": [0.0]}]
    return {"format": "rtfx", "version": 1, "nodes": nodes}


def test_fields_with_defaults_may_be_left_out(tmp_path):
    spec = load(write(tmp_path, minimal(), "tiny.json"))
    assert (spec.name, spec.kind, spec.prewarm, spec.dc_block, spec.level_db) == ("tiny", "unknown", "auto", True, 0.0)


def dense_node(**keys):
    return minimal()["nodes"][1] | keys


REFUSED = {
    "version": ({"version": 2}, "UnsupportedVersion", "version is 2, expected 1"),
    "version-true": ({"version": True}, "UnsupportedVersion", "version"),
    "unknown-key": ({"sample_rte": 1}, "NotAModelFile", "did you mean 'sample_rate'"),
    "kind": ({"kind": "amq"}, "UnsupportedArchitecture", "did you mean 'amp'"),
    "op": ({"nodes": [{"op": "input"}, {"op": "gruu"}]}, "UnsupportedArchitecture", "nodes[1].op"),
    "node-key": ({"nodes": [{"op": "input"}, dense_node(biass=1)]}, "NotAModelFile", "did you mean 'bias'"),
    "node-lacks": ({"nodes": [{"op": "input"}, {"op": "dense", "sources": [0]}]}, "MissingKey", "'weight'"),
    "no-sources": ({"nodes": [{"op": "input"}, dense_node(sources=[])]}, "ShapeMismatch", "nodes[0] is used by no"),
    "two-sources": ({"nodes": [{"op": "input"}] * 2 + [dense_node(sources=[0, 1])]}, "ShapeMismatch", "2 sources"),
    "later-source": ({"nodes": [{"op": "input"}, dense_node(sources=[1])]}, "ShapeMismatch", "nodes[0] is used by no"),
    "unused": ({"nodes": [{"op": "input"}, dense_node(), dense_node()]}, "ShapeMismatch", "nodes[1] is used by no"),
    "empty": ({"nodes": []}, "ShapeMismatch", "nodes is empty"),
    "no-audio": ({"nodes": [{"op": "input", "role": "sample_period"}]}, "ShapeMismatch", "no audio input"),
    "knob-without-input": ({"knobs": [{"name": "a"}]}, "ShapeMismatch", "expected the same names"),
    "knob-range": ({"knobs": [{"name": "a", "default": 3}]}, "NotAModelFile", "knobs[0] runs from 0 to 1"),
    "weight-axes": ({"nodes": [{"op": "input"}, dense_node(weight=[1.0])]}, "ShapeMismatch", "nodes[1].weight"),
    "weight-text": ({"nodes": [{"op": "input"}, dense_node(weight=[["one"]])]}, "ShapeMismatch", "nodes[1].weight"),
    "weight-huge": ({"nodes": [{"op": "input"}, dense_node(weight=[[1e39]])]}, "NonFiniteWeights", "nodes[1].weight"),
    "nan": ({"level_db": float("nan")}, "NonFiniteWeights", "level_db"),
    "metadata": ({"metadata": {"esr": float("inf")}}, "NotAModelFile", "metadata is not plain JSON"),
    "rate": ({"sample_rate": 3.0}, "ResourceLimit", "sample_rate is 3"),
    "rate-text": ({"sample_rate": "48 kHz"}, "NotAModelFile", "sample_rate"),
    "prewarm": ({"prewarm": -1}, "ShapeMismatch", "prewarm is -1"),
    "prewarm-long": ({"prewarm": 10**9}, "ResourceLimit", "1000000000, at most 1048576"),
    "channels": ({"nodes": [{"op": "input", "channels": 10**9}]}, "ResourceLimit", "1000000000, at most 4096"),
    "dc-block": ({"dc_block": 1}, "NotAModelFile", "dc_block"),
    "sizes": ({"sizes": 3}, "NotAModelFile", "sizes"),
    "size-key": ({"sizes": [{"bellow": 0.5}]}, "NotAModelFile", "did you mean 'below'"),
    "size-order": ({"sizes": [{"below": 1.5, "nodes": []}]}, "ShapeMismatch", "sizes[0].below is 1.5"),
    "size-nodes": ({"sizes": [{"below": 0.5, "nodes": []}]}, "ShapeMismatch", "sizes[0].nodes is empty"),
    "size-inputs": (
        {
            "sizes": [
                {"below": 0.5, "nodes": [{"op": "input", "channels": 1}, dense_node(weight=[[1.0]] * 2, bias=[0, 0])]}
            ]
        },
        "ShapeMismatch",
        "sizes[0] has other",
    ),
    "size-many": ({"sizes": [{}] * 64}, "ResourceLimit", "65, at most 64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    change, error, words = REFUSED[name]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(minimal() | change))
    refuse(path, error, words)
