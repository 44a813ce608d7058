"""How a stream ends: in a fade, and within three seconds whatever does not answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..host.null import NullHost
    from ..host.portaudio import PortAudioHost
    from ..host.recorder import Recorder
    from .controller import Controller
    from .take.takes import Takes
    from .watch import Watcher

FADE_SECONDS = 0.5  # for a fade of 20 ms behind two blocks of the device
POLL_SECONDS = 0.005


def end(
    engine: Engine,
    controller: Controller,
    hosts: list[NullHost | PortAudioHost],
    recorder: Recorder | None,
    takes: Takes,
    companions: list[Watcher],
) -> None:
    """Fade out and close everything; also what a deleted stream or the interpreter's exit calls.

    Parameters
    ----------
    hosts : list
        The one host that plays, which may have been exchanged since the stream began.
    """
    host, begin = hosts[0], engine.clock
    if host.active:
        last = engine.stop_soon()
        deadline = time.monotonic() + FADE_SECONDS
        while host.active and engine.clock < last and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    for companion in companions:
        companion.close()
    controller.stop()
    host.close(patient=engine.clock != begin)
    takes.keeper.stop()
    if recorder:
        recorder.close()
    takes.close()
    engine.reclaim()
