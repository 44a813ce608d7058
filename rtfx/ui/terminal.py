"""A session's terminal: set up keyboard, page, caught lines and guard, and restore them in reverse order."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import subprocess
import sys
import time
from collections import deque
from typing import Any

from rich.console import Console
from rich.text import Text

from ..errors import COMMANDS
from .keyboard import Keyboard

# the alternate screen, no cursor, no wrapping at the right edge, cleared once; then the same undone in reverse
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
CLEAR = "\x1b[2J"
BEGIN_FRAME, END_FRAME = "\x1b[?2026h", "\x1b[?2026l"  # a terminal that supports these shows only whole frames
SIZE = (80, 24)  # if the terminal does not tell
LEAVE_SECONDS = 0.5  # the longest wait for a terminal that takes no bytes
ASCII = {ord(fancy): plain for fancy, plain in {"━": "=", "─": "-", "…": "~"}.items()}
KEPT_LINES = 100
LONGEST = 4096  # characters of a line without an end
# the shell waits for a line, or for the end of the process that writes it
GUARD = r"""
trap '' HUP INT QUIT TERM TSTP TTOU
exec 3<&1
read -r answer
[ "$answer" = done ] && exit 0
printf '%b' "$1"
[ -n "$2" ] && [ "$(stty -g <&3)" = "$3" ] && stty "$2" <&3
exit 0
"""


class Terminal:
    """Keyboard and page while the ``with`` block runs; Ctrl-Z restores the terminal until the process continues."""

    def __init__(self) -> None:
        self.screen = Screen()
        self.painter = Painter()  # looks at standard error before `stray` takes it
        self.stray = Stray()
        self.keyboard = Keyboard(on_suspend=self.screen.leave, on_resume=self.screen.enter)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Terminal:
        with contextlib.ExitStack() as stack:
            before = modes(sys.stdin.fileno())
            stack.callback(self.screen.close)
            stack.enter_context(self.keyboard)
            self.guard = Guard(sys.stderr.fileno(), LEAVE, before)
            stack.callback(self.guard.dismiss)
            stack.callback(self.stray.release)
            self.stray.catch()
            stack.callback(self.screen.leave)
            self.screen.enter()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()


class Screen:
    """The alternate screen of a terminal, from `enter` to `leave`.

    Writing never waits. A frame that the terminal cannot take, because the line is slow, is dropped; the next frame is
    then drawn as a whole.

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
        """Leave the alternate screen; a second call does nothing."""
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
        """Leave the alternate screen and close the descriptor."""
        self.leave()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1

    def draw(self, lines: list[str]) -> None:
        """Show lines with their escape sequences, each shorter than the page is wide; lines below the page are cut."""
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
        except (OSError, ValueError):  # slow, or gone: then SIGHUP ends the session
            return False
        return True


def _own(descriptor: int) -> int:
    """Return a non-blocking descriptor of the same terminal, without making those of other processes non-blocking."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            return os.open(os.ttyname(descriptor), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    return os.dup(descriptor)


class Painter:
    """Turns styled lines into the bytes of this terminal: its colours, its character set.

    Parameters
    ----------
    console : rich.console.Console, optional
        Knows the terminal's colours; by default that of standard error, asked once, now.
    """

    def __init__(self, console: Console | None = None):
        self._console = console or Console(stderr=True, highlight=False)
        encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
        self._ascii = not encoding.lower().replace("-", "").startswith("utf8")
        self._painted: list[tuple[Text, str]] = []

    @property
    def capable(self) -> bool:
        """The terminal can move its cursor."""
        return self._console.is_terminal and not self._console.is_dumb_terminal and not self._console.legacy_windows

    def paint(self, lines: list[Text]) -> list[str]:
        """Return the lines with escape sequences; a line equal to the one painted before it is not painted again."""
        old = self._painted
        self._painted = [
            old[row] if row < len(old) and old[row][0] == line else (line, self._line(line))
            for row, line in enumerate(lines)
        ]
        return [painted for _, painted in self._painted]

    def _line(self, line: Text) -> str:
        system: Any = self._console._color_system  # rich's renderer passes it on, but has no public name for it
        parts = []
        for segment in line.render(self._console):
            text = COMMANDS.sub("", segment.text)  # commands have no width, so the rest still fits
            text = text.translate(ASCII) if self._ascii else text
            style = segment.style
            if style is not None and self._console.no_color:
                style = style.without_color
            parts.append(style.render(text, color_system=system) if style else text)
        return "".join(parts)


class Stray:
    """Catches lines that libraries print to descriptor 2, from `catch` to `release`.

    Writers never wait: bytes beyond the pipe's 64 KB are lost until the next `lines`.
    """

    def __init__(self) -> None:
        self._saved = -1
        self._read = -1
        self._rest = ""
        self._kept: deque[str] = deque(maxlen=KEPT_LINES)

    def catch(self) -> None:
        """Take descriptor 2."""
        sys.stderr.flush()
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        self._saved = os.dup(2)
        os.dup2(write, 2)
        os.close(write)

    def lines(self) -> list[str]:
        """Return the whole lines that have come since the last call."""
        if self._read < 0:
            return []
        data = b""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._read, 65536):
                data += part
        *whole, self._rest = (self._rest + data.decode("utf-8", "replace")).split("\n")
        if len(self._rest) > LONGEST:
            whole, self._rest = [*whole, self._rest], ""
        found = [line.rstrip("\r") for line in whole if line.strip()]
        self._kept.extend(found)
        return found

    def release(self) -> None:
        """Give descriptor 2 back and print the caught lines there; a second call does nothing."""
        if self._saved < 0:
            return
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os.dup2(self._saved, 2)
        os.close(self._saved)
        self._saved = -1
        self.lines()
        if self._rest.strip():
            self._kept.append(self._rest)
        os.close(self._read)
        self._read = -1
        with contextlib.suppress(OSError, ValueError):
            for line in self._kept:
                print(line, file=sys.stderr)
        self._kept.clear()


def modes(descriptor: int) -> str:
    """Return the modes of a terminal in the form that ``stty`` accepts, "" if they cannot be read."""
    if sys.platform == "win32":
        return ""
    try:
        done = subprocess.run(
            ["stty", "-g"], stdin=descriptor, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=2
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("ascii", "ignore").strip()


class Guard:
    """Restores a terminal if this process dies: a shell waits for the end of the process, until `dismiss`.

    After SIGKILL, a crash in a library or a lack of memory, the system closes the pipe to the shell. The shell
    then leaves the alternate screen, shows the cursor and restores the modes, unless they have changed since.

    Parameters
    ----------
    descriptor : int
        Of the terminal; its modes are those set by this process.
    farewell : str
        The bytes that leave the page.
    before : str
        The modes to restore, as `modes` returned them.
    """

    def __init__(self, descriptor: int, farewell: str, before: str):
        self.process: subprocess.Popen | None = None
        if sys.platform == "win32":
            return
        text = farewell.replace("\x1b", "\\033")
        try:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "rtfx-terminal", text, before, modes(descriptor)],
                stdin=subprocess.PIPE,
                stdout=descriptor,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        except OSError:  # without a guard, every end but SIGKILL and a crash still restores it
            return

    def dismiss(self) -> None:
        """End the guard without restoring anything; a second call does nothing."""
        process, self.process = self.process, None
        if process is None or process.stdin is None:
            return
        try:
            os.write(process.stdin.fileno(), b"done\n")
            process.stdin.close()
            process.wait(timeout=1)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
