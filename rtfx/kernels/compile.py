"""From Python to machine code by Numba and LLVM, with what the kernels do not need left out.

Numba optimises every function by itself, and gives it machine code, before its callers take it in. Here helpers are
kept as LLVM IR; a kernel links all that it reaches and is optimised once, as a whole.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import types
from collections.abc import Container
from functools import cached_property
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, sigutils
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.types import unliteral

from .jit import Kernel, Lazy
from .native import is_c_function, load
from .scalar import larger, smaller

# Without Numba's run-time system what would allocate is refused: nothing has to be counted, or folded away again.
OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "nopython": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
NEEDLESS = {  # passes for with statements, closures, literal_unroll, array expressions and parallel loops
    "AnnotateTypes",
    "DumpParforDiagnostics",
    "FindLiterallyCalls",
    "InlineClosureLikes",
    "InlineInlinables",
    "InlineOverloads",
    "LiteralPropagationSubPipelinePass",
    "LiteralUnroll",
    "MakeFunctionToJitFunction",
    "NopythonRewrites",
    "RewriteDynamicRaises",
    "WithLifting",
}
SUBSTITUTES = {"min": smaller, "max": larger}


def resolve(function):
    """Return `function` with every Lazy global replaced by its Numba object."""
    names = set(function.__code__.co_names)
    scope: dict[str, Any] = {name: value.resolved for name, value in SUBSTITUTES.items() if name in names}
    scope |= {
        name: value.resolved if isinstance(value, Lazy) else value
        for name, value in function.__globals__.items()
        if name in names
    }
    scope["__name__"] = function.__module__
    scope["__builtins__"] = builtins
    resolved = types.FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )
    resolved.__qualname__ = function.__qualname__
    resolved.__module__ = function.__module__
    return resolved


class Fragment(JITCodeLibrary):
    """A helper's IR as text: its callers take that in, nobody calls the helper itself."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.texts: list[str] = []

    def add_ir_module(self, module):
        """Keep the text of a module."""
        self.texts.append(cgutils.normalize_ir_text(str(module)))

    def finalize(self):
        """Leave everything to the kernel."""
        self._finalized = True


class Whole(JITCodeLibrary):
    """A kernel with all that it reaches, optimised in one go; `exported` are the functions that it is known by."""

    exported: Container[str] = ()

    def _optimize_functions(self, module):
        """Leave them to the passes over the whole."""
        module.data_layout = self._codegen._data_layout

    def add_linking_library(self, library):
        """Remember a helper's library."""
        self._linking_libraries.append(library)

    def finalize(self):
        """Link and optimise; machine code comes of `code`."""
        self._raise_if_finalized()
        module = self._final_module
        for library in _reached(self):
            if isinstance(library, Fragment):
                for text in library.texts:
                    module.link_in(llvm.parse_assembly(text))
            else:
                module.link_in(library._get_module_for_linking(), preserve=True)
        for function in module.functions:
            if not function.is_declaration and function.name not in self.exported:
                function.linkage = llvm.Linkage.internal
        manager, passes = self._codegen._module_pass_manager()
        manager.run(module, passes)
        module.verify()
        self._finalized = True

    @cached_property
    def code(self) -> bytes:
        """The object file."""
        return self._codegen._tm.emit_object(self._final_module)

    @property
    def is_self_contained(self) -> bool:
        """Whether all that is called outside belongs to the C library: any process can load the code."""
        outside = (function.name for function in self._final_module.functions if function.is_declaration)
        return all(name.startswith("llvm.") or is_c_function(name) for name in outside)


def _reached(library) -> list:
    """Return every library that a library calls, directly or not."""
    found: dict = {}
    waiting = list(library._linking_libraries)
    while waiting:
        called = waiting.pop()
        if called not in found:
            found[called] = None
            waiting += called._linking_libraries if isinstance(called, Fragment) else []
    return list(found)


class KernelCompiler(Compiler):
    """Compiles a kernel into one library, without the passes for Python that kernels are not written in."""

    library_class: type[JITCodeLibrary] = Whole

    def define_pipelines(self):
        """Name the passes, and where the code goes."""
        state = self.state
        state.flags.no_compile = True  # machine code is made of the whole, by `Whole.code`
        state.library = self.library_class(state.targetctx.codegen(), state.func_id.func_qualname)
        managers = super().define_pipelines()
        for manager in managers:
            manager.passes = [one for one in manager.passes if one[0].__name__ not in NEEDLESS]
            manager.finalize()
        return managers


class HelperCompiler(KernelCompiler):
    """Stops at LLVM IR."""

    library_class = Fragment

    def compile_extra(self, function):
        """Compile and announce the helper to its callers."""
        result = super().compile_extra(function)
        name: Any = [].count  # Numba finds callees by their entry point, a built-in function: any unique one
        self.state.targetctx.insert_user_function(name, result.fndesc, [result.library])
        return result._replace(entry_point=name)


@contextlib.contextmanager
def without_collector():
    """Let the garbage collector rest: Numba makes half a million objects and keeps most; a fifth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Fresh:
    """A kernel that is compiled past the disk cache, with its LLVM IR for inspection."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel

    @cached_property
    def library(self) -> Whole:
        """All of its IR, optimised."""
        arguments, result = sigutils.normalize_signature(self.kernel.signature)
        typing, target = cpu_target.typing_context, cpu_target.target_context
        flags = Flags()
        cpu_target.options.parse_as_flags(flags, OPTIONS)
        function = resolve(self.kernel.function)
        with global_compiler_lock, without_collector():
            compiled = compile_extra(typing, target, function, arguments, result, flags, {}, None, KernelCompiler)
            library = compiled.library
            library.exported = {self.kernel.symbol, compiled.fndesc.llvm_func_name}  # the latter for inspection
            _add_wrapper(target, library, compiled.fndesc, self.kernel.symbol)
            library.finalize()
        return library

    @cached_property
    def address(self) -> int:
        """The address of the C function."""
        return load(self.library.code, self.kernel.symbol)


def _add_wrapper(context, library: Whole, fndesc, symbol: str) -> None:
    """Add the C function `symbol`: Numba's convention returns a status, and the result through a pointer."""
    module = context.create_module("wrapper")
    inner = ir.Function(
        module, context.call_conv.get_function_type(fndesc.restype, fndesc.argtypes), fndesc.llvm_func_name
    )
    kinds = [context.get_value_type(kind) for kind in (fndesc.restype, *fndesc.argtypes)]
    outer = ir.Function(module, ir.FunctionType(kinds[0], kinds[1:]), symbol)
    builder = ir.IRBuilder(outer.append_basic_block("entry"))
    _, result = context.call_conv.call_function(
        builder, inner, fndesc.restype, fndesc.argtypes, outer.args, attrs=("noinline",)
    )
    builder.ret(result)
    library.add_ir_module(module)


def helper(function):
    """Return the Numba dispatcher of a function that is compiled into those that call it.

    Numba would compile it again for every constant that it is called with.
    """
    import numba

    dispatcher = numba.jit(pipeline_class=HelperCompiler, **OPTIONS)(resolve(function))
    template = dispatcher.get_call_template

    def once_for_all_numbers(arguments, keywords):
        return template([unliteral(kind) for kind in arguments], keywords)

    dispatcher.get_call_template = once_for_all_numbers
    return dispatcher
