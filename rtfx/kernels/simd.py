"""Vectors in LLVM IR, from which register tiles are written.

A tile that is emitted as IR compiles ten times faster than the same arithmetic in Numba source, and its speed does not
depend on the auto-vectoriser. Every vector length gives correct results on every processor; lengths that fit its
registers are fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

F32 = ir.FloatType()
I32 = ir.IntType(32)
I64 = ir.IntType(64)


def vector(width: int) -> ir.Type:
    """Return the IR type of `width` float32."""
    return ir.VectorType(F32, width)


def slot(builder: ir.IRBuilder, kind: ir.Type, value=None):
    """Return a stack variable of the builder's function; it starts as zero, or as `value`."""
    with builder.goto_entry_block():
        place = builder.alloca(kind)
        builder.store(kind(None), place)
    if value is not None:
        builder.store(value, place)
    return place


def outside(builder: ir.IRBuilder, result: ir.Type, name: str, *kinds: ir.Type) -> ir.Function:
    """Return a function of LLVM or of the C library, declared in the builder's module."""
    module = builder.module
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(result, kinds), name)


class Emitter:
    """Emits arithmetic on vectors of any width; the operands determine the width."""

    def __init__(self, builder: ir.IRBuilder):
        self.b = builder

    # addresses and memory; an offset counts floats and is an int or an i64 value
    def pointer(self, address):
        """Return an i64 address as ``float *``."""
        return self.b.inttoptr(address, F32.as_pointer())

    def index(self, offset):
        return ir.Constant(I64, offset) if isinstance(offset, int) else offset

    def load(self, base, offset, width: int):
        """Load `width` float32 from ``base + offset``, aligned or not."""
        place = self.b.gep(base, [self.index(offset)])
        value = self.b.load(self.b.bitcast(place, vector(width).as_pointer()))
        value.align = 4
        return value

    def store(self, value, base, offset):
        """Store a vector at ``base + offset``."""
        place = self.b.gep(base, [self.index(offset)])
        self.b.store(value, self.b.bitcast(place, value.type.as_pointer())).align = 4

    def scalar(self, base, offset):
        """Load one float32."""
        return self.b.load(self.b.gep(base, [self.index(offset)]))

    def broadcast(self, base, offset, width: int):
        """Load one float32 into every lane."""
        return self.splat(self.scalar(base, offset), width)

    def slot(self, width: int):
        """Return a stack slot for a vector; LLVM promotes it to a register."""
        return slot(self.b, vector(width))

    def array(self, width: int, count: int):
        """Return the stack slot of an array of vectors."""
        return slot(self.b, ir.ArrayType(vector(width), count))

    def integer_slot(self, value):
        """Return a stack slot that holds an i64."""
        return slot(self.b, value.type, value)

    # lanes
    def const(self, value: float, width: int):
        return ir.Constant(vector(width), [float(np.float32(value))] * width)

    def integers(self, value: int, width: int):
        return ir.Constant(ir.VectorType(I32, width), [value] * width)

    def splat(self, scalar, width: int):
        start = self.b.insert_element(ir.Constant(vector(width), ir.Undefined), scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(start, ir.Constant(vector(width), ir.Undefined), self.integers(0, width))

    def splat_integer(self, scalar, width: int):
        """Return an i32 in every lane."""
        kind = ir.VectorType(I32, width)
        start = self.b.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(I32, 0))
        return self.b.shuffle_vector(start, ir.Constant(kind, ir.Undefined), self.integers(0, width))

    def shuffle(self, x, picks: Sequence[int]):
        """Return the lanes `picks` of `x`."""
        mask = ir.Constant(ir.VectorType(I32, len(picks)), list(picks))
        return self.b.shuffle_vector(x, ir.Constant(x.type, ir.Undefined), mask)

    def concatenate(self, x, y):
        n = x.type.count
        return self.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, 2 * n), list(range(2 * n))))

    def lane(self, x, k: int):
        """Return lane `k` as a scalar."""
        return self.b.extract_element(x, ir.Constant(I32, k))

    # arithmetic
    def add(self, x, y):
        return self.b.fadd(x, y)

    def sub(self, x, y):
        return self.b.fsub(x, y)

    def mul(self, x, y):
        return self.b.fmul(x, y)

    def div(self, x, y):
        return self.b.fdiv(x, y)

    def fma(self, x, y, z):
        """Return ``x y + z`` by `llvm.fmuladd`: fused if the processor has the instruction, never a library call."""
        return self.call("fmuladd", x, y, z)

    def call(self, name: str, *arguments):
        """Call a vector intrinsic of LLVM that maps float32 to float32."""
        kind = arguments[0].type
        function = outside(self.b, kind, f"llvm.{name}.v{kind.count}f32", *[kind] * len(arguments))
        return self.b.call(function, arguments)

    def at_most(self, x, limit):
        """Return min(x, limit), the limit a number or a vector; NaN in x passes."""
        bound = self.const(limit, x.type.count) if isinstance(limit, float) else limit
        return self.b.select(self.b.fcmp_ordered("<", bound, x), bound, x)

    def at_least(self, x, limit):
        """Return max(x, limit), the limit a number or a vector; NaN in x passes."""
        bound = self.const(limit, x.type.count) if isinstance(limit, float) else limit
        return self.b.select(self.b.fcmp_ordered(">", bound, x), bound, x)

    def where_positive(self, x, yes, no):
        """Return `yes` where x >= 0, else `no`."""
        return self.b.select(self.b.fcmp_ordered(">=", x, self.const(0.0, x.type.count)), yes, no)

    def magnitude(self, x):
        """Return |x|."""
        return self.from_bits(self.b.and_(self.bits(x), self.integers(0x7FFFFFFF, x.type.count)))

    def negative(self, x):
        """Return -x."""
        return self.from_bits(self.b.xor(self.bits(x), self.integers(-(1 << 31), x.type.count)))

    def bits(self, x):
        return self.b.bitcast(x, ir.VectorType(I32, x.type.count))

    def from_bits(self, x):
        return self.b.bitcast(x, vector(x.type.count))

    def polynomial(self, x, coefficients: Sequence[float]):
        """Evaluate sum c[k] x**k by pairs, then Horner in x squared: half the latency of Horner, one more product."""
        c = [self.const(value, x.type.count) for value in coefficients]
        pairs = [self.fma(x, c[i + 1], c[i]) if i + 1 < len(c) else c[i] for i in range(0, len(c), 2)]
        result = pairs[-1]
        square = self.mul(x, x) if len(pairs) > 1 else None
        for pair in pairs[-2::-1]:
            result = self.fma(square, result, pair)
        return result

    def sum_lanes(self, x):
        """Return the sum of all lanes as a scalar, always added in the same order."""
        while x.type.count > 1:
            half = x.type.count // 2
            x = self.add(self.shuffle(x, range(half)), self.shuffle(x, range(half, 2 * half)))
        return self.lane(x, 0)

    def keep_order(self):
        """Stop LLVM from moving code across this point: it would merge equal broadcasts and spill accumulators."""
        self.b.fence("seq_cst", "singlethread")

    # control
    @contextmanager
    def loop(self, count, step: int = 1, start=0) -> Iterator:
        """Emit a loop from `start` until `count`; yields the i64 index of the current pass."""
        b = self.b
        before = b.basic_block
        condition, body, end = (b.append_basic_block(f"loop.{part}") for part in ("condition", "body", "end"))
        b.branch(condition)
        b.position_at_end(condition)
        i = b.phi(I64)
        i.add_incoming(self.index(start), before)
        b.cbranch(b.icmp_signed("<", i, self.index(count)), body, end)
        b.position_at_end(body)
        yield i
        i.add_incoming(b.add(i, self.index(step)), b.basic_block)
        b.branch(condition)
        b.position_at_end(end)


