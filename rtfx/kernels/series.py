"""Narrow layers of one shape in series, as one kernel: each tile of frames goes through all of them in registers.

A layer of few channels has little to add up: called alone, it waits for what the layer before it has just stored. Here
the signal and the head sum stay in registers from layer to layer. Every layer's output is written all the same, as
``layers x width`` rows: it is the next one's past.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .codes import code_of
from .jit import Kernel, intrinsic, kernel
from .layer import LayerShape, LayerWeights
from .layer import pack as pack_layer
from .processor import features
from .state import state_dtype


def series_state(layers: int) -> np.dtype:
    """Return the record of so many layers."""
    return state_dtype(("layers", np.int64), ("dilations", np.int64, (layers,)))


def by_table(shape: LayerShape) -> bool:
    """Return whether tanh comes from tables: two channels cannot hide the longer chain through exp2 behind sums."""
    return shape.inputs <= 2 and shape.activation == code_of("tanh") and "avx512f" in features()


def pack(shape: LayerShape, w: LayerWeights, kind: str, constants: np.ndarray) -> np.ndarray:
    """Return the weights of one layer as `layer.pack` orders them; those of all layers lie one behind the other."""
    kind = "" if by_table(shape) else kind
    return pack_layer(shape, w, (kind, kind), constants)


@intrinsic
def series_block(
    context, state, source, target, frames,
    width, taps, conditions, activation, mixed, head, head_rows, head_first, lanes, vectors, by_layers,
):  # fmt: skip
    """Run the layers over the block, tile by tile."""
    from numba.core import types

    from .series_tile import emit
    from .simd import literals

    literal = (width, taps, conditions, activation, mixed, head, head_rows, head_first, lanes, vectors, by_layers)
    values = literals(*literal)
    shape = series_shape(*values[:-3])

    def codegen(context, builder, signature, arguments):
        emit(builder, shape, *values[-3:], *arguments[:4])
        return context.get_constant(types.int64, 0)

    return types.int64(types.int64, types.int64, types.int64, types.int64, *literal), codegen


def series_shape(
    width: int, taps: int, conditions: int, activation: int, mixed: int, head: int, head_rows: int, head_first: int
) -> LayerShape:
    """Return the shape of one layer: plain gate, as wide as its input, with its 1x1 and residual or with neither."""
    return LayerShape(
        width, taps, width, conditions, activation, 0, width * mixed, mixed, head, head_rows, head_first, 1 - mixed
    )


@cache
def series_kernel(shape: LayerShape, lanes: int, vectors: int, by_layers: int) -> Kernel:
    """Return the kernel of layers of one shape, `vectors` vectors of frames at a time where the block has them.

    With `by_layers`, more than one, frames that fill those are kept in memory from layer to layer.
    """
    width, taps, conditions, activation = shape.inputs, shape.taps, shape.conditions, shape.activation
    mixed, head, head_rows, head_first = shape.residual, shape.head, shape.head_rows, shape.head_first

    def series(state, source, target, frames):
        return series_block(
            state, source, target, frames,
            width, taps, conditions, activation, mixed, head, head_rows, head_first, lanes, vectors, by_layers,
        )  # fmt: skip

    return kernel(series)
