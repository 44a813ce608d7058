"""Runs one rig on one block: takes parameters, prepares the buffers, fills parameter rows and calls every step."""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import Loop, inline
from ..kernels.memory import call_process, exchange, floats, load_acquire, move_bytes, records
from ..kernels.resample import first_frame
from ..kernels.rows import fill_row, measure_row
from ..kernels.state import STATE, offsets
from ..plan.arena import BUFFER, CELL, DOMAIN, FRESH, RIG, STEP, TABLE_SHIFT
from .system import flush_denormals, restore_denormals

MAILBOX = offsets(RIG)["mailbox"]
PART = np.dtype(
    [(f"{edge}_{of}", np.int64) for of in ("step", "buffer", "domain") for edge in ("first", "last")]
)  # a part of a rig: its steps, buffers and domains, each from `first` until `last`, which is excluded


@inline
def take_parameters(arena):
    """Take the newest parameter table, if there is one, and start a glide of each changed cell. [audio thread]"""
    rig = records(arena, 1, RIG)[0]
    if load_acquire(arena + MAILBOX) & FRESH:
        word = exchange(arena + MAILBOX, rig.held)
        rig.held = word & (FRESH - 1)
        rig.table_number = word >> TABLE_SHIFT
        count = rig.cell_count
        table = floats(arena + rig.tables + 4 * count * rig.held, count)
        cells = records(arena + rig.cells, count, CELL)
        for i in range(count):
            if table[i] != cells[i].goal:
                cells[i].goal = table[i]
                cells[i].left = rig.glide_frames
                cells[i].step = (table[i] - cells[i].value) / np.float32(rig.glide_frames)


@inline
def fill_parameter_rows(arena, frames):
    """Write the value of each cell at every frame to its parameter row. [audio thread]"""
    rig = records(arena, 1, RIG)[0]
    buffers = records(arena + rig.buffers, rig.buffer_count, BUFFER)
    rows = buffers[rig.parameter_buffer]
    cells = records(arena + rig.cells, rig.cell_count, CELL)
    for i in range(rig.cell_count):
        place = arena + rows.cursor + 4 * rows.stride * i
        value, left = cells[i].value, cells[i].left
        if left == 0:
            fill_row(place, value, frames)
            continue
        line = floats(place, frames)
        for n in range(frames):
            if left > 0:
                left -= 1
                value = value + cells[i].step if left > 0 else cells[i].goal
            line[n] = value
        cells[i].value = value
        cells[i].left = left


@inline
def count_frames(arena, frames, first, last):
    """Set the frames of domain 0, the stream, and of domains `first` until `last` in this block. [audio thread]"""
    rig = records(arena, 1, RIG)[0]
    domains = records(arena + rig.domains, rig.domain_count, DOMAIN)
    domains[0].frames = frames
    for i in range(max(first, 1), last):
        d = domains[i]
        d.frames = first_frame(d.time + frames, d.up, d.down) - first_frame(d.time, d.up, d.down)
        d.time = (d.time + frames) % d.down


@inline
def make_room(arena, first, last):
    """Move the history of buffers `first` until `last` to their start if the block would not fit. [audio thread]"""
    rig = records(arena, 1, RIG)[0]
    buffers = records(arena + rig.buffers, rig.buffer_count, BUFFER)
    domains = records(arena + rig.domains, rig.domain_count, DOMAIN)
    for i in range(first, last):
        b = buffers[i]
        frames = domains[b.domain].frames
        if b.slides and b.ring == 0 and b.cursor + 4 * frames > b.end:
            kept = 4 * b.history
            whole = (
                4 * (b.rows - 1) * b.stride + kept
            )  # to the last row's cursor: what follows may lie behind the arena
            move_bytes(arena + b.start - kept, arena + b.cursor - kept, whole)
            b.cursor = b.start


