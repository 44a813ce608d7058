"""The one way to compile: lazy decorators, a registry of every compiled function, and a cache on disk.

Nothing here imports Numba until the first address is asked for, so parameter tables and readers can live beside
kernels. Three decorators: `intrinsic` (one LLVM instruction or a register tile), `inline` (a helper compiled into its
callers) and `kernel` (a C function with an address).
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import hashlib
import os
import pickle
import sys
import tempfile
import time
import types
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

PROCESS = "int64(int64, int64, int64, int64)"  # (state, input, output, frames) -> status
DIGEST_BYTES = hashlib.sha256().digest_size
COMPILED_ROOMS = ("kernels", "effects", "engine", "host")  # a change in any of their sources makes the cache stale


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
        import numba
        from numba.core.compiler import Compiler

        class WithoutMachineCode(Compiler):
            """Stops at LLVM IR: the callers take that in, nobody calls the helper itself. Halves the time."""

            def define_pipelines(self):
                self.state.flags.no_compile = True
                return super().define_pipelines()

            def compile_extra(self, function):
                result = super().compile_extra(function)
                name: Any = [].count  # Numba finds callees by their entry point, a built-in function: any unique one
                self.state.targetctx.insert_user_function(name, result.fndesc, [result.library])
                return result._replace(entry_point=name)

        options: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        return numba.njit(pipeline_class=WithoutMachineCode, **options)(_resolve(function))

    return Lazy(function, build)


def external(function) -> Lazy:
    """Declare a function of Numba itself (``external(lambda: numba.carray)``), fetched at the first compilation."""
    return Lazy(function, lambda function: function())


def _resolve(function):
    """Return `function` with every Lazy global replaced by its Numba object."""
    names = set(function.__code__.co_names)
    scope = {
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
        self.from_cache = False

    @property
    def name(self) -> str:
        """Module, function and shape, unique among all kernels."""
        module = self.function.__module__.removeprefix("rtfx.")
        function = self.function.__qualname__.replace(".<locals>", "")
        return f"{module}.{function}" + "".join(f"_{name}{value}" for name, value in self.shape.items())

    @cached_property
    def address(self) -> int:
        """Address of the C function; compiles, or loads from the disk cache, at the first call."""
        start = time.perf_counter()
        address = self._cfunc.address
        self.compile_seconds = time.perf_counter() - start
        REGISTRY[address] = self
        return address

    @property
    def ready(self) -> bool:
        """Whether asking for the address needs no compilation."""
        return "address" in vars(self) or os.path.exists(cache_file(self))

    @cached_property
    def _cfunc(self):
        compiled = self.uncompiled()
        compiled._cache = _DiskCache(self)
        compiled.compile()
        self.from_cache = compiled.cache_hits > 0
        return compiled

    def uncompiled(self):
        """Return a fresh Numba CFunc of this kernel, not yet compiled: for inspection."""
        from numba.core import sigutils
        from numba.core.ccallback import CFunc

        options = {"error_model": "numpy", "nopython": True}
        return CFunc(_resolve(self.function), sigutils.normalize_signature(self.signature), locals={}, options=options)

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


@cache
def sources_hash() -> str:
    """Hash of every source file that is compiled: Numba does not notice a changed callee by itself."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for room in COMPILED_ROOMS:
        for path in sorted((package / room).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def cache_folder() -> Path:
    """The folder of compiled kernels, named by processor, Numba version and sources."""
    import llvmlite.binding as llvm
    import platformdirs
    from numba import __version__ as numba_version

    root = os.environ.get("RTFX_CACHE_DIR") or platformdirs.user_cache_dir("rtfx")
    processor = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES", "host")
    tag = hashlib.sha256(features.encode()).hexdigest()[:6]
    version = f"numba{numba_version}-python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(root) / "kernels" / f"{processor}-{tag}-{version}-{sources_hash()}"


def cache_file(kernel: Kernel) -> Path:
    """The file that holds the compiled kernel."""
    digest = hashlib.sha256(f"{kernel.name}{kernel.signature}".encode()).hexdigest()[:10]
    return cache_folder() / f"{kernel.name[:80]}-{digest}.bin"


class _DiskCache:
    """Numba's cache interface over one file per kernel: no index that two processes could overwrite.

    A file is a digest of the kernel's name and the rest, then the rest: LLVM crashes on bitcode with a flipped bit.
    """

    def __init__(self, kernel: Kernel):
        self.path = cache_file(kernel)
        self.name = kernel.name
        self.key = f"{kernel.name}{kernel.signature}".encode()

    def _digest(self, payload: bytes) -> bytes:
        return hashlib.sha256(self.key + payload).digest()

    def load_overload(self, signature, target_context):
        """Return the compiled function, or None after telling the listeners that it will be compiled."""
        from numba.core.compiler import CompileResult

        data = b""
        with contextlib.suppress(OSError):
            data = self.path.read_bytes()
        digest, payload = data[:DIGEST_BYTES], data[DIGEST_BYTES:]
        if digest != self._digest(payload):  # absent or damaged: costs a compilation, never correctness
            for listener in _listeners:
                listener(self.name)
            return None
        target_context.refresh()
        return CompileResult._rebuild(target_context, *pickle.loads(payload))

    def save_overload(self, signature, result):
        from numba.core.serialize import dumps

        with contextlib.suppress(OSError):  # a full or read-only disk costs time at the next start, nothing else
            self.path.parent.mkdir(parents=True, exist_ok=True)
            payload = dumps(result._reduce())
            with tempfile.NamedTemporaryFile(dir=self.path.parent, delete=False) as file:
                file.write(self._digest(payload) + payload)
            os.replace(file.name, self.path)
