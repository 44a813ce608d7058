"""Voice slots: they take published rigs, crossfade them, let tails ring on and hand finished rigs back."""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop, inline, intrinsic
from ..kernels.memory import call_address, exchange, floats, load_acquire, move_bytes, records, store_release
from ..kernels.rows import add_row, fill_row, number_of_bits
from ..plan.arena import BUFFER, CELL, CONTINUES, RIG
from .layout import (
    CLOSING,
    ENGINE,
    FREE,
    LEAVING,
    LOG_RIG,
    LOG_TABLE,
    OFFSET,
    PLAYING,
    PRIMING,
    RETIRE_RING,
    RINGING,
    ROW,
    SLOT,
    SLOTS,
)
from .ports import IN, MIX, MUTED
from .rings import write_log

PENDING, RETIRE_TAIL, RETIRE_HEAD = (OFFSET[name] for name in ("pending", "retire_tail", "retire_head"))
RING, SLOTS_AT = OFFSET["retire_ring"], OFFSET["slots"]
HALF_PI = math.pi / 2.0
CELL_BYTES = CELL.itemsize
NO_TAILS, TAILS = np.int64(0), np.int64(1)  # both are int64, so that `begin` is compiled once for both
# -100 dBFS: a tail below it for a tenth of a second, and the longest gap between echoes more, has ended
SILENCE = np.float32(1e-5)


@intrinsic
def call_rig(context, function, arena, source, source_stride, frames, clock, part):
    """Call `run_rig.RUN_RIG` through its address. [audio thread]"""
    from numba import types

    return types.int64(*[types.int64] * 7), call_address


@inline
def take_rig(engine):
    """Give the published rig a free slot. [audio thread]

    If no slot is free, the oldest rig that is leaving fades out faster; the published rig is taken in a later block.
    """
    e = records(engine, 1, ENGINE)[0]
    offered = load_acquire(engine + PENDING)
    slots = records(engine + SLOTS_AT, SLOTS, SLOT)
    if offered == 0:
        return
    if offered & CONTINUES and fading(slots):
        return
    free, oldest = -1, -1
    for i in range(SLOTS):
        if slots[i].phase == FREE:
            free = i
        elif slots[i].phase == CLOSING:
            oldest = SLOTS
        elif slots[i].phase == PRIMING:
            slots[i].phase = LEAVING  # it was never audible: the newer rig plays in its place
        elif slots[i].phase != PLAYING and oldest != SLOTS and (oldest < 0 or slots[i].age < slots[oldest].age):
            oldest = i
    if free < 0:
        if e.waiting == 0:
            e.waiting = 1 + e.clock
        if 0 <= oldest < SLOTS:
            slots[oldest].phase = CLOSING
            slots[oldest].speed = -1.0 / e.quick_frames
        return
    offered = exchange(engine + PENDING, 0)
    arena = offered & ~CONTINUES
    came = e.waiting - 1 if e.waiting > 0 else e.clock
    e.waiting = 0
    write_log(engine, LOG_RIG, records(arena, 1, RIG)[0].number, came, 0.0)
    e.serial += 1
    e.swaps += 1
    slot = slots[free]
    slot.rig = arena
    slot.age = e.serial
    slot.position = 0.0
    slot.speed = 0.0
    slot.input_position = 1.0
    slot.input_speed = 0.0
    slot.tail = records(arena, 1, RIG)[0].prime_frames
    if offered & CONTINUES and inherit(slots, arena):
        begin(engine, slot, NO_TAILS)
    elif slot.tail > 0:
        slot.phase = PRIMING
    else:
        begin(engine, slot, TAILS)


@inline
def fading(slots):
    """Return whether a fade is in progress. [audio thread]"""
    for i in range(SLOTS):
        phase = slots[i].phase
        if phase == LEAVING or phase == CLOSING or phase == PRIMING or (phase == PLAYING and slots[i].position < 1.0):
            return True
    return False


