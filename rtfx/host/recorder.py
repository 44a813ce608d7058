"""Records the engine's output to a file, on its own thread; if the disk fails, it continues in another folder."""

from __future__ import annotations

import contextlib
import itertools
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..engine.rings import Rings
from ..errors import AudioFileError, message_of, reason_of
from ..files import free_name, target_of
from ..find import writable_folders
from .growing import CONTAINERS, GrowingOther, GrowingWave, check_growing, grow
from .timeouts import STALLED_SECONDS, await_writing

DRAIN_SECONDS = 0.05
LOOK_SECONDS = 1.0  # between two checks that the file exists, and between attempts to write to another folder
WRITE_SECONDS = 4.0  # most audio in one write: enough for a disk that takes a second for each write
LATE_SECONDS = 10.0  # delay behind the audio at which the player is warned, before the rings are full
FREE_SECONDS = 60.0  # length of audio for which a folder must have space
MOST_PARTS = 100
MOST_GAPS = 5  # gaps that a message lists; of further ones it states the number
FAULTS = (OSError, RuntimeError)


class Recorder:
    """A file that fills while the engine plays and can be opened at any time. All methods are for the control thread.

    Parameters
    ----------
    rings : Rings
        The engine's ring buffers, which hold the audio until it is written.
    stop : callable
        ``stop()`` is the stream frame at which the audio ends, or -1.
    frames : int or None
        Exact length of the recording; later frames are not written.

    Attributes
    ----------
    news : deque of str
        Lines for the player.
    say : callable
        Called with a line of text while `close` waits for the disk.
    error : str
        A problem with the file; "" if there is none.
    frames : int
        Frames written so far, in all parts.
    gaps : list of (int, int)
        First frame and end of each part for which the disk was too slow; there the file has silence, or it ends before.

    Raises
    ------
    AudioFileError
        The file cannot be created.

    An earlier recording of the same name is kept: it gets a number before this one begins. If the file is removed, it
    is restored. If it cannot grow, it stays complete, and another part begins in a folder that has space.
    """

    def __init__(self, rings: Rings, path: str, sample_rate: float, stop=lambda: -1, frames: int | None = None):
        self.path = str(path)
        self.news: deque[str] = deque()
        self.error = ""
        self.say: Callable[[str], object] = self.news.append
        self.frames = 0
        self.gaps: list[tuple[int, int]] = []
        self._rings, self._stop_frame, self._limit, self._rate = rings, stop, frames, round(sample_rate)
        self._next = 0
        self._looked = 0.0
        self._waiting = self._late = False
        self._parts = 1
        check_growing(self.path)
        self.kept = None
        try:
            target = target_of(self.path)
            self.kept, mode = _keep(target)
            self._file: GrowingWave | GrowingOther = self._open(target)
            if mode is not None:
                target.chmod(mode)
        except (*FAULTS, TypeError, ValueError) as error:
            if self.kept:
                with contextlib.suppress(OSError):
                    self.kept.rename(target)
            raise AudioFileError(
                f"{path}: cannot be recorded to ({reason_of(error)}): use a .wav name in a folder you may write"
            ) from error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtfx recorder", daemon=True)

    def _open(self, path: Path) -> GrowingWave | GrowingOther:
        container = CONTAINERS[Path(self.path).suffix.lower()]
        return grow(path, self._rate, self._rings.wet.shape[1], container)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def lost(self) -> int:
        """Frames that the recording lacks: the sum of `gaps`."""
        return sum(end - first for first, end in self.gaps)

    @property
    def _end(self) -> int:
        """Return the frame after the last one that can be written now."""
        return min(end for end in (self._rings.head, self._stop_frame(), self._limit) if end is not None and end >= 0)

    def _run(self) -> None:
        """Write until the end. [own thread] The file is closed here, so that no write finds it closed."""
        try:
            while not self._stop.wait(LOOK_SECONDS if self._waiting else DRAIN_SECONDS):
                self._look()
                self._drain()
            self._drain()
        except Exception as error:  # any error: the player must learn that the recording has stopped
            self.error = f"{self.path}: recording ended after {self.frames} frames ({message_of(error)})"
            self.news.append(self.error)
        finally:
            _close(self._file)

    def _drain(self) -> None:
        """Write all audio that has come into the rings since the last time."""
        while self._next < (end := self._end):
            last = min(end, self._next + round(WRITE_SECONDS * self._rate))
            first, frames = self._rings.read(self._rings.wet, self._next, last)
            missing = first - self._next
            place = self._next
            if missing > 0:
                frames = np.zeros((min(missing, last - self._next), frames.shape[1]), np.float32)
            written = self._write(frames)
            if missing > 0:
                self._lack(place, self._next)
            if not written:
                return

    def _lack(self, first: int, end: int) -> None:
        """Note frames that the recording lacks; tell the player the first time."""
        if first >= end:
            return
        if not self.gaps and not self._stop.is_set():
            self.news.append(
                f"{self._file.path}: the disk is too slow, audio is lost from {first / self._rate:.2f} s on"
            )
        if self.gaps and self.gaps[-1][1] == first:
            first = self.gaps.pop()[0]
        self.gaps.append((first, end))

    def _write(self, frames: np.ndarray) -> bool:
        """Write (frames, channels), in another folder if needed; return whether all frames are on the disk."""
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
        """Start a further part in the first folder with free space; if there is none, report it and wait."""
        old = self._file
        for path in self._places(old.path):
            try:
                self._file = self._open(path)
            except FAULTS:
                continue
            if not old.frames:
                with contextlib.suppress(OSError):
                    old.path.unlink()
            _close(old)
            self._waiting, self._parts = False, self._parts + 1
            self.error = f"{self.path} ends early ({reason_of(fault)}): the recording goes on in {path}"
            self.news.append(self.error)
            return True
        if not self._waiting:
            self._waiting = True
            self.error = f"{self.path}: recording halted after {self.frames} frames ({reason_of(fault)}): make room"
            self.news.append(self.error)
        return False

    def _places(self, path: Path):
        """Yield names for another part: in the same, the current, the user's and the temporary folder."""
        need = FREE_SECONDS * self._rate * self._rings.wet.shape[1] * 4
        for folder in writable_folders(path.parent, need) if self._parts < MOST_PARTS else ():
            yield free_name(folder / Path(self.path).name, "-part", 2)

    def look(self) -> None:
        """Report that the disk is late; the writing thread cannot do so while it waits for the disk."""
        seconds = (self._end - self._next) / self._rate
        if seconds > LATE_SECONDS and not (self._late or self._waiting or self._stop.is_set()):
            self.news.append(f"{self._file.path}: the disk is {seconds:.0f} s late, the recording waits in memory")
        self._late = seconds > (0.5 if self._late else 1.0) * LATE_SECONDS

    def close(self) -> None:
        """Write the rest and close the file; call it after the audio has ended.

        It waits while the disk makes progress. Otherwise the thread keeps the file, and `error` says what it lacks.
        """
        self._stop.set()
        if self._thread.ident is None:  # never started
            _close(self._file)
            return
        try:
            ended = await_writing(self._thread, lambda: (self.frames, self._file.moved), self._tell)
        except BaseException:
            self._judge("interrupted before all of it was written")
            if self.error:
                self.say(self.error)
            raise
        self._judge("" if ended else f"the disk has taken nothing for {STALLED_SECONDS:g} s")

    def _tell(self) -> None:
        left = (self._end - self._next) / self._rate
        self.say(f"writing {self._file.path}: the disk is slow, {left:.1f} s of the recording are left")

    def _judge(self, given_up: str) -> None:
        """Note what the recording lacks at its end; `given_up` is the reason if not all of it was written."""
        silent = self.lost
        self._lack(self._next, self._end)
        if not self.gaps:
            return
        named = [f"{a} to {b} ({a / self._rate:.2f} to {b / self._rate:.2f} s)" for a, b in self.gaps[:MOST_GAPS]]
        more = f" and {len(self.gaps) - MOST_GAPS} further gaps" if len(self.gaps) > MOST_GAPS else ""
        reasons = [self.error] if self.error else []
        if given_up:
            reasons.append(given_up)
        elif silent and not self.error:
            reasons.append("the disk was too slow, and silence replaces them")
        reason = f": {'; '.join(reasons)}" if reasons else ""
        self.error = f"{self.path} lacks {self.lost} frames, {', '.join(named)}{more}{reason}"


def _keep(path: Path) -> tuple[Path | None, int | None]:
    """Rename an earlier recording of this name; return its new name and its permissions, None if there was none."""
    if not path.is_file():
        return None, None
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if not found.st_size:
        path.unlink()
        return None, mode
    return path.rename(free_name(path, "-", 1)), mode


def _close(file: GrowingWave | GrowingOther) -> None:
    """Close a file; errors are ignored, as frames lost on a full disk are already reported."""
    with contextlib.suppress(*FAULTS):
        file.close()
