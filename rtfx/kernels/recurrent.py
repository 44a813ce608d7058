"""LSTM and GRU layers with the dense layer after them, sample by sample, vectorised over the gates.

The accumulators of all gates of all tiles are in registers at the same time. The recurrent sum is unrolled over the
hidden units, with one broadcast for each. The state stays in registers during the block. The hidden units are divided
into tiles of 16, 8 and 4 units.

The cells, with z = W x + U h + b (Hochreiter and Schmidhuber 1997; Cho et al. 2014 in the form with two biases)::

    LSTM  i, f, o = sigmoid(z_i, z_f, z_o), g = tanh(z_g);  c = f c + i g;  h = o tanh(c)
    GRU   u, r = sigmoid(z_u, z_r), n = tanh(W_n x + b_n + r (U_n h + b_hn));  h = (1 - u) n + u h
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ..units import LOG2E
from . import simd
from .activations import exp2, exp2_minus_1, rational_tanh, table_exp2, table_exp2_minus_1, table_tanh
from .delay import CellDelay, delayed_dtype
from .kernel import Kernel, Tile
from .state import state_dtype

LSTM, GRU = 0, 1
GATES = (4, 3)
ORDERS = ((0, 2, 1, 3), (0, 1, 2))  # PyTorch's gates in the order used here: LSTM i g f o, GRU r z n
# how the gates compute tanh and sigmoid; the tables need AVX-512
RATIONAL, EXPONENTIAL, TABLE, EXPONENTIAL_TABLE = range(4)
UNROLL_LIMIT = 40  # hidden units; a larger sum is a loop, as its weights do not fit the first-level cache
ACCUMULATORS = {16: 24, 8: 12, 4: 12}  # lanes -> vectors of sums that fit the registers with all other values
NEAR = 4  # units per tile broadcast from a register; a broadcast from memory, for the others, is cheaper but later
INPUT, CANDIDATE, FORGET, OUTPUT = range(4)  # the LSTM's gates in the order of the weights
RESET, UPDATE, FRESH = range(3)  # the GRU's; FRESH is the recurrent part of its candidate
TANH_FACTOR = -2.0 * LOG2E

# units of a tile and lanes -> widths of its vectors; a vector may hold several gates side by side
_VECTORS = {
    (LSTM, 16, 16): (16, 16, 16, 16),
    (LSTM, 8, 16): (16, 16),
    (LSTM, 4, 16): (16,),
    (LSTM, 8, 8): (8, 8, 8, 8),
    (LSTM, 4, 8): (8, 8),
    (LSTM, 4, 4): (4, 4, 4, 4),
    (GRU, 16, 16): (16, 16, 16),
    (GRU, 8, 16): (16, 8),
    (GRU, 4, 16): (8, 4),
    (GRU, 8, 8): (8, 8, 8),
    (GRU, 4, 8): (8, 4),
    (GRU, 4, 4): (4, 4, 4),
}


class UnitTile(NamedTuple):
    """Hidden units `first` to `first + units`, of which `real` exist; their gates are in vectors of `widths` lanes."""

    first: int
    units: int
    real: int
    widths: tuple[int, ...]


class CellShape(NamedTuple):
    """The numbers for which a recurrent kernel is compiled.

    `outputs` is the width of the dense layer; with 0 there is none, and the hidden state is written. `taps` is the
    number of past states that the delay line sums; with 0 there is no delay line, and the state stays in registers.
    """

    cell: int
    inputs: int
    hidden: int
    outputs: int
    maths: int
    lanes: int
    taps: int = 0

    @property
    def tiles(self) -> list[UnitTile]:
        """The tiles of the hidden units."""
        tiles, first = [], 0
        while first < self.hidden:
            rest = self.hidden - first
            units = 16 if self.lanes == 16 and rest > 8 else 8 if self.lanes >= 8 and rest > 4 else 4
            tiles.append(UnitTile(first, units, min(units, rest), _VECTORS[self.cell, units, self.lanes]))
            first += units
        return tiles

    @property
    def padded(self) -> int:
        """Number of hidden units, including the padding of the last tile."""
        return sum(tile.units for tile in self.tiles)

    @property
    def row(self) -> int:
        """Floats in one row of gate weights: a multiple of a register, so that no vector crosses a cache line."""
        return -(-GATES[self.cell] * self.padded // self.lanes) * self.lanes

    @property
    def input_rows(self) -> int:
        """Rows of weights before the recurrent ones: bias and inputs; the GRU has a second set for its candidate."""
        return (1 + self.inputs) * (1 if self.cell == LSTM else 2)

    @property
    def floats(self) -> int:
        """The number of weights that `pack` returns."""
        return (self.input_rows + self.hidden) * self.row + self.outputs * (self.padded + 1)

    @property
    def passes(self) -> list[range]:
        """The tiles that are summed together: all, or several groups if all their sums do not fit the registers."""
        vectors = [len(tile.widths) for tile in self.tiles]
        count = -(-sum(vectors) // ACCUMULATORS[self.lanes])
        edges = [len(vectors) * i // count for i in range(count + 1)]
        return [range(a, b) for a, b in zip(edges, edges[1:], strict=False)]

    @property
    def stages(self) -> list[range | None]:
        """The vectors of a tile that are summed together, in order; None stands for all.

        With a single tile nothing else can be computed while it waits for its gates. So the gates that others depend on
        are summed first. The sum of the LSTM's output gate runs in parallel with the new cell state; in the GRU, the
        sums of the other gates run in parallel with the reset gate.
        """
        tiles, gates = self.tiles, GATES[self.cell]
        if len(tiles) > 1 or len(tiles[0].widths) < gates or self.lanes < 16:
            return [None]
        return [range(gates - 1), range(gates - 1, gates)] if self.cell == LSTM else [range(1), range(1, gates)]

    @property
    def chains(self) -> int:
        """Number of independent partial sums per vector: enough to hide the latency of an addition, if they fit."""
        together = max(sum(len(self.tiles[j].widths) for j in tiles) for tiles in self.passes)
        wanted = 4 if self.hidden <= 16 and self.lanes == 16 else 2
        return min(wanted, max(1, ACCUMULATORS[self.lanes] // together))

    @property
    def state(self) -> np.dtype:
        """The record: header, hidden state, cell state, and `turn`, which gives the direction of looped sums."""
        return state_dtype(("h", np.float32, (self.padded,)), ("c", np.float32, (self.padded,)), ("turn", np.int64))

    def delayed_state(self, ring: int) -> np.dtype:
        """Return the record with a delay line for `ring` states; a state is h, followed by c in an LSTM."""
        return delayed_dtype(self.state, self.padded * (2 if self.cell == LSTM else 1), ring)


def gate_factors(shape: CellShape) -> np.ndarray:
    """Return the factor that is multiplied into each gate's weights, in the order LSTM i g f o, GRU r z n."""
    if shape.maths in (EXPONENTIAL, EXPONENTIAL_TABLE):
        factors = (-LOG2E, -2 * LOG2E, -LOG2E, -LOG2E) if shape.cell == LSTM else (-LOG2E, -LOG2E, -2 * LOG2E)
    else:
        factors = (0.5, 1.0, 0.5, 0.5) if shape.cell == LSTM else (0.5, 0.5, 1.0)
    return np.array(factors)


