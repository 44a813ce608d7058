"""A whole WaveNet layer as one register tile, vectorised over time; parts that share data are computed together.

With x the source, c the condition and the sums over taps as in `conv`::

    a = b + W * x + M c                      dilated convolution and condition
    z = f(a), or f(a[:Z]) g(a[Z:])           activation, plain or gated
    y = b1 + V z + x, or + R x               1x1 layer and residual, straight or through a matrix
    s = s + z, or s + h + H z                head sum: of z itself, or of fewer rows from a dense layer

Each part but the first is optional. (van den Oord et al. 2016; Damskagg et al. 2019; Neural Amp Modeler.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from . import simd
from .activations import BY_CODE, code_of, exp2, exp2_minus_1, factor_of
from .conv import ConvTile
from .kernel import Kernel, Tile
from .state import state_dtype

STATE = state_dtype(("dilation", np.int64))
NONE, IDENTITY, MATRIX = 0, 1, 2  # residual
ROWS, FOLDED = 1, 2  # head
CONSTANTS = 8  # floats before the biases: four constants of each activation
TANH, SIGMOID = code_of("tanh"), code_of("sigmoid")
TOGETHER = 16  # vectors whose activations are interleaved: fewer are slower to run, more are only slower to compile
GATE_LIMIT = 60.0  # limit of the exponents: their product stays finite; tanh and sigmoid are constant long before


class LayerShape(NamedTuple):
    """What a layer kernel is compiled for; `sums` is the number of the convolution's outputs, both halves if gated."""

    inputs: int
    taps: int
    sums: int
    conditions: int
    activation: int
    gate: int  # 0: plain, else 1 + code of the second activation
    outputs: int  # 0: no 1x1
    residual: int
    head: int
    head_rows: int
    head_first: int  # 1: this is the first layer that adds to the head sum
    exposed: int  # 1: z is the output, there is no 1x1

    @property
    def features(self) -> int:
        """Width of z."""
        return self.sums // 2 if self.gate else self.sums

    @property
    def mixed(self) -> int:
        """Rows computed from z: outputs, then folded head rows."""
        return self.outputs + (self.head_rows if self.head == FOLDED else 0)

    def sum_groups(self, size: int) -> list[list[int]]:
        """Return the sums of each pass, `size` at most; a gated pass holds both halves of its features."""
        if self.gate:
            return [[*g, *(o + self.features for o in g)] for g in _even(self.features, max(size // 2, 1))]
        return _even(self.sums, size)

    def mixed_groups(self, size: int) -> list[list[int]]:
        """Return the rows of each pass over z."""
        return _even(self.mixed, size)


def _even(count: int, size: int) -> list[list[int]]:
    """Divide `count` rows into groups of at most `size`, of nearly equal size."""
    groups = -(-count // size)
    return [list(range(count * g // groups, count * (g + 1) // groups)) for g in range(groups)]


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Tensors of a layer in float64; unused ones have no rows.

    conv (sums, inputs, taps), bias (sums,), condition (sums, conditions), mixed (mixed, features), mixed_bias (mixed,),
    residual (outputs, inputs).
    """

    conv: np.ndarray
    bias: np.ndarray
    condition: np.ndarray
    mixed: np.ndarray
    mixed_bias: np.ndarray
    residual: np.ndarray


def pack(shape: LayerShape, w: LayerWeights, kinds: tuple[str, str], constants: np.ndarray) -> np.ndarray:
    """Return the weights as float32 in the order in which every tile reads them.

    Constants, biases, conditions as ``[condition][sum]``, taps as ``[tap][input][sum]``, biases of the rows over z,
    their weights as ``[feature][row]``, the residual's as ``[input][output]``.
    """
    factors = np.full(shape.sums, factor_of(kinds[0]))
    if shape.gate:
        factors[shape.features :] = factor_of(kinds[1])
    parts = [constants, w.bias * factors, (w.condition * factors[:, None]).T.ravel()]
    parts += [(w.conv * factors[:, None, None]).transpose(2, 1, 0).ravel()]
    parts += [w.mixed_bias, w.mixed.T.ravel()]
    if shape.residual == MATRIX:
        parts += [w.residual.T.ravel()]
    return np.concatenate(parts).astype(np.float32)


class Rows(NamedTuple):
    """Planar rows in memory: a float pointer and the floats from one row to the next."""

    base: Any
    stride: Any


class Places(NamedTuple):
    """What a layer reads and writes; `weights` is a float pointer, `dilation` an i64 value."""

    x: Rows
    y: Rows
    condition: Rows
    head: Rows
    weights: Any
    dilation: Any


def emit_layer(builder, shape: LayerShape, tile: ConvTile, state, source, target, frames):
    """Emit the loops over the block's tiles."""

    def emit_span(e: simd.Emitter, addresses, span: simd.Span):
        header, source, target = simd.Record(e, addresses[0], STATE), *map(e.pointer, addresses[1:])
        condition, head = (Rows(e.pointer(header.load("extra", i)), header.load("extra_stride", i)) for i in range(2))
        x, y = Rows(source, header.load("in_stride")), Rows(target, header.load("out_stride"))
        places = Places(x, y, condition, head, e.pointer(header.load("weights")), header.load("dilation"))
        layer = LayerCode(e, shape, tile.lanes, places)
        with span.tiles() as times:
            layer.tile_at(times, tile.group * tile.vectors // span.vectors)

    simd.in_tiles(builder, tile.lanes, tile.widths, (state, source, target), frames, emit_span)


class LayerCode:
    """Emits tiles of one layer."""

    def __init__(self, e: simd.Emitter, shape: LayerShape, lanes: int, places: Places):
        self.e, self.b, self.shape, self.lanes, self.places = e, e.b, shape, lanes, places
        self.constants = [[self._weight(4 * a + i) for i in range(4)] for a in range(2)]

    def tile_at(self, times, group: int):
        """Emit one tile, `group` outputs at a time; `times` are the first frames of its vectors."""
        shape, places = self.shape, self.places
        self.vectors = range(len(times))
        self.z = self.e.array(self.lanes, shape.sums * len(times))
        condition = CONSTANTS + shape.sums
        conv = condition + shape.sums * shape.conditions
        for outputs in shape.sum_groups(group):
            sums = self._sums(outputs, CONSTANTS)
            if shape.conditions:
                self._accumulate(sums, places.condition, times, shape.conditions, condition, shape.sums)
            with self.e.loop(shape.taps) as tap:
                age = self.b.mul(places.dilation, self.b.sub(self.e.index(shape.taps - 1), tap))
                past = [self.b.sub(t, age) for t in times]
                first = self.b.add(self.e.index(conv), self.b.mul(tap, self.e.index(shape.inputs * shape.sums)))
                self._accumulate(sums, places.x, past, shape.inputs, first, shape.sums)
            self._activate(outputs, sums, times)
        if shape.mixed:
            self._mix(conv + shape.taps * shape.inputs * shape.sums, times, group)

    def _place(self, rows: Rows, row, t):
        """Return the offset of a row at a time."""
        return self.b.add(self.b.mul(self.e.index(row), rows.stride), t)

    def _load(self, rows: Rows, row, t):
        return self.e.load(rows.base, self._place(rows, row, t), self.lanes)

    def _store(self, value, rows: Rows, row, t):
        self.e.store(value, rows.base, self._place(rows, row, t))

    def _weight(self, offset):
        return self.e.broadcast(self.places.weights, offset, self.lanes)

    def _sums(self, outputs, bias: int):
        """Return accumulators that hold their biases."""
        sums = {(o, v): self.e.slot(self.lanes) for o in outputs for v in self.vectors}
        for (o, _), slot in sums.items():
            self.b.store(self._weight(bias + o), slot)
        return sums

    def _accumulate(self, sums, rows: Rows, times, count: int, first, width: int):
        """Add `count` rows, weighted; weights lie as [row][output] from `first` on, `width` outputs a row."""
        with self.e.loop(count) as i:
            values = [self._load(rows, i, t) for t in times]
            offset = self.b.add(self.e.index(first), self.b.mul(i, self.e.index(width)))
            self._add(sums, values, offset)

    def _add(self, sums, values, offset):
        """Add one row of frames to all sums, weighted; the weight of output 0 lies at `offset`."""
        for o in dict.fromkeys(o for o, _ in sums):
            w = self._weight(self.b.add(offset, self.e.index(o)))
            for v, value in enumerate(values):
                self.b.store(self.e.fma(w, value, self.b.load(sums[o, v])), sums[o, v])

    def _activate(self, outputs, sums, times):
        """Turn sums into features, and store them for the 1x1, write them out or add them to the head."""
        for (o, v), slot in sums.items():
            self.b.store(self.b.load(slot), self._at(o, v))
        count = len(outputs) // 2 if self.shape.gate else len(outputs)
        most = min(TOGETHER // len(times), count)
        step = next(rows for rows in range(most, 0, -1) if count % rows == 0)
        with self.e.loop(outputs[0] + count, step, outputs[0]) as first:
            for o in (self.b.add(first, self.e.index(i)) for i in range(step)):
                self._activate_row(o, times)

    def _activate_row(self, o, times):
        """Turn one row of sums into a feature."""
        shape, places = self.shape, self.places
        for v, t in enumerate(times):
            value = self.b.load(self._at(o, v))
            if shape.gate:
                value = self._gated(value, self.b.load(self._at(self.b.add(o, self.e.index(shape.features)), v)))
            else:
                value = BY_CODE[shape.activation][1](self.e, value, self.constants[0])
            if shape.mixed:
                self.b.store(value, self._at(o, v))
            if shape.exposed:
                self._store(value, places.y, o, t)
            if shape.head == ROWS:
                self._join_head(value, o, t)

    def _at(self, row, v: int):
        """Return the address of a sum of this tile, which its feature replaces later."""
        place = self.b.mul(self.e.index(row), self.e.index(len(self.vectors)))
        return self.b.gep(self.z, [self.e.index(0), self.b.add(place, self.e.index(v))])

    def _gated(self, x, y):
        """Return f(x) g(y); tanh and sigmoid share one division: (A - 1) / ((A + 1) (1 + B)), error 3e-7."""
        e, second = self.e, self.shape.gate - 1
        if (self.shape.activation, second) == (TANH, SIGMOID):
            one, two = e.const(1.0, self.lanes), e.const(2.0, self.lanes)
            rise, b = exp2_minus_1(e, x, -126.0, GATE_LIMIT), exp2(e, y, -126.0, GATE_LIMIT)
            return e.div(rise, e.mul(e.add(rise, two), e.add(b, one)))
        first = BY_CODE[self.shape.activation][1](e, x, self.constants[0])
        return e.mul(first, BY_CODE[second][1](e, y, self.constants[1]))

    def _mix(self, bias: int, times, group: int):
        """Compute the rows from z: outputs with their residual, and the folded head."""
        shape = self.shape
        weights = bias + shape.mixed
        for rows in shape.mixed_groups(group):
            sums = self._sums(rows, bias)
            if shape.residual == MATRIX:
                own = {(row, v): slot for (row, v), slot in sums.items() if row < shape.outputs}
                residual = weights + shape.features * shape.mixed
                self._accumulate(own, self.places.x, times, shape.inputs, residual, shape.outputs)
            with self.e.loop(shape.features) as feature:
                values = [self.b.load(self._at(feature, v)) for v in self.vectors]
                offset = self.b.add(self.e.index(weights), self.b.mul(feature, self.e.index(shape.mixed)))
                self._add(sums, values, offset)
            for (row, v), slot in sums.items():
                total = self.b.load(slot)
                if row >= shape.outputs:
                    self._join_head(total, row - shape.outputs, times[v])
                    continue
                if shape.residual == IDENTITY:  # added last, as partial sums that contain it would round more coarsely
                    total = self.e.add(self._load(self.places.x, row, times[v]), total)
                self._store(total, self.places.y, row, times[v])

    def _join_head(self, value, row: int, t):
        """Store the value as the head sum if this layer is the first, else add it to the head sum."""
        head = self.places.head
        self._store(value if self.shape.head_first else self.e.add(self._load(head, row, t), value), head, row, t)


@cache
def layer_kernel(shape: LayerShape, tile: ConvTile) -> Kernel:
    """Return the kernel of one shape with one tile."""
    return Tile(emit_layer, shape, tile)
