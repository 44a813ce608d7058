"""The next seed of a random net while it plays: one that is not silent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from ..errors import RtfxError, message_of
from ..model.random.nets import SILENT, kind_of
from ..model.random.settings import RANGES
from ..plan.block import ReadyBlock
from .controller import Controller

ATTEMPTS = 20  # a seed whose net is silent is passed over
SEED = "seed"


class Reseeder:
    """Turns the seeds of random nets on, one at a time; who asks again meanwhile gets the seed after.

    Parameters
    ----------
    news : deque of str
        Gets a line if there is none.
    """

    def __init__(self, controller: Controller, news: deque[str]):
        self._controller, self._news = controller, news
        self._lock = threading.Lock()
        self._wanted = 0
        self._block = ""

    def next(self, block: str = "") -> str:
        """Ask for the next seed of `block`, else of the first random net of the preset; return a line to show."""
        nets = [one.id for one in self._controller.preset.blocks if kind_of(one.spec)]
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
            except Exception as error:  # of whatever kind: the next press shall find a thread that ends
                self._news.append(message_of(error))
            with self._lock:
                self._wanted -= steps
                if not self._wanted:
                    return

    def _take(self, block: str, steps: int) -> None:
        """Turn the seed so many steps on."""
        preset, address = self._controller.preset, f"{block}.{SEED}"
        place, _ = preset.find(address)
        values, (low, high) = preset.now()[place], RANGES[SEED]
        for attempt in range(ATTEMPTS):
            seed = low + (int(values[SEED]) + steps + attempt - low) % (high - low + 1)
            if not self._silent(preset.blocks[place], values | {SEED: seed}) or attempt == ATTEMPTS - 1:
                break
        self._controller.set(address, seed)

    def _silent(self, block: ReadyBlock, values: Mapping[str, Any]) -> bool:
        """Return whether a guitar would not be heard through a net, or it cannot be drawn."""
        try:
            spec = block.redrawn(values).spec
        except RtfxError:
            return True
        return spec is None or SILENT in spec.warnings
