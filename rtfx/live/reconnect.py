"""Reconnects a stream to a device that was lost, or to the first device that appears if there was none.

It says why the sound has stopped, waits for the device, and continues the stream on it. If the device returns at
another sample rate, a new stream must be loaded, and the player's settings are copied to it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DeviceError, PresetError
from ..host.choose import choose
from ..host.device import MOVED, PLAYING, Missing
from ..host.hosts import OtherRate, presence
from ..host.null import NullHost
from ..host.portaudio import renew_if_begun
from ..loading.preset import Value

if TYPE_CHECKING:
    from .stream import Stream
    from .tuner import Target

LOOK_SECONDS, RETRY_SECONDS = 0.25, 2.0  # look for changes; try to open a device even without one
REMIND_SECONDS = 3.0
FADE_SECONDS = 0.05


def attempts(over: threading.Event) -> Iterator[None]:
    """Wait, and yield whenever an attempt to open a device may succeed, until `over` is set.

    An attempt may succeed when a card or a sound server appears or disappears; otherwise one is made every
    `RETRY_SECONDS`.
    """
    seen, tried = presence(), time.monotonic()
    while not over.wait(LOOK_SECONDS):
        now = presence()
        if now == seen and time.monotonic() - tried < RETRY_SECONDS:
            continue
        if now != seen:
            renew_if_begun()
        yield
        seen, tried = now, time.monotonic()


class Reconnection:
    """Watches one stream; its owner calls `waits` again and again.

    If the device returns at another sample rate, `moved` becomes True: the rig must be loaded for that rate. If the
    user has named the rate, this waits until the device returns at that rate.

    Parameters
    ----------
    remind : bool
        Repeat the message every few seconds, for displays on which lines disappear.
    """

    def __init__(self, stream: Stream, remind: bool = False):
        self.moved = False
        self._stream, self._remind = stream, remind
        self._worker: threading.Thread | None = None
        self._reason, self._problem, self._said = "", "", ("", 0.0)
        self._over = threading.Event()

    def waits(self, say: Callable[[str], None]) -> bool:
        """Start or continue the search for the device; return False if the stream plays or has ended, or if `moved`."""
        if self._worker is None:
            trouble = self._stream.trouble()
            if not trouble or self._stream.opened is None:
                return False
            self._reason = trouble
            self._worker = threading.Thread(target=self._bring_back, name="rtfx reconnect", daemon=True)
            self._worker.start()
        if self._worker.is_alive():
            self._tell(say)
            time.sleep(0.02)
            return True
        self._worker = None
        if not self.moved and not self._stream.trouble():
            self._said = ("", 0.0)
            say(f"{self._stream.host.name} is back: playing")
        return not self.moved

    def _tell(self, say: Callable[[str], None]) -> None:
        line = f"{self._problem or self._reason}: waiting for it to come back"
        text, when = self._said
        if line != text or (self._remind and time.monotonic() - when > REMIND_SECONDS):
            say(line)
            self._said = (line, time.monotonic())

    def _bring_back(self) -> None:
        """Wait until the stream plays again, must be opened anew, or is closed. [own thread]"""
        lost = self._stream.host
        assert not isinstance(lost, NullHost)
        if lost.state() == MOVED:
            with self._stream.engine.muted():
                time.sleep(FADE_SECONDS)
                lost.release()
        while not lost.release():
            if lost.state() == PLAYING or self._over.wait(LOOK_SECONDS):
                return
        self._problem = ""
        if not self._try():
            for _ in attempts(self._over):
                if self._try():
                    return

    def _try(self) -> bool:
        opened = self._stream.opened
        assert opened is not None
        try:
            host = opened.again(self._stream.engine)
            host.start()
        except Missing:
            self._problem = ""
            return False
        except OtherRate as error:
            self._problem = f"{error}"
            self.moved = not opened.fixed_rate
            return self.moved
        except DeviceError as error:
            self._problem = str(error)
            return False
        if not self._stream.revive(host):
            host.close()
        return True

    def close(self) -> None:
        """Stop waiting."""
        self._over.set()
        if self._worker:
            self._worker.join(0.2)


class Arrival:
    """Watches for the first real device while a stream plays on the null device because there was none.

    Attributes
    ----------
    moved : bool
        A device has appeared, so the stream must be opened anew.
    """

    def __init__(self) -> None:
        self.moved = False
        self._over = threading.Event()
        self._worker = threading.Thread(target=self._look, name="rtfx arrival", daemon=True)
        self._worker.start()

    def waits(self, say: Callable[[str], None]) -> bool:
        """Announce a device that has appeared; return False, as the null device plays meanwhile."""
        if self.moved:
            say("a sound device is there now: moving to it")
        return False

    def _look(self) -> None:
        """Wait until there is a device or the stream is closed. [own thread]"""
        for _ in attempts(self._over):
            with contextlib.suppress(DeviceError):
                if not choose().is_null:
                    self.moved = True
                    return

    def close(self) -> None:
        """Stop watching."""
        self._over.set()
        self._worker.join(0.2)


@dataclass(frozen=True)
class Carried:
    """The player's settings in a stream, and its counts, for the stream that replaces it."""

    preset: int
    values: dict[str, dict[str, Value]]  # by preset, then by address
    mute: bool
    bypass: bool
    tuner: tuple[bool, Target, bool | None]
    in_channel: int
    in_gain_db: float
    out_gain_db: float
    seconds: float
    reconnects: int

    @classmethod
    def of(cls, stream: Stream) -> Carried:
        """Return the present state of a stream."""
        return cls(
            stream.preset,
            {preset.name: preset.values for preset in stream.controller.presets},
            stream.mute,
            stream.bypass,
            stream.tuner.state,
            stream.in_channel,
            stream.in_gain_db,
            stream.out_gain_db,
            stream.stats.frames / stream.stats.sample_rate,
            stream.reconnects,
        )

    def into(self, stream: Stream) -> None:
        """Set a stream of the same rig to this state; a preset whose file has changed keeps the file's values."""
        presets = stream.controller.presets
        for preset in presets:
            values = self.values.get(preset.name, {})
            if values.keys() == preset.knobs.keys():
                for address, knob in preset.knobs.items():
                    knob.values[knob.parameter.name] = values[address]
        with contextlib.suppress(PresetError):  # a file has disappeared: another preset plays
            stream.select(min(self.preset, len(presets) - 1))
        stream.mute, stream.bypass = self.mute, self.bypass
        stream.tuner.state = self.tuner
        stream.in_channel = self.in_channel
        stream.in_gain_db, stream.out_gain_db = self.in_gain_db, self.out_gain_db
        stream.reconnects = self.reconnects + 1
