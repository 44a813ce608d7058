"""LLVM: a function's IR becomes machine code for this processor, and machine code a function with an address."""

from __future__ import annotations

import re
from functools import cache, cached_property
from typing import Any

from .processor import feature_flags, model

# What kernels call outside themselves, one group per reason: all in the C library, so any process can load them.
C_FUNCTIONS = {
    "maths": r"(tanh|exp|exp2|expm1|log1p|sin|cos|atan2|pow|erf|erfc|sqrt|fabs|floor|round|fma)f?",
    "memory": r"memcpy|memmove|memset",
    "system": r"clock_gettime|gettid",  # neither blocks
    "sleep": r"nanosleep",  # only in the null device's own loop, never in the callback
}
_engines: list = []  # an engine owns its code, so all are kept until the process ends


class Compiled:
    """A C function and all functions that it calls, optimised together for this processor.

    Parameters
    ----------
    text : str
        LLVM IR of a module.
    function : str
        The C function's name in it.
    symbol : str
        The name that the C function gets; all others become private to it.
    """

    def __init__(self, text: str, function: str, symbol: str):
        import llvmlite.binding as llvm

        self.symbol = symbol
        self._machine = _machine(cpu=model(), features=feature_flags(), opt=3, reloc=_relocation())
        self.module: Any = llvm.parse_assembly(text)
        self.module.triple = llvm.get_process_triple()
        self.module.data_layout = str(self._machine.target_data)
        for each in self.module.functions:
            if each.name == function:
                each.name = symbol
            elif not each.is_declaration:
                each.linkage = llvm.Linkage.internal
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization, options.slp_vectorization = True, False
        passes = llvm.create_pass_builder(self._machine, options)
        passes.getModulePassManager().run(self.module, passes)
        self.module.verify()

    @cached_property
    def code(self) -> bytes:
        """The object file."""
        return self._machine.emit_object(self.module)

    @cached_property
    def assembly(self) -> str:
        """The machine code as text."""
        return self._machine.emit_assembly(self.module)

    @cached_property
    def address(self) -> int:
        """The address of the C function."""
        return load(self.code, self.symbol)

    @property
    def outside(self) -> list[str]:
        """The functions that it calls and that are neither in it nor instructions of LLVM."""
        names = [each.name for each in self.module.functions if each.is_declaration]
        return [name for name in names if not name.startswith("llvm.")]


def load(code: bytes, symbol: str) -> int:
    """Return the address of function `symbol` of an object file.

    Each object file gets a separate engine, so that equal symbols of two files do not collide.
    """
    import llvmlite.binding as llvm

    # an engine owns its target machine; the code is already compiled, so the machine needs no processor features
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    return engine.get_function_address(symbol)


def is_c_function(name: str) -> bool:
    """Return whether kernels may call the function of this name."""
    return any(re.fullmatch(group, name) for group in C_FUNCTIONS.values())


def _machine(**options):
    return _target().create_target_machine(codemodel="jitdefault", jit=True, **options)


@cache
def _target():
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple())


def _relocation() -> str:
    """Return the relocation model: on x86 the loader for code in memory supports only the static one."""
    return "static" if _target().name.startswith("x86") else "default"
