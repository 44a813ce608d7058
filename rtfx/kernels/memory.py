"""Memory inside loops: views of raw addresses, atomics, calls through addresses, memory moves.

`floats`, `integers` and `records` return a pointer; the only operation on it is an index from 0. An array would also
have shape, strides, owner and reference count; these would take most of the time that Numba and LLVM need to compile.
"""

from __future__ import annotations

import operator
from functools import cache

from .kernel import intrinsic


@intrinsic
def floats(context, address, count):
    """Return the `count` float32 at `address`."""
    from numba import types

    return _view(types.CPointer(types.float32), count)


@intrinsic
def integers(context, address, count):
    """Return the `count` int64 at `address`."""
    from numba import types

    return _view(types.CPointer(types.int64), count)


@intrinsic
def records(context, address, count, dtype):
    """Return the `count` records of a NumPy dtype at `address`; take one by ``[0]``."""
    return _view(_records_type()(dtype.dtype), count, dtype)


def _view(kind, *further):
    """Return signature and codegen of an intrinsic that turns an address into a pointer; `further` are not used."""
    from numba import types

    def codegen(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return kind(types.int64, *further), codegen


@cache
def _records_type():
    """Return Numba's type for a pointer to adjacent records; an item is a reference to a record."""
    from numba import types
    from numba.extending import lower_builtin, models, register_model

    class Records(types.CPointer):
        pass

    register_model(Records)(models.PointerModel)

    @lower_builtin(operator.getitem, Records, types.Integer)
    def item(context, builder, signature, arguments):
        return builder.gep(arguments[0], [arguments[1]])

    return Records


@intrinsic
def row(context, parameters, stride, index, frames):
    """Return parameter row `index` as `frames` float32; the rows are `stride` floats apart."""
    from llvmlite import ir
    from numba import types

    kind = types.CPointer(types.float32)

    def codegen(context, builder, signature, arguments):
        first, stride, index, _ = arguments
        place = builder.add(first, builder.mul(ir.Constant(stride.type, 4), builder.mul(stride, index)))
        return builder.inttoptr(place, context.get_value_type(kind))

    return kind(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def load_acquire(context, address):
    """Read an int64 that another thread writes with `store_release` or `exchange`. [any thread]"""
    from numba import types

    def codegen(context, builder, signature, arguments):
        return builder.load_atomic(_integer_at(builder, arguments[0]), "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic
def store_release(context, address, value):
    """Write an int64; a thread that reads it with `load_acquire` sees all earlier writes. [any thread]"""
    from numba import types

    def codegen(context, builder, signature, arguments):
        builder.store_atomic(arguments[1], _integer_at(builder, arguments[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def exchange(context, address, value):
    """Atomically write an int64 and return the old one; acquire and release. [any thread]"""
    from numba import types

    def codegen(context, builder, signature, arguments):
        return builder.atomic_rmw("xchg", _integer_at(builder, arguments[0]), arguments[1], "acq_rel")

    return types.int64(types.int64, types.int64), codegen


def _integer_at(builder, address):
    return builder.inttoptr(address, address.type.as_pointer())


@intrinsic
def call_process(context, function, state, source, target, frames):
    """Call a kernel through its address."""
    from numba import types

    return types.int64(*[types.int64] * 5), call_address


def call_address(context, builder, signature, arguments):
    """Call the C function at the first argument, an address, with the other arguments; all are int64, as the result."""
    from llvmlite import ir

    function, *further = arguments
    kind = ir.FunctionType(function.type, [function.type] * len(further))
    return builder.call(builder.inttoptr(function, kind.as_pointer()), further)


@intrinsic
def move_bytes(context, target, source, count):
    """``memmove(target, source, count)`` in bytes."""
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        target, source = (builder.inttoptr(a, byte) for a in arguments[:2])
        move = builder.module.declare_intrinsic("llvm.memmove", [byte, byte, arguments[2].type])
        builder.call(move, [target, source, arguments[2], ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen
