"""Times a block: by the processor's own counter where that runs steadily, for the system's clock takes 20 ns a reading.

The audio thread learns the length of a tick itself, from both clocks, during the first tenth of a second.
"""

from __future__ import annotations

import platform
import sys
from functools import cache

import numpy as np

from ..kernels.kernel import inline, intrinsic
from .system import clock_ns

STEADY = {"constant_tsc", "nonstop_tsc"}  # flags of Linux: the same speed at any clock rate, and in any sleep
LEARNING_NS = 100_000_000
PROMPT = 4000  # ticks: more between two readings, and the thread was interrupted


@cache
def ticks_are_steady() -> bool:
    """Return whether `ticks` counts time on this machine."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:
        return False
    return set(flags.split()) >= STEADY


@intrinsic
def ticks(context):
    """Return the processor's time stamp; 0 where reading it may be forbidden (ARM)."""
    from llvmlite import ir
    from numba import types

    from ..kernels.simd import outside

    i64 = ir.IntType(64)

    def codegen(context, builder, signature, arguments):
        if platform.machine() != "x86_64":
            return i64(0)
        return builder.call(outside(builder, i64, "llvm.readcyclecounter"), [])

    return types.int64(), codegen


@inline
def start_watch(e):
    """Return what `watch_ns` is to be given. [audio thread]"""
    return ticks() if e.tick_ns > 0.0 else clock_ns()


@inline
def watch_ns(e, begin):
    """Return the nanoseconds since `start_watch`. [audio thread]"""
    if e.tick_ns > 0.0:
        return np.int64(np.float64(ticks() - begin) * e.tick_ns)
    spent = clock_ns() - begin
    if e.steady_ticks != 0:
        learn_tick(e)
    return spent


@inline
def learn_tick(e):
    """Compare both clocks. [audio thread]"""
    tick = ticks()
    now = clock_ns()
    if ticks() - tick > PROMPT:
        return
    if e.first_ns == 0:
        e.first_tick = tick
        e.first_ns = now
    elif now - e.first_ns > LEARNING_NS:
        e.tick_ns = np.float64(now - e.first_ns) / np.float64(tick - e.first_tick)
