"""LSTM and GRU kernels of every size class, register width and kind of maths against float64."""

import numpy as np
import pytest

from rtfx.kernels import plain
from rtfx.kernels.delay import delayed_dtype, line_fields, line_taps
from rtfx.kernels.plain import PLAIN_CELL_DELAYED
from rtfx.kernels.processor import features
from rtfx.kernels.recurrent import (
    EXPONENTIAL,
    EXPONENTIAL_TABLE,
    GRU,
    LSTM,
    RATIONAL,
    TABLE,
    CellShape,
    cell_kernel,
    pack,
)

from ..sampled import sampled
from . import oracle
from .harness import BLOCKS, noise, run

FRAMES = sum(BLOCKS)
# Errors of the gates (4e-7 and less) come back through the recurrence; weights of this scale do not amplify them.
TOLERANCE = 5e-6
NAMES = {LSTM: "lstm", GRU: "gru"}
MATHS = {RATIONAL: "rational", EXPONENTIAL: "exponential"}
if "avx512f" in features():  # other processors have no such kernels
    MATHS |= {TABLE: "table", EXPONENTIAL_TABLE: "exponential-table"}


def tensors(cell, inputs, hidden, outputs, seed):
    """Return w_ih, w_hh, b_ih, b_hh, dense weight and bias initialised as in PyTorch: uniform, 1 / sqrt(hidden)."""
    gates = 4 if cell == LSTM else 3
    generator = np.random.default_rng([cell, inputs, hidden, outputs, seed])
    shapes = [(gates * hidden, inputs), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,)]
    shapes += [(outputs, hidden), (outputs,)]
    scale = 1.0 / np.sqrt(hidden)
    return [(scale * generator.uniform(-1.0, 1.0, s)).astype(np.float32).astype(np.float64) for s in shapes]


def exact(cell, x, w_ih, w_hh, b_ih, b_hh, dense_weight, dense_bias, h=None, c=None):
    """Return (outputs or hidden, frames)."""
    h = np.zeros(w_hh.shape[1]) if h is None else h
    c = np.zeros(w_hh.shape[1]) if c is None else c
    y = oracle.lstm(x, w_ih, w_hh, b_ih, b_hh, h, c) if cell == LSTM else oracle.gru(x, w_ih, w_hh, b_ih, b_hh, h)
    return dense_weight @ y + dense_bias[:, None] if dense_bias.size else y


def tiled(shape, x, weights, fields=None, blocks=BLOCKS):
    packed = pack(shape, *weights)
    return run(cell_kernel(shape), shape.state, x, shape.outputs or shape.hidden, packed, fields, blocks=blocks)


def check(cell, inputs, hidden, outputs, maths, lanes):
    weights = tensors(cell, inputs, hidden, outputs, maths)
    x = noise(hidden, inputs, FRAMES)
    y = tiled(CellShape(cell, inputs, hidden, outputs, maths, lanes), x, weights)
    assert np.abs(y - exact(cell, x, *weights)).max() < TOLERANCE


SIZES = [(hidden, RATIONAL) for hidden in (1, 4, 5, 8, 12, 13, 16, 20, 28, 35, 41)]
SIZES += [(hidden, EXPONENTIAL) for hidden in range(1, 42)]
SIZES += [(hidden, TABLE) for hidden in (1, 4, 5, 8, 12, 13, 16, 20) if TABLE in MATHS]
SIZES += [(hidden, EXPONENTIAL_TABLE) for hidden in (3, 8, 12, 20, 33, 40) if EXPONENTIAL_TABLE in MATHS]


@pytest.mark.parametrize("cell", NAMES, ids=NAMES.get)
@pytest.mark.parametrize(
    "hidden, maths", sampled(SIZES, 5), ids=[f"{hidden}-{MATHS[maths]}" for hidden, maths in SIZES]
)
def test_every_size(cell, hidden, maths):
    """Inputs 1 to 3 and outputs 0 to 4 change with the size, so that each occurs with each remainder of the tiles.

    Every size runs with exponential maths; for the other kinds a few sizes are enough, because the tiles are the same.
    """
    check(cell, 1 + hidden % 3, hidden, (hidden + 2 * maths + cell) % 5, maths, 16)


@pytest.mark.parametrize("lanes", [8, 4])
@pytest.mark.parametrize("cell", NAMES, ids=NAMES.get)
@pytest.mark.parametrize("hidden", [1, 4, 5, 8, 12, 13, 21, 28])
def test_narrow_registers(cell, hidden, lanes):
    check(cell, 1 + hidden % 3, hidden, hidden % 5, hidden % 2, lanes)


LARGE = [(LSTM, 43, 16), (LSTM, 64, 16), (GRU, 64, 8), (LSTM, 96, 16), (GRU, 101, 16), (LSTM, 130, 16), (GRU, 130, 4)]


@pytest.mark.parametrize("cell, hidden, lanes", LARGE)
def test_large(cell, hidden, lanes):
    """Large layers sum in loops, in several passes if there are many accumulators, backwards at every other sample."""
    check(cell, 1, hidden, 1, EXPONENTIAL, lanes)


@pytest.mark.parametrize("lanes", [16, 8], ids=["one pass", "passes"])
def test_a_looped_sum_does_not_depend_on_the_blocks(lanes):
    shape = CellShape(LSTM, 1, 48, 1, EXPONENTIAL, lanes)
    assert (len(shape.passes) > 1) == (lanes == 8)
    weights, x = tensors(LSTM, 1, 48, 1, 3), noise(2, 1, FRAMES)
    assert np.array_equal(tiled(shape, x, weights), tiled(shape, x, weights, blocks=(FRAMES,)))


