"""The two kinds of kernel, and the releases of Numba that loops have been tested with."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from rtfx.kernels.kernel import Loop, Tile, inline
from rtfx.kernels.memory import floats
from rtfx.kernels.simd import Emitter

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Factor(NamedTuple):
    factor: int


def emit_scaled(builder, shape: Factor, tile, state, source, target, frames):
    e = Emitter(builder)
    x, y = e.pointer(source), e.pointer(target)
    with e.loop(frames, 4) as t:
        e.store(e.mul(e.load(x, t, 4), e.const(float(shape.factor), 4)), y, t)


@inline
def tripled(x):
    return np.float32(3.0) * x


def triple(state, source, target, frames):
    for n in range(frames):
        floats(target, frames)[n] = tripled(floats(source, frames)[n])
    return 0


@pytest.mark.parametrize("kernel", [Tile(emit_scaled, Factor(3)), Loop(triple)], ids=["tile", "loop"])
def test_both_kinds_compute_and_call_nothing(kernel):
    x, y = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
    assert kernel(0, x.ctypes.data, y.ctypes.data, 8) == 0
    assert np.array_equal(y, 3.0 * x)
    assert kernel.compiled().outside == []


def test_the_shape_is_part_of_the_name():
    two, three = Tile(emit_scaled, Factor(2)), Tile(emit_scaled, Factor(3))
    assert two.name.endswith("scaled_factor2") and three.name.endswith("scaled_factor3")
    assert two.key != three.key and two.symbol != three.symbol


def test_a_loop_has_no_shape():
    factor = 2

    def closure(x):
        return factor * x

    with pytest.raises(TypeError, match=r"closes over .*factor"):
        Loop(closure, "int64(int64)")


def test_a_tile_needs_no_numba():
    code = (
        "import sys; from rtfx.kernels.conv import ConvShape, ConvTile, conv_kernel; "
        "conv_kernel(ConvShape(2, 2, 2, 1), ConvTile(4, 1, 2)).compile(); print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def bounds() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the first release of Numba that pyproject.toml allows, and the first that it does not."""
    found = re.search(r'"numba>=([\d.]+),<([\d.]+)"', PYPROJECT.read_text())
    assert found, "pyproject.toml names no bounds for Numba"
    return numbers(found[1]), numbers(found[2])


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def test_the_installed_numba_is_one_that_was_tried():
    lowest, first_untried = bounds()
    assert lowest <= numbers(version("numba")) < first_untried


@pytest.mark.slow
def test_the_newest_numba_is_one_that_was_tried():
    """A new release: install it, run tests/kernels and tests/engine/test_safety.py, then raise the bound."""
    command = [sys.executable, "-m", "pip", "index", "versions", "numba", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True)
    newest = re.match(r"numba \((\d[\d.]*)\)", done.stdout)
    if not newest:
        pytest.skip("pip reaches no index here")
    assert numbers(newest[1]) < bounds()[1], (
        f"Numba {newest[1]} is out: install it, run tests/kernels and tests/engine/test_safety.py, and if they pass "
        "raise the bound of numba in pyproject.toml"
    )
