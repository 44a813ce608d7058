"""Ring buffers of the last seconds of a stream, and a log of changes with their frames.

The audio thread writes them; the control thread reads them while the stream runs.
"""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import inline
from ..kernels.memory import floats, records, store_release
from ..plan.arena import MAX_BLOCK
from .layout import ENGINE, GLIDE, GLIDES, LOG, LOG_GLIDE, OFFSET, ROW

LOG_RECORDS = 16384  # enough for a second of the shortest blocks even if each changes the block length
AHEAD_SECONDS = 10.0  # of memory that is touched before the audio thread writes there
MARGIN = 2 * MAX_BLOCK  # frames that the audio thread may overwrite before it updates the head
RING_HEAD, LOG_HEAD = OFFSET["ring_head"], OFFSET["log_head"]
DRY, MIX = OFFSET["dry_rows"], OFFSET["mix_rows"]
LOG_BYTES = LOG.itemsize
TARGETS = tuple(OFFSET[name] for name in GLIDES)


@inline("none(int64, int64, int64, int64, float64)")
def write_log(engine, kind, rig, number, value):
    """Append one record; a reader compares the head to know whether a record was overwritten. [audio thread]"""
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
    """Start a glide of every gain that has a new target. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    for i in range(4):
        g = records(engine + TARGETS[i], 1, GLIDE)[0]
        target = g.target  # read only once, as the control thread may change it at any time
        if target != g.goal:
            g.goal = target
            g.left = e.fade_frames
            g.step = (target - g.value) / np.float32(e.fade_frames)
            write_log(engine, LOG_GLIDE, 0, i, np.float64(target))


@inline
def write_rings(engine, frames):
    """Write the dry and the mixed rows, interleaved, over the oldest frames of the rings. [audio thread]"""
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
    """Ring buffers and log that the callback of an engine fills. All methods are for the control thread.

    Parameters
    ----------
    record : ENGINE record
        Gets the addresses of the rings and of the log.
    frames : int
        Size of the rings; up to `MARGIN` of the oldest frames may already be overwritten.

    Attributes
    ----------
    dry, wet : (frames, inputs) and (frames, outputs) float32
        Input before any gain, and output after limiter and fades. Frame t of the stream is at index t % frames.
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
        """Write zeros to the memory of the next seconds, so that the audio thread meets no page faults there.

        The system allocates a page at the first write to it. If this call is late, the audio thread has page faults;
        frames that it may be writing now are not touched. [control thread]
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
        """The stream frame after the last one in the rings. [control thread]"""
        return int(self._record["ring_head"])

    def read(self, ring: np.ndarray, first: int, last: int) -> tuple[int, np.ndarray]:
        """Return (start, frames `start` until `last` of `dry` or `wet`). [control thread]

        `start` is `first`, or the oldest frame that is not overwritten if that is later.
        """
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
        """Return (number of the first returned record, LOG records) from number `first` on. [control thread]

        Records that are overwritten are left out.
        """
        head = int(self._record["log_head"])
        first = max(first, head - LOG_RECORDS // 2)
        records = self.records[np.arange(first, head) % LOG_RECORDS]
        gone = min(max(int(self._record["log_head"]) + 1 - LOG_RECORDS - first, 0), len(records))
        return first + gone, records[gone:]
