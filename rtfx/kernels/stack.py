"""Stacks of small LSTM or GRU layers as one kernel, each layer a sample behind the one below it.

A small layer waits for itself: each of its samples depends on the one before. What the layer below does with the next
sample does not depend on the layer above: in one pass of the loop every layer takes a different sample, and the
processor computes them all at once.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .jit import Kernel, intrinsic, kernel
from .recurrent import CellShape
from .state import state_dtype

LARGEST = 24  # hidden units; larger layers fill the processor alone
DEEPEST = 4  # layers; the code grows with each


def layer_shapes(shape: CellShape, layers: int) -> list[CellShape]:
    """Return the shape of every layer: the first has the stack's inputs, the last its outputs."""
    first, last = shape._replace(outputs=0), shape._replace(inputs=shape.hidden)
    return [first, *[last._replace(outputs=0)] * (layers - 2), last]


def stack_state(shape: CellShape, layers: int) -> np.dtype:
    """Return the record of a stack: header, all hidden states, all cell states."""
    size = layers * shape.padded
    return state_dtype(("h", np.float32, (size,)), ("c", np.float32, (size,)), ("turn", np.int64))


@intrinsic
def stack_block(context, state, source, target, frames, cell, inputs, hidden, outputs, maths, lanes, layers):
    """Run the stack over the block, sample by sample."""
    from numba.core import types

    from .simd import literals

    literal = (cell, inputs, hidden, outputs, maths, lanes, layers)
    *values, count = literals(*literal)

    def codegen(context, builder, signature, arguments):
        _emit(builder, CellShape(*values), count, *arguments[:4])
        return context.get_constant(types.int64, 0)

    return types.int64(types.int64, types.int64, types.int64, types.int64, *literal), codegen


def _emit(builder, shape: CellShape, layers: int, state, source, target, frames):
    from . import simd
    from .cell import Cell

    e = simd.Emitter(builder)
    cells: list[Cell] = []
    record = simd.Record(e, state, stack_state(shape, layers))
    for layer in layer_shapes(shape, layers):
        below = cells[-1] if cells else None
        cells.append(Cell(e, layer, state, below, record))
    x, y = e.pointer(source), e.pointer(target)

    def layers_at(first: int, last: int, t):
        """Have layers `first` to `last` take one sample each, the lowest that of time t."""
        inputs = [cells[i].read(x, t) for i in range(first, last)]
        sums = [cells[i].begin(taken) for i, taken in zip(range(first, last), inputs, strict=True)]
        for i, taken, total in zip(range(first, last), inputs, sums, strict=True):
            cells[i].finish(taken, total)
        if last == layers:
            cells[-1].write(y, builder.sub(t, e.index(layers - 1)))

    # a block shorter than the stack is deep is played layer by layer in time; the same sums in the same order
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
    cell, inputs, hidden, outputs, maths, lanes, _ = shape

    def stack(state, source, target, frames):
        return stack_block(state, source, target, frames, cell, inputs, hidden, outputs, maths, lanes, layers)

    return kernel(stack)