@inline
def inherit(slots, arena):
    """Copy parameters and state from the playing rig if its layout is the same; return whether it is. [audio thread]"""
    new = records(arena, 1, RIG)[0]
    for i in range(SLOTS):
        if slots[i].phase == PLAYING and records(slots[i].rig, 1, RIG)[0].layout == new.layout:
            move_bytes(arena + new.cells, slots[i].rig + new.cells, new.cell_count * CELL_BYTES)
            move_bytes(arena + new.image_offset, slots[i].rig + new.image_offset, new.image_bytes)
            return True
    return False


@inline
def begin(engine, slot, tails):
    """Fade a rig in and the playing rigs out. [audio thread]

    With `tails`, a rig that has a tail keeps sounding at full level while its input fades out.
    """
    e = records(engine, 1, ENGINE)[0]
    slots = records(engine + SLOTS_AT, SLOTS, SLOT)
    new = records(slot.rig, 1, RIG)[0]
    alone, power = 1, 0
    for i in range(SLOTS):
        if slots[i].phase == PLAYING:
            alone = 0
            old = records(slots[i].rig, 1, RIG)[0]
            power = 0 if old.graph == new.graph else 1
            whole = slots[i].position >= 1.0
            if whole:
                slots[i].power = power  # a rig that still fades in keeps its curve: another curve would make a step
            slots[i].speed = -1.0 / e.fade_frames
            slots[i].tail = old.tail_frames + e.fade_frames  # the tail starts when its input has faded out
            slots[i].phase = LEAVING
            if tails != 0 and whole and old.tail_frames > 0:
                slots[i].phase = RINGING
                slots[i].speed = 0.0
                slots[i].input_speed = -1.0 / e.fade_frames
            slots[i].quiet = 0
    slot.phase = PLAYING
    slot.power = power
    slot.position = np.float64(alone)  # the first rig of a stream is covered by the start fade
    slot.speed = 1.0 / e.fade_frames


@inline
def fade_curve(position, power):
    """Return the gain, 0 to 1, at a fade position, 0 to 1: a sine if `power` is set, else linear. [audio thread]"""
    if position >= 1.0:
        return np.float32(1.0)
    if position <= 0.0:
        return np.float32(0.0)
    if power != 0:
        return np.float32(math.sin(HALF_PI * position))
    return np.float32(position)


@inline
def step_fade(slot):
    """Move the fade on by one frame. [audio thread]"""
    slot.position = min(max(slot.position + slot.speed, 0.0), 1.0)


