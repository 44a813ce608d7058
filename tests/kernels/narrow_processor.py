"""Run as a process of its own with NUMBA_CPU_NAME and NUMBA_CPU_FEATURES set: compiles for another processor.

Arguments: the lanes that are expected, ``run`` or ``inspect``, and the models to verify. Kernels use the widest
registers that the set has and no wider ones; with ``run``, which the processor must be able to, they are right, and
the models as exact as they must be.
"""

import re
import sys

import numpy as np

from rtfx.engine.run_rig import RUN_RIG
from rtfx.kernels.activations import CODES, factor_of
from rtfx.kernels.conv import STATE, ConvShape, conv_kernel
from rtfx.kernels.conv import pack as pack_conv
from rtfx.kernels.elementwise import SOFTMAX, rows_kernel
from rtfx.kernels.processor import lanes
from rtfx.kernels.recurrent import EXPONENTIAL, GRU, LSTM, RATIONAL, CellShape, cell_kernel
from rtfx.model.load import load
from rtfx.plan.lowering.linear import conv_tile
from rtfx.plan.lowering.recurrent import gate_maths
from rtfx.verify import verify

from . import oracle, test_recurrent
from .harness import BLOCKS, noise, run

REGISTERS = {16: "zmm", 8: "ymm", 4: "xmm"}  # by lanes, of x86-64
FRAMES = 3000


def assembly(kernel) -> str:
    return kernel.compiled().assembly


def convolutions():
    """Yield kernels, each with a function that runs it against float64."""
    for kind in ("tanh", "sine"):
        shape = ConvShape(5, 9, 3, CODES[kind][0])
        kernel = conv_kernel(shape, conv_tile(shape))

        def check(kind=kind, shape=shape, kernel=kernel):
            weight, bias, x = noise(1, 9, 5, 3) / 4.0, noise(2, 9), noise(3, 5, 4 + sum(BLOCKS))
            weights = pack_conv(shape, weight, bias, factor_of(kind), oracle.constants(1.0))
            y = run(kernel, STATE, x, 9, weights, {"dilation": 2}, 4)
            exact = oracle.ACTIVATIONS[kind](oracle.conv(x, weight, bias, 2), 1.0)
            assert np.abs(y - exact).max() < 3e-6

        yield kernel, check


def cells():
    """Yield kernels as `convolutions` does."""
    shapes = [(LSTM, 16, RATIONAL), (GRU, 11, EXPONENTIAL), (LSTM, 21, EXPONENTIAL), (LSTM, 12, gate_maths(12))]
    for cell, hidden, maths in shapes:
        shape = CellShape(cell, 1, hidden, 1, maths, lanes())
        yield cell_kernel(shape), lambda shape=shape: test_recurrent.check(*shape[:-1])


def main(expected: int, running: bool, models: list[str]) -> None:
    assert lanes() == expected, lanes()
    kernels = [(RUN_RIG, None), (rows_kernel(SOFTMAX, 5, lanes()), None), *convolutions(), *cells()]
    used = set()
    for kernel, check in kernels:
        code = assembly(kernel)
        used |= {width for width, name in REGISTERS.items() if re.search(rf"%{name}\d", code)}
        assert used, f"{kernel.name}: no floating point code at all"
        assert max(used) <= expected, f"{kernel.name} uses {REGISTERS[max(used)]}"
        assert not re.search(r"call.*\bfma", code), f"{kernel.name} calls a library for fused multiply-add"
        if running and check:
            check()
    assert max(used) == expected, f"nothing uses {REGISTERS[expected]}"
    for name in models if running else ():
        found = verify(load(name), FRAMES)
        assert found.ok, f"{name}: {found}"
    print("passed", len(kernels))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] == "run", sys.argv[3:])
