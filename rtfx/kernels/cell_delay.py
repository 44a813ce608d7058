"""The state delay line of a recurrent cell in LLVM IR: the sums go straight to the cell's registers; see `delay`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import simd
from .recurrent import LSTM

if TYPE_CHECKING:
    from .cell import Cell


class CellDelay:
    """The ring behind one cell's record, and the code of taking from it and keeping."""

    def __init__(self, cell: Cell, state):
        self.cell, self.e, self.b = cell, cell.e, cell.b
        self.record = record = simd.Record(self.e, state, cell.shape.delayed_state(0))
        self.first, self.ring = record.load("first"), record.load("ring")
        if cell.shape.taps == 1:  # interleaved copies of the layer: each turns as it would alone
            cell.period = self.first
        self.past = self.e.pointer(record.place("past"))
        mix = self.e.pointer(record.place("mix"))
        self.mix = [self.e.scalar(mix, k) for k in range(cell.shape.taps)]
        self.place = self.e.integer_slot(record.load("place"))
        padded = cell.shape.padded
        self.parts = [(cell.h, 0)] + ([(cell.c, padded)] if cell.shape.cell == LSTM else [])
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