@inline
def mute_input(engine, slot, frames):
    """Write the faded input for a rig whose tail rings on to `MUTED`. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    for n in range(frames):
        slot.input_position = max(slot.input_position + slot.input_speed, 0.0)
        gain = fade_curve(slot.input_position, slot.power)
        for row in range(e.inputs):
            place = 4 * (ROW * row + n)
            floats(engine + MUTED + place, 1)[0] = floats(engine + IN + place, 1)[0] * gain


@inline
def mix_slot(engine, slot, frames):
    """Add a rig's output to the mix with its fade; return its peak, linear. [audio thread]

    A rig with one output channel is added to every row.
    """
    e = records(engine, 1, ENGINE)[0]
    rig = records(slot.rig, 1, RIG)[0]
    output = records(slot.rig + rig.buffers, rig.buffer_count, BUFFER)[rig.output_buffer]
    peak = np.float32(0.0)
    if slot.phase == RINGING or (slot.phase == PLAYING and slot.position >= 1.0):
        loudest = np.int64(0)
        for row in range(e.outputs):
            channel = 0 if rig.outputs == 1 else row
            if channel < rig.outputs:
                source = slot.rig + output.cursor + 4 * output.stride * channel
                loudest = max(loudest, add_row(engine + MIX + 4 * ROW * row, source, frames))
        return number_of_bits(loudest)
    for n in range(frames):
        step_fade(slot)
        gain = fade_curve(slot.position, slot.power)
        for row in range(e.outputs):
            channel = min(row, rig.outputs - 1) if rig.outputs == 1 else row
            if channel < rig.outputs:
                value = floats(slot.rig + output.cursor + 4 * (output.stride * channel + n), 1)[0]
                floats(engine + MIX + 4 * (ROW * row + n), 1)[0] += value * gain
                peak = max(peak, abs(value))
    return peak


@inline
def retire(engine, slot):
    """Hand a rig back to the control thread through the ring. [audio thread]

    If the ring is full, the slot keeps its rig and tries again in the next block.
    """
    e = records(engine, 1, ENGINE)[0]
    head = e.retire_head
    if head - load_acquire(engine + RETIRE_TAIL) < RETIRE_RING:
        store_release(engine + RING + 8 * (head % RETIRE_RING), slot.rig)
        slot.rig = 0
        slot.phase = FREE
        store_release(engine + RETIRE_HEAD, head + 1)


@inline
def oldest_after(slots, age):
    """Return the index of the oldest occupied slot whose age is above `age`, -1 if there is none. [audio thread]"""
    found = -1
    for i in range(SLOTS):
        if slots[i].phase != FREE and slots[i].age > age and (found < 0 or slots[i].age < slots[found].age):
            found = i
    return found


@inline
def run_shared(engine, arena, rows, count, frames):
    """Run a rig that all presets share, in place, on `count` rows of the engine; 0 is no rig. [audio thread]"""
    if arena == 0:
        return
    e = records(engine, 1, ENGINE)[0]
    rig = records(arena, 1, RIG)[0]
    if call_rig(e.run_rig, arena, rows, ROW, frames, e.clock, np.int64(0)) > 0:
        e.non_finite += 1
    output = records(arena + rig.buffers, rig.buffer_count, BUFFER)[rig.output_buffer]
    for row in range(count):
        channel = min(row, rig.outputs - 1)
        move_bytes(rows + 4 * ROW * row, arena + output.cursor + 4 * output.stride * channel, 4 * frames)


def play_slots(engine, frames):
    """Take a published rig, run every occupied slot and add its output to the mix. [audio thread]

    The rigs that all presets share process the input before the slots and the mix after them. The slots are added from
    oldest to newest. Floating-point sums depend on their order; with this order the result does not depend on which
    slots were free.
    """
    take_rig(engine)
    e = records(engine, 1, ENGINE)[0]
    run_shared(engine, e.before, engine + IN, e.inputs, frames)
    for row in range(e.outputs):
        fill_row(engine + MIX + 4 * ROW * row, np.float32(0.0), frames)
    slots = records(engine + SLOTS_AT, SLOTS, SLOT)
    age = np.int64(0)
    for _ in range(SLOTS):
        i = oldest_after(slots, age)
        if i < 0:
            break
        slot = slots[i]
        age = slot.age
        source = engine + IN
        if slot.input_speed != 0.0:
            source = engine + MUTED
            mute_input(engine, slot, frames)
        rig = records(slot.rig, 1, RIG)[0]
        table = rig.table_number
        faults = call_rig(e.run_rig, slot.rig, source, ROW, frames, e.clock, np.int64(0))
        if rig.table_number != table:
            write_log(engine, LOG_TABLE, rig.number, rig.table_number, 0.0)
        if faults > 0:
            e.non_finite += 1
            e.fault_block = rig.fault_block
        if slot.phase == PRIMING:
            slot.tail -= frames
            if slot.tail <= 0:
                begin(engine, slot, TAILS)
            continue
        peak = mix_slot(engine, slot, frames)
        if slot.phase == RINGING:
            slot.tail -= frames
            slot.quiet = slot.quiet + frames if peak < SILENCE else 0
            if slot.tail <= 0 or np.float64(slot.quiet - rig.gap_frames) * 10.0 > e.sample_rate:
                slot.phase = CLOSING
                slot.speed = -1.0 / e.quick_frames
        elif slot.phase != PLAYING and slot.position <= 0.0:
            retire(engine, slot)
    run_shared(engine, e.after, engine + MIX, e.outputs, frames)
    return 0


# A separate function, called through its address, so that it and the callback compile at the same time on two cores.
PLAY_SLOTS = Loop(play_slots, "int64(int64, int64)")


@intrinsic
def call_play_slots(context, function, engine, frames):
    """Call `PLAY_SLOTS` through its address. [audio thread]"""
    from numba import types

    return types.int64(types.int64, types.int64, types.int64), call_address
