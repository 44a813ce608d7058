"""The header at the beginning of every kernel's state: 64 bytes, which the engine writes before each call.

Every kernel has the C signature ``int64 kernel(int64 state, int64 input, int64 output, int64 frames)``. Addresses are
bytes; `input` and `output` point at the block's first frame of row 0 of planar float32 buffers, ``[channel][frame]``.
"""

import numpy as np

VERSION = 1

HEADER = [
    ("version", np.uint16),
    ("inputs", np.uint16),
    ("outputs", np.uint16),
    ("first_parameter", np.uint16),
    ("in_stride", np.int32),  # floats between rows
    ("out_stride", np.int32),
    ("extra_stride", np.int32, (2,)),
    ("extra", np.int64, (2,)),  # addresses of further inputs: conditions, mixes
    ("parameters", np.int64),  # address of the block's first parameter row: one value per frame, glides included
    ("weights", np.int64),
    ("clock", np.uint32),  # stream frame of the block's first frame, modulo 2**32
    ("parameter_stride", np.int32),
]


def state_dtype(*fields) -> np.dtype:
    """Return the dtype of a kernel's state: the common header, then `fields`."""
    return np.dtype(HEADER + list(fields), align=True)


STATE = state_dtype()
assert STATE.itemsize == 64


def offsets(record: np.dtype) -> dict[str, int]:
    """Return the offset of each field of a record, in bytes."""
    return {name: place[1] for name, place in (record.fields or {}).items()}
