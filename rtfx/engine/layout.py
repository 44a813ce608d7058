"""The engine's record: the memory that the control thread and the audio thread share.

Each field is written by one thread only; the heading of its section names the thread.
"""

import numpy as np

from ..kernels.state import offsets
from ..plan.arena import MAX_BLOCK, MAX_CHANNELS

SLOTS = 4
RETIRE_RING = 16  # a power of two, larger than the number of rigs in all slots and the mailbox
LOAD_BINS = 160  # 8 bins per octave, from a load of 2**-14 on; a load of 1 is the deadline
LOAD_BIN_SHIFT = 20  # right shift that turns float32 bits into eighths of an octave
LOAD_BIN_OFFSET = (127 - 14) << 3
LOUDEST_SAMPLE = 256.0  # +48 dBFS: an input above it is a fault of a file or a driver; it is replaced by 0, as NaN is
ROW = MAX_BLOCK + 80  # floats between rows of the engine's buffers: an odd number of 64-byte cache lines

FREE, PLAYING, LEAVING, RINGING, CLOSING, PRIMING = range(6)

# One change that the audio thread took over, and its stream frame, the start of a block: see live/takes.py.
LOG = np.dtype(
    [("frame", np.int64), ("kind", np.int64), ("rig", np.int64), ("number", np.int64), ("value", np.float64)]
)
LOG_BLOCK, LOG_RIG, LOG_TABLE, LOG_GLIDE = range(4)  # logs: block frames; frame when a rig came; table; target
GLIDES = ("in_gain", "out_gain", "wet", "open")  # `number` of a LOG_GLIDE is an index here

GLIDE = np.dtype(
    [("target", np.float32), ("goal", np.float32), ("value", np.float32), ("step", np.float32), ("left", np.int64)],
    align=True,
)

SLOT = np.dtype(
    [
        ("rig", np.int64),  # arena address, 0 when free
        ("phase", np.int64),
        ("position", np.float64),  # of the fade, 0 silent to 1 full
        ("speed", np.float64),  # change of the position per frame
        ("power", np.int64),  # 1: equal-power
        ("age", np.int64),  # serial number, to find the oldest
        ("input_position", np.float64),  # of the fade of the input, 0 silent to 1 full
        ("input_speed", np.float64),  # change of it per frame, 0 until only the tail of the rig plays
        ("tail", np.int64),  # frames of ringing, or of priming, left
        ("quiet", np.int64),  # frames of silence so far
    ],
    align=True,
)

