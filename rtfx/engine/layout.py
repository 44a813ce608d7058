"""The engine's record: what the control and the audio thread share. Each field has one writer, named by its section."""

import numpy as np

from ..kernels.state import offsets
from ..plan.arena import MAX_BLOCK, MAX_CHANNELS

SLOTS = 4
RETIRE_RING = 16  # a power of two, more than all slots and the mailbox can hold
LOAD_BINS = 160  # 8 bins an octave from 2**-14 of the deadline
LOAD_BIN_SHIFT = 20  # float32 bits to eighths of an octave
LOAD_BIN_OFFSET = (127 - 14) << 3
LOUDEST_SAMPLE = 256.0  # +48 dBFS: an input beyond it is a fault of a file or a driver, and silence, as NaN is
ROW = MAX_BLOCK + 80  # floats between rows of the engine's own buffers: an odd number of 64-byte lines

FREE, PLAYING, LEAVING, RINGING, CLOSING, PRIMING = range(6)

# What the audio thread took up at which stream frame, always at a block's start: see live/takes.py.
LOG = np.dtype(
    [("frame", np.int64), ("kind", np.int64), ("rig", np.int64), ("number", np.int64), ("value", np.float64)]
)
LOG_BLOCK, LOG_RIG, LOG_TABLE, LOG_GLIDE = range(4)  # frames of a callback; frame at which a rig came; table; target
GLIDES = ("in_gain", "out_gain", "wet", "open")  # a LOG_GLIDE's number

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
        ("input_position", np.float64),  # of the input's fade, 1 full
        ("input_speed", np.float64),  # change of that per frame, 0 until the rig rings on
        ("tail", np.int64),  # frames of ringing, or of priming, left
        ("quiet", np.int64),  # frames of silence so far
    ],
    align=True,
)

ENGINE = np.dtype(
    [
        # mailbox, exchanged by both threads, on a cache line of its own
        ("pending", np.int64),
        ("pad0", np.int64, 7),
        # control thread
        ("retire_tail", np.int64),
        ("in_gain", GLIDE),
        ("out_gain", GLIDE),
        ("wet", GLIDE),  # 0: bypassed
        ("open", GLIDE),  # 0: muted
        ("in_channel", np.int64),  # device channel of input row 0
        ("in_step", np.int64),  # from the channel of one row to that of the next
        ("stop_frame", np.int64),  # stream frame at which the output is silent, -1: never
        ("clear_held", np.int64),  # a new number asks for the held peaks to start again
        ("pad1", np.int64, 7),
        # set before the stream starts
        ("run_rig", np.int64),  # address of run_rig.RUN_RIG
        ("play_slots", np.int64),  # address of voices.PLAY_SLOTS
        ("finish", np.int64),  # address of process.FINISH
        ("sample_rate", np.float64),
        ("loudest", np.float32),  # input beyond it is silenced
        ("inputs", np.int64),  # rows fed to rigs
        ("outputs", np.int64),  # rows mixed
        ("device_inputs", np.int64),
        ("device_outputs", np.int64),
        ("out_channel", np.int64),  # device channel that gets output row 0; others are silent
        ("out_step", np.int64),  # from the channel of one row to that of the next
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
        ("fade_frames", np.int64),  # rig to rig
        ("quick_frames", np.int64),  # when no slot is free, and at the end of a tail
        ("start_frames", np.int64),
        ("stop_frames", np.int64),
        ("limit", np.int64),  # 1: limiter on
        ("limiter_release", np.float32),
        ("steady_ticks", np.int64),  # 1: the processor's counter may tell the time
        # audio thread
        ("retire_head", np.int64),
        ("retire_ring", np.int64, RETIRE_RING),
        ("slots", SLOT, SLOTS),
        ("serial", np.int64),
        ("clock", np.int64),  # frames processed
        ("source_position", np.int64),
        ("limiter_peak", np.float32),
        ("ring_head", np.int64),  # stream frame behind the last one in the rings
        ("log_head", np.int64),  # records written
        ("logged_total", np.int64),  # frames of the callback that was logged last
        ("waiting", np.int64),  # 1 + the frame from which on a rig has waited for a free slot; 0: none waits
        ("thread", np.int64),  # kernel's id of the audio thread
        ("blocks", np.int64),
        ("swaps", np.int64),
        ("xruns_in", np.int64),
        ("xruns_out", np.int64),
        ("non_finite", np.int64),
        ("fault_block", np.int64),
        ("tick_ns", np.float64),  # of the processor's counter; 0: not known yet
        ("first_tick", np.int64),  # and the time when it was read first
        ("first_ns", np.int64),
        ("busy_ns", np.int64),
        ("offered_ns", np.float64),
        ("block_ns", np.float64),  # offered by a block of `logged_total` frames
        ("load_per_ns", np.float64),  # of such a block
        ("longest_load", np.float64),
        ("longest_ns", np.int64),
        ("load_bins", np.int64, LOAD_BINS),
        ("largest_block", np.int64),
        ("in_peaks", np.float32, MAX_CHANNELS),  # of the window under way
        ("in_peak_max", np.float32),
        ("out_peaks", np.float32, MAX_CHANNELS),  # by row, behind the limiter
        ("row_peaks", np.float32, MAX_CHANNELS),  # of this block's output, before the limiter
        ("out_peak_max", np.float32),
        ("meter_window", np.int64),  # frames since the published peaks were renewed
        ("in_meters", np.float32, MAX_CHANNELS),  # peaks of the last whole window
        ("out_meters", np.float32, MAX_CHANNELS),
        ("in_held", np.float32, MAX_CHANNELS),  # peaks since they were cleared
        ("out_held", np.float32, MAX_CHANNELS),  # before the limiter: from 1 on it is at work
        ("held_cleared", np.int64),  # the number answered last
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
