"""The one way to compile: lazy decorators, a registry of every compiled function, and a cache on disk.

Nothing here imports Numba until the first address is asked for, so parameter tables and readers can live beside
kernels. Three decorators: `intrinsic` (one LLVM instruction or a register tile), `inline` (a helper compiled into its
callers) and `kernel` (a C function with an address).
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from .cache import COMPILED_ROOMS, cache_file, cache_folder, read_code, write_code
from .native import load

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = [
    "COMPILED_ROOMS",
    "PROCESS",
    "REGISTRY",
    "Kernel",
    "Lazy",
    "cache_file",
    "cache_folder",
    "compilation_listener",
    "external",
    "inline",
    "intrinsic",
    "kernel",
]

PROCESS = "int64(int64, int64, int64, int64)"  # (state, input, output, frames) -> status


class Lazy:
    """A name that becomes a Numba object when the first kernel that uses it is compiled."""

    def __init__(self, function: Callable, build: Callable):
        self.function = function
        self._build = build

    @cached_property
    def resolved(self):
        """The Numba object."""
        return self._build(self.function)

    def __call__(self, *arguments):
        raise TypeError(f"{self.function.__name__} exists only inside compiled functions")


def intrinsic(function) -> Lazy:
    """Declare a module-level Numba intrinsic; integer arguments written as constants arrive as literals."""

    def build(function):
        from numba.extending import intrinsic as numba_intrinsic

        return numba_intrinsic(prefer_literal=True)(function)

    return Lazy(function, build)


def inline(function) -> Lazy:
    """Declare a helper that is compiled into the kernels that call it."""

    def build(function):
        from .compile import helper

        return helper(function)

    return Lazy(function, build)


def external(function) -> Lazy:
    """Declare a function of Numba itself (``external(lambda: numba.carray)``), fetched at the first compilation."""
    return Lazy(function, lambda function: function())


class Kernel:
    """A C function compiled on first use.

    Parameters
    ----------
    function : function
        Python source in Numba's subset. It may close over integers only: they are the kernel's compile-time shape.
    signature : str
        C signature in Numba's notation.
    """

    def __init__(self, function, signature: str = PROCESS):
        self.function = function
        self.signature = signature
        self.shape = {
            name: cell.cell_contents
            for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        }
        if not all(isinstance(value, int) for value in self.shape.values()):
            raise TypeError(
                f"{function.__qualname__} closes over {self.shape}, expected integers: other closures are never cached"
            )
        self.compile_seconds = 0.0
        self.ordered: Future | None = None  # (code, seconds) of a helper process, see `compile_workers`
        self.from_cache = False

    @property
    def name(self) -> str:
        """Module, function and shape, unique among all kernels."""
        module = self.function.__module__.removeprefix("rtfx.")
        function = self.function.__qualname__.replace(".<locals>", "")
        return f"{module}.{function}" + "".join(f"_{name}{value}" for name, value in self.shape.items())

    @cached_property
    def key(self) -> str:
        """Digest of what tells kernels of one version apart."""
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
            from .compile_workers import order

            order((self,))
        code, seconds = self.ordered.result() if self.ordered else (read_code(self), 0.0)
        self.from_cache = not self.ordered and bool(code)
        if not code:
            code = self._compile()
        address = load(code, self.symbol)
        self.compile_seconds = seconds or time.perf_counter() - start
        REGISTRY[address] = self
        return address

    def _compile(self) -> bytes:
        """Return the machine code, compiled in this process."""
        if not self.ordered:
            self.announce()
        library = self.uncompiled().library
        if library.is_self_contained:
            write_code(self, library.code)
        return library.code

    def announce(self) -> None:
        """Tell the listeners that this kernel is about to be compiled."""
        for listener in _listeners:
            listener(self.name)

    @property
    def ready(self) -> bool:
        """Whether asking for the address needs no compilation."""
        return "address" in vars(self) or os.path.exists(cache_file(self))

    def uncompiled(self):
        """Return this kernel to be compiled past the disk cache: for inspection."""
        from .compile import Fresh

        return Fresh(self)

    @cached_property
    def _foreign(self):
        count = self.signature.count(",") + 1 if not self.signature.endswith("()") else 0
        return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(self.address)

    def __call__(self, *arguments: int) -> int:
        """Call through C with the GIL released. [any thread]"""
        return self._foreign(*arguments)


REGISTRY: dict[int, Kernel] = {}
_listeners: list[Callable[[str], None]] = []


def kernel(function, signature: str = PROCESS) -> Kernel:
    """Declare a C function; it is compiled when its address is first asked for."""
    return Kernel(function, signature)


@contextlib.contextmanager
def compilation_listener(listener: Callable[[str], None]):
    """Call ``listener(kernel name)`` before each kernel that is really compiled inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
