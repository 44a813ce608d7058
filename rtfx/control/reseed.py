"""The next seed of a random net while it plays: drawn, compiled and levelled beside the audio, then crossfaded."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ..errors import RtfxError
from ..model.random import with_seed
from ..model.random_level import SILENT
from ..rig.description import Preset
from ..rig.random_block import random_text
from .controller import Controller
from .load import Loader
from .reload import keep_turned

ATTEMPTS = 20  # a seed whose net is silent is passed over


class Reseeder:
    """Gives random nets other seeds, one at a time; who asks again meanwhile gets the seed after.

    Parameters
    ----------
    loader : callable
        Returns how presets are loaded.
    news : deque of str
        Gets a line when a net is heard, or why it is not.
    """

    def __init__(self, controller: Controller, loader: Callable[[], Loader], news: deque[str]):
        self._controller, self._loader, self._news = controller, loader, news
        self._lock = threading.Lock()
        self._wanted = 0
        self._block = ""

    def next(self, block: str = "") -> str:
        """Ask for the next seed of `block`, else of the first random net of the preset; return a line to show."""
        source = self._controller.preset.source
        nets = [spec.id for spec in source.chain if random_text(spec)] if source else []
        if not nets:
            return "no random net in this preset: try rtfx play 'random:tcn?seed=7'"
        with self._lock:
            self._block = block if block in nets else nets[0]
            self._wanted += 1
            if self._wanted > 1:
                return ""
        threading.Thread(target=self._run, name="rtfx seed", daemon=True).start()
        return ""

    def _run(self) -> None:
        while True:
            with self._lock:
                steps, block = self._wanted, self._block
            try:
                self._news.append(self._take(block, steps))
            except RtfxError as error:
                self._news.append(str(error))
            except Exception as error:  # of whatever kind: the next press shall find a thread that ends
                self._news.append(f"{type(error).__name__}: {error}")
            with self._lock:
                self._wanted -= steps
                if not self._wanted:
                    return

    def _take(self, block: str, steps: int) -> str:
        """Play the seed so many steps on; return what to say."""
        old = self._controller.preset
        source = old.source
        described = source.block(block) if source else None
        if source is None or described is None:
            return f"{block} is gone"
        text, loader = random_text(described), self._loader()
        known = loader.models
        for attempt in range(ATTEMPTS):
            seeded = with_seed(text, steps + attempt)
            try:
                # a copy of what has been read: nets that were passed by are not kept
                own = replace(loader, models=replace(known, specs=dict(known.specs)))
                new, _ = own.load(with_file(source, block, seeded))
                if SILENT in own.models[seeded].warnings and attempt < ATTEMPTS - 1:
                    continue
                break
            except RtfxError:
                if attempt == ATTEMPTS - 1:
                    raise
        keep_turned(old, new)
        presets = self._controller.presets
        if old not in presets:
            return "the preset has changed meanwhile: press R again"
        self._controller.replace([new if preset is old else preset for preset in presets])
        return f"{block}: {seeded}"


def with_file(preset: Preset, block: str, file: str) -> Preset:
    """Return the preset with another file in a block."""
    chain = tuple(replace(spec, file=file, weights=None) if spec.id == block else spec for spec in preset.chain)
    return replace(preset, chain=chain)
