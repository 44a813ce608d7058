"""Reads audio files block by block or whole: WAV, FLAC, AIFF and the other formats of libsndfile.

A header may be wrong, so its length is only a hint: a file is read until it ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .errors import AudioFileError, reason_of
from .files import STANDARD
from .find import check_audio
from .wave_headers import INFO, Look, info_chunk, look, straighten

RATES = (1000, 768000)  # Hz
FRAMES_PER_BYTE = 8192  # most that a FLAC of silence has; a header that states more is wrong
BLOCK_FRAMES = 1 << 16


@dataclass(frozen=True)
class Tags:
    """Descriptions of the recording in a file, to be copied to another file of the same recording.

    Parameters
    ----------
    names : mapping
        Title, artist, comment and so on, with the names of libsndfile.
    chunks : bytes
        Chunks of a WAV: these tags, the time reference of a broadcast WAV, markers.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    chunks: bytes = b""


class Reader:
    """An audio file, or WAV from standard input.

    Attributes
    ----------
    sample_rate : int
        Hz.
    channels : int
    frames : int or None
        The number in the header; None for a pipe, and if the number cannot be true.
    warnings : list of str
        Problems of a file that can still be read; complete once the file has been read.
    tags : Tags

    Raises
    ------
    AudioFileError
        The file is missing, unreadable or not audio.
    """

    def __init__(self, source: str | Path, what: str = "audio (WAV, FLAC, AIFF)"):
        import soundfile

        class Forward(soundfile.SoundFile):  # type: ignore[misc]
            """Reads without a seek after each block, as a seek fails at the end of a FLAC of unknown length."""

            def seekable(self) -> bool:
                return False

        self.name = "standard input" if str(source) == STANDARD else str(source)
        self.warnings: list[str] = []
        self._faults = (soundfile.SoundFileError, OSError, TypeError)
        self._patched: _Patched | None = None
        size: int | None = None
        place: int | bytes
        if str(source) == STANDARD:
            try:
                place, found = _straight(0)
            except OSError as error:
                raise AudioFileError(_unreadable(self.name, error)) from error
        else:
            check_audio(source, what)
            place, size, found = os.fsencode(source), *self._look(source)
        if found is not None and found.frame_bytes:
            _check_rate(self.name, found.sample_rate)
        try:
            self._file: Any = Forward(self._patched or place, closefd=True)
        except (*self._faults, ValueError) as error:
            self._close_patched()
            raise AudioFileError(_unreadable(self.name, error)) from error
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        stated = self._file.frames if size is not None else None
        self.frames: int | None = None if stated is None or stated > FRAMES_PER_BYTE * (size or 0) else stated
        names = {name: text for name in INFO if (text := getattr(self._file, name, ""))}
        chunks = found.chunks if found is not None and found.frame_bytes else b""
        self.tags = Tags(names, chunks or info_chunk(names))
        self._exact = found is not None and size is not None
        self._piped = found if size is None else None
        if found is not None and size is not None:
            self._judge(found)
        try:
            _check_rate(self.name, self.sample_rate)
        except AudioFileError:
            self.close()
            raise

    def _look(self, source: str | Path) -> tuple[int, Look | None]:
        """Return the size of a file in bytes and its parsed header; a false header is corrected for libsndfile."""
        try:
            with open(source, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                found = look(file, size)
        except OSError as error:
            raise AudioFileError(_unreadable(self.name, error)) from error
        if found is not None and found.patches:
            self._patched = _Patched(source, found.patches)
        return size, found

    def _judge(self, found: Look, frames: int = 0) -> None:
        """Warn if the length in a header is wrong; `frames` is the length of a pipe."""
        second = max(found.frame_bytes * self.sample_rate, 1)
        stated, there = found.stated / second, found.there / second
        if found.stated == 0 < found.there:
            there = (self.frames or frames) / self.sample_rate
            self.warnings.append(
                f"{self.name}: its header says that it is empty, but {there:.1f} s of audio follow: read to the end"
            )
        elif found.stated - found.there >= max(found.frame_bytes, 1):
            self.warnings.append(f"{self.name}: its header says {stated:.1f} s, but it ends after {there:.1f} s")

    def blocks(self, block_size: int, dtype: str = "float32") -> Iterator[np.ndarray]:
        """Yield (frames, channels) arrays of `block_size` frames; the last may be shorter."""
        done = 0
        while True:
            try:
                block = self._file.read(block_size, dtype=dtype, always_2d=True)
            except self._faults as error:
                raise AudioFileError(_unreadable(self.name, error)) from error
            if len(block):
                yield block
            done += len(block)
            if len(block) < block_size:
                break
        if self._piped is not None and self._piped.stated >= 0:
            self._piped.there = done * self._piped.frame_bytes
            self._judge(self._piped, done)
        if self.frames is not None and done < self.frames:
            missing = f"{self.name} ends after {done} of {self.frames} frames"
            if self._exact:  # all frames were in the file when it was opened
                raise AudioFileError(f"{missing}: was it changed or its disk unplugged while it was read?")
            self.warnings.append(f"{missing}: is it complete?")

    def close(self) -> None:
        self._file.close()
        self._close_patched()

    def _close_patched(self) -> None:
        if self._patched is not None:
            self._patched.file.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception) -> None:
        self.close()