def pack(shape: CellShape, w_ih, w_hh, b_ih, b_hh, dense_weight, dense_bias) -> np.ndarray:
    """Return the weights in the order in which the kernel reads them.

    Parameters
    ----------
    w_ih, w_hh : (gates hidden, inputs) and (gates hidden, hidden) float64
        PyTorch's rows: LSTM i, f, g, o; GRU r, z, n.
    b_ih, b_hh : (gates hidden,) float64
    dense_weight, dense_bias : (outputs, hidden) and (outputs,) float64

    Returns
    -------
    (floats,) float32
        Rows of gate lanes: bias, inputs, for the GRU the candidate's own bias and inputs, then the recurrent rows.
        After them the rows of the dense layer, then its biases.
    """
    gates, hidden = GATES[shape.cell], shape.hidden
    factors = np.repeat(gate_factors(shape), hidden)

    def ordered(tensor):
        return tensor.reshape(gates, hidden, -1)[list(ORDERS[shape.cell])].reshape(gates * hidden, -1)

    inputs, recurrent = ordered(w_ih).T * factors, ordered(w_hh).T
    bias_in, bias_hidden = ordered(b_ih).T * factors, ordered(b_hh).T
    if shape.cell == LSTM:
        rows = np.concatenate([bias_in + bias_hidden * factors, inputs, recurrent * factors])
    else:
        # rational: sigmoid(z) = (1 + t) / 2 with t = tanh(z/2). The weights of the candidate's recurrent part are
        # halved here, so the kernel computes r n_h = (1 + t) (n_h / 2) without a further product
        own = factors.copy()
        if shape.maths not in (EXPONENTIAL, EXPONENTIAL_TABLE):
            own[2 * hidden :] *= 0.5
        gate = np.arange(3 * hidden) < 2 * hidden
        shared = np.where(gate, bias_in + bias_hidden * own, bias_hidden * own)
        candidate = np.concatenate([np.where(gate, 0.0, bias_in), np.where(gate, 0.0, inputs)])
        rows = np.concatenate([shared, np.where(gate, inputs, 0.0), candidate, recurrent * own])
    lanes = np.concatenate([_tile_lanes(rows.reshape(-1, gates, hidden), tile) for tile in shape.tiles], axis=1)
    lanes = np.pad(lanes, ((0, 0), (0, shape.row - lanes.shape[1])))
    dense = np.zeros((shape.outputs, shape.padded))
    if shape.outputs:
        dense[:, :hidden] = dense_weight
    return np.concatenate([lanes.ravel(), dense.ravel(), np.ravel(dense_bias)]).astype(np.float32)


