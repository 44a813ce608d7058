"""The hold kernel against a plain loop, in blocks of every size, and through the engine."""

import numpy as np
import pytest

from rtfx.api import Model
from rtfx.kernels.resample import HOLD, HOLD_STATE
from rtfx.model.nodes import Conv1d, Dense, Hold, Input
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec

from .harness import BLOCKS, noise, run

CASES = [(1, 0, "last"), (3, 0, "last"), (3, 2, "last"), (4, 1, "zero"), (7, 6, "zero"), (100, 3, "last")]


@pytest.mark.parametrize("stride, phase, between", CASES)
@pytest.mark.parametrize("blocks", [BLOCKS, (1,) * 50, (7, 64, 7)])
def test_the_kernel_alone(stride, phase, between, blocks):
    history = stride - 1
    x = noise(1, 2, history + sum(blocks))
    x[:, :history] = 0.0
    fields = {"rows": 2, "stride": stride, "phase": phase, "zeros": between == "zero"}
    expected, last = np.zeros((2, sum(blocks))), np.zeros(2)
    for t, frame in enumerate(x[:, history:].T):
        taken = t >= phase and (t - phase) % stride == 0
        last = frame if taken else last
        expected[:, t] = last if taken or between == "last" else 0.0
    assert np.array_equal(run(HOLD, HOLD_STATE, x, 2, fields=fields, history=history, blocks=blocks), expected)


@pytest.mark.parametrize("cold", [False, True], ids=["prewarmed", "cold"])
@pytest.mark.parametrize("stride, phase, between", CASES)
def test_in_a_model(stride, phase, between, cold):
    rng = np.random.default_rng(2)
    nodes = (
        Input(()),
        Dense((0,), weight=rng.normal(0, 1, (5, 1)), bias=rng.normal(0, 1, 5)),
        Hold((1,), stride, phase, between),
        Conv1d((2,), weight=rng.normal(0, 0.3, (1, 5, 4)), bias=rng.normal(0, 1, 1), dilation=2),
    )
    spec = ModelSpec("rtfx", nodes, name="held", sample_rate=48000.0, rate_source="file")
    x = rng.normal(0, 0.3, 700).astype(np.float32)
    expected = evaluate(spec, x, cold=cold)[0]
    found = Model(spec)(x, 48000.0, bare=True, cold=cold)
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()
