"""The loop of a player's session: keys to actions, meters to the view, until it ends."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from ..errors import RtfxError, harmless, one_line
from .keys import Quit, press, shows_help

if TYPE_CHECKING:
    from ..live.reconnect import Arrival, Reconnection
    from ..live.stats import Meters
    from ..live.stream import Stream
    from .keyboard import Keyboard

REFRESH_SECONDS = 0.1  # of the view; keys take effect at once
TUNER_SECONDS = 0.04  # of the view while it shows the tuner: as often as it has a new reading


class View(Protocol):
    """Shows a stream; `update` is called ten times a second, and more often while the tuner is on.

    `help`: whether it shows what the keys do instead.
    """

    help: bool

    def update(self, meters: Meters) -> None: ...

    def say(self, text: str) -> None: ...


def play(
    stream: Stream,
    view: View,
    keyboard: Keyboard | None = None,
    stopping=lambda: False,
    clock=time.monotonic,
    reconnection: Reconnection | Arrival | None = None,
) -> str:
    """Show the stream and run the commands of keys until it ends. [control thread]

    Returns
    -------
    str : "quit" (a key), "stopped" (`stopping()` was true), "ended" (by itself) or "moved"
    (a device has come, or come back at another sample rate: open it anew).
    """
    frame, told = clock(), set[str]()
    while _goes_on(stream, view, reconnection):
        if stopping():
            return "stopped"
        left = max(frame - clock(), 0.0)
        if keyboard:
            try:
                for key in keyboard.poll(left):
                    with _sound_goes_on(told):
                        view.help = shows_help(key, view.help)
                        text = press(stream, key)
                        if text:
                            view.say(text)
            except Quit:
                return "quit"
        else:
            stream.wait(left)
        for text in stream.news():
            view.say(text)
        if clock() >= frame:
            meters = stream.meters()
            with _sound_goes_on(told):
                view.update(meters)
            frame = max(frame + (TUNER_SECONDS if stream.tuner.on else REFRESH_SECONDS), clock())
    return "moved" if reconnection and reconnection.moved else "ended"


def _goes_on(stream: Stream, view: View, reconnection: Reconnection | Arrival | None) -> bool:
    """Tell whether the stream is playing or waiting for its device."""
    if reconnection is None:
        return stream.active
    if reconnection.waits(view.say):
        return True
    if reconnection.moved:
        return False
    return stream.active or reconnection.waits(view.say)  # the device may be lost between the two calls


@contextmanager
def _sound_goes_on(told: set[str]) -> Iterator[None]:
    """Print an error of the page or of a key, each once, and continue: the sound does not depend on them."""
    try:
        yield
    except (Quit, RtfxError):
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__}: {error}, {where.filename.rpartition('/')[2]}:{where.lineno}"
        if fault not in told:
            told.add(fault)
            print(
                f"rtfx: internal error, please report it ({one_line(harmless(fault))}): the sound goes on",
                file=sys.stderr,
                flush=True,
            )
