"""Plans and compiles beside the control thread what structural parameters ask for; what was asked for last wins."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from ..engine.rig import EngineRig
from ..errors import message_of
from ..loading.loaded_preset import LoadedPreset
from ..plan.chain import Plan


class Built(NamedTuple):
    """What has come of it: a plan and an instance of it, or why there is none.

    Parameters
    ----------
    values : list of dict
        Of each block, that were asked for.
    revision : int
        That of the preset when it was begun; weights that it got since then are not in it.
    """

    preset: LoadedPreset
    values: list[dict]
    revision: int
    made: tuple[Plan, EngineRig] | None
    error: str = ""


class Builder:
    """Builds one preset at a time on a thread that lasts as long as there is something to do.

    Parameters
    ----------
    done : callable
        Gets what was built, on that thread.
    """

    def __init__(self, done: Callable[[Built], None]):
        self._done = done
        self._lock = threading.Lock()
        self._wanted: tuple[LoadedPreset, list[dict]] | None = None
        self._busy: tuple[LoadedPreset, list[dict]] | None = None

    def ask(self, preset: LoadedPreset, values: list[dict]) -> None:
        """Build a preset at these values; nothing happens if that is under way. [any thread]"""
        with self._lock:
            if self._busy is not None:
                under_way = self._busy[0] is preset and preset.structure(self._busy[1]) == preset.structure(values)
                self._wanted = None if under_way else (preset, values)
                return
            self._busy = preset, values
        threading.Thread(target=self._run, args=(preset, values), name="rtfx build", daemon=True).start()

    def _run(self, preset: LoadedPreset, values: list[dict]) -> None:
        while True:
            revision, made, error = preset.revision, None, ""
            try:
                made = preset.make(values)
            except Exception as failure:  # of whatever kind: the next wish shall find a thread that ends
                error = message_of(failure)
            self._done(Built(preset, values, revision, made, error))
            with self._lock:
                self._busy, self._wanted = self._wanted, None
                if self._busy is None:
                    return
                preset, values = self._busy
