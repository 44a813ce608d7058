"""The two kinds of kernel: `Tile`, written as LLVM IR, and `Loop`, a Python function that Numba compiles.

A kernel is a C function. It is compiled, or loaded from the disk cache, when its address is first asked for. Neither
Numba nor LLVM is imported before that, so modules with parameter tables and readers can import kernels quickly. Two
decorators make functions for loops: `intrinsic` (a few LLVM instructions) and `inline` (compiled into its callers).
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import hashlib
import os
import time
import types
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from .cache import cache_file, read_code, write_code
from .compile_workers import order
from .llvm import Compiled, is_c_function, load

if TYPE_CHECKING:
    from concurrent.futures import Future

PROCESS = "int64(int64, int64, int64, int64)"  # (state, input, output, frames) -> status


class Kernel:
    """A C function compiled on first use.

    Parameters
    ----------
    source : function
        The function that makes the code; it is at the top level of its module, as helper processes import it.
    shape : dict of str to int
        Sizes and options for which the code is made.
    signature : str
        C signature in Numba's notation.
    """

    def __init__(self, source: Callable, shape: dict[str, int], signature: str):
        self.source = source
        self.shape = shape
        self.signature = signature
        self.compile_seconds = 0.0
        self.ordered: Future | None = None  # (code, seconds) of a helper process, see `compile_workers`
        self.from_cache = False

    def ir(self) -> tuple[str, str]:
        """Return LLVM IR, not optimised, and the name of the C function in it."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """Module, function and shape, unique among all kernels."""
        module = self.source.__module__.removeprefix("rtfx.")
        function = self.source.__qualname__.removeprefix("emit_")
        return f"{module}.{function}" + "".join(f"_{name}{value}" for name, value in self.shape.items())

    @cached_property
    def key(self) -> str:
        """Digest of name and signature; it differs for any two kernels of one version of rtfx."""
        return hashlib.sha256(f"{self.name}{self.signature}".encode()).hexdigest()

    @property
    def symbol(self) -> str:
        """The C function's name."""
        return f"rtfx_{self.key}"

    @cached_property
    def address(self) -> int:
        """Address of the C function; compiles, or loads from the disk cache, at the first call."""
        start = time.perf_counter()
        if not self.ready:
            order((self,))
        code, seconds = self.ordered.result() if self.ordered else (read_code(self), 0.0)
        self.from_cache = not self.ordered and bool(code)
        if not code:
            if not self.ordered:
                self.announce()
            code = self.compile()
            write_code(self, code)
        address = load(code, self.symbol)
        self.compile_seconds = seconds or time.perf_counter() - start
        REGISTRY[address] = self
        return address

    @property
    def ready(self) -> bool:
        """Whether the address is available without compilation."""
        return "address" in vars(self) or os.path.exists(cache_file(self))

    def announce(self) -> None:
        """Tell the listeners that this kernel is about to be compiled."""
        for listener in _listeners:
            listener(self.name)

    def compile(self) -> bytes:
        """Return the machine code, compiled in this process.

        Raises
        ------
        TypeError
            It calls what the audio thread may not wait for.
        """
        compiled = self.compiled()
        forbidden = [name for name in compiled.outside if not is_c_function(name)]
        if forbidden:
            raise TypeError(f"{self.name} calls {', '.join(forbidden)}: kernels may call the C library only")
        return compiled.code

    def compiled(self) -> Compiled:
        """Return this kernel compiled without the disk cache, for inspection."""
        return Compiled(*self.ir(), self.symbol)

    @cached_property
    def _foreign(self):
        count = self.signature.count(",") + 1 if not self.signature.endswith("()") else 0
        return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(self.address)

    def __call__(self, *arguments: int) -> int:
        """Call through C with the GIL released. [any thread]"""
        return self._foreign(*arguments)


class Tile(Kernel):
    """A kernel written as LLVM IR, vector by vector, for one shape.

    Parameters
    ----------
    emit : callable(builder, shape, tile, state, source, target, frames)
        Appends the code to llvmlite's `builder`; the last four are i64 values, the arguments of the C function.
    shape : NamedTuple of int
        What is computed.
    tile : NamedTuple of int, optional
        How it is computed; the tile changes the speed, but no result.
    """

    def __init__(self, emit: Callable, shape: Any, tile: Any = None):
        super().__init__(emit, shape._asdict() | (tile._asdict() if tile else {}), PROCESS)
        self._parts = emit, shape, tile

    def __reduce__(self):
        return Tile, self._parts

    def ir(self) -> tuple[str, str]:
        """Return the emitted module, and the name of its function."""
        from llvmlite import ir

        emit, shape, tile = self._parts
        module, i64 = ir.Module("tile"), ir.IntType(64)
        function = ir.Function(module, ir.FunctionType(i64, [i64] * 4), self.symbol)
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        emit(builder, shape, tile, *function.args)
        builder.ret(i64(0))
        return str(module), self.symbol


