"""Features of the processor that kernels are compiled for; environment variables of Numba can restrict them."""

from __future__ import annotations

import os
import platform
from functools import cache

# (name, required features): the first set that is present counts, else the base set of the architecture
SETS = (("AVX-512", {"avx512f"}), ("AVX2 with FMA", {"avx2", "fma"}), ("AVX", {"avx"}))
BASES = {"x86_64": "SSE2", "AMD64": "SSE2", "aarch64": "NEON", "arm64": "NEON"}
# processors for which Numba turns AVX off, as LLVM's code for it is slow there
WITHOUT_AVX = ("corei7-avx", "core-avx-i", "sandybridge", "ivybridge")


def model() -> str:
    """Return LLVM's name of the processor; NUMBA_CPU_NAME overrides."""
    import llvmlite.binding as llvm

    return os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()


@cache
def feature_flags() -> str:
    """Return the present and the absent features of the processor in LLVM's notation, as ``"+avx2,-avx512f"``.

    NUMBA_CPU_FEATURES replaces them; NUMBA_ENABLE_AVX=0 turns AVX off.
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
