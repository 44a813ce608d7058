"""Moves a playing random net to its next seed whose net is not silent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from ..errors import RtfxError, message_of
from ..model.random.net_settings import RANGES
from ..model.random.nets import SILENT, kind_of
from ..plan.block import ReadyBlock
from .controller import Controller

ATTEMPTS = 20  # seeds to try, as those of silent nets are skipped
SEED = "seed"


class Reseeder:
    """Plays the next seed of a random net; each call during the search moves one seed further.

    Parameters
    ----------
    news : deque of str
        Receives a line of text if no seed is found.
    """

    def __init__(self, controller: Controller, news: deque[str]):
        self._controller, self._news = controller, news
        self._lock = threading.Lock()
        self._wanted = 0
        self._block = ""

    def next(self, block: str = "") -> str:
        """Search for the next seed of `block`, by default the preset's first random net; return a line to show."""
        nets = [one.id for one in self._controller.preset.blocks if kind_of(one.ready.spec)]
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
                self._take(block, steps)
            except Exception as error:  # any error: the thread must end normally
                self._news.append(message_of(error))
            with self._lock:
                self._wanted -= steps
                if not self._wanted:
                    return

    def _take(self, block: str, steps: int) -> None:
        """Advance the seed by a number of steps."""
        preset, (low, high) = self._controller.preset, RANGES[SEED]
        net = next(one for one in preset.blocks if one.id == block)
        values = dict(net.values)
        for attempt in range(ATTEMPTS):
            seed = low + (int(values[SEED]) + steps + attempt - low) % (high - low + 1)
            if not self._silent(net.ready, values | {SEED: seed}) or attempt == ATTEMPTS - 1:
                break
        self._controller.set(f"{block}.{SEED}", seed)

    def _silent(self, block: ReadyBlock, values: Mapping[str, Any]) -> bool:
        """Return whether a net gives no sound for a guitar, or cannot be made."""
        try:
            spec = block.redrawn(values).spec
        except RtfxError:
            return True
        return spec is None or SILENT in spec.warnings
