"""Machine code becomes functions: loaded by LLVM alone, without Numba, which takes a second to import."""

from __future__ import annotations

import re
from functools import cache

# What kernels call outside themselves, one group per reason: all in the C library, so any process can load them.
C_FUNCTIONS = {
    "maths": r"tanhf?|expf?|exp2f?|expm1f?|log1pf?|sinf?|cosf?|powf?|erff?|erfcf?|sqrtf?|fabsf?|floorf?|roundf?|fmaf?",
    "memory": r"memcpy|memmove|memset",
    "system": r"clock_gettime|gettid",  # neither blocks
    "sleep": r"nanosleep",  # only in the null device's own loop, never in the callback
}
_engines: list = []  # an engine owns its code: both live as long as the process


def load(code: bytes, symbol: str) -> int:
    """Return the address of function `symbol` of an object file.

    Each object has an engine of its own: symbols of one are unknown to the others.
    """
    import llvmlite.binding as llvm

    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return engine.get_function_address(symbol)


def is_c_function(name: str) -> bool:
    """Return whether kernels may call what bears this name."""
    return any(re.fullmatch(group, name) for group in C_FUNCTIONS.values())


def _machine():
    """Return a target machine, which the engine then owns; code that is complete needs no features of a processor."""
    return _target().create_target_machine(codemodel="jitdefault", jit=True)


@cache
def _target():
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple())
