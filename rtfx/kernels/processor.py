"""What the processor that kernels are compiled for can do; by Numba's own variables it can be told to do less."""

from __future__ import annotations

import os
import platform
from functools import cache

# name, what it needs; the first one that is there is used, else what every processor of the architecture has
SETS = (("AVX-512", {"avx512f"}), ("AVX2 with FMA", {"avx2", "fma"}), ("AVX", {"avx"}))
BASES = {"x86_64": "SSE2", "AMD64": "SSE2", "aarch64": "NEON", "arm64": "NEON"}
# where Numba leaves AVX out, as LLVM uses it badly
WITHOUT_AVX = ("corei7-avx", "core-avx-i", "sandybridge", "ivybridge")


def model() -> str:
    """Return LLVM's name of the processor; NUMBA_CPU_NAME overrides."""
    import llvmlite.binding as llvm

    return os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()


@cache
def feature_flags() -> str:
    """Return what the processor has and has not, in LLVM's words, like ``"+avx2,-avx512f"``.

    NUMBA_CPU_FEATURES overrides, NUMBA_ENABLE_AVX=0 takes AVX away.
    """
    forced = os.environ.get("NUMBA_CPU_FEATURES")
    if forced is not None:
        return forced
    import llvmlite.binding as llvm

    with_avx = os.environ.get("NUMBA_ENABLE_AVX", str(int(llvm.get_host_cpu_name() not in WITHOUT_AVX))) != "0"
    found = sorted(llvm.get_host_cpu_features().items())
    flags = {name: present and (with_avx or not name.startswith("avx")) for name, present in found}
    return ",".join(f"{'+' if present else '-'}{name}" for name, present in flags.items())


def features() -> frozenset[str]:
    """Return the instruction sets that kernels are compiled for, like ``{"avx2", "fma"}``."""
    return _present(feature_flags())


@cache
def _present(flags: str) -> frozenset[str]:
    return frozenset(flag[1:] for flag in flags.split(",") if flag.startswith("+"))


def lanes() -> int:
    """Return how many float32 a register holds: 16 (AVX-512), 8 (AVX) or 4 (SSE, NEON)."""
    return 16 if "avx512f" in features() else 8 if features() & {"avx", "avx2"} else 4


def instruction_set() -> str:
    """Return the name of the instruction set that kernels are compiled for."""
    return next((name for name, needs in SETS if needs <= features()), BASES.get(platform.machine(), "no vectors"))
