"""What the audio thread leaves behind: rings of its input and output, and a log of what it took up at which frame."""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import inline
from ..kernels.memory import floats, records, store_release
from .layout import ENGINE, GLIDE, GLIDES, LOG, LOG_GLIDE, OFFSET, ROW

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
