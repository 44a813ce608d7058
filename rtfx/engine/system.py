"""Functions of the processor and the system for compiled code: clocks, thread id, flushing of denormals, sleep.

If the processor's time stamp counter has a constant rate, blocks are timed with it, since reading the system's clock
takes 20 ns. The audio thread measures the length of a tick with both clocks during the first tenth of a second.
"""

from __future__ import annotations

import platform
import sys
from functools import cache

import numpy as np

from ..kernels.kernel import inline, intrinsic

FLUSH_X86 = 0x8040  # FTZ and DAZ of MXCSR
FLUSH_ARM = 1 << 24  # FZ of FPCR
MONOTONIC = 6 if sys.platform == "darwin" else 1  # CLOCK_MONOTONIC
# flags of Linux: the rate of the counter is the same at any clock rate and in any sleep state
STEADY = {"constant_tsc", "nonstop_tsc"}
LEARNING_NS = 100_000_000  # between the two comparisons of the clocks
PROMPT = 4000  # ticks; if two readings are further apart, the thread was interrupted between them


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64", "i686")


def _is_arm() -> bool:
    return platform.machine().lower() in ("aarch64", "arm64")


@intrinsic
def clock_ns(context):
    """Return a monotonic time in nanoseconds; 0 on Windows, which has no clock_gettime. [any thread]"""
    from llvmlite import ir
    from numba import types

    from ..kernels.simd import outside, slot

    i64, i32, address = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()

    def codegen(context, builder, signature, arguments):
        if sys.platform == "win32":
            return i64(0)
        spec = slot(builder, ir.ArrayType(i64, 2))
        function = outside(builder, i32, "clock_gettime", i32, address)
        builder.call(function, [i32(MONOTONIC), builder.bitcast(spec, address)])
        value = builder.load(spec)
        seconds = builder.mul(builder.extract_value(value, 0), i64(1_000_000_000))
        return builder.add(seconds, builder.extract_value(value, 1))

    return types.int64(), codegen


@intrinsic
def sleep_ns(context, nanoseconds):
    """Let the calling thread sleep for some nanoseconds. [any thread]"""
    from llvmlite import ir
    from numba import types

    from ..kernels.simd import outside, slot

    i64, i32, address = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()

    def codegen(context, builder, signature, arguments):
        billion = i64(1_000_000_000)
        if sys.platform == "win32":
            function = outside(builder, ir.VoidType(), "Sleep", i32)
            builder.call(function, [builder.trunc(builder.sdiv(arguments[0], i64(1_000_000)), i32)])
            return context.get_dummy_value()
        spec = slot(builder, ir.ArrayType(i64, 2))
        value = builder.insert_value(
            ir.Constant(ir.ArrayType(i64, 2), ir.Undefined), builder.sdiv(arguments[0], billion), 0
        )
        builder.store(builder.insert_value(value, builder.srem(arguments[0], billion), 1), spec)
        function = outside(builder, i32, "nanosleep", address, address)
        builder.call(function, [builder.bitcast(spec, address), address(None)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def thread_id(context):
    """Return the operating system's id of the calling thread; 0 if the system has no gettid. [any thread]"""
    from llvmlite import ir
    from numba import types

    from ..kernels.simd import outside

    i64, i32 = ir.IntType(64), ir.IntType(32)

    def codegen(context, builder, signature, arguments):
        if not sys.platform.startswith("linux"):
            return i64(0)
        return builder.sext(builder.call(outside(builder, i32, "gettid"), []), i64)

    return types.int64(), codegen


@intrinsic
def flush_denormals(context):
    """Flush denormals on the calling thread; return the former control word. [any thread]"""
    from llvmlite import ir
    from numba import types

    i64 = ir.IntType(64)

    def codegen(context, builder, signature, arguments):
        if not _is_x86() and not _is_arm():
            return i64(0)
        former = _control_word(builder)
        _set_control_word(builder, builder.or_(former, i64(FLUSH_X86 if _is_x86() else FLUSH_ARM)))
        return former

    return types.int64(), codegen


@intrinsic
def restore_denormals(context, word):
    """Restore the control word that `flush_denormals` returned. [any thread]"""
    from numba import types

    def codegen(context, builder, signature, arguments):
        if _is_x86() or _is_arm():
            _set_control_word(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


def _control_word(builder):
    """Return the control register of floating-point arithmetic, MXCSR or FPCR, as i64."""
    from llvmlite import ir

    from ..kernels.simd import outside, slot

    i64, i32, address = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
    if _is_arm():
        return builder.call(outside(builder, i64, "llvm.aarch64.get.fpcr"), [])
    word = slot(builder, i32)
    read = outside(builder, ir.VoidType(), "llvm.x86.sse.stmxcsr", address)
    builder.call(read, [builder.bitcast(word, address)])
    return builder.zext(builder.load(word), i64)


def _set_control_word(builder, value):
    from llvmlite import ir

    from ..kernels.simd import outside, slot

    i64, i32, address = ir.IntType(64), ir.IntType(32), ir.IntType(8).as_pointer()
    if _is_arm():
        builder.call(outside(builder, ir.VoidType(), "llvm.aarch64.set.fpcr", i64), [value])
        return
    word = slot(builder, i32)
    builder.store(builder.trunc(value, i32), word)
    write = outside(builder, ir.VoidType(), "llvm.x86.sse.ldmxcsr", address)
    builder.call(write, [builder.bitcast(word, address)])


@cache
def ticks_are_steady() -> bool:
    """Return whether `ticks` advances at a constant rate on this machine."""
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
    """Return the processor's time stamp counter; 0 on ARM, where reading it may be forbidden. [any thread]"""
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
    """Return the start time to pass to `watch_ns`: ticks or nanoseconds. [audio thread]"""
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
    """Read both clocks; once they are far enough apart, store the length of a tick in ns. [audio thread]"""
    tick = ticks()
    now = clock_ns()
    if ticks() - tick > PROMPT:
        return
    if e.first_ns == 0:
        e.first_tick = tick
        e.first_ns = now
    elif now - e.first_ns > LEARNING_NS:
        e.tick_ns = np.float64(now - e.first_ns) / np.float64(tick - e.first_tick)
