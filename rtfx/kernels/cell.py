"""The code of one recurrent cell in LLVM IR: accumulate, gate, store; see `recurrent` for shapes and equations."""

from __future__ import annotations

from functools import partial

from . import simd
from .cell_delay import CellDelay
from .gates import Gates
from .recurrent import UNROLL_LIMIT, CellShape, UnitTile

NEAR = 4  # units of a tile that are broadcast from its register; the others come from memory, which is later but free


def emit(builder, shape: CellShape, state, source, target, frames):
    """Emit the loop over the block's samples."""
    cell = Cell(simd.Emitter(builder), shape, state)
    line = CellDelay(cell, state) if shape.taps else None
    e = cell.e
    x, y = e.pointer(source), e.pointer(target)
    with e.loop(frames) as t:
        if line:
            line.recall()
        cell.step(cell.read(x, t))
        if line:
            line.keep()
        cell.write(y, t)
    cell.save()
    if line:
        line.save()


class Cell:
    """One layer's registers and the code of one time step.

    Parameters
    ----------
    below : Cell, optional
        The layer whose hidden state is this one's input: their states and weights lie one after the other.
    record : simd.Record, optional
        The state's, where it is not that of a single layer.
    """

    def __init__(self, e: simd.Emitter, shape: CellShape, state, below: Cell | None = None, record=None):
        self.e, self.b, self.shape, self.below = e, e.b, shape, below
        record = record or simd.Record(e, state, shape.state)
        self.in_stride, self.out_stride = record.load("in_stride"), record.load("out_stride")
        self.weights = e.pointer(record.load("weights"))
        self.stored_h, self.stored_c = e.pointer(record.place("h")), e.pointer(record.place("c"))
        if below:
            self.weights = e.b.gep(below.weights, [e.index(below.shape.floats)])
            self.stored_h = e.b.gep(below.stored_h, [e.index(below.shape.padded)])
            self.stored_c = e.b.gep(below.stored_c, [e.index(below.shape.padded)])
        self.turn = e.b.inttoptr(record.place("turn"), simd.I64.as_pointer())
        self.period = e.index(1)  # samples that a looped sum runs one way
        self.tiles = shape.tiles
        self.h = [self._restore(self.stored_h, tile) for tile in self.tiles]
        self.c = [self._restore(self.stored_c, tile) for tile in self.tiles]
        self.columns: list[list[tuple[int, int]]] = []  # per tile: (offset in a row, width) of each vector
        offset = 0
        for tile in self.tiles:
            self.columns.append([(offset + sum(tile.widths[:i]), width) for i, width in enumerate(tile.widths)])
            offset += sum(tile.widths)

    def _restore(self, base, tile: UnitTile):
        slot = self.e.slot(tile.units)
        self.b.store(self.e.load(base, tile.first, tile.units), slot)
        return slot

    def save(self):
        """Write the state back to memory at the block's end."""
        for tile, h, c in zip(self.tiles, self.h, self.c, strict=True):
            self.e.store(self.b.load(h), self.stored_h, tile.first)
            self.e.store(self.b.load(c), self.stored_c, tile.first)

    def weight(self, row: int, column: int, width: int):
        return self.e.load(self.weights, row * self.shape.row + column, width)

    def read(self, x, t):
        """Return the inputs at time t, each as a function from a width to a vector of it."""
        if self.below:
            tiles = [(self.b.load(slot), tile.real) for slot, tile in zip(self.below.h, self.below.tiles, strict=True)]
            return [partial(self._lane_of, h, k) for h, real in tiles for k in range(real)]
        places = [self.b.add(t, self.b.mul(self.e.index(i), self.in_stride)) for i in range(self.shape.inputs)]
        return [partial(self.e.splat, self.e.scalar(x, place)) for place in places]

    def _lane_of(self, h, k: int, width: int):
        return self.e.shuffle(h, [k] * width)

    def write(self, y, t):
        """Write the outputs at time t."""
        if not self.shape.outputs:
            self.scatter(y, t)
        for o in range(self.shape.outputs):
            self.b.store(self.dense(o), self.b.gep(y, [self.b.add(t, self.b.mul(self.e.index(o), self.out_stride))]))

    def step(self, inputs):
        """Advance h and c by one sample: gates are worked out while other sums are still under way."""
        old = self._old()
        gates = self._gates(inputs)
        if self.shape.hidden > UNROLL_LIMIT:
            self._take(gates, self._looped_sums(inputs))
            return
        stages = self.shape.stages
        for i, tiles in enumerate(self.shape.passes):
            for stage in stages:
                chosen = {j: stage or range(len(self.columns[j])) for j in tiles}
                near = NEAR if i == 0 and stage == stages[0] else 0
                self._take(gates, self._unrolled_sums(inputs, old, chosen, near))

    def begin(self, inputs):
        """Return the sums of all gates of every tile."""
        old = self._old()
        if self.shape.hidden > UNROLL_LIMIT:
            return self._looped_sums(inputs)
        return self._unrolled_sums(inputs, old, {j: range(len(c)) for j, c in enumerate(self.columns)}, NEAR)

    def finish(self, inputs, sums):
        """Turn the sums of all gates into the new h and c."""
        self._take(self._gates(inputs), sums)

    def _old(self):
        """Return the hidden state, and have it in memory, too."""
        old = [self.b.load(slot) for slot in self.h]
        for tile, h in zip(self.tiles, old, strict=True):
            self.e.store(h, self.stored_h, tile.first)
        return old

    def _gates(self, inputs):
        return [Gates(self, j, inputs) for j in range(len(self.tiles))]

    def _take(self, gates, sums):
        for j, (vectors, totals) in sums.items():
            gates[j].take(vectors, totals)

    def _unrolled_sums(self, inputs, old, chosen, near: int):
        """Return sums as tile -> (its vectors, their sums), straight-line code over the hidden units.

        The last units come tile by tile: the first tile's gates are then worked out under the sums of the others, and
        what its new state adds to the next sample under the gates of the others.

        Parameters
        ----------
        old : list of vectors
            The hidden state.
        chosen : dict of int to sequence of int
            Tile -> the vectors of it to be summed.
        near : int
            The units of each tile that are broadcast from its register.
        """
        columns = {j: [self.columns[j][i] for i in vectors] for j, vectors in chosen.items()}
        chains = {j: [[self.affine(0, inputs, *column)] for column in columns[j]] for j in chosen}
        for source, h in zip(self.tiles, old, strict=True):
            last = source is self.tiles[-1]
            for group in [[j] for j in chosen] if last else [list(chosen)]:
                for k in range(source.real):
                    self.e.keep_order()
                    unit = source.first + k
                    by_register = k < near and group[0] == min(chosen)
                    broadcasts: dict = {}
                    for j in group:
                        for (column, width), parts in zip(columns[j], chains[j], strict=True):
                            if width not in broadcasts:
                                broadcasts[width] = self._broadcast(h if by_register else None, k, unit, width)
                            self._add(parts, unit, column, broadcasts[width])
        return {j: (vectors, [self._total(parts) for parts in chains[j]]) for j, vectors in chosen.items()}

    def _broadcast(self, h, k: int, unit: int, width: int):
        """Return lane k of h, or without it the unit's state in memory, in all lanes."""
        return self.e.broadcast(self.stored_h, unit, width) if h is None else self.e.shuffle(h, [k] * width)

    def _add(self, parts, unit: int, column: int, value):
        """Add what a hidden unit contributes to one of the partial sums of a vector."""
        weight = self.weight(self.shape.input_rows + unit, column, value.type.count)
        chain = unit % self.shape.chains
        if len(parts) <= chain:
            parts.append(self.e.mul(weight, value))
        else:
            parts[chain] = self.e.fma(weight, value, parts[chain])

    def _looped_sums(self, inputs):
        """Return all sums like `_unrolled_sums`, by a loop over the hidden units, every other sample backwards.

        Weights that do not fit the first cache are read to and fro: the end of one sum is still there for the next,
        and so are the tiles of its last pass.
        """
        e, b, hidden = self.e, self.b, self.shape.hidden
        count = b.load(self.turn)
        following = b.add(count, e.index(1))
        whole = b.icmp_signed(">=", following, b.mul(e.index(2), self.period))
        b.store(b.select(whole, e.index(0), following), self.turn)
        turn = b.zext(b.icmp_signed(">=", count, self.period), simd.I64)
        step = b.sub(e.index(1), b.mul(e.index(2), turn))
        last = b.mul(e.index(hidden - 1), turn)
        slots = {column: e.slot(column[1]) for columns in self.columns for column in columns}
        passes = self.shape.passes
        if len(passes) > 1:  # the last of them comes first on the way back
            with b.if_else(b.icmp_signed("!=", turn, e.index(0))) as (back, forth):
                with back:
                    self._sum_passes(passes[::-1], slots, inputs, last, step)
                with forth:
                    self._sum_passes(passes, slots, inputs, last, step)
        else:
            self._sum_passes(passes, slots, inputs, last, step)
        return {j: (range(len(row)), [b.load(slots[column]) for column in row]) for j, row in enumerate(self.columns)}

    def _sum_passes(self, passes, slots, inputs, last, step):
        """Sum the tiles of each pass over the hidden units, from `last` on in steps of 1 or -1."""
        e, b = self.e, self.b
        for tiles in passes:
            columns = [column for j in tiles for column in self.columns[j]]
            for column in columns:
                b.store(self.affine(0, inputs, *column), slots[column])
            with e.loop(self.shape.hidden) as i:
                k = b.add(last, b.mul(i, step))
                row = b.mul(b.add(k, e.index(self.shape.input_rows)), e.index(self.shape.row))
                value = e.scalar(self.stored_h, k)
                for place, width in columns:
                    w = e.load(self.weights, b.add(row, e.index(place)), width)
                    slot = slots[place, width]
                    b.store(e.fma(w, e.splat(value, width), b.load(slot)), slot)

    def affine(self, row: int, inputs, column: int, width: int):
        """Return bias plus input part of one vector; rows from `row` on."""
        total = self.weight(row, column, width)
        for i, x in enumerate(inputs):
            total = self.e.fma(self.weight(row + 1 + i, column, width), x(width), total)
        return total

    def _total(self, chains):
        while len(chains) > 1:
            pairs = zip(chains[::2], chains[1::2], strict=False)
            chains = [self.e.add(x, y) for x, y in pairs] + chains[len(chains) & ~1 :]
        return chains[0]

    def dense(self, output: int):
        """Return output `output` of the dense layer behind the cell, a scalar."""
        base = (self.shape.input_rows + self.shape.hidden) * self.shape.row
        sums: dict[int, object] = {}
        for tile, slot in zip(self.tiles, self.h, strict=True):
            w = self.e.load(self.weights, base + output * self.shape.padded + tile.first, tile.units)
            h = self.b.load(slot)
            sums[tile.units] = self.e.fma(w, h, sums[tile.units]) if tile.units in sums else self.e.mul(w, h)
        total = self.e.scalar(self.weights, base + self.shape.outputs * self.shape.padded + output)
        for vector in sums.values():
            total = self.e.add(total, self.e.sum_lanes(vector))
        return total

    def scatter(self, y, t):
        """Write every hidden unit to its own row at time t."""
        for tile, slot in zip(self.tiles, self.h, strict=True):
            h = self.b.load(slot)
            for k in range(tile.real):
                row = self.b.mul(self.e.index(tile.first + k), self.out_stride)
                self.b.store(self.e.lane(h, k), self.b.gep(y, [self.b.add(row, t)]))