@pytest.mark.parametrize("maths", MATHS, ids=MATHS.get)
@pytest.mark.parametrize("cell", NAMES, ids=NAMES.get)
def test_loud_input_saturates_without_nan(cell, maths):
    """Gate sums in the hundreds: exponents are clamped, products stay finite, the result is the saturated one."""
    weights = tensors(cell, 1, 8, 1, 0)
    x = 3000.0 * noise(1, 1, FRAMES)
    y = tiled(CellShape(cell, 1, 8, 1, maths, 16), x, weights)
    assert np.abs(y - exact(cell, x, *weights)).max() < TOLERANCE


@pytest.mark.parametrize("maths", MATHS, ids=MATHS.get)
@pytest.mark.parametrize("cell", NAMES, ids=NAMES.get)
def test_nan_passes_the_clamps(cell, maths):
    weights = tensors(cell, 1, 9, 2, 0)
    x = noise(1, 1, FRAMES)
    x[0, 100] = np.nan
    y = tiled(CellShape(cell, 1, 9, 2, maths, 16), x, weights)
    assert np.isfinite(y[:, :100]).all()
    assert np.isnan(y[:, 100:]).all()


@pytest.mark.parametrize("maths", MATHS, ids=MATHS.get)
@pytest.mark.parametrize("cell", NAMES, ids=NAMES.get)
def test_a_gate_that_is_shut_lets_nothing_through(cell, maths):
    """Otherwise a unit that keeps its state for seconds would add a ten-millionth of its input at every frame."""
    frames, hidden = 4000, 8
    weights = [0.0 * tensor for tensor in tensors(cell, 1, hidden, 0, 0)]
    bias = weights[2].reshape(-1, hidden)  # LSTM i f g o, GRU r z n
    bias[:] = [[-40.0], [40.0], [-40.0], [40.0]] if cell == LSTM else [[40.0], [40.0], [-40.0]]
    shape = CellShape(cell, 1, hidden, 0, maths, 16)
    held = {"h": np.full(shape.padded, 0.25), "c": np.full(shape.padded, 0.25)}
    y = tiled(shape, noise(1, 1, frames), weights, held, (frames,))
    assert np.abs(y - (0.25 if cell == GRU else np.tanh(0.25))).max() < 1e-6


@pytest.mark.parametrize("cell", NAMES, ids=NAMES.get)
def test_stored_state_and_blocks(cell):
    shape = CellShape(cell, 2, 10, 0, EXPONENTIAL, 16)
    weights = tensors(cell, 2, 10, 0, 5)
    x = noise(4, 2, FRAMES)
    h, c = noise(5, 10) / 3.0, noise(6, 10) / 3.0
    start = {"h": np.pad(h, (0, shape.padded - 10)), "c": np.pad(c, (0, shape.padded - 10))}
    whole = tiled(shape, x, weights, start, (FRAMES,))
    assert np.abs(whole - exact(cell, x, *weights, h, c)).max() < TOLERANCE
    assert np.abs(whole[:, 0] - exact(cell, x, *weights)[:, 0]).max() > 1e-3, "the stored state does not matter"
    for blocks in ((1,) * FRAMES, BLOCKS):
        assert np.array_equal(tiled(shape, x, weights, start, blocks), whole)


@pytest.mark.parametrize("lanes", [16, 8, 4])
@pytest.mark.parametrize("delay", [3.0, 1.2, 2.7])
@pytest.mark.parametrize("cell", NAMES, ids=NAMES.get)
def test_delayed_state_on_every_register_width(cell, delay, lanes):
    """The tile and the plain loop, each with its own delay line; a stored state fills the line."""
    hidden, weights, x = 13, tensors(cell, 2, 13, 1, 3), noise(3, 2, FRAMES)
    names = ("h", "c") if cell == LSTM else ("h",)
    start = [noise(i, hidden) / 3.0 for i, _ in enumerate(names)]
    shape = CellShape(cell, 2, hidden, 1, hidden % 2, lanes, line_taps(delay))
    padded = np.concatenate([np.pad(part, (0, shape.padded - hidden)) for part in start])
    line = line_fields(delay, padded)
    y = run(cell_kernel(shape), shape.delayed_state(line["ring"]), x, 1, pack(shape, *weights), line)
    whole = np.zeros(2 * hidden)
    whole[: hidden * len(start)] = np.concatenate(start)
    line = line_fields(delay, whole)
    fields = {"cell": cell, "width_in": 2, "hidden": hidden, "width_out": 1} | line
    dtype = delayed_dtype(plain.cell_state(hidden), 2 * hidden, line["ring"])
    packed = np.concatenate([t.ravel() for t in weights]).astype(np.float32)
    slow = run(PLAIN_CELL_DELAYED, dtype, x, 1, packed, fields)
    assert np.abs(y - slow).max() < TOLERANCE
    assert np.abs(y - exact(cell, x, *weights)).max() > 1e-3, "the delay does nothing"


PLAIN = [(LSTM, 3, 7, 0), (GRU, 2, 7, 3), (LSTM, 1, 150, 1), (GRU, 1, 130, 0)]


@pytest.mark.parametrize("cell, inputs, hidden, outputs", PLAIN)
def test_plain_loop_against_oracle(cell, inputs, hidden, outputs):
    weights = tensors(cell, inputs, hidden, outputs, 8)
    packed = np.concatenate([t.ravel() for t in weights]).astype(np.float32)
    fields = {"cell": cell, "width_in": inputs, "hidden": hidden, "width_out": outputs}
    x = noise(2, inputs, FRAMES)
    y = run(plain.PLAIN_CELL, plain.cell_state(hidden), x, outputs or hidden, packed, fields)
    assert np.abs(y - exact(cell, x, *weights)).max() < TOLERANCE
