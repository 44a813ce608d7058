"""Runs one kernel block by block on guarded memory, as the engine would: strides, history, padding behind blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rtfx.kernels.conv import OVERHANG

UNTOUCHED = np.float32(-777.0)
BLOCKS = (64, 1, 16, 2, 63, 5, 65)


def noise(seed: int, *shape: int) -> np.ndarray:
    """Return float64 noise that float32 holds exactly."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32).astype(np.float64)


def run(
    kernel,
    dtype: np.dtype,
    x: np.ndarray,
    outputs: int,
    weights: np.ndarray | None = None,
    fields: dict | None = None,
    history: int = 0,
    blocks: Sequence[int] = BLOCKS,
    extra: np.ndarray | None = None,
) -> np.ndarray:
    """Return (outputs, frames) float32.

    The memory after a block is NaN when the kernel is called, so a value that depends on it becomes NaN. The kernel may
    write up to `OVERHANG` floats past a block's end, but no further, and never before the block.

    Parameters
    ----------
    x : (inputs, history + sum(blocks))
    extra : (rows, sum(blocks)), optional
    """
    frames = sum(blocks)
    source = np.full((x.shape[0], history + frames + OVERHANG), np.nan, np.float32)
    target = np.full((outputs, frames + 2 * OVERHANG), UNTOUCHED, np.float32)
    side = np.full((1 if extra is None else extra.shape[0], frames + OVERHANG), np.nan, np.float32)
    source[:, :history] = x[:, :history]
    state = np.zeros(1, dtype)
    for name, value in (fields or {}).items():
        state[name] = value
    state["in_stride"], state["out_stride"] = source.shape[1], target.shape[1]
    state["extra_stride"] = side.shape[1]
    if weights is not None:
        state["weights"] = weights.ctypes.data
    done = 0
    for count in blocks:
        end = done + count
        source[:, history + done : history + end] = x[:, history + done : history + end]
        if extra is not None:
            side[:, done:end] = extra[:, done:end]
        state["extra"] = side.ctypes.data + 4 * done
        before = target.copy()
        first = source.ctypes.data + 4 * (history + done), target.ctypes.data + 4 * (OVERHANG + done)
        assert kernel(state.ctypes.data, *first, count) == 0
        last = OVERHANG + end + OVERHANG
        assert np.array_equal(target[:, : OVERHANG + done], before[:, : OVERHANG + done], equal_nan=True)
        assert np.array_equal(target[:, last:], before[:, last:], equal_nan=True)
        done = end
    return target[:, OVERHANG : OVERHANG + frames]


def compiled(kernel):
    """Return a kernel compiled past the disk cache, callable: for kernels that tests write."""
    import ctypes

    fresh = kernel.compiled()
    foreign = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)(fresh.address)
    foreign.keep = fresh
    return foreign
