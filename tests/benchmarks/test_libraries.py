"""PyTorch and ONNX Runtime play the same graph block by block; collected only where one of them is installed."""

import numpy as np
import pytest

import rtfx
from benchmarks import peers
from benchmarks.models import bench_models
from rtfx.errors import UnsupportedArchitecture
from rtfx.model.nodes import (
    Activation,
    Add,
    Affine,
    Concat,
    Conv1d,
    Dense,
    Gru,
    Hold,
    Input,
    Lstm,
    Mul,
    PRelu,
    Rnn,
    Slice,
)
from rtfx.model.reference import evaluate
from rtfx.model.spec import Knob, ModelSpec
from tests.engine.rigs import noise, tcn

from .conftest import INSTALLED

KINDS = "tanh relu leaky_relu sigmoid softmax elu sine silu hardswish softsign selu gelu softplus softshrink".split()


def tensors(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).uniform(-1.0, 1.0, shape) / np.sqrt(shape[-1])


def every_node() -> ModelSpec:
    """A graph with every kind of node that the other libraries get, a knob and the sample period."""
    nodes = [
        Input(()),
        Input((), "knob", "drive"),
        Input((), "sample_period", "sample_period"),
        Concat((0, 1, 2)),
        Dense((3,), tensors(6, 3), tensors(6)),
        Conv1d((4,), tensors(6, 3, 4), tensors(6), 3, 2),
        Lstm((5,), tensors(20, 6), tensors(20, 5), tensors(20), tensors(5), tensors(5)),
        Gru((6,), tensors(12, 5), tensors(12, 4), tensors(12), tensors(12), tensors(4)),
        Rnn((7,), tensors(3, 4), tensors(3, 3), tensors(3)),
        PRelu((8,), tensors(3)),
        Affine((9,), tensors(3), tensors(3)),
        Add((9, 10, 8)),
        Mul((11, 9)),
        Slice((12,), 1, 3),
    ]
    return ModelSpec("rtfx", tuple(nodes), "all", knobs=(Knob("drive"),))


@pytest.mark.parametrize("block", [1, 64])
@pytest.mark.parametrize("name", INSTALLED)
def test_every_node_carries_its_state_from_block_to_block(name, block):
    spec = every_node()
    x = noise(640)[:, 0][None].astype(np.float32)
    got = peers.played(peers.stream(name, spec, block, 48000.0), x, block)
    right = evaluate(spec, x, sample_rate=48000.0, cold=True)
    assert peers.difference_db(right, got) < -110.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", INSTALLED)
def test_every_activation(name, kind):
    spec = ModelSpec("rtfx", (Input((), channels=3), Activation((0,), kind)))
    x = 4.0 * noise(96).T[:1].repeat(3, 0).astype(np.float32) * np.array([[1.0], [-0.5], [2.0]], np.float32)
    got = peers.played(peers.stream(name, spec, 32, 48000.0), x, 32)
    assert peers.difference_db(evaluate(spec, x, cold=True), got) < -110.0


@pytest.mark.parametrize("name", INSTALLED)
def test_what_others_cannot_play_is_refused(name):
    for node in (Hold((0,), 2), Activation((0,), "fasttanh")):
        with pytest.raises(UnsupportedArchitecture, match="is not told how to play"):
            peers.stream(name, ModelSpec("rtfx", (Input(()), node)), 16, 48000.0)


@pytest.mark.parametrize("name", INSTALLED)
def test_a_model_beside_others(name):
    (row,) = bench_models([("tcn", rtfx.Model(tcn(5)))], [64], seconds=0.05, against=[name])
    other = row.against[name]
    assert other.error_db < -110.0 and other.ratio == pytest.approx(other.ns_per_sample / row.ns_per_sample)
