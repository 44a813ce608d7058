"""The code of a WaveNet layer in LLVM IR: one tile of frames through convolution, activation, 1x1 and head."""

from __future__ import annotations

from . import simd
from .activations import BY_CODE, exp2, exp2_minus_1
from .codes import code_of
from .conv import Tile
from .layer import CONSTANTS, IDENTITY, MATRIX, ROWS, STATE, LayerShape

TANH, SIGMOID = code_of("tanh"), code_of("sigmoid")
GATE_LIMIT = 60.0  # of the exponents: their product stays finite, and tanh and sigmoid are flat far below


def emit(builder, shape: LayerShape, tile: Tile, state, source, target, frames):
    """Emit the loops over the block's tiles."""
    layer = _Layer(simd.Emitter(builder), shape, tile, state, source, target)
    for times in layer.e.tiles(frames, tile.lanes, tile.vectors):
        layer.tile_at(times)


class _Layer:
    def __init__(self, e: simd.Emitter, shape: LayerShape, tile: Tile, state, source, target):
        self.e, self.b, self.shape, self.tile = e, e.b, shape, tile
        header = simd.Record(e, state, STATE)
        self.in_stride, self.out_stride = header.load("in_stride"), header.load("out_stride")
        self.extra_stride = [header.load("extra_stride", i) for i in range(2)]
        self.dilation = header.load("dilation")
        self.weights = e.pointer(header.load("weights"))
        self.x, self.y = e.pointer(source), e.pointer(target)
        self.condition, self.head = (e.pointer(header.load("extra", i)) for i in range(2))
        self.constants = [[e.broadcast(self.weights, 4 * a + i, tile.lanes) for i in range(4)] for a in range(2)]
        self.vectors = range(tile.vectors)
        rows = range(shape.features if shape.mixed else 0)
        self.z = {(o, v): e.slot(tile.lanes) for o in rows for v in self.vectors}

    def place(self, row, stride, t):
        """Return the offset of a row at a time."""
        return self.b.add(self.b.mul(self.e.index(row), stride), t)

    def weight(self, offset):
        return self.e.broadcast(self.weights, offset, self.tile.lanes)

    def tile_at(self, times):
        """Emit one tile."""
        shape, groups, self.vectors = self.shape, self.shape.sum_groups(self.tile), range(len(times))
        bias, condition = CONSTANTS, CONSTANTS + shape.sums
        conv = condition + shape.sums * shape.conditions
        for outputs in groups:
            width = len(outputs)
            sums = self._sums(width, bias)
            if shape.conditions:
                self._accumulate(sums, self.condition, self.extra_stride[0], times, shape.conditions, condition, width)
            with self.e.loop(shape.taps) as tap:
                age = self.b.mul(self.dilation, self.b.sub(self.e.index(shape.taps - 1), tap))
                past = [self.b.sub(t, age) for t in times]
                first = self.b.add(self.e.index(conv), self.b.mul(tap, self.e.index(shape.inputs * width)))
                self._accumulate(sums, self.x, self.in_stride, past, shape.inputs, first, width)
            bias, condition, conv = (
                bias + width,
                condition + shape.conditions * width,
                conv + shape.taps * shape.inputs * width,
            )
            self._activate(outputs, sums, times)
        if shape.mixed:
            self._mix(conv, times)

    def _sums(self, width: int, bias: int):
        """Return accumulators that hold their biases."""
        sums = {(j, v): self.e.slot(self.tile.lanes) for j in range(width) for v in self.vectors}
        for (j, _), slot in sums.items():
            self.b.store(self.weight(bias + j), slot)
        return sums

    def _accumulate(self, sums, base, stride, times, rows: int, first, width: int):
        """Add ``rows`` rows, weighted; weights lie as [row][output] from `first` on."""
        with self.e.loop(rows) as i:
            values = [self.e.load(base, self.place(i, stride, t), self.tile.lanes) for t in times]
            offset = self.b.add(self.e.index(first), self.b.mul(i, self.e.index(width)))
            for j in range(width):
                w = self.weight(self.b.add(offset, self.e.index(j)))
                for v, value in enumerate(values):
                    self.b.store(self.e.fma(w, value, self.b.load(sums[j, v])), sums[j, v])

    def _activate(self, outputs, sums, times):
        """Turn sums into features: kept for the 1x1, written out, added to the head."""
        shape = self.shape
        features = outputs[: len(outputs) // 2] if shape.gate else outputs
        for j, o in enumerate(features):
            for v, t in enumerate(times):
                value = self.b.load(sums[j, v])
                if shape.gate:
                    value = self._gated(value, self.b.load(sums[len(features) + j, v]))
                else:
                    value = BY_CODE[shape.activation][1](self.e, value, self.constants[0])
                if shape.mixed:
                    self.b.store(value, self.z[o, v])
                if shape.exposed:
                    self.e.store(value, self.y, self.place(o, self.out_stride, t))
                if shape.head == ROWS:
                    place = self.place(o, self.extra_stride[1], t)
                    total = (
                        value if shape.head_first else self.e.add(self.e.load(self.head, place, self.tile.lanes), value)
                    )
                    self.e.store(total, self.head, place)

    def _gated(self, x, y):
        """Return f(x) g(y); tanh and sigmoid share one division: (A - 1) / ((A + 1) (1 + B)), error 3e-7."""
        e, second = self.e, self.shape.gate - 1
        if (self.shape.activation, second) == (TANH, SIGMOID):
            one, two = e.const(1.0, self.tile.lanes), e.const(2.0, self.tile.lanes)
            rise, b = exp2_minus_1(e, x, -126.0, GATE_LIMIT), exp2(e, y, -126.0, GATE_LIMIT)
            return e.div(rise, e.mul(e.add(rise, two), e.add(b, one)))
        first = BY_CODE[self.shape.activation][1](e, x, self.constants[0])
        return e.mul(first, BY_CODE[second][1](e, y, self.constants[1]))

    def _mix(self, offset: int, times):
        """The rows over z: outputs with their residual, and the folded head."""
        shape = self.shape
        bias, offset = offset, offset + shape.mixed
        groups = shape.mixed_groups(self.tile)
        residual = offset + shape.features * shape.mixed
        for rows in groups:
            width = len(rows)
            sums = self._sums(width, bias)
            own = [j for j, row in enumerate(rows) if row < shape.outputs]
            if shape.residual == MATRIX and own:
                part = {(k, v): sums[j, v] for k, j in enumerate(own) for v in self.vectors}
                self._accumulate(part, self.x, self.in_stride, times, shape.inputs, residual, len(own))
                residual += shape.inputs * len(own)
            for feature in range(shape.features):
                for j in range(width):
                    w = self.weight(offset + feature * width + j)
                    for v in self.vectors:
                        total = self.e.fma(w, self.b.load(self.z[feature, v]), self.b.load(sums[j, v]))
                        self.b.store(total, sums[j, v])
            bias, offset = bias + width, offset + shape.features * width
            for j, row in enumerate(rows):
                for v, t in enumerate(times):
                    self._write(row, self.b.load(sums[j, v]), t)

    def _write(self, row: int, total, t):
        shape = self.shape
        if row >= shape.outputs:
            place = self.place(row - shape.outputs, self.extra_stride[1], t)
            if not shape.head_first:
                total = self.e.add(self.e.load(self.head, place, self.tile.lanes), total)
            self.e.store(total, self.head, place)
            return
        if shape.residual == IDENTITY:
            total = self.e.add(self.e.load(self.x, self.place(row, self.in_stride, t), self.tile.lanes), total)
        self.e.store(total, self.y, self.place(row, self.out_stride, t))
