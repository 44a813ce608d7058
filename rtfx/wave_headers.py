"""Headers of WAV files, and of RF64, the form of WAV for files whose size exceeds 32 bits.

A header reserves space for the sizes of an RF64 (EBU Tech 3306) in a chunk that readers skip, so that a file can grow
beyond 4 GiB without moving its samples. `look` reads what libsndfile skips: chunks that describe the recording, and
sizes that cannot be true.
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

UNKNOWN_SIZE = 0xFFFFFFFF  # in RF64 the size is in another chunk; in a stream it means "until the end"
LARGEST = 2**32 - 2  # most bytes after the first size field
PCM, FLOAT = 1, 3
STREAMED = 0x7FFFF000  # streaming writers write sizes from here on
CARRIED = (b"bext", b"iXML", b"LIST", b"cue ", b"id3 ", b"ID3 ")  # chunks that describe the recording
CARRIED_BYTES = 1 << 24  # of one chunk; a longer one is not a description
CHUNKS = 10_000  # a file with more is damaged
# libsndfile's name of a tag to WAV's
INFO = {
    "title": b"INAM",
    "copyright": b"ICOP",
    "software": b"ISFT",
    "artist": b"IART",
    "comment": b"ICMT",
    "date": b"ICRD",
    "album": b"IPRD",
    "tracknumber": b"ITRK",
    "genre": b"IGNR",
}
BEXT_BYTES = 602  # smallest size of a broadcast chunk
LOUDNESS = slice(412, 422)  # bytes of a version 2 broadcast chunk: five numbers that do not hold for processed audio
UNMEASURED = struct.pack("<h", 0x7FFF)


@dataclass(frozen=True)
class Layout:
    """The format of the samples of a file; the rate is in Hz, `tag` is PCM or FLOAT."""

    channels: int
    sample_rate: int
    bits: int
    tag: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.channels * self.bits // 8


def header(layout: Layout, data_bytes: int, chunks: bytes = b"", large: bool = False) -> bytes:
    """Return the bytes before the samples; their number depends only on `layout` and `chunks`.

    Parameters
    ----------
    data_bytes : int
        Bytes of samples, without the padding byte.
    chunks : bytes
        Complete chunks to write before the format chunk.
    large : bool
        Write RF64 even if WAV is enough.
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


def stream_header(layout: Layout, data_bytes: int | None = None, chunks: bytes = b"") -> bytes:
    """Return the shortest header, for a pipe; `data_bytes` is None while the length is unknown."""
    size = riff = UNKNOWN_SIZE
    if data_bytes is not None:
        size, riff = data_bytes, data_bytes + data_bytes % 2 + 36 + len(chunks)
    start = struct.pack("<4sI4s", b"RIFF", riff, b"WAVE")
    return start + chunks + _format(layout) + struct.pack("<4sI", b"data", size)


def _format(layout: Layout) -> bytes:
    frame = layout.frame_bytes
    second = min(layout.sample_rate * frame, UNKNOWN_SIZE)
    return struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, layout.tag, layout.channels, layout.sample_rate, second, frame, layout.bits
    )


