"""How a device is: playing, gone, at another rate, or silent for so long that something must have happened."""

from __future__ import annotations

import time
from collections.abc import Callable

STALL_SECONDS, FIRST_BLOCK_SECONDS = 3.0, 10.0  # without a block; Bluetooth takes its time to begin
UNWATCHED_SECONDS = 0.5  # nobody looked: the process was suspended, and so was its sound
PLAYING, GONE, MOVED, STALLED = "playing", "gone", "moved", "stalled"


class Watch:
    """Tells whether the engine's clock still moves.

    Parameters
    ----------
    clock : callable
        Returns the frames processed so far.
    """

    def __init__(self, clock: Callable[[], int]):
        self._clock, self._first = clock, clock()
        self._seen = (self._first, time.monotonic(), time.monotonic())  # clock, when it moved, when it was looked at

    @property
    def stalled(self) -> bool:
        """Whether nothing has been asked for during seconds in which somebody looked."""
        clock, moved, looked = self._seen
        now, clock_now = time.monotonic(), self._clock()
        if clock_now != clock or now - looked > UNWATCHED_SECONDS:
            moved = now
        self._seen = (clock_now, moved, now)
        return now - moved > (STALL_SECONDS if clock_now > self._first else FIRST_BLOCK_SECONDS)
