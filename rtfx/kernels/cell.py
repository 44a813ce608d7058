"""The code of one recurrent cell in LLVM IR: accumulate, gate, store; see `recurrent` for shapes and equations."""

from __future__ import annotations

from functools import partial

from . import simd
from .activations import exp2, exp2_minus_1, rational_tanh, table_exp2, table_exp2_minus_1, table_tanh
from .cell_delay import CellDelay
from .recurrent import EXPONENTIAL, EXPONENTIAL_TABLE, GATES, LSTM, TABLE, UNROLL_LIMIT, CellShape, UnitTile


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
        by_table = shape.maths in (TABLE, EXPONENTIAL_TABLE)
        self.tanh = table_tanh if by_table else rational_tanh
        self.exp2, self.exp2_minus_1 = (table_exp2, table_exp2_minus_1) if by_table else (exp2, exp2_minus_1)
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
        """Advance h and c by one sample."""
        self.finish(inputs, self.begin(inputs))

    def begin(self, inputs):
        """Return the gate sums of every tile."""
        old = [self.b.load(slot) for slot in self.h]
        return self._looped_sums(inputs, old) if self.shape.hidden > UNROLL_LIMIT else self._unrolled_sums(inputs, old)

    def finish(self, inputs, sums):
        """Turn gate sums into the new h and c."""
        old = [self.b.load(slot) for slot in self.h]
        new = []
        for j in range(len(self.tiles)):
            self.e.keep_order()
            gates = self._split(j, [self._total(chains) for chains in sums[j]])
            new.append(self._lstm(j, gates) if self.shape.cell == LSTM else self._gru(j, gates, old[j], inputs))
        for slot, value in zip(self.h, new, strict=True):
            self.b.store(value, slot)

    def _unrolled_sums(self, inputs, old):
        """Return the gate sums of every tile, straight-line code over the hidden units."""
        sums = [[[self._affine(0, inputs, *column)] for column in columns] for columns in self.columns]
        first = self.shape.input_rows
        for tile, h in zip(self.tiles, old, strict=True):
            for k in range(tile.real):
                self.e.keep_order()
                self._accumulate(sums, first + tile.first + k, h, k, (tile.first + k) % self.shape.chains)
        return sums

    def _looped_sums(self, inputs, old):
        """Return the gate sums of every tile, by a loop over the hidden units, every other sample from the last one on.

        Weights that do not fit the first cache are read to and fro: the end of one sum is still there for the next.
        """
        e, b, hidden = self.e, self.b, self.shape.hidden
        for tile, h in zip(self.tiles, old, strict=True):
            e.store(h, self.stored_h, tile.first)
        count = b.load(self.turn)
        following = b.add(count, e.index(1))
        whole = b.icmp_signed(">=", following, b.mul(e.index(2), self.period))
        b.store(b.select(whole, e.index(0), following), self.turn)
        turn = b.zext(b.icmp_signed(">=", count, self.period), simd.I64)
        step = b.sub(e.index(1), b.mul(e.index(2), turn))
        last = b.mul(e.index(hidden - 1), turn)
        results: list = []
        for tiles in self.shape.passes:
            columns = [column for j in tiles for column in self.columns[j]]
            slots = [e.slot(width) for _, width in columns]
            for slot, column in zip(slots, columns, strict=True):
                b.store(self._affine(0, inputs, *column), slot)
            with e.loop(hidden) as i:
                k = b.add(last, b.mul(i, step))
                row = b.mul(b.add(k, e.index(self.shape.input_rows)), e.index(self.shape.row))
                value = e.scalar(self.stored_h, k)
                for slot, (place, width) in zip(slots, columns, strict=True):
                    w = e.load(self.weights, b.add(row, e.index(place)), width)
                    b.store(e.fma(w, e.splat(value, width), b.load(slot)), slot)
            totals = iter([b.load(slot) for slot in slots])
            results += [[[next(totals)] for _ in self.columns[j]] for j in tiles]
        return results

    def _affine(self, row: int, inputs, column: int, width: int):
        """Return bias plus input part of one vector; rows from `row` on."""
        total = self.weight(row, column, width)
        for i, x in enumerate(inputs):
            total = self.e.fma(self.weight(row + 1 + i, column, width), x(width), total)
        return total

    def _accumulate(self, sums, row: int, h, k: int, chain: int):
        """Add hidden unit k's contribution to every gate of every tile; one broadcast per width."""
        broadcasts: dict = {}
        for columns, vectors in zip(self.columns, sums, strict=True):
            for (column, width), chains in zip(columns, vectors, strict=True):
                if width not in broadcasts:
                    broadcasts[width] = self.e.shuffle(h, [k] * width)
                w = self.weight(row, column, width)
                if len(chains) <= chain:
                    chains.append(self.e.mul(w, broadcasts[width]))
                else:
                    chains[chain] = self.e.fma(w, broadcasts[width], chains[chain])

    def _total(self, chains):
        while len(chains) > 1:
            pairs = zip(chains[::2], chains[1::2], strict=False)
            chains = [self.e.add(x, y) for x, y in pairs] + chains[len(chains) & ~1 :]
        return chains[0]

    def _split(self, j: int, vectors):
        """Return the gate sums of tile j as one vector per gate."""
        units = self.tiles[j].units
        gates = []
        for vector in vectors:
            width = vector.type.count
            if width == units:
                gates.append(vector)
            else:
                gates += [self.e.shuffle(vector, range(g * units, (g + 1) * units)) for g in range(width // units)]
        return gates

    def _lstm(self, j: int, gates):
        e, b = self.e, self.b
        c = b.load(self.c[j])
        width = c.type.count
        one, half = e.const(1.0, width), e.const(0.5, width)
        if self.shape.maths in (EXPONENTIAL, EXPONENTIAL_TABLE):
            # c = (c Di Dg + (1 - Eg) Df) / (Di Dg Df), h = (1 - Ec) / ((1 + Ec) Do): two divisions in place of five
            ei, ef, eo = [self.exp2(e, gate, -120.0, 38.0) for gate in (gates[0], gates[1], gates[3])]
            eg = self.exp2_minus_1(e, gates[2], -120.0, 38.0)
            two = e.const(2.0, width)
            di, df, dg, do = e.add(one, ei), e.add(one, ef), e.add(two, eg), e.add(one, eo)
            both = e.mul(di, dg)
            c = e.div(e.sub(e.mul(c, both), e.mul(eg, df)), e.mul(both, df))
            b.store(c, self.c[j])
            ec = self.exp2_minus_1(e, e.mul(c, e.const(-2.8853900817779268, width)), -120.0, 60.0)
            return e.div(e.b.fneg(ec), e.mul(e.add(two, ec), do))
        ti, tf, tg, to = [self.tanh(e, gate) for gate in gates]
        halved = e.mul(c, half)
        c = e.fma(e.fma(ti, half, half), tg, e.fma(tf, halved, halved))
        b.store(c, self.c[j])
        return e.mul(e.fma(to, half, half), self.tanh(e, c))

    def _gru(self, j: int, gates, h, inputs):
        e = self.e
        update, reset, recurrent = gates
        width = h.type.count
        one, half = e.const(1.0, width), e.const(0.5, width)
        tile = self.tiles[j]
        column = self.columns[j][0][0] + (GATES[self.shape.cell] - 1) * tile.units
        candidate = self._affine(1 + self.shape.inputs, inputs, column, width)
        if self.shape.maths in (EXPONENTIAL, EXPONENTIAL_TABLE):
            eu, er = self.exp2(e, update, -120.0, 60.0), self.exp2(e, reset, -120.0, 60.0)
            en = self.exp2(e, e.add(candidate, e.div(recurrent, e.add(one, er))), -120.0, 60.0)
            top = e.fma(h, e.add(one, en), e.mul(eu, e.sub(one, en)))
            return e.div(top, e.mul(e.add(one, eu), e.add(one, en)))
        tu, tr = self.tanh(e, update), self.tanh(e, reset)
        n = self.tanh(e, e.fma(tr, recurrent, e.add(candidate, recurrent)))
        u = e.fma(tu, half, half)
        return e.fma(e.sub(one, u), n, e.mul(u, h))

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