def info_chunk(tags: Mapping[str, str]) -> bytes:
    """Return tags, with libsndfile's names, as a LIST chunk of a WAV; b"" if there are none."""
    inside = b"".join(chunk(INFO[name], text.encode() + b"\0") for name, text in tags.items() if name in INFO and text)
    return chunk(b"LIST", b"INFO" + inside) if inside else b""


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk, padded to an even length."""
    return struct.pack("<4sI", name, len(content)) + content + bytes(len(content) % 2)


@dataclass
class Look:
    """The parsed header of a WAV or RF64.

    Parameters
    ----------
    sample_rate, frame_bytes : int
        Rate in Hz and bytes per frame, as the format chunk states them.
    stated, there : int
        Bytes of samples that the header states and that the file has; equal if the header is right or states no size.
        For a pipe `stated` is -1 if no size is stated.
    chunks : bytes
        The chunks of `CARRIED`, to be written into another file.
    patches : dict
        For each wrong offset the correct bytes, for readers that trust headers.
    """

    sample_rate: int = 0
    frame_bytes: int = 0
    stated: int = 0
    there: int = 0
    chunks: bytes = b""
    patches: dict[int, bytes] = field(default_factory=dict)

    def add(self, name: bytes, content: bytes) -> None:
        """Add a chunk to be copied; a damaged one is left out, as it would make the other file unreadable."""
        if _whole(name, content):
            self.chunks += chunk(name, _carried(name, content))


def look(file: BinaryIO, size: int) -> Look | None:
    """Return the parsed header of an open file of `size` bytes; None if it is not a WAV or has no samples."""
    file.seek(0)
    start = file.read(12)
    if start[:4] == b".snd" and start[8:] == bytes(4):  # AU without a length
        rest = size - int.from_bytes(start[4:8], "big")
        return Look(there=rest, patches={8: b"\xff" * 4}) if rest > 0 else None
    if start[:4] not in (b"RIFF", b"RF64", b"BW64") or start[8:] != b"WAVE":
        return None
    found = Look(patches={0: b"RF64"} if start[:4] == b"BW64" else {})
    large, place, seen, wide = start[:4] != b"RIFF", 12, False, 0  # `wide`: where the ds64 chunk is
    for _ in range(CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            break
        name, length = struct.unpack("<4sI", head)
        if name == b"ds64" and large:
            wide = place
        elif name == b"fmt ":
            content = file.read(16).ljust(16, b"\0")
            found.sample_rate, found.frame_bytes = struct.unpack("<4xI4xH2x", content)
        elif name in CARRIED and length <= min(CARRIED_BYTES, size - place - 8):
            found.add(name, file.read(length))
        elif name == b"data" and not seen:
            seen = True
            length = _samples(found, file, place, length, size, wide)
        place += 8 + length + length % 2
    return found if seen else None


def straighten(stream: BinaryIO) -> tuple[bytes, Look | None, int]:
    """Read the header of a WAV from a pipe, and return a replacement that states no length.

    Returns
    -------
    the bytes that replace those read; the parsed header, None if it is not a WAV; bytes of samples that follow
    """
    start = stream.read(12)
    if start[:4] not in (b"RIFF", b"RF64", b"BW64") or start[8:] != b"WAVE":
        return start, None, sys.maxsize
    found, form, wide = Look(), b"", None
    for _ in range(CHUNKS):
        head = stream.read(8)
        if len(head) < 8:
            break
        name, length = struct.unpack("<4sI", head)
        if name == b"data":
            found.stated = wide if wide is not None and length == UNKNOWN_SIZE else length
            known = 0 < found.stated < STREAMED or (found.stated and wide is not None)
            found.stated = found.stated if known or not found.stated else -1
            straight = b"RIFF\xff\xff\xff\xffWAVE" + found.chunks + form + b"data\xff\xff\xff\xff"
            return straight, found, found.stated if known else sys.maxsize
        left = length + length % 2
        content = stream.read(min(left, CARRIED_BYTES))
        left -= len(content)
        while left and (passed := stream.read(min(left, CARRIED_BYTES))):
            left -= len(passed)
        if name == b"ds64":
            wide = int.from_bytes(content[8:16], "little")
        elif name == b"fmt ":
            form = chunk(name, content[:length])
            found.sample_rate, found.frame_bytes = struct.unpack("<4xI4xH2x", content[:16].ljust(16, b"\0"))
        elif name in CARRIED and length <= CARRIED_BYTES:
            found.add(name, content[:length])
    return start, None, sys.maxsize


def _samples(found: Look, file: BinaryIO, place: int, length: int, size: int, wide: int) -> int:
    """Set the stated and actual bytes of samples, and return how many bytes to skip."""
    rest = size - place - 8
    if wide and length == UNKNOWN_SIZE:
        file.seek(wide + 16)
        length = int.from_bytes(file.read(8), "little")
    streamed = not wide and length >= STREAMED
    found.stated, found.there = length, min(length, rest)
    if streamed:
        found.stated = found.there = rest
    elif length == 0 and rest >= max(found.frame_bytes, 1) and not _only_chunks(file, place + 8, size):
        found.there = rest
        if wide:
            frames = rest // max(found.frame_bytes, 1)
            found.patches |= {wide + 8: struct.pack("<QQQ", size - 8, rest, frames)}
        found.patches |= {4: b"\xff" * 4, place + 4: struct.pack("<I", min(rest, UNKNOWN_SIZE))}
    return found.there


def _only_chunks(file: BinaryIO, place: int, size: int) -> bool:
    """Return whether the rest of a file consists of valid chunks: then a data size of 0 is true."""
    for _ in range(CHUNKS):
        if size - place < 8:
            break
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        if not all(0x20 <= character < 0x7F for character in name) or length > size - place - 8:
            return False
        place += 8 + length + length % 2
    return True


def _whole(name: bytes, content: bytes) -> bool:
    """Return whether a chunk has the form that its kind requires."""
    if name == b"LIST":
        return content[:4] in (b"INFO", b"adtl") and _only_chunks(io.BytesIO(content), 4, len(content))
    if name == b"cue ":
        return len(content) >= 4 and len(content) == 4 + 24 * int.from_bytes(content[:4], "little")
    return name != b"bext" or len(content) >= BEXT_BYTES


def _carried(name: bytes, content: bytes) -> bytes:
    """Return the content of a chunk that also holds for processed audio of the same length, padded to even length.

    libsndfile 1.2 reads an RF64 wrongly after a chunk of odd length.
    """
    if len(content) % 2:
        content += b" " if name == b"iXML" else b"\0"
    if name == b"bext" and int.from_bytes(content[346:348], "little") >= 2:
        return content[: LOUDNESS.start] + 5 * UNMEASURED + content[LOUDNESS.stop :]
    return content
