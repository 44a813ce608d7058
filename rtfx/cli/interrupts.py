"""Ctrl-C during an import: libraries would swallow it, or be left half loaded, so it waits until the import ends."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

RETRY_SECONDS = 0.05
IMPORTING = "<frozen importlib._bootstrap>"  # the file of the frames that import


def postponed(number: int, frame: FrameType | None) -> bool:
    """Tell whether a signal came during an import; then it is sent again shortly. Imports take a second at most."""
    while frame is not None and frame.f_code.co_filename != IMPORTING:
        frame = frame.f_back
    if frame is None:
        return False
    timer = threading.Timer(RETRY_SECONDS, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
    return True


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, as Python's own handler does, but never during an import."""
    if not postponed(number, frame):
        raise KeyboardInterrupt


def listen() -> None:
    """Have `interrupt` handle SIGINT, unless it is ignored."""
    if signal.getsignal(signal.SIGINT) in (signal.SIG_DFL, signal.default_int_handler):
        signal.signal(signal.SIGINT, interrupt)
