"""The delay line for the state of recurrent layers that run at another sample rate than their own.

After the layer's fields the record holds a ring of past states, of `width` floats each. Before every frame the state is
replaced by a weighted sum of past states; after the frame the new state is stored in the ring::

    state = sum_k mix[k] past[first + k frames ago]        k = 0 alone, or 0 to 3

`model.nodes.recurrent` says why.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import simd
from .kernel import inline
from .memory import floats, records
from .state import state_dtype

MIX = 4  # past states in a sum
LINE = np.dtype(
    [
        ("first", np.int64),  # age in frames of the newest state in the sum
        ("taps", np.int64),  # 1 or MIX
        ("ring", np.int64),  # states kept
        ("place", np.int64),  # where the next state is stored
        ("mix", np.float32, (MIX,)),
    ]
)
LINE_BYTES = LINE.itemsize


def delayed_dtype(record: np.dtype, width: int, ring: int) -> np.dtype:
    """Return a layer's record with a delay line for `ring` states of `width` floats after its own fields."""
    fields: dict[str, Any] = dict(record.fields or {})
    header = set(state_dtype().names or ())
    own = [(name, fields[name][0].base, fields[name][0].shape) for name in record.names or () if name not in header]
    line = [(name, LINE[name].base, LINE[name].shape) for name in LINE.names or ()]
    return state_dtype(*own, *line, ("past", np.float32, (ring * width,)))


def line_fields(delay: float, state: np.ndarray) -> dict[str, Any]:
    """Return the fields of the delay line for a state fed back from `delay` frames ago; `state` is the initial state.

    A whole delay takes one past state. Otherwise the sum is the cubic Lagrange polynomial through four neighbouring
    states: two on each side of the delay; below a delay of 2 one on the near side and three on the far side, because
    the state of the present frame does not exist yet.
    """
    whole = int(delay)
    if delay == whole:
        first, mix = whole, [1.0, 0.0, 0.0, 0.0]
    else:
        first = max(whole - 1, 1)
        d = delay - first
        mix = [
            -(d - 1.0) * (d - 2.0) * (d - 3.0) / 6.0,
            d * (d - 2.0) * (d - 3.0) / 2.0,
            -d * (d - 1.0) * (d - 3.0) / 2.0,
            d * (d - 1.0) * (d - 2.0) / 6.0,
        ]
    taps = line_taps(delay)
    ring = first + taps - 1
    return {"first": first, "taps": taps, "ring": ring, "mix": mix, "past": np.tile(state, ring)}


def line_taps(delay: float) -> int:
    """Return how many past states are summed; 0 if there is no delay line, as the layer runs at its own rate."""
    return 0 if delay == 1.0 else 1 if delay == int(delay) else MIX


@inline
def recall(line, state, width):
    """Replace the `width` floats at `state` by the sum of past states; `line` is the address of the field `first`."""
    s = records(line, 1, LINE)[0]
    x = floats(state, width)
    past = floats(line + LINE_BYTES, s.ring * width)
    for u in range(width):
        x[u] = np.float32(0.0)
    for k in range(s.taps):
        slot = (s.place - s.first - k + s.ring) % s.ring
        for u in range(width):
            x[u] += s.mix[k] * past[slot * width + u]


@inline
def keep(line, state, width):
    """Store the new state, `width` floats at `state`, in the ring."""
    s = records(line, 1, LINE)[0]
    x = floats(state, width)
    past = floats(line + LINE_BYTES + 4 * s.place * width, width)
    for u in range(width):
        past[u] = x[u]
    s.place = (s.place + 1) % s.ring


class CellDelay:
    """Emits the delay line of a tiled cell: it reads past states from the ring into registers, and stores new ones.

    Parameters
    ----------
    cell : recurrent.Cell
    record : simd.Record
        The record of the cell's state, delay line included.
    taps : int
        Number of past states in a sum.
    """

    def __init__(self, cell: Any, record: simd.Record, taps: int):
        self.cell, self.e, self.b, self.record = cell, cell.e, cell.b, record
        self.first, self.ring = record.load("first"), record.load("ring")
        if taps == 1:  # interleaved copies of the layer: each changes the direction of its sums by itself
            cell.period = self.first
        self.past = self.e.pointer(record.place("past"))
        mix = self.e.pointer(record.place("mix"))
        self.mix = [self.e.scalar(mix, k) for k in range(taps)]
        self.place = self.e.integer_slot(record.load("place"))
        padded = cell.shape.padded
        self.parts = [(slots, padded * i) for i, slots in enumerate(cell.parts)]
        self.width = padded * len(self.parts)

    def recall(self):
        """Emit: set the cell's state to the sum of past states."""
        for k, weight in enumerate(self.mix):
            row = self._row(self.b.sub(self.b.load(self.place), self.b.add(self.first, self.e.index(k))))
            for slots, offset in self.parts:
                for tile, slot in zip(self.cell.tiles, slots, strict=True):
                    start = self.b.add(row, self.e.index(offset + tile.first))
                    old = self.e.load(self.past, start, tile.units)
                    if len(self.mix) > 1:
                        factor = self.e.splat(weight, tile.units)
                        old = self.e.fma(factor, old, self.b.load(slot)) if k else self.e.mul(factor, old)
                    self.b.store(old, slot)

    def keep(self):
        """Emit: store the cell's new state in the ring."""
        place = self.b.load(self.place)
        row = self._row(place)
        for slots, offset in self.parts:
            for tile, slot in zip(self.cell.tiles, slots, strict=True):
                self.e.store(self.b.load(slot), self.past, self.b.add(row, self.e.index(offset + tile.first)))
        following = self.b.add(place, self.e.index(1))
        wraps = self.b.icmp_signed(">=", following, self.ring)
        self.b.store(self.b.select(wraps, self.e.index(0), following), self.place)

    def save(self):
        """Emit: write the position in the ring to memory at the end of the block."""
        self.record.store("place", self.b.load(self.place))

    def _row(self, slot):
        """Return the index of a slot's first float; a negative slot, at least minus the ring's length, wraps around."""
        negative = self.b.icmp_signed("<", slot, self.e.index(0))
        return self.b.mul(self.b.select(negative, self.b.add(slot, self.ring), slot), self.e.index(self.width))
