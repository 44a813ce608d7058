"""What the processor that Numba compiles for can do."""

from __future__ import annotations

import os
from functools import cache


@cache
def features() -> frozenset[str]:
    """Return the instruction sets that Numba compiles for, like ``{"avx2", "fma"}``; NUMBA_CPU_FEATURES overrides."""
    forced = os.environ.get("NUMBA_CPU_FEATURES")
    if forced is not None:
        return frozenset(f[1:] for f in forced.split(",") if f.startswith("+"))
    import llvmlite.binding as llvm

    return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)


def lanes() -> int:
    """Return how many float32 a register holds: 16 (AVX-512), 8 (AVX) or 4 (SSE, NEON)."""
    return 16 if "avx512f" in features() else 8 if features() & {"avx", "avx2"} else 4
