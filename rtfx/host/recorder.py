"""Writes what the engine plays to a file, on its own thread; whatever happens to the disk, it looks for a way on."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np

from ..engine.rings import Rings
from ..errors import AudioFileError
from ..find import user_folder
from .growing import GrowingOther, GrowingWave, grow

DRAIN_SECONDS = 0.05
LOOK_SECONDS = 1.0  # between looks whether the file is still there, and between attempts to write elsewhere
WRITE_SECONDS = 1.0  # at most so much in one write
FREE_SECONDS = 60.0  # a folder must have room for as much
MOST_PARTS = 100
FAULTS = (OSError, RuntimeError)


class Recorder:
    """A file that fills while the engine plays and can be opened at any time. All methods are for the control thread.

    Parameters
    ----------
    rings : Rings
        Of the engine; they hold what the disk is late with.
    stop : callable
        ``stop()`` is the stream frame at which the audio ends, or -1.
    frames : int or None
        Exact length; further frames are not written.

    Attributes
    ----------
    news : deque of str
        What the player should know at once.
    error : str
        What the file lacks, empty if nothing.
    frames : int
        Written so far, in all parts.
    lost : int
        Frames that the disk was too slow for; silence stands in their place.

    Raises
    ------
    AudioFileError
        The file cannot be made.

    A take of the same name is kept: it is renamed with a number before this one begins. A file that is removed is put
    back. One that cannot grow is left complete as it is, and a further part begins where there is room.
    """

    def __init__(self, rings: Rings, path: str, sample_rate: float, stop=lambda: -1, frames: int | None = None):
        self.path = str(path)
        self.news: deque[str] = deque()
        self.error = ""
        self.frames = self.lost = 0
        self._rings, self._stop_frame, self._limit, self._rate = rings, stop, frames, round(sample_rate)
        self._next = 0
        self._looked = 0.0
        self._waiting = False
        self._parts = 1
        try:
            self.kept = _keep(Path(self.path))
            self._file: GrowingWave | GrowingOther = self._open(Path(self.path))
        except (*FAULTS, TypeError, ValueError) as error:
            raise AudioFileError(
                f"{path}: cannot be recorded to ({_reason(error)}): use a .wav name in a folder you may write"
            ) from error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtfx recorder", daemon=True)

    def _open(self, path: Path) -> GrowingWave | GrowingOther:
        return grow(path, self._rate, self._rings.wet.shape[1])

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS if self._waiting else DRAIN_SECONDS):
            self._look()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        """Write all that the engine has kept since the last time."""
        ends = [end for end in (self._rings.head, self._stop_frame(), self._limit) if end is not None and end >= 0]
        while self._next < min(ends):
            last = min(min(ends), self._next + round(WRITE_SECONDS * self._rate))
            first, frames = self._rings.read(self._rings.wet, self._next, last)
            missing = first - self._next
            if missing > 0:
                frames = np.zeros((min(missing, last - self._next), frames.shape[1]), np.float32)
            if not self._write(frames):
                return
            self.lost += len(frames) if missing > 0 else 0

    def _write(self, frames: np.ndarray) -> bool:
        """Write, in another place if need be; return whether all of it is on the disk."""
        while len(frames):
            before = self._file.frames
            try:
                self._file.write(frames)
                fault: Exception | None = None
            except FAULTS as error:
                fault = error
            done = max(self._file.frames - before, 0)
            self._next, self.frames, frames = self._next + done, self.frames + done, frames[done:]
            if fault is not None and not self._go_on_elsewhere(fault):
                return False
        if self._waiting:
            self._waiting = False
            self.error = ""
            self.news.append(f"recording to {self._file.path} goes on")
        return True

    def _look(self) -> None:
        """Once a second: put the file back if it has been removed."""
        now = time.monotonic()
        if now < self._looked + LOOK_SECONDS or self._waiting:
            return
        self._looked = now
        path = self._file.path
        if not self._file.lost:
            return
        fault: Exception = FileNotFoundError(f"{path} was removed")
        for place in itertools.chain([path], self._places(path)):
            self._file.path = place
            try:
                goes_on = self._file.restore()
            except FAULTS as error:
                fault = error
                continue
            self.news.append(f"{path} was removed: {place} has all of the recording")
            if not goes_on:
                self._go_on_elsewhere(fault)
            return
        self._go_on_elsewhere(fault)

    def _go_on_elsewhere(self, fault: Exception) -> bool:
        """Begin a further part in the first folder with room; without one say so and wait."""
        old = self._file
        for path in self._places(old.path):
            try:
                self._file = self._open(path)
            except FAULTS:
                continue
            if not old.frames:
                with contextlib.suppress(OSError):
                    old.path.unlink()
            old.close()
            self._waiting, self._parts = False, self._parts + 1
            self.error = f"{self.path} ends early ({_reason(fault)}): the recording goes on in {path}"
            self.news.append(self.error)
            return True
        if not self._waiting:
            self._waiting = True
            self.error = f"{self.path}: recording halted after {self.frames} frames ({_reason(fault)}): make room"
            self.news.append(self.error)
        return False

    def _places(self, path: Path):
        """Yield names for a further part: in the same folder, the working one, the user's and the temporary one."""
        need = FREE_SECONDS * self._rate * self._rings.wet.shape[1] * 4
        folders = (path.parent, Path.cwd(), user_folder() / "takes", Path(tempfile.gettempdir()))
        for folder in dict.fromkeys(folders) if self._parts < MOST_PARTS else ():
            with contextlib.suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                if shutil.disk_usage(folder).free >= need and os.access(folder, os.W_OK):
                    yield _free_name(folder / Path(self.path).name, "-part", 2)

    def close(self) -> None:
        """Write what is left and close the file; call it after the audio has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        self._file.close()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split())


def _free_name(path: Path, mark: str, first: int) -> Path:
    """Return the path with a mark and the first number that no file has."""
    for number in itertools.count(first):
        other = path.with_name(f"{path.stem}{mark}{number}{path.suffix}")
        if not other.exists():
            return other
    raise AssertionError


def _keep(path: Path) -> Path | None:
    """Rename an earlier take out of the way; return its new name, None if there was none."""
    if not path.is_file():
        return None
    if not path.stat().st_size:
        path.unlink()
        return None
    return path.rename(_free_name(path, "-", 1))
