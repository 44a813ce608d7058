"""Stacks of small LSTM or GRU layers as one kernel, each layer a sample behind the one below it.

A small layer alone leaves most of the processor idle: each of its samples depends on the previous one, so they cannot
be computed in parallel. But a layer does not depend on the layers above it. So each pass of the loop computes a
different sample in every layer, and the processor computes these in parallel.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from . import simd
from .kernel import Kernel, Tile
from .recurrent import Cell, CellShape
from .state import state_dtype

LARGEST = 24  # hidden units; a larger layer keeps the processor busy by itself
DEEPEST = 4  # layers; the size of the code grows with each layer


class Depth(NamedTuple):
    """The number of layers of a stack."""

    layers: int


def layer_shapes(shape: CellShape, layers: int) -> list[CellShape]:
    """Return the shape of every layer: the first has the stack's inputs, the last its outputs."""
    first, last = shape._replace(outputs=0), shape._replace(inputs=shape.hidden)
    return [first, *[last._replace(outputs=0)] * (layers - 2), last]


def stack_state(shape: CellShape, layers: int) -> np.dtype:
    """Return the record of a stack: header, all hidden states, all cell states."""
    size = layers * shape.padded
    return state_dtype(("h", np.float32, (size,)), ("c", np.float32, (size,)), ("turn", np.int64))


def emit_stack(builder, shape: CellShape, depth: Depth, state, source, target, frames):
    """Emit the loop over the block's samples."""
    layers = depth.layers
    e = simd.Emitter(builder)
    cells: list[Cell] = []
    record = simd.Record(e, state, stack_state(shape, layers))
    for layer in layer_shapes(shape, layers):
        below = cells[-1] if cells else None
        cells.append(Cell(e, layer, state, below, record))
    x, y = e.pointer(source), e.pointer(target)

    def layers_at(first: int, last: int, t):
        """Compute one sample in each layer from `first` until `last`; layer `first` computes that of time t."""
        inputs = [cells[i].read(x, t) for i in range(first, last)]
        sums = [cells[i].begin(taken) for i, taken in zip(range(first, last), inputs, strict=True)]
        for i, taken, total in zip(range(first, last), inputs, sums, strict=True):
            cells[i].finish(taken, total)
        if last == layers:
            cells[-1].write(y, builder.sub(t, e.index(layers - 1)))

    # a block with fewer frames than layers computes all layers frame by frame: the same sums in the same order
    deep = builder.icmp_signed(">=", frames, e.index(layers))
    with builder.if_else(deep) as (overlapped, plain):
        with overlapped:
            for t in range(layers - 1):
                layers_at(0, t + 1, e.index(t))
            with e.loop(frames, 1, layers - 1) as t:
                layers_at(0, layers, t)
            for i in range(1, layers):
                layers_at(i, layers, builder.add(frames, e.index(i - 1)))
        with plain, e.loop(frames) as t:
            for i in range(layers):
                cells[i].step(cells[i].read(x, t))
            cells[-1].write(y, t)
    for cell in cells:
        cell.save()


@cache
def stack_kernel(shape: CellShape, layers: int) -> Kernel:
    """Return the kernel of `layers` layers of one width."""
    return Tile(emit_stack, shape, Depth(layers))