ENGINE = np.dtype(
    [
        # mailbox, exchanged by both threads; alone on its cache line
        ("pending", np.int64),
        ("pad0", np.int64, 7),
        # control thread
        ("retire_tail", np.int64),
        ("in_gain", GLIDE),
        ("out_gain", GLIDE),
        ("wet", GLIDE),  # 0: bypassed
        ("open", GLIDE),  # 0: muted
        ("in_channel", np.int64),  # device channel of input row 0
        ("in_step", np.int64),  # difference between the channels of two successive rows
        ("stop_frame", np.int64),  # stream frame at which the output is silent, -1: never
        ("clear_held", np.int64),  # the control thread changes it to reset the held peaks
        ("pad1", np.int64, 7),
        # set before the stream starts
        ("run_rig", np.int64),  # address of run_rig.RUN_RIG
        ("play_slots", np.int64),  # address of voices.PLAY_SLOTS
        ("finish", np.int64),  # address of process.FINISH
        ("before", np.int64),  # arena address of the rig that all presets share before them, or 0
        ("after", np.int64),  # and of the one after them
        ("sample_rate", np.float64),
        ("loudest", np.float32),  # an input sample above it is replaced by 0
        ("inputs", np.int64),  # rows fed to rigs
        ("outputs", np.int64),  # rows mixed
        ("device_inputs", np.int64),
        ("device_outputs", np.int64),
        ("out_channel", np.int64),  # device channel that gets output row 0; others are silent
        ("out_step", np.int64),  # difference between the channels of two successive rows
        ("out_count", np.int64),  # channels that get a row
        ("source", np.int64),  # address of interleaved float32 that replaces the device's input, or 0
        ("source_frames", np.int64),
        ("source_channels", np.int64),
        ("source_loops", np.int64),
        ("dry_ring", np.int64),  # addresses of rings of interleaved frames: the rig's input and output; or 0
        ("wet_ring", np.int64),
        ("ring_frames", np.int64),  # frame t of the stream lies at t % ring_frames
        ("log", np.int64),  # address of a ring of LOG records, or 0
        ("log_size", np.int64),
        ("fade_frames", np.int64),  # crossfade from rig to rig
        ("quick_frames", np.int64),  # faster fade-out when no slot is free, and at the end of a tail
        ("start_frames", np.int64),
        ("stop_frames", np.int64),
        ("limit", np.int64),  # 1: limiter on
        ("limiter_release", np.float32),
        ("steady_ticks", np.int64),  # 1: the processor's time stamp counter has a constant rate
        # audio thread
        ("retire_head", np.int64),
        ("retire_ring", np.int64, RETIRE_RING),
        ("slots", SLOT, SLOTS),
        ("serial", np.int64),
        ("clock", np.int64),  # frames processed
        ("source_position", np.int64),
        ("limiter_peak", np.float32),
        ("ring_head", np.int64),  # stream frame after the last one in the rings
        ("log_head", np.int64),  # records written
        ("logged_total", np.int64),  # block length that was logged last, in frames
        ("waiting", np.int64),  # 1 + the frame since which a rig waits for a free slot; 0: none waits
        ("thread", np.int64),  # operating system's id of the audio thread
        ("blocks", np.int64),
        ("swaps", np.int64),
        ("xruns_in", np.int64),
        ("xruns_out", np.int64),
        ("non_finite", np.int64),
        ("fault_block", np.int64),
        ("tick_ns", np.float64),  # nanoseconds per tick of the processor's counter; 0: not measured yet
        ("first_tick", np.int64),  # the first reading of the counter, and of the clock
        ("first_ns", np.int64),
        ("busy_ns", np.int64),
        ("offered_ns", np.float64),
        ("block_ns", np.float64),  # duration of a block of `logged_total` frames
        ("load_per_ns", np.float64),  # load of such a block per nanosecond of processing
        ("longest_load", np.float64),
        ("longest_ns", np.int64),
        ("load_bins", np.int64, LOAD_BINS),
        ("largest_block", np.int64),
        ("in_peaks", np.float32, MAX_CHANNELS),  # of the current window
        ("in_peak_max", np.float32),
        ("out_peaks", np.float32, MAX_CHANNELS),  # by row, after the limiter
        ("row_peaks", np.float32, MAX_CHANNELS),  # of this block's output, before the limiter
        ("out_peak_max", np.float32),
        ("meter_window", np.int64),  # frames since the published peaks were renewed
        ("in_meters", np.float32, MAX_CHANNELS),  # peaks of the last whole window
        ("out_meters", np.float32, MAX_CHANNELS),
        ("in_held", np.float32, MAX_CHANNELS),  # peaks since they were cleared
        ("out_held", np.float32, MAX_CHANNELS),  # before the limiter: it reduces peaks above 1
        ("held_cleared", np.int64),  # the value of `clear_held` at the last reset
        ("in_clips", np.int64),
        ("out_clips", np.int64),
        # scratch of the audio thread
        ("dry_rows", np.float32, MAX_CHANNELS * ROW),
        ("in_rows", np.float32, MAX_CHANNELS * ROW),
        ("muted_rows", np.float32, MAX_CHANNELS * ROW),
        ("mix_rows", np.float32, MAX_CHANNELS * ROW),
    ],
    align=True,
)

OFFSET = offsets(ENGINE)
