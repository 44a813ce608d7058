"""Pointers inside compiled functions: typed views of raw addresses, atomics, calls through addresses, memory moves."""

from __future__ import annotations

from .jit import intrinsic


@intrinsic
def floats(context, address, count):
    """Return the `count` float32 at `address`."""
    from numba.core import types

    from .raw_views import span

    return span(types.CPointer(types.float32), count)


@intrinsic
def integers(context, address, count):
    """Return the `count` int64 at `address`."""
    from numba.core import types

    from .raw_views import span

    return span(types.CPointer(types.int64), count)


@intrinsic
def records(context, address, count, dtype):
    """Return the `count` records of a NumPy dtype at `address`; take one by ``[0]``."""
    from .raw_views import Records, span

    return span(Records(dtype.dtype), count, dtype)


def _atomic(kind):
    """Build the codegen of one atomic operation on an int64 at an address."""
    from llvmlite import ir

    i64 = ir.IntType(64)

    def codegen(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], i64.as_pointer())
        if kind == "load":
            return builder.load_atomic(place, "acquire", 8, typ=i64)
        if kind == "store":
            builder.store_atomic(arguments[1], place, "release", 8)
            return context.get_dummy_value()
        return builder.atomic_rmw("xchg", place, arguments[1], "acq_rel")

    return codegen


@intrinsic
def load_acquire(context, address):
    """Read an int64 that another thread writes with `store_release` or `exchange`."""
    from numba.core import types

    return types.int64(types.int64), _atomic("load")


@intrinsic
def store_release(context, address, value):
    """Write an int64; everything written before it is visible to who reads it with `load_acquire`."""
    from numba.core import types

    return types.void(types.int64, types.int64), _atomic("store")


@intrinsic
def exchange(context, address, value):
    """Swap in an int64 and return the old one; acquire and release."""
    from numba.core import types

    return types.int64(types.int64, types.int64), _atomic("exchange")


@intrinsic
def call_process(context, function, state, source, target, frames):
    """Call a kernel through its address."""
    from llvmlite import ir
    from numba.core import types

    i64 = ir.IntType(64)

    def codegen(context, builder, signature, arguments):
        function_type = ir.FunctionType(i64, [i64] * 4)
        return builder.call(builder.inttoptr(arguments[0], function_type.as_pointer()), arguments[1:])

    return types.int64(*[types.int64] * 5), codegen


def _move(context, builder, signature, arguments):
    from llvmlite import ir
    from numba.core import cgutils

    byte = ir.IntType(8).as_pointer()
    target, source = (builder.inttoptr(a, byte) for a in arguments[:2])
    cgutils.raw_memmove(builder, target, source, arguments[2], ir.Constant(ir.IntType(64), 1))
    return context.get_dummy_value()


@intrinsic
def move_bytes(context, target, source, count):
    """``memmove(target, source, count)`` in bytes."""
    from numba.core import types

    return types.void(types.int64, types.int64, types.int64), _move


@intrinsic
def row(context, parameters, stride, index, frames):
    """Return parameter row `index`, the rows `stride` floats apart, as float32 for `frames` frames."""
    from llvmlite import ir
    from numba.core import types

    kind = types.CPointer(types.float32)

    def codegen(context, builder, signature, arguments):
        first, stride, index, _ = arguments
        place = builder.add(first, builder.mul(ir.Constant(stride.type, 4), builder.mul(stride, index)))
        return builder.inttoptr(place, context.get_value_type(kind))

    return kind(types.int64, types.int64, types.int64, types.int64), codegen
