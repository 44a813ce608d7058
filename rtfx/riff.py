"""Headers of WAV files, and of RF64, which is what WAV becomes where its 32 bits do not count the bytes any more.

A header leaves room for the sizes of an RF64 (EBU Tech 3306) in a chunk that readers pass over, so that a file may grow
beyond 4 GiB without being moved.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

UNKNOWN_SIZE = 0xFFFFFFFF  # RF64's, whose sizes stand elsewhere; and a streaming writer's, read as "until the end"
LARGEST = 2**32 - 2  # bytes behind the first size of a header, at most
PCM, FLOAT = 1, 3


@dataclass(frozen=True)
class Layout:
    """What the samples of a file are; rate in Hz, `tag` PCM or FLOAT."""

    channels: int
    sample_rate: int
    bits: int
    tag: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.channels * self.bits // 8


def header(layout: Layout, data_bytes: int, chunks: bytes = b"", large: bool = False) -> bytes:
    """Return all that stands before the samples; its length depends on `layout` and `chunks` alone.

    Parameters
    ----------
    data_bytes : int
        Of the samples, without the byte that makes them even.
    chunks : bytes
        Whole chunks to stand before the format.
    large : bool
        RF64 in any case.
    """
    frames = data_bytes // layout.frame_bytes
    inside = chunks + _format(layout)
    if layout.tag == FLOAT:
        inside += struct.pack("<4sII", b"fact", 4, min(frames, UNKNOWN_SIZE))
    size = 4 + 36 + len(inside) + 8 + data_bytes + data_bytes % 2
    if large or size > LARGEST:
        start = struct.pack("<4sI4s", b"RF64", UNKNOWN_SIZE, b"WAVE")
        start += struct.pack("<4sIQQQI", b"ds64", 28, size, data_bytes, frames, 0)
        return start + inside + struct.pack("<4sI", b"data", UNKNOWN_SIZE)
    start = struct.pack("<4sI4s4sI28x", b"RIFF", size, b"WAVE", b"JUNK", 28)
    return start + inside + struct.pack("<4sI", b"data", data_bytes)


def stream_header(layout: Layout, data_bytes: int | None = None) -> bytes:
    """Return the shortest header, for a pipe: of unknown length until it is known."""
    size = riff = UNKNOWN_SIZE
    if data_bytes is not None:
        size, riff = data_bytes, data_bytes + data_bytes % 2 + 36
    start = struct.pack("<4sI4s", b"RIFF", riff, b"WAVE")
    return start + _format(layout) + struct.pack("<4sI", b"data", size)


def _format(layout: Layout) -> bytes:
    frame = layout.frame_bytes
    second = min(layout.sample_rate * frame, UNKNOWN_SIZE)
    return struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, layout.tag, layout.channels, layout.sample_rate, second, frame, layout.bits
    )