def _tile_lanes(rows: np.ndarray, tile: UnitTile) -> np.ndarray:
    """Return the tile's lanes of each row, (rows, gates * units); the padding is zero."""
    lanes = np.zeros((rows.shape[0], rows.shape[1], tile.units))
    lanes[:, :, : tile.real] = rows[:, :, tile.first : tile.first + tile.real]
    return lanes.reshape(rows.shape[0], -1)


def emit_recurrent(builder, shape: CellShape, tile, state, source, target, frames):
    """Emit the loop over the block's samples."""
    cell = Cell(simd.Emitter(builder), shape, state)
    line = CellDelay(cell, simd.Record(cell.e, state, shape.delayed_state(0)), shape.taps) if shape.taps else None
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
    """The registers of one layer, and the code of one time step.

    Parameters
    ----------
    below : Cell, optional
        The layer whose hidden state is the input of this one; their states and weights are adjacent in memory.
    record : simd.Record, optional
        The record of the state, if it differs from that of a single layer.
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
        self.period = e.index(1)  # samples after which a looped sum changes its direction
        self.tiles = shape.tiles
        self.h = [self._restore(self.stored_h, tile) for tile in self.tiles]
        self.c = [self._restore(self.stored_c, tile) for tile in self.tiles]
        self.columns: list[list[tuple[int, int]]] = []  # per tile: (offset in a row, width) of each vector
        offset = 0
        for tile in self.tiles:
            self.columns.append([(offset + sum(tile.widths[:i]), width) for i, width in enumerate(tile.widths)])
            offset += sum(tile.widths)

    @property
    def parts(self) -> list[list]:
        """The registers of the state: hidden state, and cell state in an LSTM."""
        return [self.h, self.c] if self.shape.cell == LSTM else [self.h]

    def _restore(self, base, tile: UnitTile):
        slot = self.e.slot(tile.units)
        self.b.store(self.e.load(base, tile.first, tile.units), slot)
        return slot

    def save(self):
        """Emit the code that stores the state in memory at the end of the block."""
        for tile, h, c in zip(self.tiles, self.h, self.c, strict=True):
            self.e.store(self.b.load(h), self.stored_h, tile.first)
            self.e.store(self.b.load(c), self.stored_c, tile.first)

    def weight(self, row: int, column: int, width: int):
        return self.e.load(self.weights, row * self.shape.row + column, width)

    def read(self, x, t):
        """Return the inputs at time t; each is a function that returns a vector of a given width filled with it."""
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
        """Advance h and c by one sample; the gates of one tile are computed during the sums of the others."""
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
        """Return the hidden state, and also store it in memory."""
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
        """Return sums as tile -> (its vectors, their sums); the code is unrolled over the hidden units.

        The last units are added tile by tile. So the processor computes the gates of the first tile during the sums of
        the others, and then its part of the next sample's sums during the gates of the others.

        Parameters
        ----------
        old : list of vectors
            The hidden state.
        chosen : dict of int to sequence of int
            Tile -> its vectors that are summed.
        near : int
            How many units of each tile are broadcast from its register.
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
        """Return lane k of h in all lanes; if h is None, the state of the unit from memory."""
        return self.e.broadcast(self.stored_h, unit, width) if h is None else self.e.shuffle(h, [k] * width)

    def _add(self, parts, unit: int, column: int, value):
        """Add the product of a hidden unit and its weights to one of the partial sums of a vector."""
        weight = self.weight(self.shape.input_rows + unit, column, value.type.count)
        chain = unit % self.shape.chains
        if len(parts) <= chain:
            parts.append(self.e.mul(weight, value))
        else:
            parts[chain] = self.e.fma(weight, value, parts[chain])

    def _looped_sums(self, inputs):
        """Return all sums as `_unrolled_sums` does, by a loop over the hidden units, in alternating directions.

        The weights do not fit the first-level cache. If a sum ends with some weights and tiles, the next one starts
        with these, which are then still in the cache.
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
        if len(passes) > 1:  # backwards, the last pass is the first
            with b.if_else(b.icmp_signed("!=", turn, e.index(0))) as (back, forth):
                with back:
                    self._sum_passes(passes[::-1], slots, inputs, last, step)
                with forth:
                    self._sum_passes(passes, slots, inputs, last, step)
        else:
            self._sum_passes(passes, slots, inputs, last, step)
        return {j: (range(len(row)), [b.load(slots[column]) for column in row]) for j, row in enumerate(self.columns)}

    def _sum_passes(self, passes, slots, inputs, last, step):
        """Sum the tiles of each pass over the hidden units, from unit `last` on in steps of 1 or -1."""
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
        """Return bias plus weighted inputs of one vector; its weights start at row `row`."""
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
        """Return output `output` of the dense layer after the cell, a scalar."""
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


class Gates:
    """Emits one time step of a tile's units. It takes sums in any order and stores the state when all are known.

    Parameters
    ----------
    inputs : sequence of functions
        The inputs of this sample, see `Cell.read`.
    """

    def __init__(self, cell: Cell, tile: int, inputs):
        self.cell, self.e = cell, cell.e
        self.columns, self.units = cell.columns[tile], cell.tiles[tile].units
        self.h, self.c = cell.h[tile], cell.c[tile]
        self.is_lstm, maths = cell.shape.cell == LSTM, cell.shape.maths
        self.by_powers = maths in (EXPONENTIAL, EXPONENTIAL_TABLE)
        self.tanh = table_tanh if maths == TABLE else rational_tanh
        by_table = maths == EXPONENTIAL_TABLE
        self.exp2, self.exp2_minus_1 = (table_exp2, table_exp2_minus_1) if by_table else (exp2, exp2_minus_1)
        self.found: dict[int, Any] = {}
        self.work: Generator[int, Any, None]
        if self.by_powers:
            self.work = self._lstm_of_powers() if self.is_lstm else self._gru_of_powers(inputs)
        else:
            self.work = self._lstm() if self.is_lstm else self._gru(inputs)
        self.wanted = next(self.work)

    def take(self, vectors: Sequence[int], sums: Sequence[Any]):
        """Take the sums of some vectors of the tile and emit every computation whose values are now known."""
        self.e.keep_order()
        for i, total in zip(vectors, sums, strict=True):
            first = sum(width for _, width in self.columns[:i]) // self.units
            if not (self.by_powers or (not self.is_lstm and first == FRESH)):
                total = self.tanh(self.e, total)  # one call for all gates in the vector
            count = total.type.count // self.units
            for g in range(count):
                lanes = range(g * self.units, (g + 1) * self.units)
                self.found[first + g] = total if count == 1 else self.e.shuffle(total, lanes)
        while self.wanted in self.found:
            self.wanted = self._advance(self.found[self.wanted])

    def _advance(self, gate) -> int:
        """Send a gate to the generator `work`; return the number of the next gate that it needs, -1 at the end."""
        try:
            return self.work.send(gate)
        except StopIteration:
            return -1

    # each generator first emits all code that does not depend on the next gate, then yields that gate's number
    def _lstm(self) -> Generator[int, Any, None]:
        """Emit an LSTM with sigmoid(z) = (1 + t) / 2, t = tanh(z / 2)."""
        e, b = self.e, self.e.b
        c = b.load(self.c)
        one_half = e.const(0.5, self.units)
        halved = e.mul(c, one_half)
        share = e.fma((yield INPUT), one_half, one_half)
        candidate = yield CANDIDATE
        kept = e.fma((yield FORGET), halved, halved)
        c = e.fma(share, candidate, kept)
        b.store(c, self.c)
        output = e.fma((yield OUTPUT), one_half, one_half)
        b.store(self.tanh(e, c, output), self.h)

    def _lstm_of_powers(self) -> Generator[int, Any, None]:
        """Emit an LSTM with E = 2**z and D = 1 + E for each gate, z with its factor: two divisions instead of five.

        c = (c Di Dg + (1 - Eg) Df) / (Di Dg Df), h = (1 - Ec) / ((1 + Ec) Do)
        """
        e, b = self.e, self.e.b
        c = b.load(self.c)
        one, two = e.const(1.0, self.units), e.const(2.0, self.units)
        di = e.add(one, self.exp2(e, (yield INPUT), -120.0, 38.0))
        eg = self.exp2_minus_1(e, (yield CANDIDATE), -120.0, 38.0)
        both = e.mul(di, e.add(two, eg))
        df = e.add(one, self.exp2(e, (yield FORGET), -120.0, 38.0))
        c = e.div(e.sub(e.mul(c, both), e.mul(eg, df)), e.mul(both, df))
        b.store(c, self.c)
        ec = self.exp2_minus_1(e, e.mul(c, e.const(TANH_FACTOR, self.units)), -120.0, 60.0)
        do = e.add(one, self.exp2(e, (yield OUTPUT), -120.0, 38.0))
        b.store(e.div(b.fneg(ec), e.mul(e.add(two, ec), do)), self.h)

    def _gru(self, inputs) -> Generator[int, Any, None]:
        """Emit a GRU with t = tanh(z / 2) and the candidate's recurrent part halved: r n = (1 + t) n / 2.

        Each sample rounds the state only once, in the last sum, because a unit with a long memory adds up the errors of
        all roundings.
        """
        e, b = self.e, self.e.b
        h = b.load(self.h)
        one, one_half = e.const(1.0, self.units), e.const(0.5, self.units)
        fed = self._fed(inputs)
        reset = yield RESET
        fresh = yield FRESH
        candidate = e.fma(reset, fresh, e.add(fed, fresh))
        update = e.fma((yield UPDATE), one_half, one_half)
        b.store(e.fma(update, h, self.tanh(e, candidate, e.sub(one, update))), self.h)

    def _gru_of_powers(self, inputs) -> Generator[int, Any, None]:
        """Emit a GRU with E = 2**z: h = (h (1 + En) + Eu (1 - En)) / ((1 + Eu) (1 + En))."""
        e, b = self.e, self.e.b
        h = b.load(self.h)
        one = e.const(1.0, self.units)
        fed = self._fed(inputs)
        dr = e.add(one, self.exp2(e, (yield RESET), -120.0, 60.0))
        en = self.exp2(e, e.add(fed, e.div((yield FRESH), dr)), -120.0, 60.0)
        eu = self.exp2(e, (yield UPDATE), -120.0, 60.0)
        top = e.fma(h, e.add(one, en), e.mul(eu, e.sub(one, en)))
        b.store(e.div(top, e.mul(e.add(one, eu), e.add(one, en))), self.h)

    def _fed(self, inputs):
        """Return the sum of bias and weighted inputs in the GRU's candidate; the reset gate does not scale it."""
        column = self.columns[0][0] + FRESH * self.units
        return self.cell.affine(1 + self.cell.shape.inputs, inputs, column, self.units)


@cache
def cell_kernel(shape: CellShape) -> Kernel:
    """Return the kernel of one shape."""
    return Tile(emit_recurrent, shape)
