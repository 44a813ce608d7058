"""Measures the time of the callback, and the peak rate of multiply-adds of the processor, for benchmarks."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from ..kernels.kernel import Loop, Tile
from ..kernels.memory import call_process, integers
from ..kernels.processor import lanes
from ..kernels.simd import F32, Emitter
from .process import CALLBACK_KERNEL, call_callback
from .system import clock_ns

CHAINS = 12  # independent multiply-adds at a time: above latency times number of units of any known processor
PEAK_ROUNDS = 100_000


def timed_blocks(function, engine, source, target, inputs, outputs, block, times, count):
    """Call the callback `count` times on consecutive blocks of interleaved frames; store each time in ns at `times`."""
    spent = integers(times, count)
    for i in range(count):
        place = 4 * block * i
        begin = clock_ns()
        if function != 0:
            call_callback(function, source + place * inputs, target + place * outputs, block, np.int64(0), engine)
        spent[i] = clock_ns() - begin
    return 0


TIMED_BLOCKS = Loop(timed_blocks, f"int64({', '.join(['int64'] * 9)})")


def timed_run(function, engine, source, target, inputs, outputs, block, count):
    """Call the callback as `timed_blocks` does, but read the clock only before and after; return the total in ns."""
    begin = clock_ns()
    for i in range(count):
        place = 4 * block * i
        call_callback(function, source + place * inputs, target + place * outputs, block, np.int64(0), engine)
    return clock_ns() - begin


TIMED_RUN = Loop(timed_run, f"int64({', '.join(['int64'] * 8)})")


def timed_calls(function, state, source, target, block, count):
    """Call a kernel `count` times on consecutive blocks of planar rows; return the total in nanoseconds."""
    begin = clock_ns()
    for i in range(count):
        place = 4 * block * i
        call_process(function, state, source + place, target + place, block)
    return clock_ns() - begin


TIMED_CALLS = Loop(timed_calls, "int64(int64, int64, int64, int64, int64, int64)")


class PeakShape(NamedTuple):
    """The number of independent chains of multiply-adds, and the lanes of the vectors that they work on."""

    chains: int
    lanes: int


def emit_peak(builder, shape: PeakShape, tile, state, source, target, frames):
    """Emit a loop that keeps the multiply-add units busy; it stores the sum of all chains at `target`."""
    e = Emitter(builder)
    factor = e.splat(builder.sitofp(frames, F32), shape.lanes)
    slots = [e.slot(shape.lanes) for _ in range(shape.chains)]
    for k, slot in enumerate(slots):
        builder.store(e.mul(factor, e.const(1.0 + k, shape.lanes)), slot)
    with e.loop(frames):
        for slot in slots:
            builder.store(e.fma(builder.load(slot), factor, factor), slot)
    total = builder.load(slots[0])
    for slot in slots[1:]:
        total = e.add(total, builder.load(slot))
    builder.store(e.sum_lanes(total), e.pointer(target))


def measured_peak(seconds: float = 0.1) -> float:
    """Return the largest number of float32 multiply-adds per second that one core reached within `seconds`."""
    busy, total = Tile(emit_peak, PeakShape(CHAINS, lanes())), np.zeros(1, np.float32)
    busy(0, 0, total.ctypes.data, 1)
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter_ns()
        busy(0, 0, total.ctypes.data, PEAK_ROUNDS)
        best = min(best, time.perf_counter_ns() - begin)
    return PEAK_ROUNDS * CHAINS * lanes() / best * 1e9


def time_blocks(engine: int, x: np.ndarray, y: np.ndarray, block: int) -> np.ndarray:
    """Return the nanoseconds of each block of `x`, (blocks,) int64.

    `engine` is the address of the engine; with 0 only the clock is read, which measures the cost of that. `x` is
    (frames, inputs) and `y` (frames, outputs), float32; `block` is in frames.
    """
    count = len(x) // block
    times = np.zeros(count, np.int64)
    function = CALLBACK_KERNEL.address if engine else 0
    TIMED_BLOCKS(function, engine, *_ends(x, y), block, times.ctypes.data, count)
    return times


def time_run(engine: int, x: np.ndarray, y: np.ndarray, block: int) -> int:
    """Return the nanoseconds of all blocks of `x` together.

    The clock is not read between blocks: a reading takes 20 ns, as long as the processing of one or two frames.
    """
    return TIMED_RUN(CALLBACK_KERNEL.address, engine, *_ends(x, y), block, len(x) // block)


def _ends(x: np.ndarray, y: np.ndarray) -> tuple[int, int, int, int]:
    """Return (address of x, address of y, channels of x, channels of y)."""
    return x.ctypes.data, y.ctypes.data, x.shape[1], y.shape[1]
