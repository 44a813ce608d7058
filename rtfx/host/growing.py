"""Audio files that can be opened at any moment while they grow: what a header says is never more than what is there."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from pathlib import Path

import numpy as np

from .wave import WAV_BYTES

COPY_BYTES = 1 << 22
FLAC_TOTAL = 21  # offset of the last 5 of the 8 bytes that end with the number of frames, 36 bits
UPDATE_HEADER = 0x1060  # libsndfile's SFC_UPDATE_HEADER_NOW


def grow(path: Path, sample_rate: int, channels: int) -> GrowingWave | GrowingOther:
    """Return a new file of the suffix's format; it must not exist."""
    kind = GrowingWave if path.suffix.lower() == ".wav" else GrowingOther
    return kind(path, sample_rate, channels)


class GrowingWave:
    """32-bit float WAV; every write leaves a whole file.

    Attributes
    ----------
    frames : int
        Complete frames in the file.

    Raises
    ------
    OSError
        From `write` too: what was written of the block counts in `frames`, the rest is the caller's.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int):
        self.path, self._layout = path, (channels, sample_rate)
        self.frames = 0
        self._file = open(path, "x+b", buffering=0)
        _, fault = self._put(0, self._header())
        if fault:
            self.close()
            raise fault

    def _header(self) -> bytes:
        channels, rate = self._layout
        data = 4 * channels * self.frames
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, channels, rate, 4 * channels * rate, 4 * channels, 32)
        fact = struct.pack("<4sII", b"fact", 4, self.frames)
        body = b"WAVE" + form + fact + struct.pack("<4sI", b"data", data)
        return struct.pack("<4sI", b"RIFF", len(body) + data) + body

    def _put(self, place: int, data: bytes) -> tuple[int, OSError | None]:
        """Write at an offset; return how many bytes found room, and what stood in the way of the others."""
        self._file.seek(place)
        done = 0
        while done < len(data):
            try:
                done += self._file.write(memoryview(data)[done:]) or 0
            except OSError as error:
                return done, error
        return done, None

    def write(self, block: np.ndarray) -> None:
        """Append (frames, channels) float32."""
        size, head = 4 * self._layout[0], len(self._header())
        data = np.ascontiguousarray(block, "<f4").tobytes()
        if size * self.frames + len(data) > WAV_BYTES:
            raise OSError(errno.EFBIG, "a WAV file holds 4 GiB")
        done, fault = self._put(head + size * self.frames, data)
        self.frames += done // size
        self._put(0, self._header())
        if fault:
            self._file.truncate(head + size * self.frames)
            raise fault

    @property
    def lost(self) -> bool:
        """The file has been removed; one that was only moved is still a file."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def restore(self) -> bool:
        """Put a removed file back where it was, folders included; return whether it goes on there."""
        copy = _copy(self._file, self.path)
        self._file.close()
        self._file = copy
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


class GrowingOther:
    """FLAC, 24 bits, or another container that libsndfile writes; the header follows at every write."""

    def __init__(self, path: Path, sample_rate: int, channels: int):
        import soundfile

        self.path = path
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._flac = path.suffix.lower() == ".flac"
        self._sound = soundfile.SoundFile(
            os.fsencode(path), "w", sample_rate, channels, "PCM_24" if self._flac else "FLOAT"
        )
        self._file = open(path, "r+b", buffering=0)
        self.frames = 0

    def write(self, block: np.ndarray) -> None:
        """Append (frames, channels) float32."""
        import soundfile

        try:
            self._sound.write(block)
        except AssertionError:  # soundfile's own check of how many frames were written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        self.frames += len(block)
        if self._flac:
            self._mend_flac()
        else:
            command = getattr(getattr(soundfile, "_snd", None), "sf_command", None)
            if command:
                command(self._sound._file, UPDATE_HEADER, soundfile._ffi.NULL, 0)

    def _mend_flac(self) -> None:
        """Write the number of frames in whole FLAC blocks; the encoder holds one block and a frame back."""
        self._file.seek(8)
        head = self._file.read(18)
        block = int.from_bytes(head[:2], "big")
        whole = max(self.frames - 1, 0) // block * block
        if head[12:] and whole:
            self._file.seek(FLAC_TOTAL)
            old = int.from_bytes(head[13:18], "big")
            self._file.seek(FLAC_TOTAL)
            self._file.write((old & ~(2**36 - 1) | whole).to_bytes(5, "big"))

    @property
    def lost(self) -> bool:
        """The file has been removed; one that was only moved is still a file."""
        return os.fstat(self._file.fileno()).st_nlink == 0

    def restore(self) -> bool:
        """Put back what was written, folders included; this encoder cannot go on there."""
        _copy(self._file, self.path).close()
        return False

    def close(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._sound.close()
        with contextlib.suppress(OSError):
            self._file.close()


def _copy(source, path: Path):
    """Return a new file at `path` with all that an open one holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = open(path, "x+b", buffering=0)
    try:
        source.seek(0)
        while data := source.read(COPY_BYTES):
            if target.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        target.close()
        path.unlink(missing_ok=True)
        raise
    return target
