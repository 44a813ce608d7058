"""The code of layers in series in LLVM IR: one tile of frames through every layer, its signal kept in registers."""

from __future__ import annotations

from itertools import product

from llvmlite import ir
from numba.core import cgutils

from . import simd
from .activations import BY_CODE, table_tanh
from .layer import CONSTANTS, FOLDED, ROWS, LayerShape
from .processor import features
from .series import by_table, series_state

F32_BYTES = 4


def emit(builder, shape: LayerShape, lanes: int, vectors: int, state, source, target, frames):
    """Emit the loops over the block's tiles."""
    e = simd.Emitter(builder)
    series = _Series(e, shape, lanes, state, source, target)
    for times in e.tiles(frames, lanes, vectors):
        series.tile_at(times)


class _Series:
    def __init__(self, e: simd.Emitter, shape: LayerShape, lanes: int, state, source, target):
        self.e, self.b, self.shape, self.lanes = e, e.b, shape, lanes
        self.source, self.target = source, target
        header = simd.Record(e, state, series_state(1))
        self.in_stride, self.out_stride = header.load("in_stride"), header.load("out_stride")
        self.extra_stride = [header.load("extra_stride", i) for i in range(2)]
        self.condition, self.head = (e.pointer(header.load("extra", i)) for i in range(2))
        self.weights = header.load("weights")
        self.layers, self.dilations = header.load("layers"), header.place("dilations")

    def tile_at(self, times):
        """Emit one tile through every layer."""
        e, b, shape = self.e, self.b, self.shape
        self.times, self.vectors = times, range(len(times))
        x = self._slots(shape.inputs)
        heads = self._slots(shape.head_rows)
        for (i, v), slot in x.items():
            b.store(e.load(e.pointer(self.source), self._place(i, self.in_stride, times[v]), self.lanes), slot)
        for (i, v), slot in heads.items():
            place = self._place(i, self.extra_stride[1], times[v])
            zero = e.const(0.0, self.lanes)
            b.store(zero if shape.head_first else e.load(self.head, place, self.lanes), slot)
        rows, stride, out = (e.integer_slot(e.index(0)) for _ in range(3))
        for slot, value in ((rows, self.source), (stride, self.in_stride), (out, self.target)):
            b.store(value, slot)
        with e.loop(self.layers) as layer:
            self.w = e.pointer(b.add(self.weights, b.mul(layer, e.index(F32_BYTES * self._size()))))
            dilation = b.load(b.inttoptr(b.add(self.dilations, b.mul(layer, e.index(8))), simd.I64.as_pointer()))
            self._layer(x, heads, e.pointer(b.load(rows)), b.load(stride), dilation)
            written = b.load(out)
            for (i, v), slot in x.items():
                e.store(b.load(slot), e.pointer(written), self._place(i, self.out_stride, times[v]))
            b.store(written, rows)
            b.store(self.out_stride, stride)
            b.store(b.add(written, b.mul(self.out_stride, e.index(F32_BYTES * shape.inputs))), out)
        for (i, v), slot in heads.items():
            e.store(b.load(slot), self.head, self._place(i, self.extra_stride[1], times[v]))

    def _size(self) -> int:
        """Return the floats of one layer's weights, as `layer.pack` lays them."""
        s = self.shape
        return CONSTANTS + s.sums * (1 + s.conditions + s.taps * s.inputs) + s.mixed * (1 + s.features)

    def _slots(self, rows: int):
        return {(i, v): self.e.slot(self.lanes) for i, v in product(range(rows), self.vectors)}

    def _place(self, row: int, stride, t):
        return self.b.add(self.b.mul(self.e.index(row), stride), t)

    def _weight(self, offset):
        return self.e.broadcast(self.w, offset, self.lanes)

    def _layer(self, x, heads, rows, stride, dilation):
        """Replace the signal in `x` by the layer's output, and add to `heads`."""
        e, b, shape = self.e, self.b, self.shape
        width, first = shape.inputs, CONSTANTS + shape.sums * (1 + shape.conditions)
        sums = self._biased(CONSTANTS, width)
        for i in range(shape.conditions):
            values = [e.load(self.condition, self._place(i, self.extra_stride[0], t), self.lanes) for t in self.times]
            self._add(sums, values, CONSTANTS + width * (1 + i), width)
        with e.loop(shape.taps - 1) as tap:
            age = b.mul(dilation, b.sub(e.index(shape.taps - 1), tap))
            past = self._past(x, rows, stride, age)
            for i in range(width):
                offset = b.add(e.index(first + i * width), b.mul(tap, e.index(width * width)))
                self._add(sums, [b.load(past[i, v]) for v in self.vectors], offset, width)
        first += (shape.taps - 1) * width * width
        for i in range(width):
            self._add(sums, [b.load(x[i, v]) for v in self.vectors], first + i * width, width)
        constants = [e.broadcast(self.w, i, self.lanes) for i in range(4)]
        activate = BY_CODE[shape.activation][1] if not by_table(shape) else lambda e, x, constants: table_tanh(e, x)
        z = {at: activate(e, b.load(slot), constants) for at, slot in sums.items()}
        self._mix(x, heads, z, first + width * width)

    def _mix(self, x, heads, z, offset: int):
        """Compute the rows over z: output with its residual, head."""
        e, b, shape = self.e, self.b, self.shape
        weights = offset + shape.mixed
        for row in range(shape.mixed):
            for v in self.vectors:
                total = self._weight(offset + row)
                if row < shape.outputs:
                    total = e.add(b.load(x[row, v]), total)
                for i in range(shape.features):
                    total = e.fma(self._weight(weights + i * shape.mixed + row), z[i, v], total)
                if row < shape.outputs:
                    b.store(total, x[row, v])
                else:
                    slot = heads[row - shape.outputs, v]
                    b.store(e.add(b.load(slot), total), slot)
        if shape.head == ROWS:
            for at, slot in heads.items():
                b.store(e.add(b.load(slot), z[at]), slot)
        if not shape.mixed or (shape.head == FOLDED and not shape.outputs):
            for at, slot in x.items():
                b.store(z[at], slot)

    def _biased(self, offset: int, rows: int):
        sums = self._slots(rows)
        for (j, _), slot in sums.items():
            self.b.store(self._weight(offset + j), slot)
        return sums

    def _add(self, sums, values, offset, width: int):
        """Add one row of frames to all sums."""
        for j in range(width):
            weight = self._weight(self.b.add(self.e.index(offset), self.e.index(j)))
            for v, value in enumerate(values):
                self.b.store(self.e.fma(weight, value, self.b.load(sums[j, v])), sums[j, v])

    def _past(self, x, rows, stride, age):
        """Return the signal `age` frames ago: loaded, or shifted in from `x` where a load would wait for its store."""
        e, b = self.e, self.b
        past = self._slots(self.shape.inputs)

        def load_all():
            for (i, v), slot in past.items():
                b.store(e.load(rows, b.sub(self._place(i, stride, self.times[v]), age), self.lanes), slot)

        if self.lanes != 16 or "avx512f" not in features():
            load_all()
            return past
        with b.if_else(b.icmp_signed("<", age, e.index(self.lanes))) as (near, far):
            with near:
                kind = ir.VectorType(simd.I32, self.lanes)
                start = b.trunc(b.sub(e.index(self.lanes), age), simd.I32)
                lanes = ir.Constant(kind, list(range(self.lanes)))
                picks = b.add(e.splat_integer(start, self.lanes), lanes)
                for i in range(self.shape.inputs):
                    before = e.load(rows, b.sub(self._place(i, stride, self.times[0]), e.index(self.lanes)), self.lanes)
                    for v in self.vectors:
                        now = b.load(x[i, v])
                        b.store(_pick_two(e, before, picks, now), past[i, v])
                        before = now
            with far:
                load_all()
        return past


def _pick_two(e: simd.Emitter, low, picks, high):
    """Return lanes of two vectors of 16, those of `high` counted from 16 on (AVX-512)."""
    function = ir.FunctionType(low.type, [low.type, picks.type, low.type])
    permute = cgutils.get_or_insert_function(e.b.module, function, "llvm.x86.avx512.vpermi2var.ps.512")
    return e.b.call(permute, [low, picks, high])
