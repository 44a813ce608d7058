"""Ctrl-C, SIGTERM and a closed terminal: they end a command; a playing stream fades out first.

During an import a Ctrl-C could be ignored, or leave a library half loaded, so it is delayed until the import ends.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

RETRY_SECONDS = 0.05
TERMINATED = 128 + 15  # the exit code that a shell reports after SIGTERM
IMPORTING = "<frozen importlib._bootstrap>"  # the file of the frames that import


class Terminated(SystemExit):
    """SIGTERM as an exception, so that files are closed and incomplete ones removed.

    No KeyboardInterrupt: click would print an empty line for it.
    """


def postponed(number: int, frame: FrameType | None) -> bool:
    """Return whether a signal came during an import; if so, send it again shortly. An import takes at most a second."""
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


def terminate(number: int, frame: FrameType | None) -> None:
    """Raise Terminated."""
    raise Terminated(TERMINATED)


def listen() -> None:
    """Install `terminate` as handler of SIGTERM, and `interrupt` as handler of SIGINT unless SIGINT is ignored."""
    signal.signal(signal.SIGTERM, terminate)
    if signal.getsignal(signal.SIGINT) in (signal.SIG_DFL, signal.default_int_handler):
        signal.signal(signal.SIGINT, interrupt)


class Signals:
    """Ctrl-C, SIGTERM and a closed terminal: they end the loading; during play they request a fade-out."""

    def __init__(self) -> None:
        self.playing = False
        self.stopped = False
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                number = getattr(signal, name)
                if name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:
                    continue  # it is ignored, as under nohup, and stays so
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if postponed(number, frame):
            return
        self.number = number
        if not self.playing or self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
