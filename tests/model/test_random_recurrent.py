"""Random recurrent nets: PyTorch's numbers in its order of parameters, bounded, at the level of the others."""

import numpy as np
import pytest

from rtfx.api import Model
from rtfx.model.load import load
from rtfx.model.random.draw import TorchGenerator
from rtfx.model.reference import evaluate


@pytest.mark.parametrize(("kind", "gates"), [("gru", 3), ("lstm", 4)])
def test_weights_come_from_one_generator(kind, gates):
    spec = load(f"random:{kind}?Hidden=5&layers=2&init=normal&seed=9&outputs=2")
    generator = TorchGenerator(9)
    for cell, inputs in zip(spec.nodes[1:3], (1, 5), strict=True):
        assert np.array_equal(cell.weight_ih, generator.normal((gates * 5, inputs), 1.0))
        assert np.array_equal(cell.weight_hh, generator.normal((gates * 5, 5), 1.0))
    assert np.array_equal(spec.nodes[3].weight, generator.normal((2, 5), 1.0)) and spec.outputs == 2


@pytest.mark.parametrize("kind", ["gru", "lstm?layers=2&bias=true", "gru?init=kaiming_uniform&channels=16"])
def test_played_at_minus_18_and_bounded_whatever_comes_in(kind):
    spec = load(f"random:{kind}")
    x = np.random.default_rng(3).normal(0, 0.1, 4000)
    y = evaluate(spec, x)
    assert np.abs(Model(spec)(x, 48000.0, bare=True) - y[0]).max() < 1e-4
    assert abs(20 * np.log10(np.std(y)) + spec.level_db + 18) < 3
    dense = spec.nodes[-1]
    assert np.abs(evaluate(spec, 1e6 * x[:500])).max() <= np.abs(dense.weight).sum() + np.abs(dense.bias).sum()
