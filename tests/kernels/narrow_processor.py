"""Run as a process of its own with NUMBA_CPU_NAME and NUMBA_CPU_FEATURES set: kernels work and use no wider registers.

Arguments: the lanes that are expected, and the registers that must not appear in the code, e.g. ``8 zmm``.
"""

import re
import sys

import numpy as np

from rtfx.engine.run import RUN_PART
from rtfx.kernels.codes import CODES, factor_of
from rtfx.kernels.conv import STATE, ConvShape, conv_kernel
from rtfx.kernels.conv import pack as pack_conv
from rtfx.kernels.elementwise import SOFTMAX, rows_kernel
from rtfx.kernels.processor import lanes
from rtfx.kernels.recurrent import EXPONENTIAL, GRU, LSTM, RATIONAL, CellShape, cell_kernel
from rtfx.plan.choose import conv_tile

from . import oracle, test_recurrent
from .harness import BLOCKS, noise, run


def assembly(kernel) -> str:
    return kernel.uncompiled().library.get_asm_str()


def main(expected: int, forbidden: list[str]) -> None:
    assert lanes() == expected, lanes()
    kernels = [RUN_PART, rows_kernel(SOFTMAX, 5, lanes())]
    for kind in ("tanh", "sine"):
        shape = ConvShape(5, 9, 3, CODES[kind][0])
        tile = conv_tile(shape)
        kernels.append(conv_kernel(shape, tile))
        weight, bias, x = noise(1, 9, 5, 3) / 4.0, noise(2, 9), noise(3, 5, 4 + sum(BLOCKS))
        weights = pack_conv(shape, weight, bias, factor_of(kind), oracle.constants(1.0))
        y = run(kernels[-1], STATE, x, 9, weights, {"dilation": 2}, 4)
        exact = oracle.ACTIVATIONS[kind](oracle.conv(x, weight, bias, 2), 1.0)
        assert np.abs(y - exact).max() < 3e-6
    for cell, hidden, maths in (
        (LSTM, 16, RATIONAL),
        (GRU, 11, EXPONENTIAL),
        (LSTM, 21, EXPONENTIAL),
        (GRU, 9, RATIONAL),
    ):
        kernels.append(cell_kernel(CellShape(cell, 1, hidden, 1, maths, lanes())))
        test_recurrent.check(cell, 1, hidden, 1, maths, lanes())
    for kernel in kernels:
        code = assembly(kernel)
        assert re.search(r"%[xy]mm\d", code), f"{kernel.name}: no floating point code at all"
        for register in forbidden:
            assert not re.search(rf"%{register}\d", code), f"{kernel.name} uses {register}"
        assert not re.search(r"call.*\bfma", code), f"{kernel.name} calls a library for fused multiply-add"
    print("passed", len(kernels))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
