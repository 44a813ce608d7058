"""From the gate sums of one tile of units to its new state, gate by gate as the sums come in; see `recurrent`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from .activations import exp2, exp2_minus_1, rational_tanh, table_exp2, table_exp2_minus_1, table_tanh
from .recurrent import EXPONENTIAL, EXPONENTIAL_TABLE, LSTM, TABLE

if TYPE_CHECKING:
    from .cell import Cell

INPUT, CANDIDATE, FORGET, OUTPUT = range(4)  # the LSTM's gates in the order of the weights
RESET, UPDATE, FRESH = range(3)  # the GRU's; FRESH is the recurrent part of its candidate
TANH_FACTOR = -2.8853900817779268  # -2 log2(e)


class Gates:
    """One time step of the units of tile `tile`: takes sums in any order, stores the new state when it can.

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
        """Take the sums of some of the tile's vectors and do what can be done now."""
        self.e.keep_order()
        for i, total in zip(vectors, sums, strict=True):
            first = sum(width for _, width in self.columns[:i]) // self.units
            if not (self.by_powers or (not self.is_lstm and first == FRESH)):
                total = self.tanh(self.e, total)  # of all gates that share the vector at once
            count = total.type.count // self.units
            for g in range(count):
                lanes = range(g * self.units, (g + 1) * self.units)
                self.found[first + g] = total if count == 1 else self.e.shuffle(total, lanes)
        while self.wanted in self.found:
            self.wanted = self._advance(self.found[self.wanted])

    def _advance(self, gate) -> int:
        """Hand the gate that is waited for to the work; return the next one, -1 at the end."""
        try:
            return self.work.send(gate)
        except StopIteration:
            return -1

    # each yields the gate it needs next: what does not need it stands before
    def _lstm(self) -> Generator[int, Any, None]:
        """With t = tanh(z / 2) in place of sigmoid(z) = (1 + t) / 2."""
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
        """With E = 2**z and D = 1 + E of each gate, factors folded in: two divisions in place of five.

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
        """With t = tanh(z / 2), and the candidate's recurrent part halved: r n = (1 + t) n / 2.

        The state is rounded once, in the sum: a unit that remembers for long adds up what every rounding leaves.
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
        """With E = 2**z: h = (h (1 + En) + Eu (1 - En)) / ((1 + Eu) (1 + En))."""
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
        """Return what bias and inputs add to the GRU's candidate: it stays out of the reset gate's reach."""
        column = self.columns[0][0] + FRESH * self.units
        return self.cell.affine(1 + self.cell.shape.inputs, inputs, column, self.units)
