"""The plain recurrent loops with a state delay line: one frame of the loop at a time, between taking and keeping."""

from __future__ import annotations

from . import elman as elman_loop
from . import plain
from .delay import keep, recall
from .jit import inline, kernel
from .memory import records

_CELL_SIZES, _CELL_STATE = plain.cell_state(0), plain.CELL_FLOATS
_ELMAN_SIZES, _ELMAN_STATE = elman_loop.elman_state(0), elman_loop.H
run_cell = inline(plain.cell)
run_elman = inline(elman_loop.elman)


def cell(state, source, target, frames):
    """`plain.cell`; h and c are delayed together, the line lies behind the gate sums."""
    width = 2 * records(state, 1, _CELL_SIZES)[0].hidden
    h = state + _CELL_STATE
    line = h + 4 * 5 * width
    for t in range(frames):
        recall(line, h, width)
        run_cell(state, source + 4 * t, target + 4 * t, 1)
        keep(line, h, width)
    return 0


def elman(state, source, target, frames):
    """`elman.elman`; the line lies behind the room for the next h."""
    width = records(state, 1, _ELMAN_SIZES)[0].hidden
    h = state + _ELMAN_STATE
    line = h + 4 * 2 * width
    for t in range(frames):
        recall(line, h, width)
        run_elman(state, source + 4 * t, target + 4 * t, 1)
        keep(line, h, width)
    return 0


PLAIN_CELL_DELAYED, ELMAN_DELAYED = kernel(cell), kernel(elman)
