"""Lines that libraries and threads print to standard error while the view has the terminal: caught, shown, kept."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque

KEPT_LINES = 100
LONGEST = 4096  # characters of a line without an end


class Stray:
    """Catches what is written to descriptor 2 from `catch` to `release`.

    Writers never wait: what nobody reads in time is lost beyond the pipe's 64 KB.
    """

    def __init__(self) -> None:
        self._saved = -1
        self._read = -1
        self._rest = ""
        self._kept: deque[str] = deque(maxlen=KEPT_LINES)

    def catch(self) -> None:
        """Begin."""
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
        """Give descriptor 2 back and print there what was caught; a second call does nothing."""
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