class Loop(Kernel):
    """A kernel written in Python, within what Numba compiles, over raw addresses.

    Parameters
    ----------
    function : function
        At the top level of its module.
    signature : str
        C signature in Numba's notation.
    """

    def __init__(self, function: Callable, signature: str = PROCESS):
        if function.__closure__:
            raise TypeError(f"{function.__qualname__} closes over {function.__code__.co_freevars}: a loop has no shape")
        super().__init__(function, {}, signature)

    def __reduce__(self):
        return Loop, (self.source, self.signature)

    def ir(self) -> tuple[str, str]:
        """Return the IR of Numba's C callback.

        Numba keeps two things out of line: its C wrapper, which prints errors, and the counting of references. A kernel
        has neither errors nor references. Inlined, both fold away, and what is left calls the C library only.
        """
        import numba

        callback = numba.cfunc(self.signature, error_model="numpy")(_resolved(self.source))
        return callback.inspect_llvm().replace("noinline", "inlinehint"), callback.native_name


class Lazy:
    """A name that becomes a Numba object when the first loop that uses it is compiled."""

    def __init__(self, function: Callable, build: Callable):
        self.function = function
        self._build = build

    @cached_property
    def resolved(self):
        """The Numba object."""
        return self._build(self.function)

    def __call__(self, *arguments):
        raise TypeError(f"{self.function.__name__} exists only inside compiled functions")


def intrinsic(function: Callable) -> Lazy:
    """Declare a module-level Numba intrinsic; integer arguments written as constants arrive as literals."""

    def build(function):
        from numba.extending import intrinsic as numba_intrinsic

        return numba_intrinsic(prefer_literal=True)(function)

    return Lazy(function, build)


def inline(function: Callable | str) -> Any:
    """Declare a helper that is compiled into the loops that call it.

    With a signature, ``@inline("none(int64, int64)")``, it is compiled once for all calls; without, Numba compiles it
    again for each combination of argument types, and each constant is a type.
    """
    if isinstance(function, str):
        return lambda helper: Lazy(helper, lambda helper: _helper_decorator(function)(_resolved(helper)))
    return Lazy(function, lambda helper: _helper_decorator()(_resolved(helper)))


@cache
def _helper_decorator(signature: str | None = None) -> Callable:
    """Return ``numba.njit`` with its options for helpers.

    Only loops call helpers, so the wrappers for Python and for C are left out: a fifth of the time. These two options
    are not in Numba's manual; should it forget them, helpers are compiled with their wrappers.
    """
    import numba

    njit: Any = numba.njit
    with contextlib.suppress(KeyError, TypeError):
        njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(_resolved(_nothing))
        return njit(signature, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
    return njit(signature, error_model="numpy")


def _nothing() -> int:
    return 0


def _beyond(sign: str) -> Lazy:
    """Return what `min` or `max` is in a loop: the second of two numbers if it is beyond the first, else the first.

    Numba's own are compiled anew for each pair of types, each as slowly as a helper.
    """

    def beyond(context, one, other):
        from numba import types

        kind = context.unify_types(types.unliteral(one), types.unliteral(other))

        def codegen(context, builder, signature, arguments):
            first, second = arguments
            if isinstance(kind, types.Float):
                found = builder.fcmp_ordered(sign, second, first)
            else:
                found = (builder.icmp_signed if kind.signed else builder.icmp_unsigned)(sign, second, first)
            return builder.select(found, second, first)

        return kind(kind, kind), codegen

    return intrinsic(beyond)


BUILTINS = {"min": _beyond("<"), "max": _beyond(">")}


def _resolved(function: Callable) -> Callable:
    """Return a copy of a function that sees the Numba object in place of every Lazy global."""
    names = set(function.__code__.co_names)
    scope: dict[str, Any] = {
        name: value.resolved if isinstance(value, Lazy) else value
        for name, value in (BUILTINS | function.__globals__).items()
        if name in names
    }
    scope |= {"__name__": function.__module__, "__builtins__": builtins}
    copy = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__)
    copy.__qualname__ = function.__qualname__
    return copy


REGISTRY: dict[int, Kernel] = {}  # by address
_listeners: list[Callable[[str], None]] = []


@contextlib.contextmanager
def compilation_listener(listener: Callable[[str], None]) -> Iterator[None]:
    """Call ``listener(kernel name)`` before each kernel that is really compiled inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
