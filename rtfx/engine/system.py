"""What compiled code asks of the processor and the system: a clock, the thread's id, denormals flushed, sleep."""

from __future__ import annotations

import platform
import sys

from ..kernels.jit import intrinsic

FLUSH_X86 = 0x8040  # FTZ and DAZ of MXCSR
FLUSH_ARM = 1 << 24  # FZ of FPCR
MONOTONIC = 6 if sys.platform == "darwin" else 1  # CLOCK_MONOTONIC


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64", "i686")


def _is_arm() -> bool:
    return platform.machine().lower() in ("aarch64", "arm64")


@intrinsic
def clock_ns(context):
    """Return a monotonic time in nanoseconds; 0 where the system has no clock_gettime (Windows)."""
    from llvmlite import ir
    from numba.core import cgutils, types

    i64, i32 = ir.IntType(64), ir.IntType(32)

    def codegen(context, builder, signature, arguments):
        if sys.platform == "win32":
            return i64(0)
        spec = cgutils.alloca_once(builder, ir.ArrayType(i64, 2))
        kind = ir.FunctionType(i32, [i32, cgutils.voidptr_t])
        function = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        builder.call(function, [i32(MONOTONIC), builder.bitcast(spec, cgutils.voidptr_t)])
        value = builder.load(spec)
        seconds = builder.mul(builder.extract_value(value, 0), i64(1_000_000_000))
        return builder.add(seconds, builder.extract_value(value, 1))

    return types.int64(), codegen


@intrinsic
def sleep_ns(context, nanoseconds):
    """Sleep on this thread."""
    from llvmlite import ir
    from numba.core import cgutils, types

    i64, i32 = ir.IntType(64), ir.IntType(32)

    def codegen(context, builder, signature, arguments):
        billion = i64(1_000_000_000)
        if sys.platform == "win32":
            kind = ir.FunctionType(ir.VoidType(), [i32])
            function = cgutils.get_or_insert_function(builder.module, kind, "Sleep")
            builder.call(function, [builder.trunc(builder.sdiv(arguments[0], i64(1_000_000)), i32)])
            return context.get_dummy_value()
        spec = cgutils.alloca_once(builder, ir.ArrayType(i64, 2))
        value = builder.insert_value(
            ir.Constant(ir.ArrayType(i64, 2), ir.Undefined), builder.sdiv(arguments[0], billion), 0
        )
        builder.store(builder.insert_value(value, builder.srem(arguments[0], billion), 1), spec)
        kind = ir.FunctionType(i32, [cgutils.voidptr_t, cgutils.voidptr_t])
        function = cgutils.get_or_insert_function(builder.module, kind, "nanosleep")
        builder.call(function, [builder.bitcast(spec, cgutils.voidptr_t), ir.Constant(cgutils.voidptr_t, None)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def thread_id(context):
    """Return the kernel's id of this thread, or 0 where the system has no gettid."""
    from llvmlite import ir
    from numba.core import cgutils, types

    i64, i32 = ir.IntType(64), ir.IntType(32)

    def codegen(context, builder, signature, arguments):
        if not sys.platform.startswith("linux"):
            return i64(0)
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(i32, []), "gettid")
        return builder.sext(builder.call(function, []), i64)

    return types.int64(), codegen


@intrinsic
def flush_denormals(context):
    """Flush denormals on this thread; return the former control word."""
    from llvmlite import ir
    from numba.core import cgutils, types

    i64, i32, void = ir.IntType(64), ir.IntType(32), ir.VoidType()

    def codegen(context, builder, signature, arguments):
        if _is_x86():
            slot = cgutils.alloca_once(builder, i32)
            place = builder.bitcast(slot, cgutils.voidptr_t)
            kind = ir.FunctionType(void, [cgutils.voidptr_t])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.stmxcsr"), [place])
            former = builder.load(slot)
            builder.store(builder.or_(former, i32(FLUSH_X86)), slot)
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.ldmxcsr"), [place])
            return builder.zext(former, i64)
        if _is_arm():
            read = cgutils.get_or_insert_function(builder.module, ir.FunctionType(i64, []), "llvm.aarch64.get.fpcr")
            write = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(void, [i64]), "llvm.aarch64.set.fpcr"
            )
            former = builder.call(read, [])
            builder.call(write, [builder.or_(former, i64(FLUSH_ARM))])
            return former
        return i64(0)

    return types.int64(), codegen


@intrinsic
def restore_denormals(context, word):
    """Restore the control word that `flush_denormals` returned."""
    from llvmlite import ir
    from numba.core import cgutils, types

    i64, i32, void = ir.IntType(64), ir.IntType(32), ir.VoidType()

    def codegen(context, builder, signature, arguments):
        if _is_x86():
            slot = cgutils.alloca_once(builder, i32)
            builder.store(builder.trunc(arguments[0], i32), slot)
            kind = ir.FunctionType(void, [cgutils.voidptr_t])
            load = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse.ldmxcsr")
            builder.call(load, [builder.bitcast(slot, cgutils.voidptr_t)])
        elif _is_arm():
            kind = ir.FunctionType(void, [i64])
            write = cgutils.get_or_insert_function(builder.module, kind, "llvm.aarch64.set.fpcr")
            builder.call(write, [arguments[0]])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
