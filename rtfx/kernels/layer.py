"""A whole WaveNet layer as one register tile: what shares data is computed together, vectorised over time.

With x the source, c the condition and the sums over taps as in `conv`::

    a = b + W * x + M c                      dilated convolution and condition
    z = f(a), or f(a[:Z]) g(a[Z:])           activation, plain or gated
    y = b1 + V z + x, or + R x               1x1 layer and residual, straight or through a matrix
    s = s + z, or s + h + H z                head sum: rows as they are, or folded to few by a dense layer

Each part but the first is optional. (van den Oord et al. 2016; Damskagg et al. 2019; Neural Amp Modeler.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from .codes import factor_of
from .conv import Tile
from .jit import Kernel, intrinsic, kernel
from .state import state_dtype

STATE = state_dtype(("dilation", np.int64))
NONE, IDENTITY, MATRIX = 0, 1, 2  # residual
ROWS, FOLDED = 1, 2  # head
CONSTANTS = 8  # floats before the biases: four constants of each activation


class LayerShape(NamedTuple):
    """What a layer kernel is compiled for; `sums` counts the convolution's outputs, both halves of a gated one."""

    inputs: int
    taps: int
    sums: int
    conditions: int
    activation: int
    gate: int  # 0: plain, else 1 + code of the second activation
    outputs: int  # 0: no 1x1
    residual: int
    head: int
    head_rows: int
    head_first: int  # 1: the head sum begins here
    exposed: int  # 1: z is the output, there is no 1x1

    @property
    def features(self) -> int:
        """Width of z."""
        return self.sums // 2 if self.gate else self.sums

    @property
    def mixed(self) -> int:
        """Rows computed from z: outputs, then folded head rows."""
        return self.outputs + (self.head_rows if self.head == FOLDED else 0)

    def sum_groups(self, size: int) -> list[list[int]]:
        """Return the sums of each pass, `size` at most; a gated pass holds both halves of its features."""
        if self.gate:
            return [[*g, *(o + self.features for o in g)] for g in _even(self.features, max(size // 2, 1))]
        return _even(self.sums, size)

    def mixed_groups(self, size: int) -> list[list[int]]:
        """Return the rows of each pass over z."""
        return _even(self.mixed, size)


def _even(count: int, size: int) -> list[list[int]]:
    """Cut `count` rows in groups of at most `size`, as even as they come."""
    groups = -(-count // size)
    return [list(range(count * g // groups, count * (g + 1) // groups)) for g in range(groups)]


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """Tensors of a layer in float64; unused ones have no rows.

    conv (sums, inputs, taps), bias (sums,), condition (sums, conditions), mixed (mixed, features), mixed_bias (mixed,),
    residual (outputs, inputs).
    """

    conv: np.ndarray
    bias: np.ndarray
    condition: np.ndarray
    mixed: np.ndarray
    mixed_bias: np.ndarray
    residual: np.ndarray


def pack(shape: LayerShape, w: LayerWeights, kinds: tuple[str, str], constants: np.ndarray) -> np.ndarray:
    """Return the weights as every tile reads them.

    Constants, biases, conditions as ``[condition][sum]``, taps as ``[tap][input][sum]``, biases of the rows over z,
    their weights as ``[feature][row]``, the residual's as ``[input][output]``.
    """
    factors = np.full(shape.sums, factor_of(kinds[0]))
    if shape.gate:
        factors[shape.features :] = factor_of(kinds[1])
    parts = [constants, w.bias * factors, (w.condition * factors[:, None]).T.ravel()]
    parts += [(w.conv * factors[:, None, None]).transpose(2, 1, 0).ravel()]
    parts += [w.mixed_bias, w.mixed.T.ravel()]
    if shape.residual == MATRIX:
        parts += [w.residual.T.ravel()]
    return np.concatenate(parts).astype(np.float32)


@intrinsic
def layer_block(
    context, state, source, target, frames,
    inputs, taps, sums, conditions, activation, gate, outputs, residual, head, head_rows, head_first, exposed,
    lanes, vectors, group,
):  # fmt: skip
    """Run the layer over the block, tile by tile."""
    from numba.core import types

    from .layer_tile import emit
    from .simd import literals

    literal = (
        inputs, taps, sums, conditions, activation, gate, outputs, residual, head, head_rows, head_first, exposed,
        lanes, vectors, group,
    )  # fmt: skip
    values = literals(*literal)
    shape, tile = LayerShape(*values[:-3]), Tile(*values[-3:])

    def codegen(context, builder, signature, arguments):
        emit(builder, shape, tile, *arguments[:4])
        return context.get_constant(types.int64, 0)

    return types.int64(types.int64, types.int64, types.int64, types.int64, *literal), codegen


@cache
def layer_kernel(shape: LayerShape, tile: Tile) -> Kernel:
    """Return the kernel of one shape with one tile."""
    inputs, taps, sums, conditions, activation, gate, outputs, residual, head, head_rows, head_first, exposed = shape
    lanes, vectors, group = tile

    def layer(state, source, target, frames):
        return layer_block(
            state, source, target, frames,
            inputs, taps, sums, conditions, activation, gate, outputs, residual, head, head_rows, head_first, exposed,
            lanes, vectors, group,
        )  # fmt: skip

    return kernel(layer)