@inline
def advance(arena, first, last):
    """Turn the processed block into history, in buffers `first` until `last`. [audio thread]

    The cursors advance by the frames of the block; mirrored rings get their second copy of it.
    """
    rig = records(arena, 1, RIG)[0]
    buffers = records(arena + rig.buffers, rig.buffer_count, BUFFER)
    domains = records(arena + rig.domains, rig.domain_count, DOMAIN)
    for i in range(first, last):
        b = buffers[i]
        if b.slides:
            frames = domains[b.domain].frames
            if b.ring > 0:
                for r in range(b.rows):
                    place = arena + b.cursor + 4 * b.stride * r
                    move_bytes(place - 4 * b.ring, place, 4 * frames)
            b.cursor += 4 * frames
            if b.ring > 0 and b.cursor >= b.end:
                b.cursor -= 4 * b.ring


@inline
def call_steps(arena, clock, first, last):
    """Call steps `first` until `last`; return the number of silenced rows. [audio thread]

    A guarded row with a sample that is too large or not finite is replaced by silence.
    """
    rig = records(arena, 1, RIG)[0]
    steps = records(arena + rig.steps, rig.step_count, STEP)
    buffers = records(arena + rig.buffers, rig.buffer_count, BUFFER)
    domains = records(arena + rig.domains, rig.domain_count, DOMAIN)
    parameters = arena + buffers[rig.parameter_buffer].cursor
    parameter_row = 4 * buffers[rig.parameter_buffer].stride
    faults = 0
    for i in range(first, last):
        step = steps[i]
        frames = domains[step.domain].frames
        state = records(arena + step.state, 1, STATE)[0]
        source, target = buffers[step.source], buffers[step.target]
        for k in range(2):
            if step.extra[k] >= 0:
                extra = buffers[step.extra[k]]
                state.extra[k] = arena + extra.cursor + 4 * extra.stride * step.extra_row[k]
        state.parameters = parameters + parameter_row * np.int64(state.first_parameter)
        state.weights = rig.weights + step.weights
        state.clock = np.uint32(clock)
        output = arena + target.cursor + 4 * target.stride * step.target_row
        call_process(
            step.kernel,
            arena + step.state,
            arena + source.cursor + 4 * source.stride * step.source_row,
            output,
            frames,
        )
        for r in range(step.guarded):
            place = output + 4 * target.stride * r
            if measure_row(place, frames) >= rig.loudest_bits:
                fill_row(place, np.float32(0.0), frames)
                faults += 1
                rig.fault_block = np.int64(step.block)
    return faults


def run_rig(arena, source, source_stride, frames, clock, part):
    """Run a rig on one block of planar input rows; return the number of silenced rows. [audio thread]

    With the address of a `PART`, run only this part, on the present content of its buffers, as a prewarm does.
    [control thread]
    """
    rig = records(arena, 1, RIG)[0]
    first_step, first_buffer, first_domain = np.int64(0), np.int64(0), np.int64(0)
    last_step, last_buffer, last_domain = rig.step_count, rig.buffer_count, rig.domain_count
    word = np.int64(0)
    if part != 0:
        word = flush_denormals()
        p = records(part, 1, PART)[0]
        first_step, first_buffer, first_domain = p.first_step, p.first_buffer, p.first_domain
        last_step, last_buffer, last_domain = p.last_step, p.last_buffer, p.last_domain
    else:
        take_parameters(arena)
    count_frames(arena, frames, first_domain, last_domain)
    make_room(arena, first_buffer, last_buffer)
    fill_parameter_rows(arena, frames)
    if part == 0:
        buffers = records(arena + rig.buffers, rig.buffer_count, BUFFER)
        entrance = buffers[rig.input_buffer]
        for channel in range(rig.inputs):
            place = arena + entrance.cursor + 4 * entrance.stride * channel
            move_bytes(place, source + 4 * source_stride * channel, 4 * frames)
    faults = call_steps(arena, clock, first_step, last_step)
    advance(arena, first_buffer, last_buffer)
    if part != 0:
        restore_denormals(word)
    elif faults > 0:
        rig.faults += 1
        if rig.image != 0:
            move_bytes(arena + rig.image_offset, rig.image, rig.image_bytes)
    return faults


# A separate function, called through its address, so that it and the callback compile at the same time on two cores.
RUN_RIG = Loop(run_rig, "int64(int64, int64, int64, int64, int64, int64)")
