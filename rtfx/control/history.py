"""What was turned while it plays, so that the last change can be taken back and made again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

DEPTH = 200
ONE_TURN_SECONDS = 1.0  # changes of the same knobs, each so soon after the one before, are one turn of the hand


@dataclass
class Change:
    """Values before and after, by address; `preset` is None for the gains that belong to no preset."""

    preset: str | None
    before: dict[str, float | str]
    after: dict[str, float | str]
    time: float


class History:
    """The changes of all presets, newest last. All methods may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._closed = False

    def note(self, preset: str | None, before: Mapping[str, float | str], after: Mapping[str, float | str]) -> None:
        """Remember a change that has just been made; what had been taken back is forgotten."""
        now = self._clock()
        with self._lock:
            last = self._done[-1] if self._done else None
            if (
                last
                and not self._closed
                and (last.preset, last.before.keys()) == (preset, before.keys())
                and now - last.time < ONE_TURN_SECONDS
            ):
                last.after, last.time = dict(after), now
            else:
                self._done.append(Change(preset, dict(before), dict(after), now))
                del self._done[:-DEPTH]
            self._undone.clear()
            self._closed = False

    def undo(self, preset: str) -> Change | None:
        """Return the last change that can be heard in `preset`, to be taken back; None if there is none."""
        return self._move(self._done, self._undone, preset)

    def redo(self, preset: str) -> Change | None:
        """Return the change that was taken back last, to be made again."""
        return self._move(self._undone, self._done, preset)

    def _move(self, source: list[Change], target: list[Change], preset: str) -> Change | None:
        with self._lock:
            for place in range(len(source) - 1, -1, -1):
                change = source[place]
                if change.preset in (None, preset):
                    del source[place]
                    if change.before != change.after:
                        target.append(change)
                        self._closed = True
                        return change
        return None
