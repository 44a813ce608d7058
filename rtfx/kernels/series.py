"""Several narrow layers of one shape in series, as one kernel: a tile of frames passes all of them in registers.

A layer with few channels has few products to add. As a separate kernel, it has to wait for values that the previous
layer has just stored. In this kernel the signal and the head sum stay in registers from layer to layer. The output of
every layer is also stored, as ``layers x width`` rows, because the next layer needs its past. With `by_layers`, wide
tiles go through memory instead: each layer processes all of them before the next layer begins.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from llvmlite import ir

from . import simd
from .activations import BY_CODE, code_of, pick_two, table_tanh
from .kernel import Kernel, Tile
from .layer import CONSTANTS, FOLDED, ROWS, LayerCode, LayerShape, LayerWeights, Places, Rows
from .layer import pack as pack_layer
from .processor import features
from .state import state_dtype

F32_BYTES = 4


class SeriesTile(NamedTuple):
    """A tile has `vectors` vectors of `lanes` frames; the last frames of a block may use smaller tiles.

    If `by_layers` is not 0, full tiles are kept in memory from layer to layer.
    """

    lanes: int
    vectors: int
    by_layers: int


def series_state(layers: int) -> np.dtype:
    """Return the state record of a series of `layers` layers."""
    return state_dtype(("layers", np.int64), ("dilations", np.int64, (layers,)))


def by_table(shape: LayerShape) -> bool:
    """Return whether tanh is computed by table: the sums of two channels are too short to hide the latency of exp2."""
    return shape.inputs <= 2 and shape.activation == code_of("tanh") and "avx512f" in features()


def pack(shape: LayerShape, w: LayerWeights, kind: str, constants: np.ndarray) -> np.ndarray:
    """Return the weights of one layer as `layer.pack` orders them; the weights of all layers are adjacent in memory."""
    kind = "" if by_table(shape) else kind
    return pack_layer(shape, w, (kind, kind), constants)


def emit_series(builder, shape: LayerShape, tile: SeriesTile, state, source, target, frames):
    """Emit the loops over the block's tiles."""
    lanes, vectors, by_layers = tile

    def emit_span(e: simd.Emitter, addresses, span: simd.Span):
        series = _Series(e, shape, lanes, *addresses)
        if by_layers and span.vectors == vectors:
            series.layer_by_layer(span)
            return
        with span.tiles() as times:
            series.tile_at(times)

    widths = [width for width in (4, 2, 1) if width <= vectors]
    simd.in_tiles(builder, lanes, widths, (state, source, target), frames, emit_span)


