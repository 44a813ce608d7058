"""Writes what the engine plays to a file: drains the engine's ring on a thread of its own."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from ..engine.engine import Engine
from ..errors import AudioFileError

RING_SECONDS = 10.0
DRAIN_SECONDS = 0.05


class Recorder:
    """A WAV, FLAC or AIFF file that fills while the engine plays. All methods are for the control thread.

    Parameters
    ----------
    frames : int or None
        Exact length; further frames are not written.

    Raises
    ------
    AudioFileError
        The file cannot be made.

    A take of the same name is kept: it is renamed with a number before this one begins.
    """

    def __init__(self, engine: Engine, path: str, sample_rate: float, frames: int | None = None):
        import soundfile

        self.engine, self.path, self._left = engine, str(path), frames
        lossless = self.path.lower().endswith(".flac")
        try:
            self.kept = _keep(Path(self.path))
            self._file = soundfile.SoundFile(
                self.path,
                "w",
                samplerate=round(sample_rate),
                channels=engine.ring.shape[1],
                subtype="PCM_24" if lossless else "FLOAT",
            )
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise AudioFileError(
                f"{path}: cannot be recorded to ({reason}): use a .wav name in a folder you may write"
            ) from error
        self.error = ""
        self.frames = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtfx recorder", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(DRAIN_SECONDS):
            self._write(self.engine.drain_record())
        self._write(self.engine.drain_record())

    def _write(self, frames: np.ndarray) -> None:
        if self._left is not None:
            frames = frames[: self._left]
            self._left -= len(frames)
        if not len(frames) or self.error:
            return
        try:
            self._file.write(frames)
            self._file.flush()
            self.frames += len(frames)
        except (OSError, RuntimeError) as error:
            self.error = f"{self.path}: recording stopped after {self.frames} frames: {error}"

    @property
    def lost(self) -> int:
        """Frames that found the ring full."""
        return int(self.engine.record["record_lost"])

    def close(self) -> None:
        """Write what is left and close the file; call it after the audio has ended."""
        self._stop.set()
        self._thread.join(timeout=3.0)
        self._file.close()


def _keep(path: Path) -> Path | None:
    """Rename an earlier take out of the way; return its new name, None if there was none."""
    if not path.is_file() or not path.stat().st_size:
        return None
    number = 1
    while (other := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return path.rename(other)
