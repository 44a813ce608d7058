"""What was turned while it plays, so that the last change can be taken back and made again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

DEPTH = 200
Values = Mapping[str, float | str]
ONE_TURN_SECONDS = 1.0  # changes of the same knobs, each so soon after the one before, are one turn of the hand


@dataclass
class Change:
    """Values before and after, by address; `preset` is None for the gains that belong to no preset."""

    preset: str | None
    before: Values
    after: Values
    time: float


class History:
    """The changes of all presets, newest last. All methods may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._closed = False

    def note(self, preset: str | None, before: Values, after: Values) -> None:
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

    def close(self) -> None:
        """Let the next change be one of its own, whatever it turns."""
        with self._lock:
            self._closed = True

    def undo(self, preset: str, current: Values) -> Change | None:
        """Return the last change that is in effect in `preset`, to be taken back; None if there is none.

        Parameters
        ----------
        preset : str
            What was changed in other presets stays.
        current : mapping
            Where every knob stands. A change whose values play no longer, as those of the other slot, is passed over.
        """
        with self._lock:
            return self._move(self._done, self._undone, preset, current, lambda change: change.after)

    def redo(self, preset: str, current: Values) -> Change | None:
        """Return the change that was taken back last, to be made again."""
        with self._lock:
            return self._move(self._undone, self._done, preset, current, lambda change: change.before)

    def _move(
        self,
        source: list[Change],
        target: list[Change],
        preset: str,
        current: Values,
        playing: Callable[[Change], Values],
    ) -> Change | None:
        self._closed = True
        for place in range(len(source) - 1, -1, -1):
            change = source[place]
            if change.preset not in (None, preset) or change.before == change.after:
                continue
            if all(current.get(address) == value for address, value in playing(change).items()):
                del source[place]
                target.append(change)
                return change
        return None
