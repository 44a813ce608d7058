"""Audio files that can be opened while they grow: the header never states more frames than the file has."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..audio import Tags
from ..errors import AudioFileError
from ..files import oddity, target_of
from ..wave_headers import FLOAT, PCM, Layout, header

CONTAINERS = {".wav": "WAV", ".flac": "FLAC", ".aif": "AIFF", ".aiff": "AIFF", ".w64": "W64", ".rf64": "RF64"}
BITS = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}
MOST_BYTES = 2**32 - 2**16  # of samples if sizes have 32 bits; the remainder is for headers and chunks
COPY_BYTES = 1 << 22
WRITE_BYTES = 1 << 18  # bytes per write, after each of which progress is noted
FLAC_TOTAL = 21  # offset of the last 5 of the 8 bytes that end with the number of frames, 36 bits
UPDATE_HEADER = 0x1060  # libsndfile's SFC_UPDATE_HEADER_NOW


def grow(
    path: Path, sample_rate: int, channels: int, container: str, encoding: str = "", tags: Tags | None = None
) -> GrowingWave | GrowingOther:
    """Return a new file of a container; it must not exist.

    Parameters
    ----------
    container : str
        One of the values of `CONTAINERS`.
    encoding : str
        One of `BITS`; by default 32-bit floats, in a FLAC 24-bit integers.
    tags : Tags, optional
        Tags to write, as far as the container can hold them.

    Raises
    ------
    OSError, RuntimeError, TypeError, ValueError
        The file cannot be created; no part of it remains.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    encoding, tags = encoding or ("PCM_24" if container == "FLAC" else "FLOAT"), tags or Tags()
    try:
        if container in ("WAV", "RF64"):
            return GrowingWave(path, sample_rate, channels, container == "RF64", encoding, tags.chunks)
        return GrowingOther(path, sample_rate, channels, container, encoding, tags.names)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()  # on a full disk an empty file remains
        raise


def check_growing(path: str | Path) -> None:
    """Raise AudioFileError unless a file with this name can be recorded and read again."""
    suffix, known = Path(path).suffix, ", ".join(CONTAINERS)
    if found := oddity(path):
        raise AudioFileError(f"{path} is {found}, expected the name of a file to record to, such as take.wav")
    if suffix.lower() not in CONTAINERS:
        raise AudioFileError(f"{path}: its suffix is {suffix!r}, expected one of {known}: call it take.wav")
    folder = target_of(path).parent
    if not folder.is_dir():
        raise AudioFileError(f"{folder}: no such folder: mkdir -p {folder}")


def layout_of(sample_rate: int, channels: int, encoding: str) -> Layout:
    """Return the sample format of a WAV; `encoding` is one of `BITS`."""
    return Layout(channels, sample_rate, BITS[encoding], FLOAT if encoding == "FLOAT" else PCM)


def wave_bytes(samples: np.ndarray, layout: Layout) -> bytes:
    """Return the WAV bytes of (frames, channels) float32, or of int32, of which the upper bits are used."""
    if layout.bits == 32:
        return samples.astype("<f4", copy=False).tobytes()
    whole = np.ascontiguousarray(samples, "<i4").view(np.uint8).reshape(-1, 4)
    return whole[:, 4 - layout.bits // 8 :].tobytes()


class GrowingWave:
    """A WAV, or beyond 4 GiB an RF64; the file is complete after every write.

    libsndfile is not used here: if a full disk takes only a part of a block, it does not report how many frames were
    written, and it cannot turn a growing WAV into an RF64.

    Attributes
    ----------
    frames : int
        Complete frames in the file.
    moved : int
        Bytes written so far, which show the progress of a slow disk.

    Raises
    ------
    OSError
        `write` raises it too: `frames` counts the frames that were written; the caller keeps the others.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        large: bool = False,
        encoding: str = "FLOAT",
        chunks: bytes = b"",
    ):
        self.path, self._layout = path, layout_of(sample_rate, channels, encoding)
        self._large, self._chunks = large, chunks
        self.frames = self.moved = 0
        self._file = open(path, "x+b", buffering=0)
        _, fault = self._put(0, self._header())
        if fault:
            self.close()
            raise fault

    def _header(self) -> bytes:
        return header(self._layout, self._layout.frame_bytes * self.frames, self._chunks, self._large)

    def _put(self, place: int, data: bytes) -> tuple[int, OSError | None]:
        """Write at an offset; return how many bytes were written, and the error that stopped the others."""
        self._file.seek(place)
        done = 0
        while done < len(data):
            try:
                written = self._file.write(memoryview(data)[done : done + WRITE_BYTES]) or 0
                done, self.moved = done + written, self.moved + written
            except OSError as error:
                return done, error
        return done, None

    def write(self, block: np.ndarray) -> None:
        """Append (frames, channels): float32, or int32 as `wave_bytes` takes it."""
        size, head = self._layout.frame_bytes, len(self._header())
        data = wave_bytes(block, self._layout)
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
        """Restore a removed file and its folders; return whether writing can continue there."""
        copy = _copy(self._file, self.path, self)
        self._file.close()
        self._file = copy
        return True

    def close(self) -> None:
        """Pad the samples to an even number of bytes and close the file."""
        if not self._file.closed:
            with self._file:
                size = self._layout.frame_bytes * self.frames
                _, fault = self._put(len(self._header()) + size, bytes(size % 2))
            if fault:
                raise fault


class GrowingOther:
    """A FLAC, or another container that libsndfile writes; every write updates the header."""

    def __init__(
        self, path: Path, sample_rate: int, channels: int, container: str, encoding: str, tags: Mapping[str, str]
    ):
        import soundfile

        self.path = path
        self._flac = container == "FLAC"
        self._most = MOST_BYTES if container == "AIFF" else sys.maxsize
        self._frame_bytes = BITS[encoding] // 8 * channels
        self._sound = soundfile.SoundFile(os.fsencode(path), "w", sample_rate, channels, encoding, format=container)
        for name, text in tags.items():
            with contextlib.suppress(RuntimeError, OSError):  # some containers cannot hold some tags
                setattr(self._sound, name, text)
        self._file = open(path, "r+b", buffering=0)
        self.frames = self.moved = 0

    def write(self, block: np.ndarray) -> None:
        """Append (frames, channels): float32, or int32 whose upper bits count."""
        import soundfile

        if (self.frames + len(block)) * self._frame_bytes > self._most:
            raise OSError(errno.EFBIG, "an AIFF file holds 4 GiB")
        try:
            self._sound.write(block)
        except AssertionError:  # soundfile's own check of how many frames were written
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        self.frames += len(block)
        self.moved += block.nbytes
        if self._flac:
            self._mend_flac()
        else:
            command = getattr(getattr(soundfile, "_snd", None), "sf_command", None)
            if command:
                command(self._sound._file, UPDATE_HEADER, soundfile._ffi.NULL, 0)

    def _mend_flac(self) -> None:
        """Write the number of frames in complete FLAC blocks; the encoder holds back one block and a frame."""
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
        """Restore a removed file and its folders; return False, as this encoder cannot continue there."""
        _copy(self._file, self.path, self).close()
        return False

    def close(self) -> None:
        """Write the frames that libsndfile holds back, and close the file."""
        with self._file:
            self._sound.close()


def _copy(source, path: Path, growing: GrowingWave | GrowingOther):
    """Return a new file at `path` with the content of an open file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    target = open(path, "x+b", buffering=0)
    try:
        source.seek(0)
        while data := source.read(COPY_BYTES):
            if target.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            growing.moved += len(data)
    except OSError:
        target.close()
        path.unlink(missing_ok=True)
        raise
    return target
