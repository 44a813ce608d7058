"""Ctrl-C waits while a round is kept: half-way it would leave the model of one round and the state of another."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold an interrupt back until the block has ended; other threads than the main one get none anyway."""
    own = signal.getsignal(signal.SIGINT) is not None  # None: another language's, which Python could not put back
    if not own or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple] = []
    before = signal.signal(signal.SIGINT, lambda *event: came.append(event))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(*came[0])
