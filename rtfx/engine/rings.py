"""The last seconds of a stream, read while the audio thread writes on: dry and wet frames, and what happened when."""

from __future__ import annotations

import numpy as np

from ..plan.arena import MAX_BLOCK
from .layout import LOG

LOG_RECORDS = 16384  # a second of the shortest blocks, each of another length
AHEAD_SECONDS = 10.0
MARGIN = 2 * MAX_BLOCK  # frames that may be overwritten before the head says so


class Rings:
    """Memory that an engine's callback fills. All methods are for the control thread.

    Parameters
    ----------
    record : ENGINE record
        Gets the addresses.
    frames : int
        How much is kept; `MARGIN` of it may already be overwritten.

    Attributes
    ----------
    dry, wet : (frames, inputs) and (frames, outputs) float32
        Input before any gain, output behind limiter and fades. Frame t of the stream is at t % frames.
    """

    def __init__(self, record: np.ndarray, frames: int):
        self._record = record
        self.frames = max(frames, 4 * MARGIN)
        self.dry = np.empty((self.frames, int(record["inputs"])), np.float32)
        self.wet = np.empty((self.frames, int(record["outputs"])), np.float32)
        self.records = np.empty(LOG_RECORDS, LOG)
        self.records.view(np.uint8)[:] = 0
        self._ahead = round(AHEAD_SECONDS * float(record["sample_rate"]))
        self._ready = 0
        self.prepare()
        record["dry_ring"], record["wet_ring"] = self.dry.ctypes.data, self.wet.ctypes.data
        record["ring_frames"] = self.frames
        record["log"], record["log_size"] = self.records.ctypes.data, LOG_RECORDS

    def prepare(self) -> None:
        """Touch the memory of the next seconds: the audio thread should not be the first in a page.

        Memory is taken as it fills. If this comes late, the audio thread pays a page fault, and what it may be about to
        write is left alone.
        """
        first, last = max(self._ready, self.head + self._ahead // 5), min(self.head + self._ahead, self.frames)
        if self._ready == 0:
            first = 0
        if first < last:
            self.dry[first:last] = 0.0
            self.wet[first:last] = 0.0
            self._ready = last

    @property
    def head(self) -> int:
        """The stream frame behind the last one kept."""
        return int(self._record["ring_head"])

    def read(self, ring: np.ndarray, first: int, last: int) -> tuple[int, np.ndarray]:
        """Return (start, frames `start` to `last` of `dry` or `wet`): from `first` on, or what of it is still there."""
        oldest = self._oldest()
        if first < oldest:
            first = min(oldest + MARGIN, last)
        place = first % self.frames
        straight = ring[place : place + last - first]
        frames = np.concatenate([straight, ring[: last - first - len(straight)]])
        gone = min(max(self._oldest() - first, 0), len(frames))
        return first + gone, frames[gone:]

    def _oldest(self) -> int:
        return self.head + MARGIN - self.frames

    def log(self, first: int) -> tuple[int, np.ndarray]:
        """Return (number of the first record, LOG records) from number `first` on, or what is still there of them."""
        head = int(self._record["log_head"])
        first = max(first, head - LOG_RECORDS // 2)
        records = self.records[np.arange(first, head) % LOG_RECORDS]
        gone = min(max(int(self._record["log_head"]) + 1 - LOG_RECORDS - first, 0), len(records))
        return first + gone, records[gone:]
