"""A new kind of node needs one class, and one function for each back end that supports it."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from rtfx.engine.offline import Offline
from rtfx.errors import UnsupportedArchitecture
from rtfx.kernels import elementwise
from rtfx.model.nodes import KINDS, Dense, Input, Node
from rtfx.model.nodes.node import tensor
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import read, save
from rtfx.model.spec import ModelSpec
from rtfx.plan.chain import plan_chain
from rtfx.plan.lowering.lower import LOWER, lowers
from tests.engine.rigs import model


@dataclass(frozen=True, eq=False)
class Square(Node):
    """y = gain x^2; gain (features,)."""

    gain: np.ndarray = tensor(1)

    def shapes(self, incoming):
        return {"gain": (incoming[0],)}

    def evaluate(self, sources):
        (x,) = sources
        return self.gain.astype(x.dtype)[:, None] * x * x


def play(spec, x):
    return Offline(plan_chain([model(spec, bare=True)], 48000.0, 1), limiter=False).process(x[:, None])[:, 0]


@pytest.fixture
def square(monkeypatch):
    """The kind as a package would add it: known to files, lowered to kernels."""
    monkeypatch.setitem(KINDS, Square.op(), Square)
    monkeypatch.setitem(LOWER, Square, None)

    @lowers(Square)
    def lower_square(lowering, index, node, sources):
        product = lowering.rows(elementwise.MUL, sources[0], extra=(sources[0],))
        return lowering.rows(elementwise.AFFINE, product, elementwise.pack(node.gain, 0.0 * node.gain))


def test_it_is_read_written_checked_and_played(square, tmp_path):
    rng = np.random.default_rng(4)
    weight, gain = rng.normal(0, 0.5, (3, 1)), np.array([0.5, -1.0, 2.0])
    nodes = (Input(()), Dense((0,), weight, np.zeros(3)), Square((1,), gain), Dense((2,), weight.T.copy(), np.zeros(1)))
    spec = ModelSpec(family="rtfx", nodes=nodes, name="squares", rate_source="any")
    assert (spec.widths, spec.receptive_field) == ([1, 3, 3, 1], 1)
    x = rng.normal(0, 0.3, 300)
    expected = weight[:, 0] @ (gain[:, None] * (weight * x) ** 2)
    assert np.abs(evaluate(spec, x)[0] - expected).max() < 1e-14
    assert np.abs(play(spec, x.astype(np.float32)) - expected).max() < 1e-6

    path = save(spec, tmp_path / "squares.json")
    again = read(json.loads(path.read_text()), path)
    assert (again.nodes[2].gain == gain).all()
    assert "Square      1            3  gain 3" in str(again)


def test_a_kind_without_a_kernel_is_named(square, monkeypatch):
    monkeypatch.delitem(LOWER, Square)
    nodes = (Input(()), Square((0,), np.ones(1)))
    with pytest.raises(UnsupportedArchitecture, match=r"squares: no kernel for node 1 \(square\)"):
        play(ModelSpec(family="rtfx", nodes=nodes, name="squares", rate_source="any"), np.zeros(10, np.float32))
