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
        ("place", np.int64),  # of the next one
        ("mix", np.float32, (MIX,)),
    ]
)
LINE_BYTES = LINE.itemsize


def delayed_dtype(record: np.dtype, width: int, ring: int) -> np.dtype:
    """Return a layer's record with a line for `ring` states of `width` floats; the header is the record's own."""
    fields: dict[str, Any] = dict(record.fields or {})
    header = set(state_dtype().names or ())
    own = [(name, fields[name][0].base, fields[name][0].shape) for name in record.names or () if name not in header]
    line = [(name, LINE[name].base, LINE[name].shape) for name in LINE.names or ()]
    return state_dtype(*own, *line, ("past", np.float32, (ring * width,)))


def line_fields(delay: float, state: np.ndarray) -> dict[str, Any]:
    """Return the line's fields for a state fed back from `delay` frames ago; `state` is where the layer starts.

    The sum is the cubic Lagrange polynomial through four neighbours, which stand around the delay unless it is below 2:
    a state of this very frame does not exist.
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
    """Return how many past states are summed; 0: the state stays where it is, the layer runs at its own rate."""
    return 0 if delay == 1.0 else 1 if delay == int(delay) else MIX


@inline
def recall(line, state, width):
    """Replace the state, `width` floats at `state`, by the sum of past ones; `line` is the address of `first`."""
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
    """Put the new state into the ring."""
    s = records(line, 1, LINE)[0]
    x = floats(state, width)
    past = floats(line + LINE_BYTES + 4 * s.place * width, width)
    for u in range(width):
        past[u] = x[u]
    s.place = (s.place + 1) % s.ring


class CellDelay:
    """The ring behind a tiled cell's record: the code of taking a state from it, straight to registers, and keeping it.

    Parameters
    ----------
    cell : recurrent.Cell
    record : simd.Record
        Of the cell's state, the line included.
    taps : int
        Past states in a sum.
    """

    def __init__(self, cell: Any, record: simd.Record, taps: int):
        self.cell, self.e, self.b, self.record = cell, cell.e, cell.b, record
        self.first, self.ring = record.load("first"), record.load("ring")
        if taps == 1:  # interleaved copies of the layer: each turns as it would alone
            cell.period = self.first
        self.past = self.e.pointer(record.place("past"))
        mix = self.e.pointer(record.place("mix"))
        self.mix = [self.e.scalar(mix, k) for k in range(taps)]
        self.place = self.e.integer_slot(record.load("place"))
        padded = cell.shape.padded
        self.parts = [(slots, padded * i) for i, slots in enumerate(cell.parts)]
        self.width = padded * len(self.parts)

    def recall(self):
        """Set the cell's state to the sum of past ones."""
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
        """Put the cell's new state into the ring."""
        place = self.b.load(self.place)
        row = self._row(place)
        for slots, offset in self.parts:
            for tile, slot in zip(self.cell.tiles, slots, strict=True):
                self.e.store(self.b.load(slot), self.past, self.b.add(row, self.e.index(offset + tile.first)))
        following = self.b.add(place, self.e.index(1))
        wraps = self.b.icmp_signed(">=", following, self.ring)
        self.b.store(self.b.select(wraps, self.e.index(0), following), self.place)

    def save(self):
        """Write the ring's place back to memory at the block's end."""
        self.record.store("place", self.b.load(self.place))

    def _row(self, slot):
        """Return where the state of a slot begins; slots down to minus the ring's length wrap."""
        negative = self.b.icmp_signed("<", slot, self.e.index(0))
        return self.b.mul(self.b.select(negative, self.b.add(slot, self.ring), slot), self.e.index(self.width))
