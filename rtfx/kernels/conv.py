"""Causal dilated convolution with its activation, vectorised over time: one register tile, emitted as LLVM IR.

``y[o, t] = f(b[o] + sum_k sum_i W[o, i, k] x[i, t - (taps - 1 - k) dilation])``; a dense layer is one tap. The source
row must hold (taps - 1) dilation frames of history before the block. Instead of a scalar loop for the last frames,
a whole tile is computed; up to `OVERHANG` frames past the block's end go to padding of the buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from . import simd
from .activations import BY_CODE, CONSTANTS
from .kernel import Kernel, Tile
from .state import state_dtype

OVERHANG = 64  # floats that a tile may read and write past a block's end
STATE = state_dtype(("dilation", np.int64))


class ConvTile(NamedTuple):
    """A tile: `vectors` vectors of `lanes` frames, for `group` outputs at a time.

    The remaining frames of a block use tiles of one vector, with `vectors` times as many outputs.
    """

    lanes: int
    vectors: int
    group: int

    @property
    def widths(self) -> list[int]:
        """Vectors per tile: of the full tiles of a block, then of those for its last frames."""
        return [self.vectors, 1] if self.vectors > 1 else [1]


class ConvShape(NamedTuple):
    """What a conv kernel is compiled for."""

    inputs: int
    outputs: int
    taps: int
    activation: int  # code of activations.CODES

    def groups(self, size: int) -> list[range]:
        """Return the outputs of each pass, at most `size`, of nearly equal size."""
        count = -(-self.outputs // size)
        edges = [self.outputs * g // count for g in range(count + 1)]
        return [range(a, b) for a, b in zip(edges, edges[1:], strict=False)]


def pack(
    shape: ConvShape, weight: np.ndarray, bias: np.ndarray, factor: float, constants: Sequence[float]
) -> np.ndarray:
    """Return the weights in the order in which every tile reads them.

    Parameters
    ----------
    weight : (outputs, inputs, taps) float64
    bias : (outputs,) float64
    factor : float
        The activation's input factor, folded in.
    constants : CONSTANTS floats
        The activation's.

    Returns
    -------
    float32 array: constants, biases, then ``[tap][input][output]``.
    """
    taps = weight.transpose(2, 1, 0).ravel()
    return np.concatenate([constants, bias * factor, taps * factor]).astype(np.float32)


def emit_conv(builder, shape: ConvShape, tile: ConvTile, state, source, target, frames):
    """Emit the loops over the block's tiles."""
    activate = BY_CODE[shape.activation][1]

    def emit_span(e: simd.Emitter, addresses, span: simd.Span):
        b = e.b
        header, x, y = simd.Record(e, addresses[0], STATE), *map(e.pointer, addresses[1:])
        in_stride, out_stride, dilation = (header.load(name) for name in ("in_stride", "out_stride", "dilation"))
        weights = e.pointer(header.load("weights"))
        constants = [e.broadcast(weights, i, tile.lanes) for i in range(CONSTANTS)]
        with span.tiles() as times:
            for outputs in shape.groups(tile.group * tile.vectors // span.vectors):
                sums = {(o, v): e.slot(tile.lanes) for o in outputs for v in range(len(times))}
                for (o, _), slot in sums.items():
                    b.store(e.broadcast(weights, CONSTANTS + o, tile.lanes), slot)
                with e.loop(shape.taps) as tap:
                    age = b.mul(dilation, b.sub(e.index(shape.taps - 1), tap))
                    with e.loop(shape.inputs) as i:
                        row = b.sub(b.mul(i, in_stride), age)
                        frames_in = [e.load(x, b.add(row, t), tile.lanes) for t in times]
                        first = b.mul(b.add(b.mul(tap, e.index(shape.inputs)), i), e.index(shape.outputs))
                        for o in outputs:
                            place = b.add(first, e.index(CONSTANTS + shape.outputs + o))
                            w = e.broadcast(weights, place, tile.lanes)
                            for v, value in enumerate(frames_in):
                                b.store(e.fma(w, value, b.load(sums[o, v])), sums[o, v])
                for (o, v), slot in sums.items():
                    place = b.add(b.mul(e.index(o), out_stride), times[v])
                    e.store(activate(e, b.load(slot), constants), y, place)

    simd.in_tiles(builder, tile.lanes, tile.widths, (state, source, target), frames, emit_span)


@cache
def conv_kernel(shape: ConvShape, tile: ConvTile) -> Kernel:
    """Return the kernel of one shape with one tile."""
    return Tile(emit_conv, shape, tile)
