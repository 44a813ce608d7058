"""The terminal's alternate screen: lines are written where they have changed, nothing is cleared, all is given back."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import sys
import time

# the alternate screen, no cursor, no wrapping at the right edge, cleared once; and all of it undone in reverse
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
CLEAR = "\x1b[2J"
BEGIN_FRAME, END_FRAME = "\x1b[?2026h", "\x1b[?2026l"  # terminals that know it show a frame only when it is whole
SIZE = (80, 24)  # where the terminal does not tell
LEAVE_SECONDS = 0.5  # a terminal that takes nothing is not waited for


class Screen:
    """The alternate screen of a terminal, from `enter` to `leave`.

    Writing never waits: a frame that the terminal does not take, as over a slow line, is dropped, and the next is drawn
    as a whole.

    Parameters
    ----------
    descriptor : int, optional
        Of the terminal; standard error by default.
    """

    def __init__(self, descriptor: int | None = None):
        self._descriptor = _own(sys.stderr.fileno() if descriptor is None else descriptor)
        self._shown: list[str] | None = None
        self._size = SIZE
        self._entered = False

    @property
    def size(self) -> tuple[int, int]:
        """(columns, rows)."""
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self._descriptor)
            if columns > 0 and rows > 0:
                return columns, rows
        return SIZE

    def enter(self) -> None:
        """Take the alternate screen."""
        if not self._entered:
            self._entered = True
            atexit.register(self.leave)
            self._shown, self._size = [], self.size
            if not self._write(ENTER):
                self._shown = None

    def leave(self) -> None:
        """Give the page back as it was found; a second call does nothing."""
        if not self._entered:
            return
        self._entered = False
        atexit.unregister(self.leave)
        deadline = time.monotonic() + LEAVE_SECONDS
        rest = LEAVE.encode()
        while rest and time.monotonic() < deadline:
            try:
                select.select([], [self._descriptor], [], max(deadline - time.monotonic(), 0.0))
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                continue
            except (OSError, ValueError):  # the terminal is gone
                return

    def close(self) -> None:
        """Leave and forget the terminal."""
        self.leave()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1

    def draw(self, lines: list[str]) -> None:
        """Show lines, styled as the terminal takes them, each shorter than the page is wide; too many are cut."""
        if not self._entered:
            return
        text = ""
        if self._shown is None or self._size != self.size:
            self._shown, self._size = [], self.size
            text = CLEAR
        lines = lines[: self._size[1]]
        before = self._shown
        for row in range(max(len(lines), len(before))):
            line = lines[row] if row < len(lines) else ""
            if row >= len(before) or line != before[row]:
                text += f"\x1b[{row + 1};1H{line}\x1b[0m\x1b[K"
        self._shown = list(lines)
        if text and not self._write(BEGIN_FRAME + text + END_FRAME):
            self._shown = None

    def _write(self, text: str) -> bool:
        """Write without waiting and tell whether the terminal took all of it."""
        rest = text.encode("utf-8", "replace")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except (OSError, ValueError):  # it is slow, or gone: then the hang-up's signal ends the session
            return False
        return True


def _own(descriptor: int) -> int:
    """Return a descriptor of the same terminal that does not wait and shares that with no other process."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            return os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    return os.dup(descriptor)
