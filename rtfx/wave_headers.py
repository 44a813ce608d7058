"""Headers of WAV files, and of RF64, which is what WAV becomes where its 32 bits do not count the bytes any more.

A header leaves room for the sizes of an RF64 (EBU Tech 3306) in a chunk that readers pass over, so that a file may grow
beyond 4 GiB without being moved. `look` reads what libsndfile passes over: chunks about the recording, and what a
header says that cannot be true.
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

UNKNOWN_SIZE = 0xFFFFFFFF  # RF64's, whose sizes stand elsewhere; and a streaming writer's, read as "until the end"
LARGEST = 2**32 - 2  # bytes behind the first size of a header, at most
PCM, FLOAT = 1, 3
STREAMED = 0x7FFFF000  # sizes from here on are what streaming writers put there
CARRIED = (b"bext", b"iXML", b"LIST", b"cue ", b"id3 ", b"ID3 ")  # about the recording, not about its samples
CARRIED_BYTES = 1 << 24  # of one chunk: more is no description
CHUNKS = 10_000  # a file of more is damaged
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
BEXT_BYTES = 602  # at least, of a broadcast chunk
LOUDNESS = slice(412, 422)  # of a broadcast chunk of version 2: five numbers, measured on another sound
UNMEASURED = struct.pack("<h", 0x7FFF)


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


def stream_header(layout: Layout, data_bytes: int | None = None, chunks: bytes = b"") -> bytes:
    """Return the shortest header, for a pipe: of unknown length until it is known."""
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
    """Return tags, named as libsndfile does, as the chunk in which a WAV holds them; b"" if there are none."""
    inside = b"".join(chunk(INFO[name], text.encode() + b"\0") for name, text in tags.items() if name in INFO and text)
    return chunk(b"LIST", b"INFO" + inside) if inside else b""


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk, whose length is made even."""
    return struct.pack("<4sI", name, len(content)) + content + bytes(len(content) % 2)


@dataclass
class Look:
    """What stands in a WAV or RF64.

    Parameters
    ----------
    sample_rate, frame_bytes : int
        As the format says.
    stated, there : int
        Bytes of samples as the header says, and as there are; equal if nothing is wrong, or nothing is stated. Of a
        pipe `stated` is -1 where nothing is.
    chunks : bytes
        Those of `CARRIED`, to be written into another file.
    patches : dict
        Place to bytes that should stand there, for a reader that believes headers.
    """

    sample_rate: int = 0
    frame_bytes: int = 0
    stated: int = 0
    there: int = 0
    chunks: bytes = b""
    patches: dict[int, bytes] = field(default_factory=dict)

    def add(self, name: bytes, content: bytes) -> None:
        """Take up a chunk that is to be carried; one that is damaged would make the other file unreadable too."""
        if _whole(name, content):
            self.chunks += chunk(name, _carried(name, content))


def look(file: BinaryIO, size: int) -> Look | None:
    """Return what stands in an open file of `size` bytes; None if it is no WAV, or holds no samples."""
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
    """Read the header of a WAV from a pipe, and return one of unknown length in its place.

    Returns
    -------
    what to read in place of what has been read; what the header says, None if it is no WAV; bytes of samples behind it
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
    """Note how many bytes of samples are stated and there, and return how many to pass over."""
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
    """Tell whether the rest of a file is chunks, each with a name and an end: then the samples before it are none."""
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
    """Tell whether a chunk is as its kind must be."""
    if name == b"LIST":
        return content[:4] in (b"INFO", b"adtl") and _only_chunks(io.BytesIO(content), 4, len(content))
    if name == b"cue ":
        return len(content) >= 4 and len(content) == 4 + 24 * int.from_bytes(content[:4], "little")
    return name != b"bext" or len(content) >= BEXT_BYTES


def _carried(name: bytes, content: bytes) -> bytes:
    """Return a chunk's content as it holds for another sound of the same time, of an even length.

    libsndfile 1.2 loses its place in an RF64 behind a chunk of an odd one.
    """
    if len(content) % 2:
        content += b" " if name == b"iXML" else b"\0"
    if name == b"bext" and int.from_bytes(content[346:348], "little") >= 2:
        return content[: LOUDNESS.start] + 5 * UNMEASURED + content[LOUDNESS.stop :]
    return content
