"""The same kernels for each kind of x86-64 processor, in processes of their own, and as code for AArch64."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rtfx.kernels import processor
from rtfx.kernels.cache import cache_folder
from rtfx.kernels.processor import features, instruction_set, lanes
from tests.conftest import SHARED

from .narrow_processor import REGISTERS, assembly
from .neon import machine

ROOT = Path(__file__).parents[2]
SETS = {
    "AVX-512": ("x86-64-v4", "+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl,+avx2,+fma", 16),
    "AVX2 with FMA": ("x86-64-v3", "+avx2,+fma", 8),
    "SSE2": ("x86-64", "+sse,+sse2", 4),
}
MODELS = ["klon.json", "amp.json"]
# Captures whose nets amplify the errors of their gates: the first was refused on processors without AVX-512.
SHARED_MODELS = ["aidax/tw40_british_lead_deerinkstudios.json", "proteus/LittleBigMuff_HighGainPedal.json"]


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_every_set_is_compiled_for_and_right_where_it_can_run(name):
    cpu, forced, width = SETS[name]
    can = {feature[1:] for feature in forced.split(",")} <= features()
    models = MODELS + [str(path) for model in SHARED_MODELS if (path := SHARED / "models" / model).exists()]
    environment = os.environ | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": forced}
    words = [str(width), "run" if can else "inspect", *models]
    command = [sys.executable, "-m", "tests.kernels.narrow_processor", *words]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"passed \d+", done.stdout)


@pytest.fixture
def host(monkeypatch):
    """Replace the processor features that LLVM reports."""
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX"):
        monkeypatch.delenv(name, raising=False)

    def forget():
        processor.feature_flags.cache_clear()
        cache_folder.cache_clear()

    def is_given(forced: str):
        found = {feature[1:]: True for feature in forced.split(",")}
        monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: found)
        forget()

    yield is_given
    monkeypatch.undo()
    forget()


def test_what_a_machine_hides_is_another_processor(host, monkeypatch):
    """Two machines whose processors have one name may share a home folder: code for one would crash on the other."""
    places = set()
    for name, (_, given, width) in SETS.items():
        host(given)
        assert instruction_set() == name and lanes() == width
        places.add(cache_folder())
    assert len(places) == len(SETS)
    host("+avx,+avx2,+sse2")
    monkeypatch.setenv("NUMBA_ENABLE_AVX", "0")  # as Numba itself does for Sandy Bridge
    processor.feature_flags.cache_clear()
    assert instruction_set() == "SSE2" and lanes() == 4


@pytest.mark.slow
def test_sums_stay_in_the_registers_of_aarch64():
    """A convolution's inner loop moves no vector to the stack: 32 registers of four lanes hold a tile."""
    assert machine() is not None, "this llvmlite has no AArch64: every wheel of it has"
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
    from rtfx.plan.lowering.linear import conv_tile

    shape = ConvShape(8, 8, 3, 1)
    code = assembly(conv_kernel(shape, conv_tile(shape)))
    assert re.search(rf"%{REGISTERS[lanes()]}\d", code)
