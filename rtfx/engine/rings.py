"""The last seconds of a stream, and what happened at which frame: written by the audio thread, read meanwhile."""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import inline
from ..kernels.memory import floats, records, store_release
from ..plan.arena import MAX_BLOCK
from .layout import ENGINE, GLIDE, GLIDES, LOG, LOG_GLIDE, OFFSET, ROW

LOG_RECORDS = 16384  # a second of the shortest blocks, each of another length
AHEAD_SECONDS = 10.0
MARGIN = 2 * MAX_BLOCK  # frames that may be overwritten before the head says so
RING_HEAD, LOG_HEAD = OFFSET["ring_head"], OFFSET["log_head"]
DRY, MIX = OFFSET["dry_rows"], OFFSET["mix_rows"]
LOG_BYTES = LOG.itemsize
TARGETS = tuple(OFFSET[name] for name in GLIDES)


@inline("none(int64, int64, int64, int64, float64)")
def write_log(engine, kind, rig, number, value):
    """Append one record; the reader sees by the head whether it was overwritten. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    if e.log == 0:
        return
    entry = records(e.log + LOG_BYTES * (e.log_head % e.log_size), 1, LOG)[0]
    entry.frame = e.clock
    entry.kind = kind
    entry.rig = rig
    entry.number = number
    entry.value = value
    store_release(engine + LOG_HEAD, e.log_head + 1)


@inline
def take_targets(engine):
    """Begin a glide of every gain that has a new target. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    for i in range(4):
        g = records(engine + TARGETS[i], 1, GLIDE)[0]
        target = g.target  # read once: the control thread may write it now
        if target != g.goal:
            g.goal = target
            g.left = e.fade_frames
            g.step = (target - g.value) / np.float32(e.fade_frames)
            write_log(engine, LOG_GLIDE, 0, i, np.float64(target))


@inline
def write_rings(engine, frames):
    """Keep the dry and the mixed rows, interleaved, over the oldest ones. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    if e.ring_frames == 0:
        return
    place = e.clock % e.ring_frames
    for n in range(frames):
        dry, wet = e.dry_ring + 4 * place * e.inputs, e.wet_ring + 4 * place * e.outputs
        for row in range(e.inputs):
            floats(dry + 4 * row, 1)[0] = floats(engine + DRY + 4 * (ROW * row + n), 1)[0]
        for row in range(e.outputs):
            floats(wet + 4 * row, 1)[0] = floats(engine + MIX + 4 * (ROW * row + n), 1)[0]
        place += 1
        if place == e.ring_frames:
            place = 0
    store_release(engine + RING_HEAD, e.clock + frames)


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
