"""Single keys from a terminal, without Return: raw bytes in, names of keys out, the terminal restored at every end."""

from __future__ import annotations

import atexit
import codecs
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

# The bytes after ESC. Page-turner foot switches send PageUp and PageDown.
SEQUENCES = {
    "[5~": "pageup",
    "[6~": "pagedown",
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
    "[Z": "backtab",
}
CONTROLS = {"\t": "tab"}
WINDOWS = {"I": "pageup", "Q": "pagedown", "H": "up", "P": "down", "M": "right", "K": "left"}
ESCAPE_SECONDS = 0.05  # a lone ESC is a key if nothing follows it for this long
LONGEST_SEQUENCE = 16


class Decoder:
    """Turns bytes, in pieces of any size, into keys: characters unchanged, others as in `SEQUENCES` and `CONTROLS`."""

    def __init__(self):
        self._pending = ""
        self._text = codecs.getincrementaldecoder("utf-8")("ignore")

    @property
    def waiting(self) -> bool:
        """An escape sequence has begun and not ended."""
        return bool(self._pending)

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that `data` completes; unknown sequences are dropped."""
        return [key for character in self._text.decode(data) if (key := self._take(character))]

    def flush(self) -> list[str]:
        """Return pending bytes as keys, to be called when no more bytes follow."""
        lone = self._pending == "\x1b"
        self._pending = ""
        return ["escape"] if lone else []

    def _take(self, character: str) -> str:
        if character == "\x1b":
            lone, self._pending = self._pending == "\x1b", "\x1b"
            return "escape" if lone else ""
        if not self._pending:
            return character if character.isprintable() else CONTROLS.get(character, "")
        self._pending += character
        body = self._pending[1:]
        # a sequence ends with a letter or a tilde; its first character only announces it
        if len(body) > 1 and (character.isalpha() or character == "~"):
            self._pending = ""
            return SEQUENCES.get(body, "")
        if body[0] not in "[O" or len(body) > LONGEST_SEQUENCE:
            self._pending = ""
        return ""


class Keyboard:
    """Reads keys from a terminal while its ``with`` block lasts.

    The terminal is restored on leaving the block, at exit, and while the process is stopped by Ctrl-Z. Ctrl-C still
    interrupts; Ctrl-S does not stop the output, because it would freeze the view.

    Parameters
    ----------
    descriptor : int, optional
        Of the terminal; standard input by default.
    on_suspend, on_resume : callable
        Called before the process stops and after it goes on, in the signal's handler.
    """

    def __init__(
        self,
        descriptor: int | None = None,
        on_suspend: Callable[[], None] = lambda: None,
        on_resume: Callable[[], None] = lambda: None,
    ):
        self._on_suspend, self._on_resume = on_suspend, on_resume
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        self._decoder = Decoder()
        self._saved: Any = None
        self._suspend_handler: Any = None
        self._ended = False

    def __enter__(self) -> Keyboard:
        if sys.platform != "win32":
            import termios

            self._saved = termios.tcgetattr(self._descriptor)
            atexit.register(self.restore)
            self._listen()
            if threading.current_thread() is threading.main_thread():
                self._suspend_handler = signal.signal(signal.SIGTSTP, self._suspend)
        return self

    def __exit__(self, *exception) -> None:
        self.restore()

    def restore(self) -> None:
        """Restore the terminal's modes; a second call does nothing."""
        if self._saved is None:
            return
        import termios

        saved, self._saved = self._saved, None
        atexit.unregister(self.restore)
        if self._suspend_handler is not None:
            signal.signal(signal.SIGTSTP, self._suspend_handler)
            self._suspend_handler = None
        try:
            termios.tcsetattr(self._descriptor, termios.TCSANOW, saved)  # TCSADRAIN could wait for ever
        except termios.error:  # the terminal is gone: its window was closed
            pass

    def poll(self, seconds: float) -> list[str]:
        """Return the keys pressed within `seconds`, as soon as there are any."""
        if sys.platform == "win32":
            return _poll_windows(seconds)
        if self._ended:
            time.sleep(seconds)
            return []
        if not self._ready(seconds):
            return self._decoder.flush()
        keys = self._decoder.feed(self._read())
        while self._decoder.waiting and not self._ended:
            if not self._ready(ESCAPE_SECONDS):
                return keys + self._decoder.flush()
            keys += self._decoder.feed(self._read())
        return keys

    def _ready(self, seconds: float) -> bool:
        return bool(select.select([self._descriptor], [], [], seconds)[0])

    def _read(self) -> bytes:
        try:
            data = os.read(self._descriptor, 1024)
        except OSError:  # the other end of the pseudo-terminal was closed
            data = b""
        self._ended = not data
        return data

    def _listen(self) -> None:
        import termios

        modes = termios.tcgetattr(self._descriptor)
        modes[0] &= ~termios.IXON
        modes[3] &= ~(termios.ECHO | termios.ICANON)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._descriptor, termios.TCSANOW, modes)

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        import termios

        self._on_suspend()
        termios.tcsetattr(self._descriptor, termios.TCSANOW, self._saved)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # returns when the shell continues this process
        signal.signal(signal.SIGTSTP, self._suspend)
        self._listen()
        self._on_resume()


def available() -> bool:
    """Tell whether standard input is a terminal that this process may read from: it runs in the foreground."""
    try:
        if not sys.stdin.isatty():
            return False
        return sys.platform == "win32" or os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (AttributeError, OSError, ValueError):
        return False


def _poll_windows(seconds: float) -> list[str]:
    """Return the keys pressed within `seconds` on Windows; written from its documentation, not tried."""
    if sys.platform != "win32":
        return []
    import msvcrt

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if msvcrt.kbhit():
            character = msvcrt.getwch()
            if character in "\x00\xe0":
                key = WINDOWS.get(msvcrt.getwch(), "")
            else:
                key = "escape" if character == "\x1b" else character
            return [key] if key else []
        time.sleep(0.01)
    return []
