"""LSTM and GRU layers, vectorised over the gates, with the dense layer behind them: one sample after the other.

All gate accumulators of all tiles live in registers at once, the recurrent sum is fully unrolled over the hidden
units with one broadcast each, the state stays in registers over the block. Hidden sizes are cut exactly in tiles of
16, 8 and 4 units.

The cells, with z = W x + U h + b (Hochreiter and Schmidhuber 1997; Cho et al. 2014 in the form with two biases)::

    LSTM  i, f, o = sigmoid(z_i, z_f, z_o), g = tanh(z_g);  c = f c + i g;  h = o tanh(c)
    GRU   u, r = sigmoid(z_u, z_r), n = tanh(W_n x + b_n + r (U_n h + b_hn));  h = (1 - u) n + u h
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from ..units import LOG2E
from .delay import delayed_dtype
from .jit import Kernel, intrinsic, kernel
from .state import state_dtype

LSTM, GRU = 0, 1
GATES = (4, 3)
ORDERS = ((0, 2, 1, 3), (0, 1, 2))  # of PyTorch's gates: LSTM i g f o, GRU r z n
# numerical classes of the gates; tables need AVX-512
RATIONAL, EXPONENTIAL, TABLE, EXPONENTIAL_TABLE = range(4)
UNROLL_LIMIT = 40  # hidden units; beyond, the sum is a loop, whose weights no longer fit the first cache either
ACCUMULATORS = {16: 24, 8: 12, 4: 12}  # lanes -> vectors of sums that the registers hold beside the rest

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
    """`units` hidden units from `first`, of which `real` exist; gate lanes in vectors of `widths`."""

    first: int
    units: int
    real: int
    widths: tuple[int, ...]


class CellShape(NamedTuple):
    """What a recurrent kernel is compiled for.

    `outputs` 0 writes the hidden state itself. `taps` are the past states of its delay line; 0: it has none, the state
    stays in registers.
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
        """Return the cut of the hidden units."""
        tiles, first = [], 0
        while first < self.hidden:
            rest = self.hidden - first
            units = 16 if self.lanes == 16 and rest > 8 else 8 if self.lanes >= 8 and rest > 4 else 4
            tiles.append(UnitTile(first, units, min(units, rest), _VECTORS[self.cell, units, self.lanes]))
            first += units
        return tiles

    @property
    def padded(self) -> int:
        """Hidden units with the last tile's padding."""
        return sum(tile.units for tile in self.tiles)

    @property
    def row(self) -> int:
        """Floats of one row of gate weights: whole registers, so that no vector straddles two cache lines."""
        return -(-GATES[self.cell] * self.padded // self.lanes) * self.lanes

    @property
    def input_rows(self) -> int:
        """Rows before the recurrent ones: bias and inputs, for the GRU's candidate once more."""
        return (1 + self.inputs) * (1 if self.cell == LSTM else 2)

    @property
    def floats(self) -> int:
        """Return how many weights `pack` returns."""
        return (self.input_rows + self.hidden) * self.row + self.outputs * (self.padded + 1)

    @property
    def passes(self) -> list[range]:
        """Return the tiles that are summed together, all of them unless their sums are too many for the registers."""
        vectors = [len(tile.widths) for tile in self.tiles]
        count = -(-sum(vectors) // ACCUMULATORS[self.lanes])
        edges = [len(vectors) * i // count for i in range(count + 1)]
        return [range(a, b) for a, b in zip(edges, edges[1:], strict=False)]

    @property
    def stages(self) -> list[range | None]:
        """Return which vectors of a tile are summed together; None: all.

        A single tile waits for its gates: those come first that others need. The LSTM's output gate is worked out
        beside the new cell state, the GRU's others beside the reset gate.
        """
        tiles, gates = self.tiles, GATES[self.cell]
        if len(tiles) > 1 or len(tiles[0].widths) < gates or self.lanes < 16:
            return [None]
        return [range(gates - 1), range(gates - 1, gates)] if self.cell == LSTM else [range(1), range(1, gates)]

    @property
    def chains(self) -> int:
        """Independent partial sums per vector: as many as hide the latency of the sum and fit the registers."""
        together = max(sum(len(self.tiles[j].widths) for j in tiles) for tiles in self.passes)
        wanted = 4 if self.hidden <= 16 and self.lanes == 16 else 2
        return min(wanted, max(1, ACCUMULATORS[self.lanes] // together))

    @property
    def state(self) -> np.dtype:
        """Return the record: header, hidden state, cell state, and how far looped sums are on their way to and fro."""
        return state_dtype(("h", np.float32, (self.padded,)), ("c", np.float32, (self.padded,)), ("turn", np.int64))

    def delayed_state(self, ring: int) -> np.dtype:
        """Return the record with a delay line for `ring` states: h, of the LSTM c behind it."""
        return delayed_dtype(self.state, self.padded * (2 if self.cell == LSTM else 1), ring)


def gate_factors(shape: CellShape) -> np.ndarray:
    """Return the factor folded into each gate's weights, LSTM i g f o, GRU r z n."""
    if shape.maths in (EXPONENTIAL, EXPONENTIAL_TABLE):
        factors = (-LOG2E, -2 * LOG2E, -LOG2E, -LOG2E) if shape.cell == LSTM else (-LOG2E, -LOG2E, -2 * LOG2E)
    else:
        factors = (0.5, 1.0, 0.5, 0.5) if shape.cell == LSTM else (0.5, 0.5, 1.0)
    return np.array(factors)


def pack(shape: CellShape, w_ih, w_hh, b_ih, b_hh, dense_weight, dense_bias) -> np.ndarray:
    """Return the weights as the kernel reads them.

    Parameters
    ----------
    w_ih, w_hh : (gates hidden, inputs) and (gates hidden, hidden) float64
        PyTorch's rows: LSTM i, f, g, o; GRU r, z, n.
    b_ih, b_hh : (gates hidden,) float64
    dense_weight, dense_bias : (outputs, hidden) and (outputs,) float64

    Returns ------- float32 array: rows of gate lanes (bias, inputs, for the GRU the candidate's own bias and inputs,
    recurrent), then the dense rows, then the dense biases.
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
        # rational: sigmoid(z) = (1 + tanh(z/2)) / 2, so the candidate's recurrent part is halved once and r n_h = (1
        # + t) n_h / 2
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
    """Return (rows, gates units): the tile's lanes of each row, padding zero."""
    lanes = np.zeros((rows.shape[0], rows.shape[1], tile.units))
    lanes[:, :, : tile.real] = rows[:, :, tile.first : tile.first + tile.real]
    return lanes.reshape(rows.shape[0], -1)


@intrinsic
def cell_block(context, state, source, target, frames, cell, inputs, hidden, outputs, maths, lanes, taps):
    """Run the layer over the block, sample by sample."""
    from numba.core import types

    from .cell import emit
    from .simd import literals

    literal = (cell, inputs, hidden, outputs, maths, lanes, taps)
    shape = CellShape(*literals(*literal))

    def codegen(context, builder, signature, arguments):
        emit(builder, shape, *arguments[:4])
        return context.get_constant(types.int64, 0)

    return types.int64(types.int64, types.int64, types.int64, types.int64, *literal), codegen


@cache
def cell_kernel(shape: CellShape) -> Kernel:
    """Return the kernel of one shape."""
    cell, inputs, hidden, outputs, maths, lanes, taps = shape

    def recurrent(state, source, target, frames):
        return cell_block(state, source, target, frames, cell, inputs, hidden, outputs, maths, lanes, taps)

    return kernel(recurrent)
