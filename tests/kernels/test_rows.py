"""Passes over one row against NumPy: any length, values that are not finite, and the peak that each returns."""

import numpy as np
import pytest

from rtfx.kernels.kernel import Loop
from rtfx.kernels.rows import (
    INFINITE_BITS,
    add_row,
    fill_row,
    gather_row,
    measure_row,
    read_row,
    scale_row,
    scatter_row,
)

pytestmark = pytest.mark.slow  # compiling takes seconds; every block that any other test plays runs these passes

ORDER = ("scale", "add", "fill", "measure", "read", "gather", "scatter")
HALF, LOUDEST, STRIDE = np.float32(0.5), np.float32(1.5), 3
FRAMES = [0, 1, 15, 16, 17, 100]  # around the width of a vector
BEHIND = 7.0  # what follows a row, which no pass may change


def passes(which, source, target, frames):
    if which == 0:
        return scale_row(target, source, HALF, frames)
    if which == 1:
        return add_row(target, source, frames)
    if which == 2:
        fill_row(target, HALF, frames)
    if which == 3:
        return measure_row(source, frames)
    if which == 4:
        return read_row(target, source, 1, LOUDEST, frames)
    if which == 5:
        return gather_row(target, source, STRIDE, frames)
    if which == 6:
        scatter_row(target, source, STRIDE, frames)
    return 0


@pytest.fixture(scope="module")
def kernel():
    return Loop(passes)


def row(length: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(length + 1).astype(np.float32)
    values[-1] = BEHIND
    return values


def bits(values: np.ndarray) -> int:
    """The largest magnitude of a row as the bits of a float32."""
    return int(np.abs(values).max(initial=0.0).astype(np.float32).view(np.int32))


@pytest.mark.parametrize("frames", FRAMES)
def test_every_pass_is_numpys(kernel, frames):
    def run(name, x, y):
        peak = kernel(ORDER.index(name), x.ctypes.data, y.ctypes.data, frames)
        assert y[-1] == BEHIND
        return y[:-1], peak

    x = row(frames, 1)
    known, scaled = x[:-1], 0.5 * x[:-1]
    y, peak = run("scale", x, row(frames, 2))
    assert np.array_equal(y, scaled) and peak == bits(scaled)
    y, peak = run("add", x, row(frames, 2))
    assert np.array_equal(y, row(frames, 2)[:-1] + known) and peak == bits(known)
    assert np.all(run("fill", x, row(frames, 2))[0] == HALF)
    assert run("measure", x, row(frames, 2))[1] == bits(known)
    kept = np.where(np.abs(known) <= LOUDEST, known, 0.0)
    y, peak = run("read", x, row(frames, 2))
    assert np.array_equal(y, kept) and peak == bits(kept)
    wide = row(frames * STRIDE, 3)
    y, peak = run("gather", wide, row(frames, 2))
    assert np.array_equal(y, wide[:-1:STRIDE]) and peak == bits(wide[:-1:STRIDE])
    y, _ = run("scatter", x, row(frames * STRIDE, 3))
    expected = row(frames * STRIDE, 3)[:-1]
    expected[::STRIDE] = known
    assert np.array_equal(y, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 20], ids=["in a vector", "in the rest"])
def test_what_is_not_finite_is_seen_or_replaced(kernel, value, place):
    x = row(21, 1)
    x[place] = value
    y = row(21, 2)
    assert kernel(ORDER.index("measure"), x.ctypes.data, y.ctypes.data, 21) >= INFINITE_BITS
    assert kernel(ORDER.index("scale"), x.ctypes.data, y.ctypes.data, 21) < INFINITE_BITS
    assert y[place] == 0.0 and np.count_nonzero(y[:-1]) == 20