class _Series:
    def __init__(self, e: simd.Emitter, shape: LayerShape, lanes: int, state, source, target):
        self.e, self.b, self.shape, self.lanes = e, e.b, shape, lanes
        self.source, self.target = source, target
        header = simd.Record(e, state, series_state(1))
        self.in_stride, self.out_stride = header.load("in_stride"), header.load("out_stride")
        sides = [Rows(e.pointer(header.load("extra", i)), header.load("extra_stride", i)) for i in range(2)]
        self.condition, self.head = sides
        self.weights = header.load("weights")
        self.layers, self.dilations = header.load("layers"), header.place("dilations")

    def layer_by_layer(self, span: simd.Span):
        """Emit the tiles of a span layer by layer."""
        shape = self.shape
        if shape.head_first:
            with span.tiles() as times:
                for row, t in product(range(shape.head_rows), times):
                    self.e.store(self.e.const(0.0, self.lanes), self.head.base, self._place(row, self.head.stride, t))
        for x, y, dilation in self._each_layer():
            places = Places(x, y, self.condition, self.head, self.w, dilation)
            layer = LayerCode(self.e, shape._replace(head_first=0), self.lanes, places)
            with span.tiles() as times:
                layer.tile_at(times, shape.mixed + shape.sums)

    def _each_layer(self):
        """Emit the loop over the layers; yield once (rows that a layer reads, rows that it writes, its dilation)."""
        e, b = self.e, self.b
        rows, stride, out = (e.integer_slot(e.index(0)) for _ in range(3))
        for slot, value in ((rows, self.source), (stride, self.in_stride), (out, self.target)):
            b.store(value, slot)
        with e.loop(self.layers) as layer:
            self.w = e.pointer(b.add(self.weights, b.mul(layer, e.index(F32_BYTES * self._size()))))
            dilation = b.load(b.inttoptr(b.add(self.dilations, b.mul(layer, e.index(8))), simd.I64.as_pointer()))
            written = b.load(out)
            yield Rows(e.pointer(b.load(rows)), b.load(stride)), Rows(e.pointer(written), self.out_stride), dilation
            b.store(written, rows)
            b.store(self.out_stride, stride)
            b.store(b.add(written, b.mul(self.out_stride, e.index(F32_BYTES * self.shape.inputs))), out)

    def tile_at(self, times):
        """Emit one tile through every layer."""
        e, b, shape, head = self.e, self.b, self.shape, self.head
        self.times, self.vectors = times, range(len(times))
        x = self._slots(shape.inputs)
        heads = self._slots(shape.head_rows)
        for (i, v), slot in x.items():
            b.store(e.load(e.pointer(self.source), self._place(i, self.in_stride, times[v]), self.lanes), slot)
        for (i, v), slot in heads.items():
            place = self._place(i, head.stride, times[v])
            b.store(e.const(0.0, self.lanes) if shape.head_first else e.load(head.base, place, self.lanes), slot)
        for rows, written, dilation in self._each_layer():
            self._layer(x, heads, rows, dilation)
            for (i, v), slot in x.items():
                e.store(b.load(slot), written.base, self._place(i, written.stride, times[v]))
        for (i, v), slot in heads.items():
            e.store(b.load(slot), head.base, self._place(i, head.stride, times[v]))

    def _size(self) -> int:
        """Return the number of floats that `layer.pack` returns for one layer."""
        s = self.shape
        return CONSTANTS + s.sums * (1 + s.conditions + s.taps * s.inputs) + s.mixed * (1 + s.features)

    def _slots(self, rows: int):
        return {(i, v): self.e.slot(self.lanes) for i, v in product(range(rows), self.vectors)}

    def _place(self, row: int, stride, t):
        return self.b.add(self.b.mul(self.e.index(row), stride), t)

    def _weight(self, offset):
        return self.e.broadcast(self.w, offset, self.lanes)

    def _layer(self, x, heads, rows: Rows, dilation):
        """Replace the signal in `x` by the layer's output, and add to `heads`."""
        e, b, shape = self.e, self.b, self.shape
        width, first = shape.inputs, CONSTANTS + shape.sums * (1 + shape.conditions)
        sums = self._biased(CONSTANTS, width)
        for i in range(shape.conditions):
            places = [self._place(i, self.condition.stride, t) for t in self.times]
            values = [e.load(self.condition.base, place, self.lanes) for place in places]
            self._add(sums, values, CONSTANTS + width * (1 + i), width)
        with e.loop(shape.taps - 1) as tap:
            age = b.mul(dilation, b.sub(e.index(shape.taps - 1), tap))
            past = self._past(x, rows, age)
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
        """Emit the products with z: the layer's output, to which its input is added, and its part of the head sum."""
        e, b, shape = self.e, self.b, self.shape
        weights = offset + shape.mixed
        for row in range(shape.mixed):
            for v in self.vectors:
                total = self._weight(offset + row)
                for i in range(shape.features):
                    total = e.fma(self._weight(weights + i * shape.mixed + row), z[i, v], total)
                if row < shape.outputs:
                    b.store(e.add(b.load(x[row, v]), total), x[row, v])
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

    def _past(self, x, rows: Rows, age):
        """Return the signal `age` frames ago: shifted from the registers `x` if it was just stored, else loaded."""
        e, b = self.e, self.b
        past = self._slots(self.shape.inputs)

        def load_all():
            for (i, v), slot in past.items():
                b.store(e.load(rows.base, b.sub(self._place(i, rows.stride, self.times[v]), age), self.lanes), slot)

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
                    place = b.sub(self._place(i, rows.stride, self.times[0]), e.index(self.lanes))
                    before = e.load(rows.base, place, self.lanes)
                    for v in self.vectors:
                        now = b.load(x[i, v])
                        b.store(pick_two(e, before, picks, now), past[i, v])
                        before = now
            with far:
                load_all()
        return past


@cache
def series_kernel(shape: LayerShape, tile: SeriesTile) -> Kernel:
    """Return the kernel of layers of one shape, as wide as their input, without a second activation.

    Their output is the input plus a 1x1 layer of the activation (IDENTITY), or the activation itself (exposed).
    """
    return Tile(emit_series, shape, tile)
