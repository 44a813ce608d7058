"""Writes audio files and pipes, block by block in constant memory: (frames, channels) float32.

``-`` is standard input or output, as WAV. A file appears under its name only when it is complete: until then it is a
``.part`` file beside it, which a failure removes.

Integers are x 2**(bits-1), rounded to nearest and clipped, so what was read from 16 or 24 bits is written back exactly.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..audio import Tags
from ..errors import AudioFileError, reason_of
from ..files import STANDARD, oddity, part_of, put, target_of
from ..wave_headers import Layout, stream_header
from .growing import BITS, CONTAINERS, MOST_BYTES, GrowingOther, GrowingWave, grow, layout_of, wave_bytes

FLAC_CHANNELS, FLAC_RATE = 8, 655350


class Writer:
    """A file or standard output, in float32 or integers; complete only after `commit`.

    Parameters
    ----------
    target : str or Path
        The suffix names the container, one of `CONTAINERS`; ``-`` is WAV on standard output.
    sample_rate : int
        Hz.
    channels : int
    encoding : str
        One of `BITS`.
    overwrite : bool
        Replace an existing file.
    tags : Tags, optional
        Tags to write, as far as the container can hold them.
    frames : int
        Number of frames to expect: if the container cannot hold them, the constructor raises.

    Raises
    ------
    AudioFileError
        The file exists, its folder does not, or the container does not hold the encoding.
    """

    def __init__(
        self,
        target: str | Path,
        sample_rate: int,
        channels: int,
        encoding: str = "PCM_24",
        overwrite: bool = False,
        tags: Tags | None = None,
        frames: int = 0,
    ):
        tags = tags or Tags()
        layout = layout_of(sample_rate, channels, encoding)
        self.name = "standard output" if str(target) == STANDARD else str(target)
        self.encoding = encoding
        self.frames = 0
        self._overwrite = overwrite
        self._temporary: Path | None = None
        self._bytes_per_frame = layout.frame_bytes
        self._sink: _Pipe | GrowingWave | GrowingOther
        if str(target) == STANDARD:
            self._target = None
            self._container = "pipe"
            self._sink = _Pipe(sys.stdout.buffer, layout, tags.chunks)
            return
        self._container = check_target(Path(target), encoding, overwrite)
        self._target = target_of(target)
        if self._container == "FLAC" and (channels > FLAC_CHANNELS or sample_rate > FLAC_RATE):
            raise AudioFileError(
                f"{self.name}: {channels} channels at {sample_rate} Hz, but a FLAC holds at most {FLAC_CHANNELS} "
                f"channels and {FLAC_RATE} Hz: name it .wav"
            )
        self._check_length(frames)
        self._temporary = part_of(self._target)
        try:
            self._sink = grow(self._temporary, sample_rate, channels, self._container, encoding, tags)
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            folder = self._temporary.parent
            allowed = os.access(folder, os.W_OK)
            reason = reason_of(error) if allowed else "permission denied: name a folder that you may write to"
            raise AudioFileError(f"{folder}: cannot write there ({reason})") from error

    def write(self, block: np.ndarray) -> None:
        """Append a (frames, channels) block."""
        self.frames += len(block)
        self._check_length(self.frames)
        samples = np.ascontiguousarray(block, dtype=np.float32)
        if self.encoding != "FLOAT":
            samples = quantise(samples, BITS[self.encoding])
        try:
            self._sink.write(samples)
        except BrokenPipeError:
            raise
        except (OSError, RuntimeError) as error:
            raise AudioFileError(f"{self.name}: cannot be written ({reason_of(error)}): is the disk full?") from error

    def _check_length(self, frames: int) -> None:
        if self._container == "AIFF" and frames * self._bytes_per_frame > MOST_BYTES:
            raise AudioFileError(f"{self.name} would exceed the 4 GiB of an AIFF: name it .wav, .w64 or .flac")

    def commit(self) -> None:
        """Finish the file and give it its name."""
        try:
            self._sink.close()
            if self._temporary is None or self._target is None:
                return
            if self._target.exists() and not self._overwrite:
                raise AudioFileError(
                    f"{self.name} was created by another program meanwhile: name another file, or overwrite it with -y"
                )
            put(self._temporary, self._target)
            self._temporary = None
        except BrokenPipeError:
            raise
        except (OSError, RuntimeError) as error:
            raise AudioFileError(f"{self.name}: cannot be written ({reason_of(error)}): is the disk full?") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove the incomplete file."""
        if hasattr(self, "_sink"):
            with contextlib.suppress(Exception):
                self._sink.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()
            self._temporary = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind, *exception) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()


def check_target(target: Path, encoding: str, overwrite: bool) -> str:
    """Return the container for `target`, or raise AudioFileError if it cannot be written; the message says why."""
    container = CONTAINERS.get(target.suffix.lower())
    if container is None:
        known = ", ".join(CONTAINERS)
        raise AudioFileError(f"{target}: no known audio format has suffix {target.suffix!r}, expected one of {known}")
    if container == "FLAC" and encoding == "FLOAT":
        raise AudioFileError(f"{target}: FLAC holds no floats: leave out --float, or name it .wav")
    if found := oddity(target):
        raise AudioFileError(f"{target} is {found}, expected a file")
    folder = target_of(target).parent
    if not folder.is_dir():
        raise AudioFileError(f"{folder}: no such folder: mkdir -p {folder}")
    if target.exists() and not overwrite:
        raise AudioFileError(f"{target} exists already: name another file, or overwrite it with -y")
    return container


def quantise(samples: np.ndarray, bits: int) -> np.ndarray:
    """Return float samples as int32 whose upper `bits` hold the nearest integer, clipped; NaN becomes 0."""
    scale = 2.0 ** (bits - 1)
    finite = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0)
    whole = np.clip(np.rint(finite * scale), -scale, scale - 1.0)
    return whole.astype(np.int32) << (32 - bits)


class _Pipe:
    """WAV for a pipe: its header states an unknown length, and is corrected at the end if the stream can seek."""

    def __init__(self, stream: BinaryIO, layout: Layout, chunks: bytes):
        self._stream, self._layout, self._chunks = stream, layout, chunks
        self._count = 0
        self._start = stream.tell() if stream.seekable() else None
        stream.write(stream_header(layout, None, chunks))

    def write(self, samples: np.ndarray) -> None:
        self._count += self._stream.write(wave_bytes(samples, self._layout))

    def close(self) -> None:
        self._stream.write(bytes(self._count % 2))
        if self._start is not None and self._count <= MOST_BYTES:
            end = self._stream.tell()
            self._stream.seek(self._start)
            self._stream.write(stream_header(self._layout, self._count, self._chunks))
            self._stream.seek(end)
        self._stream.flush()
