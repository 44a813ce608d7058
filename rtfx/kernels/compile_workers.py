"""Helper processes that compile kernels on several cores. This process need not import Numba, which saves memory.

This process sends kernels to a helper; the helper answers with their machine code. If a helper fails to compile a
kernel, this process compiles it. A helper ends after two seconds without work. It also ends when its standard input is
closed, which happens however this process ends; so no helper outlives this process.
"""

from __future__ import annotations

import atexit
import gc
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from .cache import write_code

if TYPE_CHECKING:
    from .kernel import Kernel

MOST = 4  # helper processes at a time: each takes 200 MB of memory while it compiles
IDLE_SECONDS = 2.0
PACKAGE = __name__.partition(".")[0]
START = f"import sys; sys.path[:] = {{path!r}}; from {__name__} import serve; serve()"
ANSWER = struct.Struct("<dq")  # seconds of compilation, size of the code that follows in bytes

_lock = threading.Lock()
_waiting: queue.SimpleQueue[Kernel] = queue.SimpleQueue()
_members: set[_Member] = set()
_unanswered: set[Kernel] = set()


def order(kernels: Iterable[Kernel]) -> None:
    """Let the helpers compile the kernels that are not on disk, in this order, and return at once.

    Code that reads a kernel's address waits until the kernel is compiled.
    """
    missing = [one for one in kernels if _is_wanted(one)] if sys.executable else []
    with _lock:
        for kernel in dict.fromkeys(missing):
            kernel.announce()
            kernel.ordered = Future()
            _unanswered.add(kernel)
            _waiting.put(kernel)
        for _ in range(min(_cores(), MOST, len(_members) + _waiting.qsize()) - len(_members)):
            member = _Member()
            _members.add(member)
            member.start()


def _is_wanted(kernel: Kernel) -> bool:
    """Return whether a kernel has to be compiled and its source is in this package, so that a helper can import it."""
    return not kernel.ready and kernel.ordered is None and kernel.source.__module__.startswith(f"{PACKAGE}.")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Member(threading.Thread):
    """One helper process and the thread that sends kernels to it, one after the other."""

    def __init__(self):
        super().__init__(name="rtfx compiles", daemon=True)
        self.process: subprocess.Popen | None = None

    def run(self):
        """Start the helper process and send kernels to it until none arrives for `IDLE_SECONDS`."""
        kernel = None
        try:
            start = START.format(path=sys.path)
            self.process = subprocess.Popen(
                [sys.executable, "-c", start],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            while kernel := self._next():
                seconds, code = self._ask(kernel)
                if code:
                    write_code(kernel, code)
                _answer(kernel, code, seconds)
            self._send(b"")
            self.process.communicate()
        except Exception:  # the process could not be started, or it was killed
            self._give_up(kernel)

    def _next(self) -> Kernel | None:
        """Return the next kernel; None if there is none, and then this member is no longer in `_members`."""
        while True:
            try:
                return _waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with _lock:
                    if _waiting.empty():
                        _members.discard(self)
                        return None

    def _ask(self, kernel: Kernel) -> tuple[float, bytes]:
        """Return how many seconds the compilation of a kernel took, and its code: empty if the compilation failed."""
        self._send(pickle.dumps(kernel))  # the pickle holds the names of its function and its shape, no code
        assert self.process and self.process.stdout
        seconds, size = ANSWER.unpack(self.process.stdout.read(ANSWER.size))
        return seconds, self.process.stdout.read(size)

    def _send(self, request: bytes) -> None:
        assert self.process and self.process.stdin
        pickle.dump(request, self.process.stdin)
        self.process.stdin.flush()

    def _give_up(self, kernel: Kernel | None) -> None:
        """Let this process compile a kernel, and all waiting kernels if no other helper is left."""
        self.stop()
        left = [kernel] if kernel and kernel.ordered and not kernel.ordered.done() else []
        with _lock:
            _members.discard(self)
            while not _members and not _waiting.empty():
                left.append(_waiting.get())
        for each in left:
            _answer(each, b"", 0.0)

    def stop(self) -> None:
        """Kill the helper process and wait for its end."""
        if self.process:
            self.process.kill()
            self.process.communicate()


def _answer(kernel: Kernel, code: bytes, seconds: float) -> None:
    assert kernel.ordered
    _unanswered.discard(kernel)
    kernel.ordered.set_result((code, seconds))


@atexit.register
def _stop_all() -> None:
    for member in list(_members):
        if member.process:
            member.process.kill()


def _forget_all() -> None:
    """In a forked process: drop all helpers, as they belong to the parent process.

    Kernels that the helpers have not answered can be ordered again.
    """
    global _lock, _waiting
    for member in list(_members):
        if member.process and member.process.stdin:
            pipe: Any = member.process.stdin
            pipe.raw.close()  # an open copy here would keep the helper alive after the parent process has ended
            member.process = None
    _lock, _waiting = threading.Lock(), queue.SimpleQueue()
    _members.clear()
    for kernel in list(_unanswered):
        kernel.ordered = None
    _unanswered.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def serve() -> None:
    """In a helper: compile the kernels from the standard input; when the input ends, exit even with kernels left."""
    gc.disable()  # Numba keeps most of its half a million objects: searching them takes a fifth of the time
    os.environ["NUMBA_OPT"] = "0"  # the kernel is optimised once, as a whole, with all functions that it calls
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent process; if that ends, this one ends too
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    while True:
        started = time.perf_counter()
        code = _compiled(requests.get())
        answers.write(ANSWER.pack(time.perf_counter() - started, len(code)) + code)
        answers.flush()


def _receive(requests: queue.SimpleQueue[bytes]) -> None:
    try:
        while request := pickle.load(sys.stdin.buffer):
            requests.put(request)
    finally:
        os._exit(0)


def _compiled(request: bytes) -> bytes:
    """Return a kernel's object file; empty if the compilation fails or another process could not load the file."""
    try:
        return pickle.loads(request).compile()
    except Exception:  # the other process compiles it again and reports the error
        return b""
