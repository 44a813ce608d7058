"""Saves the last minute of a stream: what went in, what came out, and a set list that says what was done to it."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from pathlib import Path

import numpy as np

from ...engine.engine import Engine
from ...errors import ModelError
from ...files import replacement, write_file
from ...find import user_folder
from ...host.patience import await_end
from ...model import rtfx_json
from .describe import PARTS, Described, Description
from .keeper import TAKE_SECONDS, Keeper, Window


class Takes:
    """Saves takes while a stream plays. All methods are for the control thread.

    Attributes
    ----------
    news : deque of str
        One line for each take that is on the disk, or could not be written.
    """

    def __init__(self, engine: Engine, described: Described):
        self.keeper = Keeper(engine)
        self.news: deque[str] = deque()
        self._engine, self._described = engine, described
        self._writers: list[threading.Thread] = []

    def save(self, folder: str | Path | None = None, seconds: float = TAKE_SECONDS) -> Path:
        """Save the last `seconds` beside each other, on a thread of its own; return the set list's name.

        Parameters
        ----------
        folder : path, optional
            By default the working one, or the user's ``takes`` if that cannot be written to.
        """
        window = self.keeper.window(seconds)
        base = _free(_writable(folder))
        take = Description(window, self._described, self._engine, base.name)
        (base.parent / (base.name + PARTS[-1])).touch()  # the name is taken
        writer = threading.Thread(target=self._write, args=(base, window, take), name="rtfx take")
        self._writers = [thread for thread in self._writers if thread.is_alive()] + [writer]
        writer.start()
        return base.parent / (base.name + PARTS[-1])

    def close(self) -> None:
        """Wait until all takes are on the disk, two seconds at most."""
        for writer in self._writers:
            await_end(writer, 2.0)

    def _write(self, base: Path, window: Window, take: Description) -> None:
        import soundfile
        import yaml  # type: ignore[import-untyped]

        rate = round(float(self._engine.record["sample_rate"]))
        name = str(base)
        try:
            for part, frames in zip(PARTS, (window.dry, window.wet), strict=False):
                with replacement(name + part) as partial:
                    soundfile.write(os.fsencode(partial), frames, rate, subtype="FLOAT", format="WAV")
            with replacement(name + PARTS[2]) as partial, open(partial, "xb") as file:
                np.savez(file, **take.arrays)  # type: ignore[arg-type]
            for model, spec in take.models.items():
                rtfx_json.save(spec, base.parent / model)
            dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
            text = yaml.dump(
                take.set_list, None, dumper, sort_keys=False, width=120, default_flow_style=None, allow_unicode=True
            )
            write_file(name + PARTS[3], text)
        except (OSError, RuntimeError, ModelError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            self.news.append(f"the take could not be written to {base}.*: {reason}")
            return
        fault = f"; it cannot be rendered again exactly: {take.fault}" if take.fault else ""
        self.news.append(f"{len(window.dry) / rate:.0f} s saved as {base.name}.dry.wav, .wet.wav and .yaml{fault}")


def _writable(folder: str | Path | None) -> Path:
    place = Path(folder) if folder is not None else Path.cwd()
    if folder is None and not os.access(place, os.W_OK):
        place = user_folder() / "takes"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _free(folder: Path) -> Path:
    """Return ``take``, or ``take-2`` and so on: the first name of which no part exists."""
    for number in itertools.count(1):
        base = folder / ("take" if number == 1 else f"take-{number}")
        if not any(folder.glob(f"{base.name}.*")):
            return base
    raise AssertionError