class _Patched:
    """A file object for libsndfile that replaces some bytes of a file."""

    def __init__(self, path: str | Path, patches: Mapping[int, bytes]):
        self.file = open(path, "rb")
        self._patches = patches

    def read(self, count: int = -1) -> bytes:
        begin = self.file.tell()
        data = bytearray(self.file.read(count))
        for place, patch in self._patches.items():
            first, end = max(place, begin), min(place + len(patch), begin + len(data))
            if first < end:
                data[first - begin : end - begin] = patch[first - place : end - place]
        return bytes(data)

    def seek(self, place: int, whence: int = 0) -> int:
        return self.file.seek(place, whence)

    def tell(self) -> int:
        return self.file.tell()


def _straight(source: int) -> tuple[int, Look | None]:
    """Return a descriptor that reads a new header and the pipe's samples, and the pipe's own header."""
    stream = os.fdopen(os.dup(source), "rb")
    head, found, left = straighten(stream)
    reading, writing = os.pipe()

    def copy() -> None:
        nonlocal left
        with contextlib.suppress(OSError), stream, os.fdopen(writing, "wb", buffering=0) as target:
            target.write(head)
            while data := stream.read1(BLOCK_FRAMES):  # also after the samples, or the writer would block
                target.write(data[:left])
                left -= min(left, len(data))

    threading.Thread(target=copy, name="rtfx pipe", daemon=True).start()
    return reading, found


def read_audio(
    path: str | Path,
    rate: float | None = None,
    seconds: float = sys.maxsize,
    dtype: str = "float32",
    what: str = "audio (WAV, FLAC, AIFF)",
) -> tuple[np.ndarray, int, list[str]]:
    """Read a whole file.

    Parameters
    ----------
    rate : float, optional
        Rate in Hz to which the audio is converted; by default its own rate.
    seconds : float
        The longest part that is read, from the start.

    Returns
    -------
    (frames, channels) array, the file's own rate in Hz, and warnings about the file

    Raises
    ------
    AudioFileError
        As for `Reader`; or the audio does not fit into memory.
    """
    with Reader(path, what) as reader:
        parts, left = [np.zeros((0, reader.channels), dtype)], round(seconds * reader.sample_rate)
        try:
            for block in reader.blocks(min(BLOCK_FRAMES, max(left, 1)), dtype):
                parts.append(block[:left])
                left -= len(parts[-1])
                if left <= 0:
                    break
            audio = np.concatenate(parts)
            if rate is not None and rate != reader.sample_rate and len(audio):
                import soxr

                audio = soxr.resample(audio, reader.sample_rate, rate, quality="VHQ")
            return np.ascontiguousarray(audio, dtype), reader.sample_rate, reader.warnings
        except MemoryError as error:
            raise AudioFileError(f"{path}: not enough memory for all of it: cut it into shorter files") from error


def _check_rate(name: str, rate: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioFileError(
            f"{name}: its header says {rate} Hz, expected {RATES[0]} to {RATES[1]} Hz: is it damaged? Export it again"
        )


def _unreadable(name: str, error: Exception) -> str:
    remedy = "a pipe must be WAV" if name == "standard input" else "is it WAV, FLAC or AIFF?"
    return f"{name}: cannot be read as audio ({reason_of(error)}): {remedy}"
