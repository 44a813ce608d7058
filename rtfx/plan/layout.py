"""The arena of a plan: one block of memory that holds its records, states and buffers; addresses inside are relative.

::

    RIG | STEP x n | CELL x n | three parameter tables | BUFFER x n, DOMAIN x n | states | audio buffers
                                                       ^ image: a copy of the rest, taken after the prewarm, restores a
                                                         rig that produced a non-finite block
"""

import numpy as np

from ..model.limits import CHANNELS

ALIGNMENT = 64
MAX_BLOCK = 512  # frames; longer callbacks are split
GLIDE_SECONDS = 0.020
CONTINUES = 1  # flag in the engine's mailbox: the rig goes on from the state of the one that plays
FRESH = 4  # flag in a mailbox: the table in it has not been read
TABLE_SHIFT = 3  # a mailbox holds the table's index, FRESH, and above them the table's number
MAX_CHANNELS = CHANNELS

RIG = np.dtype(
    [
        ("steps", np.int64),  # byte offsets in the arena
        ("step_count", np.int64),
        ("buffers", np.int64),
        ("buffer_count", np.int64),
        ("domains", np.int64),
        ("domain_count", np.int64),
        ("cells", np.int64),
        ("cell_count", np.int64),
        ("tables", np.int64),
        ("mailbox", np.int64),  # parameter table on its way: index, plus FRESH; exchanged by both threads
        ("held", np.int64),  # table index the audio thread holds
        ("parameter_buffer", np.int64),
        ("input_buffer", np.int64),
        ("output_buffer", np.int64),
        ("inputs", np.int64),
        ("outputs", np.int64),
        ("glide_frames", np.int64),
        ("tail_frames", np.int64),
        ("prime_frames", np.int64),  # input it hears in silence before it fades in
        ("graph", np.int64),  # rigs of equal value differ in weights and parameters only: equal-gain crossfade
        ("layout", np.int64),  # of equal value: the state of one means the same in the other
        ("weights", np.int64),  # absolute address
        ("image", np.int64),  # absolute address of the prewarmed copy, or 0
        ("image_offset", np.int64),
        ("image_bytes", np.int64),
        ("loudest_bits", np.int64),  # of a guarded block's samples: from these on, as bits of a float32, it is muted
        ("faults", np.int64),  # blocks muted so far
        ("fault_block", np.int64),  # chain index of the last one
        ("number", np.int64),  # serial number of its publication
        ("table_number", np.int64),  # of the parameter table taken last
    ],
    align=True,
)

STEP = np.dtype(
    [
        ("kernel", np.int64),  # absolute address
        ("state", np.int64),
        ("weights", np.int64),  # bytes into the weights block
        ("source", np.int32),  # buffer, row
        ("source_row", np.int32),
        ("target", np.int32),
        ("target_row", np.int32),
        ("extra", np.int32, (2,)),  # -1: none
        ("extra_row", np.int32, (2,)),
        ("block", np.int32),  # index in the chain
        ("guarded", np.int32),  # rows of the target to check for non-finite values
        ("domain", np.int32),  # whose frames it is called for
        ("spare", np.int32),
    ],
    align=True,
)

BUFFER = np.dtype(
    [
        ("cursor", np.int64),  # byte offset of row 0, frame 0 of the current block
        ("start", np.int64),  # where the cursor begins
        ("end", np.int64),  # the block must end at or before it, else the rows move back to the start
        ("stride", np.int64),  # floats between rows
        ("rows", np.int64),
        ("history", np.int64),  # floats kept before the cursor
        ("ring", np.int64),  # frames of a mirrored ring, or 0
        ("slides", np.int64),  # 1: keeps history
        ("domain", np.int64),
    ],
    align=True,
)

# A sample rate inside the rig: the stream's is domain 0; one of another rate holds up / down times as many frames.
DOMAIN = np.dtype(
    [
        ("up", np.int64),
        ("down", np.int64),
        ("time", np.int64),  # stream frames so far, modulo down
        ("frames", np.int64),  # of the current block
    ],
    align=True,
)

CELL = np.dtype(
    [("value", np.float32), ("goal", np.float32), ("step", np.float32), ("left", np.int32)],
    align=True,
)


def aligned(size: int) -> int:
    """Round a byte count up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def allocate(size: int) -> np.ndarray:
    """Return `size` zero bytes on a 64-byte boundary, their pages already touched."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    memory[::4096] = 0
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]
