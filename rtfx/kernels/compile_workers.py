"""Helper processes that compile, on every core, while this process goes on without Numba and what that takes of memory.

A helper is sent kernels and answers with their machine code. What it fails at is compiled here. It ends when its input
does, so none outlives this process, however that ends; and when for two seconds there was nothing to do.
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

MOST = 4  # a helper takes 200 MB while it works
IDLE_SECONDS = 2.0
PACKAGE = __name__.partition(".")[0]
START = f"import sys; sys.path[:] = {{path!r}}; from {__name__} import serve; serve()"
ANSWER = struct.Struct("<dq")  # seconds that it took, bytes of code that follow

_lock = threading.Lock()
_waiting: queue.SimpleQueue[Kernel] = queue.SimpleQueue()
_members: set[_Member] = set()
_unanswered: set[Kernel] = set()


def order(kernels: Iterable[Kernel]) -> None:
    """Have kernels compiled that are not on disk, in this order. A kernel's address waits for its code."""
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
    """Return whether a kernel has to be compiled, and a helper can import where it stands."""
    return not kernel.ready and kernel.ordered is None and kernel.source.__module__.startswith(f"{PACKAGE}.")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Member(threading.Thread):
    """One helper process, and the thread that hands it one kernel after the other."""

    def __init__(self):
        super().__init__(name="rtfx compiles", daemon=True)
        self.process: subprocess.Popen | None = None

    def run(self):
        """Serve until there is nothing more to do."""
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
        except Exception:  # no process to be had, or it has been killed
            self._give_up(kernel)

    def _next(self) -> Kernel | None:
        """Return the next kernel; with None this member has left."""
        while True:
            try:
                return _waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with _lock:
                    if _waiting.empty():
                        _members.discard(self)
                        return None

    def _ask(self, kernel: Kernel) -> tuple[float, bytes]:
        """Return the seconds that it took to compile a kernel, and its code, empty if that failed."""
        self._send(pickle.dumps(kernel))  # by the names of its function and shape
        assert self.process and self.process.stdout
        seconds, size = ANSWER.unpack(self.process.stdout.read(ANSWER.size))
        return seconds, self.process.stdout.read(size)

    def _send(self, request: bytes) -> None:
        assert self.process and self.process.stdin
        pickle.dump(request, self.process.stdin)
        self.process.stdin.flush()

    def _give_up(self, kernel: Kernel | None) -> None:
        """Let a kernel be compiled here, and all that wait if nobody is left to take them."""
        self.stop()
        left = [kernel] if kernel and kernel.ordered and not kernel.ordered.done() else []
        with _lock:
            _members.discard(self)
            while not _members and not _waiting.empty():
                left.append(_waiting.get())
        for each in left:
            _answer(each, b"", 0.0)

    def stop(self) -> None:
        """End the process now."""
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
    """Leave the helpers to the process that this one was forked from, and order anew what they have not answered."""
    global _lock, _waiting
    for member in list(_members):
        if member.process and member.process.stdin:
            pipe: Any = member.process.stdin
            pipe.raw.close()  # or the helper would not see that its own process has ended
            member.process = None
    _lock, _waiting = threading.Lock(), queue.SimpleQueue()
    _members.clear()
    for kernel in list(_unanswered):
        kernel.ordered = None
    _unanswered.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def serve() -> None:
    """In a helper: compile what comes through the standard input until it ends, then end at once, whatever is left."""
    gc.disable()  # Numba makes half a million objects and keeps most: a fifth of the time
    os.environ["NUMBA_OPT"] = "0"  # a kernel is optimised as one whole, with its helpers: not each of these before
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that plays; if it ends, so does this
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
    """Return a kernel's object file, nothing if there is none that another process could load."""
    try:
        return pickle.loads(request).compile()
    except Exception:  # it will fail again where it is asked for, and be reported there
        return b""
