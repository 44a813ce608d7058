"""The same kernels for lesser processors: AVX2 and plain SSE2, in processes of their own."""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtfx.kernels.processor import features, lanes

from .narrow_processor import assembly
from .neon import machine

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="made for x86-64 processors")


@pytest.mark.parametrize(
    "name, forced, expected",
    [("x86-64-v3", "+avx2,+fma", ("8", "zmm")), ("x86-64", "+sse,+sse2", ("4", "zmm", "ymm"))],
    ids=["avx2", "sse2"],
)
def test_lesser_processor(name, forced, expected):
    if name == "x86-64-v3" and not {"avx2", "fma"} <= features():
        pytest.skip("this processor has no AVX2")
    environment = os.environ | {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": forced}
    command = [sys.executable, "-m", "tests.kernels.narrow_processor", *expected]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"passed \d+", done.stdout)


def test_sums_stay_in_the_registers_of_aarch64():
    """No vector of a convolution's inner loop goes over the stack: 32 registers of four lanes hold a tile."""
    if machine() is None:
        pytest.skip("this llvmlite has no AArch64")
    environment = os.environ | {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse,+sse2"}
    command = [sys.executable, "-m", "tests.kernels.neon"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    for name, loops in found.items():
        assert sum(adds for adds, _ in loops) >= 90, f"{name}: the loops were not found"
        for adds, spills in loops:
            # all of a layer of four channels is one loop, with constants of tanh that do not fit as well
            assert spills <= (adds // 10 if name == "layer 4" else 0), (
                f"{name}: {spills} spills in {adds} multiply-adds"
            )


def test_this_processor_uses_its_widest_registers():
    """The control: the search for register names does find them."""
    from rtfx.kernels.conv import ConvShape, conv_kernel
    from rtfx.plan.choose import conv_tile

    shape = ConvShape(8, 8, 3, 1)
    code = assembly(conv_kernel(shape, conv_tile(shape)))
    widest = {16: "zmm", 8: "ymm", 4: "xmm"}[lanes()]
    assert re.search(rf"%{widest}\d", code)
