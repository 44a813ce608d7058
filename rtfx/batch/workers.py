"""Worker processes: they are spawned, not forked, and end when their parent process ends for any reason."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

# not fork: a forked process lacks the threads of the compiler, of NumPy and of the sound library
CONTEXT = multiprocessing.get_context("spawn")


def pool(workers: int, start: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Return a pool whose processes call ``start(*arguments)`` first."""
    return ProcessPoolExecutor(workers, mp_context=CONTEXT, initializer=_begin, initargs=(start, arguments))


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_follow, name="rtfx follows", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal
    if start:
        start(*arguments)


def _follow() -> None:
    """End this process when its parent process has ended, even if that was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