def in_tiles(
    builder: ir.IRBuilder, lanes: int, widths: Sequence[int], arguments: Sequence, frames, emit: Callable
) -> None:
    """Emit code that covers a block with tiles: wide tiles first, then tiles of one vector for the remaining frames.

    Each width has a separate function, so that values that one width keeps in registers take none from the other.

    Parameters
    ----------
    widths : sequence of int
        Vectors per tile, in falling order; the last is 1.
    arguments : sequence of i64 values
        Passed to each of the functions.
    frames : i64 value
    emit : callable(emitter, arguments, span)
        Emits the body of one function; `span` holds the tiles that the function computes.
    """
    done = ir.Constant(I64, 0)
    for count in widths:
        end = builder.and_(frames, ir.Constant(I64, -lanes * count)) if count > 1 else frames
        function = _function(builder, len(arguments) + 2)
        *own, first, last = function.args
        e = Emitter(ir.IRBuilder(function.append_basic_block("entry")))
        emit(e, own, Span(e, lanes, count, first, last))
        e.b.ret_void()
        with builder.if_then(builder.icmp_signed("<", done, end)):
            builder.call(function, [*arguments, done, end])
        done = end


class Span(NamedTuple):
    """Tiles of `vectors` vectors of `lanes` frames, from the frame `first` until `last`, i64 values."""

    emitter: Emitter
    lanes: int
    vectors: int
    first: Any
    last: Any

    @contextmanager
    def tiles(self) -> Iterator[list]:
        """Emit a loop over the tiles; yields the first frame of each of a tile's vectors."""
        e = self.emitter
        with e.loop(self.last, self.lanes * self.vectors, self.first) as time:
            yield [e.b.add(time, e.index(v * self.lanes)) for v in range(self.vectors)]


def _function(builder: ir.IRBuilder, arguments: int) -> ir.Function:
    """Return a new function of `arguments` i64 that is never inlined; its name begins with that of its caller."""
    kind = ir.FunctionType(ir.VoidType(), [I64] * arguments)
    name = builder.module.get_unique_name(f"{builder.function.name}.tiles")
    function = ir.Function(builder.module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    function.attributes.add("nounwind")
    return function


class Record:
    """Access to the fields of a block's state by name; the NumPy dtype gives their offsets."""

    def __init__(self, emitter: Emitter, address, dtype: np.dtype):
        self.e = emitter
        self.address = address
        self.fields: Any = dtype.fields

    def place(self, name: str, item: int = 0):
        """Return the address of a field, or of item `item` of an array field."""
        kind, offset = self.fields[name][:2]
        offset += item * kind.base.itemsize
        return self.e.b.add(self.address, ir.Constant(I64, offset))

    def load(self, name: str, item: int = 0):
        """Load an integer field as i64."""
        size = self.fields[name][0].base.itemsize
        place = self.e.b.inttoptr(self.place(name, item), ir.IntType(8 * size).as_pointer())
        value = self.e.b.load(place)
        return value if size == 8 else self.e.b.sext(value, I64)

    def store(self, name: str, value):
        """Store an i64 field."""
        self.e.b.store(value, self.e.b.inttoptr(self.place(name), I64.as_pointer()))
