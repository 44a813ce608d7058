"""Saves the last minute of a stream: what went in, what came out, and a set list that says what was done to it."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...engine.engine import Engine
from ...errors import AudioFileError, ModelError, reason_of
from ...files import replacement, write_file
from ...host.fallback_folders import places
from ...host.growing import GrowingWave
from ...host.timeouts import STALLED_SECONDS, await_writing
from ...model import rtfx_json
from .describe import PARTS, Described, Description
from .keeper import TAKE_SECONDS, Keeper, Window

FAULTS = (OSError, RuntimeError, ValueError, ModelError)
PIECE = 1 << 16  # frames written at a time: how often it is seen that a slow disk gets on


class Takes:
    """Saves takes while a stream plays. All methods are for the control thread.

    Attributes
    ----------
    news : deque of str
        One line for each take that is on the disk, or could not be written.
    say : callable
        Is told at once, while `close` waits for the disk.
    error : str
        The last take that could not be written, and why; empty if all could.
    """

    def __init__(self, engine: Engine, described: Described):
        self.keeper = Keeper(engine)
        self.news: deque[str] = deque()
        self.say: Callable[[str], object] = self.news.append
        self.error = ""
        self._engine, self._described = engine, described
        self._writers: list[threading.Thread] = []
        self._moved = 0  # bytes, of all takes

    def save(self, folder: str | Path | None = None, seconds: float = TAKE_SECONDS) -> Path:
        """Save the last `seconds` beside each other, on a thread of its own; return the set list's name.

        Parameters
        ----------
        folder : path, optional
            By default the working one. Where it cannot be written to, or has no room, the take goes where a recording
            would go: to the working folder, the user's ``takes``, or the temporary folder.

        Raises
        ------
        AudioFileError
            No folder takes it.
        """
        window = self.keeper.window(seconds)
        wanted = Path(folder) if folder is not None else Path.cwd()
        bases = self._bases(wanted, window.dry.nbytes + window.wet.nbytes)
        base = next(bases, None)
        if base is None:
            raise AudioFileError(f"{wanted}: no take can be written there, nor anywhere else: make room on a disk")
        if base.parent != wanted:
            self.news.append(f"{wanted} cannot be written to: the take goes to {base.parent}")
        take = Description(window, self._described, self._engine, base.name)
        writer = threading.Thread(target=self._write, args=(base, bases, window, take), name="rtfx take", daemon=True)
        self._writers = [thread for thread in self._writers if thread.is_alive()] + [writer]
        writer.start()
        return base.parent / (base.name + PARTS[-1])

    def close(self) -> None:
        """Wait until all takes are on the disk, for as long as it gets on."""
        for writer in self._writers:
            if not await_writing(writer, lambda: self._moved, lambda: self.say("writing the take: the disk is slow")):
                self.error = f"a take is not whole: the disk has taken nothing for {STALLED_SECONDS:g} s"
                self.news.append(self.error)

    def _bases(self, wanted: Path, size: float):
        """Yield paths without their ends, ``take`` or ``take-2`` and so on, whose names have been taken."""
        for folder in places(wanted, size):
            for number in itertools.count(1):
                base = folder / ("take" if number == 1 else f"take-{number}")
                if any(folder.glob(f"{base.name}.*")):
                    continue
                try:
                    (folder / (base.name + PARTS[-1])).touch(exist_ok=False)
                except FileExistsError:
                    continue
                except OSError:
                    break
                yield base
                break

    def _write(self, base: Path, bases, window: Window, take: Description) -> None:
        """Write a take, elsewhere if it cannot be written; say what became of it. [own thread]"""
        rate = float(self._engine.record["sample_rate"])
        while True:
            try:
                self._write_parts(base, window, take, round(rate))
                break
            except FAULTS as error:
                reason = reason_of(error)
                for path in base.parent.glob(f"{base.name}.*"):
                    with contextlib.suppress(OSError):
                        path.unlink()
            other = next(bases, None)
            if other is None:
                self.error = f"the take could not be written to {base}.*: {reason}"
                self.news.append(self.error)
                return
            self.news.append(f"the take could not be written to {base}.* ({reason}): it goes to {other.parent}")
            base = other
            take = Description(window, self._described, self._engine, base.name)
        fault = f"; it cannot be rendered again exactly: {take.fault}" if take.fault else ""
        seconds = len(window.dry) / rate
        self.news.append(f"{seconds:.0f} s saved as {base.name}.dry.wav, .wet.wav and .yaml{fault}")

    def _write_parts(self, base: Path, window: Window, take: Description, rate: int) -> None:
        import yaml  # type: ignore[import-untyped]

        name = str(base)
        for part, frames in zip(PARTS, (window.dry, window.wet), strict=False):
            with replacement(name + part) as path, contextlib.closing(GrowingWave(path, rate, frames.shape[1])) as wave:
                for first in range(0, len(frames), PIECE):
                    wave.write(frames[first : first + PIECE])
                    self._moved += PIECE
        with replacement(name + PARTS[2]) as path, open(path, "xb") as file:
            np.savez(file, **take.arrays)  # type: ignore[arg-type]
        self._moved += 1
        for model, spec in take.models.items():
            rtfx_json.save(spec, base.parent / model)
        for copy, origin in take.copies.items():
            with replacement(base.parent / copy) as path:
                shutil.copyfile(origin, path)
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text = yaml.dump(
            take.set_list, None, dumper, sort_keys=False, width=120, default_flow_style=None, allow_unicode=True
        )
        write_file(name + PARTS[3], text)
