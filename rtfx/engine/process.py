"""The compiled audio callback with PortAudio's C signature. It runs without Python, GIL, allocation or lock."""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import Loop, intrinsic
from ..kernels.memory import call_process, integers, records
from ..plan.arena import MAX_BLOCK
from .layout import ENGINE, LOAD_BIN_OFFSET, LOAD_BIN_SHIFT, LOAD_BINS, LOG_BLOCK, OFFSET
from .ports import finish_output, publish_meters, read_input, write_output
from .rings import take_targets, write_log, write_rings
from .system import flush_denormals, restore_denormals, start_watch, thread_id, watch_ns
from .voices import call_play_slots

# int callback(const void *input, void *output, unsigned long frames, const PaStreamCallbackTimeInfo *, unsigned long
# flags, void *engine); frames and flags are 32 bits wide on Windows
CALLBACK = "intc(int64, int64, ulong, int64, ulong, int64)"
INPUT_FLAGS, OUTPUT_FLAGS = 1 | 2, 4 | 8  # PortAudio's flags of under- and overflow, of input and of output
BINS = OFFSET["load_bins"]


@intrinsic
def float_bits(context, value):
    """Return the bits of a float32 as int64. [audio thread]"""
    from llvmlite import ir
    from numba import types

    def codegen(context, builder, signature, arguments):
        return builder.zext(builder.bitcast(arguments[0], ir.IntType(32)), ir.IntType(64))

    return types.int64(types.float32), codegen


def finish(engine, target, first, frames):
    """Finish a block: apply gains and limiter, meter, write to the device and to the rings. [audio thread]"""
    finish_output(engine, frames)
    write_output(engine, target, first, frames)
    publish_meters(engine, frames)
    write_rings(engine, frames)
    return 0


# A separate function, called through its address, so that it and the callback compile at the same time on two cores.
FINISH = Loop(finish)


def callback(source, target, frames, time_info, flags, engine):
    """Process one block of `frames` interleaved frames; return 0, so that the stream continues. [audio thread]"""
    e = records(engine, 1, ENGINE)[0]
    begin = start_watch(e)
    word = flush_denormals()
    if e.thread == 0:
        e.thread = thread_id()
    total = np.int64(frames)
    if total > 0 and total != e.logged_total:
        e.logged_total = total
        e.block_ns = np.float64(total) * 1e9 / e.sample_rate
        e.load_per_ns = 1.0 / e.block_ns
        write_log(engine, LOG_BLOCK, 0, total, 0.0)
    first = np.int64(0)
    while first < total:
        count = min(total - first, MAX_BLOCK)
        take_targets(engine)
        read_input(engine, source, first, count)
        call_play_slots(e.play_slots, engine, count)
        call_process(e.finish, engine, target, first, count)
        e.clock += count
        first += count
    e.blocks += 1
    e.largest_block = max(e.largest_block, total)
    if np.int64(flags) & INPUT_FLAGS:
        e.xruns_in += 1
    if np.int64(flags) & OUTPUT_FLAGS:
        e.xruns_out += 1
    spent = watch_ns(e, begin)
    e.busy_ns += spent
    e.longest_ns = max(e.longest_ns, spent)
    if total > 0:
        e.offered_ns += e.block_ns
        load = np.float64(spent) * e.load_per_ns
        e.longest_load = max(e.longest_load, load)
        place = (float_bits(np.float32(load)) >> LOAD_BIN_SHIFT) - LOAD_BIN_OFFSET
        integers(engine + BINS, LOAD_BINS)[min(max(place, 0), LOAD_BINS - 1)] += 1
    restore_denormals(word)
    return 0


CALLBACK_KERNEL = Loop(callback, CALLBACK)


@intrinsic
def call_callback(context, function, source, target, frames, flags, engine):
    """Call a PortAudio callback through its address. [any thread]"""
    from llvmlite import ir
    from numba import types

    i64 = ir.IntType(64)

    def codegen(context, builder, signature, arguments):
        ulong = context.get_value_type(types.ulong)
        status = context.get_value_type(types.intc)
        kind = ir.FunctionType(status, [i64, i64, ulong, i64, ulong, i64])
        function, source, target, frames, flags, engine = arguments

        def narrow(value):
            return builder.trunc(value, ulong) if ulong.width < 64 else value

        call = [source, target, narrow(frames), i64(0), narrow(flags), engine]
        return builder.sext(builder.call(builder.inttoptr(function, kind.as_pointer()), call), i64)

    return types.int64(*[types.int64] * 6), codegen


def drive(function, engine, source, source_channels, target, target_channels, frames, block):
    """Call the callback block by block on interleaved memory, faster than real time.

    Only one thread at a time may call this for an engine. [any thread]
    """
    done = np.int64(0)
    while done < frames:
        count = min(block, frames - done)
        here = source + 4 * done * source_channels if source != 0 else np.int64(0)
        there = target + 4 * done * target_channels if target != 0 else np.int64(0)
        call_callback(function, here, there, count, np.int64(0), engine)
        done += count
    return 0


DRIVE = Loop(drive, "int64(int64, int64, int64, int64, int64, int64, int64, int64)")
