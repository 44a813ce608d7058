"""Audio files and pipes, block by block in constant memory: (frames, channels) float32 in and out.

``-`` is standard input or output, as WAV. A file appears under its name only when it is complete: until then it is a
``.part`` file beside it, which a failure removes.

Integers are x 2**(bits-1), rounded to nearest and clipped, so what was read from 16 or 24 bits is written back exactly.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import AudioFileError
from ..files import oddity, part_of, put, target_of
from ..find import check_audio

STANDARD = "-"
BITS = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}
CONTAINERS = {".wav": "WAV", ".flac": "FLAC", ".aif": "AIFF", ".aiff": "AIFF", ".w64": "W64", ".rf64": "RF64"}
WAV_BYTES = 2**32 - 2**16  # a WAV header counts bytes in 32 bits; some are left for headers and chunks
UNKNOWN_SIZE = 0xFFFFFFFF  # what streaming writers put there, and readers take as "until the end"


class Reader:
    """An audio file, or WAV from standard input.

    Attributes
    ----------
    sample_rate : int
        Hz.
    channels : int
    frames : int or None
        None for a pipe, whose length nobody knows.

    Raises
    ------
    AudioFileError
        Missing, unreadable or no audio.
    """

    def __init__(self, source: str | Path):
        import soundfile

        self.name = "standard input" if str(source) == STANDARD else str(source)
        place: Any = 0 if str(source) == STANDARD else os.fspath(source)
        if place:
            check_audio(place)
        try:
            self._file = soundfile.SoundFile(os.fsencode(place) if place else 0, closefd=False)
        except (soundfile.SoundFileError, OSError, TypeError) as error:
            raise AudioFileError(_unreadable(self.name, error)) from error
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int | None = self._file.frames if self._file.seekable() else None

    def blocks(self, block_size: int) -> Iterator[np.ndarray]:
        """Yield (frames, channels) float32 arrays of `block_size` frames but for the last one."""
        import soundfile

        while True:
            try:
                block = self._file.read(block_size, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                raise AudioFileError(_unreadable(self.name, error)) from error
            if len(block):
                yield block
            if len(block) < block_size:
                return

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception) -> None:
        self.close()


def _unreadable(name: str, error: Exception) -> str:
    reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
    remedy = "a pipe must be WAV" if name == "standard input" else "is it WAV, FLAC or AIFF?"
    return f"{name}: cannot be read as audio ({reason}): {remedy}"


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

    Raises
    ------
    AudioFileError
        The file exists, its folder does not, or the container does not hold the encoding.
    """

    def __init__(self, target: str | Path, sample_rate: int, channels: int, encoding="PCM_24", overwrite=False):
        self.name = "standard output" if str(target) == STANDARD else str(target)
        self.encoding = encoding
        self.frames = 0
        self._overwrite = overwrite
        self._temporary: Path | None = None
        self._bytes_per_frame = channels * BITS[encoding] // 8
        self._sink: _Pipe | _File
        if str(target) == STANDARD:
            self._target = None
            self._container = "pipe"
            self._sink = _Pipe(sys.stdout.buffer, sample_rate, channels, encoding)
            return
        self._container = check_target(Path(target), encoding, overwrite)
        self._target = target_of(target)
        self._temporary = part_of(self._target)
        try:
            self._sink = _File(self._temporary, sample_rate, channels, self._container, encoding)
        except BaseException:
            self.discard()
            raise

    def write(self, block: np.ndarray) -> None:
        """Append a (frames, channels) block."""
        self.frames += len(block)
        if self._container == "WAV" and self.frames * self._bytes_per_frame > WAV_BYTES:
            raise AudioFileError(f"{self.name} would exceed the 4 GiB of a WAV: name it .w64, .rf64 or .flac")
        samples = np.ascontiguousarray(block, dtype=np.float32)
        if self.encoding != "FLOAT":
            samples = quantise(samples, BITS[self.encoding])
        try:
            self._sink.write(samples)
        except BrokenPipeError:
            raise
        except (OSError, RuntimeError) as error:
            raise AudioFileError(f"{self.name}: cannot be written ({_reason(error)}): is the disk full?") from error

    def commit(self) -> None:
        """Finish the file and give it its name."""
        try:
            self._sink.close()
            if self._temporary is None or self._target is None:
                return
            if self._target.exists() and not self._overwrite:
                raise AudioFileError(
                    f"{self.name} has come into being meanwhile: name another file, or overwrite it by -y"
                )
            put(self._temporary, self._target)
            self._temporary = None
        except BrokenPipeError:
            raise
        except (OSError, RuntimeError) as error:
            raise AudioFileError(f"{self.name}: cannot be written ({_reason(error)}): is the disk full?") from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave nothing behind."""
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
    """Return the container for `target`, or raise AudioFileError naming what stands in the way."""
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
        raise AudioFileError(f"{target} exists already: name another file, or overwrite it by -y")
    return container


def quantise(samples: np.ndarray, bits: int) -> np.ndarray:
    """Return float samples as int32 whose upper `bits` hold the nearest integer, clipped; NaN becomes 0."""
    scale = 2.0 ** (bits - 1)
    finite = np.clip(np.nan_to_num(samples, nan=0.0), -1.0, 1.0)
    whole = np.clip(np.rint(finite * scale), -scale, scale - 1.0)
    return whole.astype(np.int32) << (32 - bits)


class _File:
    """A container that libsndfile writes."""

    def __init__(self, path: Path, sample_rate: int, channels: int, container: str, encoding: str):
        import soundfile

        try:
            self._file = soundfile.SoundFile(os.fsencode(path), "w", sample_rate, channels, encoding, format=container)
        except (soundfile.SoundFileError, OSError, ValueError) as error:
            allowed = os.access(path.parent, os.W_OK)
            reason = _reason(error) if allowed else "permission denied: name a folder that you may write to"
            raise AudioFileError(f"{path.parent}: cannot write there ({reason})") from error

    def write(self, samples: np.ndarray) -> None:
        self._file.write(samples)

    def close(self) -> None:
        self._file.close()


class _Pipe:
    """WAV into a pipe: the header claims unknown length, and is mended at the end where seeking is possible."""

    def __init__(self, stream: BinaryIO, sample_rate: int, channels: int, encoding: str):
        self._stream = stream
        self._bits = BITS[encoding]
        self._layout = (channels, sample_rate, 3 if encoding == "FLOAT" else 1)
        self._count = 0
        self._start = stream.tell() if stream.seekable() else None
        stream.write(self._header(UNKNOWN_SIZE))

    def _header(self, data_bytes: int) -> bytes:
        channels, sample_rate, tag = self._layout
        frame = channels * self._bits // 8
        riff = data_bytes if data_bytes == UNKNOWN_SIZE else data_bytes + data_bytes % 2 + 36
        form = struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * frame, frame, self._bits)
        head = b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt \x10\0\0\0"
        return head + form + b"data" + struct.pack("<I", data_bytes)

    def write(self, samples: np.ndarray) -> None:
        if self._bits == 32:
            data = samples.astype("<f4", copy=False).tobytes()
        else:  # the upper bytes of little-endian int32
            whole = samples.astype("<i4", copy=False).view(np.uint8).reshape(-1, 4)
            data = whole[:, 4 - self._bits // 8 :].tobytes()
        self._stream.write(data)
        self._count += len(data)

    def close(self) -> None:
        if self._count % 2:
            self._stream.write(b"\0")
        if self._start is not None and self._count <= WAV_BYTES:
            end = self._stream.tell()
            self._stream.seek(self._start)
            self._stream.write(self._header(self._count))
            self._stream.seek(end)
        self._stream.flush()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(getattr(error, "error_string", error)).strip().rstrip(".")
