"""What the processor that Numba compiles for can do."""

from __future__ import annotations

import os
import platform
from functools import cache

# name, what it needs; the first one that is there is used, else what every processor of the architecture has
SETS = (("AVX-512", {"avx512f"}), ("AVX2 with FMA", {"avx2", "fma"}), ("AVX", {"avx"}))
BASES = {"x86_64": "SSE2", "AMD64": "SSE2", "aarch64": "NEON", "arm64": "NEON"}
# where Numba leaves AVX out, as LLVM uses it badly
WITHOUT_AVX = ("corei7-avx", "core-avx-i", "sandybridge", "ivybridge")


@cache
def features() -> frozenset[str]:
    """Return the instruction sets that Numba compiles for, like ``{"avx2", "fma"}``; NUMBA_CPU_FEATURES overrides."""
    forced = os.environ.get("NUMBA_CPU_FEATURES")
    if forced is not None:
        return frozenset(f[1:] for f in forced.split(",") if f.startswith("+"))
    import llvmlite.binding as llvm

    found = frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)
    with_avx = os.environ.get("NUMBA_ENABLE_AVX", str(int(llvm.get_host_cpu_name() not in WITHOUT_AVX))) != "0"
    return found if with_avx else frozenset(name for name in found if not name.startswith("avx"))


def lanes() -> int:
    """Return how many float32 a register holds: 16 (AVX-512), 8 (AVX) or 4 (SSE, NEON)."""
    return 16 if "avx512f" in features() else 8 if features() & {"avx", "avx2"} else 4


def instruction_set() -> str:
    """Return the name of the instruction set that kernels are compiled for."""
    return next((name for name, needs in SETS if needs <= features()), BASES.get(platform.machine(), "no vectors"))
