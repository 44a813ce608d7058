"""Stacks of recurrent layers in one kernel: each layer runs a sample behind the one below, with the same output."""

import numpy as np
import pytest

from rtfx.kernels import stack
from rtfx.kernels.recurrent import EXPONENTIAL, GRU, LSTM, RATIONAL, CellShape, pack
from rtfx.model.nodes import Dense, Input, Lstm
from rtfx.model.spec import ModelSpec
from rtfx.plan import self_check
from rtfx.plan.lowering import recurrent as lower
from tests.engine.rigs import drive, engine, model, noise, rig

from .harness import BLOCKS, run
from .harness import noise as rows
from .test_recurrent import FRAMES, NAMES, TOLERANCE, exact, tensors

CASES = [
    (LSTM, 8, 2, 1, 16),
    (LSTM, 5, 3, 0, 16),
    (GRU, 8, 2, 2, 16),
    pytest.param(GRU, 17, 4, 1, 8, marks=pytest.mark.slow),
    pytest.param(LSTM, 24, 2, 1, 4, marks=pytest.mark.slow),
]


def stacked(cell, hidden, layers, outputs, lanes, x, blocks):
    """Return the stack's output, and the exact one."""
    shape = CellShape(cell, x.shape[0], hidden, outputs, EXPONENTIAL if hidden > 8 else RATIONAL, lanes)
    weights, signal = [], x
    for i, layer in enumerate(stack.layer_shapes(shape, layers)):
        given = tensors(cell, layer.inputs, hidden, layer.outputs, i)
        signal = exact(cell, signal, *given)
        weights.append(pack(layer, *given))
        assert weights[-1].size == layer.floats
    kernel, state = stack.stack_kernel(shape, layers), stack.stack_state(shape, layers)
    return run(kernel, state, x, outputs or hidden, np.concatenate(weights), None, blocks=blocks), signal


@pytest.mark.parametrize("cell, hidden, layers, outputs, lanes", CASES)
def test_against_float64(cell, hidden, layers, outputs, lanes):
    x = rows(hidden, 2, FRAMES)
    y, right = stacked(cell, hidden, layers, outputs, lanes, x, BLOCKS)
    assert np.abs(y - right).max() < TOLERANCE


@pytest.mark.parametrize("cell", NAMES, ids=NAMES.get)
def test_blocks_shorter_than_the_stack_is_deep(cell):
    x = rows(3, 1, FRAMES)
    whole, _ = stacked(cell, 6, 3, 1, 16, x, (FRAMES,))
    for blocks in ((1,) * FRAMES, (2,) * (FRAMES // 2) + (1,) * (FRAMES % 2), BLOCKS):
        assert np.array_equal(stacked(cell, 6, 3, 1, 16, x, blocks)[0], whole)


def deep(*widths: int) -> ModelSpec:
    """Return LSTM layers of these widths followed by a dense layer."""
    r = np.random.default_rng(len(widths))
    nodes: list = [Input(())]
    for width in widths:
        inputs = 1 if len(nodes) == 1 else nodes[-1].width
        shapes = ((4 * width, inputs), (4 * width, width), (4 * width,))
        nodes.append(Lstm((len(nodes) - 1,), *(r.uniform(-0.4, 0.4, shape) for shape in shapes)))
    nodes.append(Dense((len(nodes) - 1,), r.uniform(-0.4, 0.4, (1, widths[-1])), np.zeros(1)))
    return ModelSpec(name="deep", family="rtfx", nodes=tuple(nodes), sample_rate=48000.0)


@pytest.mark.parametrize(
    "widths, stacks, singles", [((8, 8), 1, 0), ((8, 6), 0, 2), ((7, 7, 9), 1, 1), ((30, 30), 0, 2), ((4,) * 5, 1, 1)]
)
def test_what_is_stacked(widths, stacks, singles):
    names = [kernel.name for kernel in rig([model(deep(*widths), bare=True)]).plan.kernels]
    assert sum("stack" in name for name in names) == stacks
    assert sum("kernels.recurrent" in name for name in names) == singles


def test_a_wrong_stack_is_not_trusted(monkeypatch, tmp_path):
    x = noise(900)
    monkeypatch.setattr(lower.stack, "DEEPEST", 1)
    right = drive(engine([model(deep(9, 9), bare=True)]), x)
    monkeypatch.undo()
    assert np.abs(drive(engine([model(deep(9, 9), bare=True)]), x) - right).max() < 1e-5
    monkeypatch.setattr(self_check, "cache_file", lambda kernel: tmp_path / "nothing.bin")
    monkeypatch.setattr(self_check, "TOLERANCE", -1.0)
    with monkeypatch.context() as patched:
        patched.setattr(lower, "proved", lambda tiled, loop, *rest: tiled)
        y = drive(engine([model(deep(9, 9), bare=True)]), x)
        (said,) = rig([model(deep(9, 9), bare=True)]).plan.replaced
    assert np.array_equal(y, right) and "disagrees" in said and said.endswith("its layers play one by one instead")
