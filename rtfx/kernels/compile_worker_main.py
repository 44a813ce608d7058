"""The other end of `compile_workers`: a process that is sent kernels and answers with their machine code."""

from __future__ import annotations

import gc
import importlib
import marshal
import os
import pickle
import queue
import signal
import struct
import sys
import threading
import time
import types

ANSWER = struct.Struct("<dq")  # seconds that it took, bytes of code that follow


def serve() -> None:
    """Compile what comes through the standard input until it ends, then end at once, whatever is under way."""
    gc.disable()  # as in `compile.without_collector`, Numba's import included
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that plays; if it ends, so does this
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    requests: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    while True:
        started = time.perf_counter()
        code = _compiled(requests.get())
        answers.write(ANSWER.pack(time.perf_counter() - started, len(code)) + code)
        answers.flush()


def _receive(requests: queue.SimpleQueue) -> None:
    try:
        while request := pickle.load(sys.stdin.buffer):
            requests.put(request)
    finally:
        os._exit(0)


def _compiled(request: tuple) -> bytes:
    """Return a kernel's object file, nothing if there is none that another process could load."""
    from .jit import Kernel

    try:
        library = Kernel(*_function(*request)).uncompiled().library
        return library.code if library.is_self_contained else b""
    except Exception:  # it will fail again where it is asked for, and be reported there
        return b""


def _function(code: bytes, module: str, qualname: str, shape: dict[str, int], signature: str):
    """Return a kernel's function with its closure, and the signature."""
    body = marshal.loads(code)
    cells = tuple(types.CellType(shape[name]) for name in body.co_freevars)
    scope = vars(importlib.import_module(module))
    function = types.FunctionType(body, scope, body.co_name, None, cells)
    function.__qualname__ = qualname
    return function, signature
