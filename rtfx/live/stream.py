"""A running rig: engine, host, recorder and controller together, from the first block to the last fade."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engine.engine import Engine
from ..errors import UsageError
from ..host.hosts import DeviceHost, Host, Opened
from ..host.realtime import Granted, ask, lock_memory, unlock_memory
from ..host.recorder import Recorder
from ..loading.preset import Knob, Value
from ..notebook.audio import Audio, played
from ..notebook.html import stats_table
from ..rig.parameters import Parameter, channels_of
from ..rig.set_list import Preset, SetList
from .commands import COMMANDS, Command, do
from .controller import Controller
from .knobs import History, Selection
from .reload import Watcher
from .reseed import Reseeder
from .settings import within
from .shutdown import Ending, closed, let_go
from .stats import Cleared, Meters, Stats, read_meters
from .takes import Takes

POLL_SECONDS = 0.005


class Stream:
    """What `Rig.play` returns: already running; `close`, leaving the ``with`` block or deletion ends the audio.

    All methods may be called from any thread but the audio thread.

    Parameters
    ----------
    frames : int or None
        The stream ends after this many frames.

    Attributes
    ----------
    set_list, cab : SetList, str or None
        What is played, as `open_stream` got it.
    unheard : bool
        No device was found: it plays on the null device, without sound.
    """

    def __init__(
        self,
        engine: Engine,
        controller: Controller,
        host: Host,
        recorder: Recorder | None,
        takes: Takes,
        frames: int | None,
        latency_frames: int,
        notes: tuple[str, ...],
    ):
        self.engine, self.controller, self.host, self.recorder = engine, controller, host, recorder
        self.takes, self.notes = takes, notes
        self._frames, self._latency_frames = frames, latency_frames
        self._cleared = Cleared.of(engine)
        self.selection = Selection()
        self.set_list = SetList(Path("rig"))
        self.cab: str | None = None
        self.unheard = False
        self.reloads: deque[str] = deque()
        self.reseeder: Reseeder | None = None
        self._companions: list[Watcher] = []
        self._closed = False
        self._lock = threading.Lock()
        self._granted = Granted(False, "not asked yet")
        self.opened: Opened | None = None  # how, where it can be opened again
        self.reconnects = 0
        self._hosts = [host]
        self._ending = Ending(engine, controller, self._hosts, recorder, takes, self._companions)
        weakref.finalize(self, let_go, self._ending).atexit = False  # then all that are open are ended, in any case
        try:
            self._start()
        except BaseException:
            self._ending()
            raise

    def _start(self) -> None:
        """Start every part, the device last but one."""
        engine, controller = self.engine, self.controller
        engine.on_free = lambda rig: unlock_memory(rig.address, rig.memory.size)
        lock_memory(engine.address, engine.memory.size)
        lock_memory(controller.playing.address, controller.playing.memory.size)
        if self.recorder:
            self.recorder.start()
        self.takes.start()
        self.host.start()
        self._ask_for_realtime()
        controller.start()

    def _ask_for_realtime(self) -> None:
        deadline = time.monotonic() + 0.5
        while not self.engine.record["thread"] and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if self.engine.record["thread"]:
            self._granted = ask(int(self.engine.record["thread"]))

    @property
    def realtime_advice(self) -> str:
        """One line on how to get real-time priority, empty if it was granted."""
        return self._granted.advice

    def __reduce_ex__(self, protocol: object) -> Any:
        raise UsageError("a stream is a device that plays: it cannot be copied or pickled; copy its Rig, and play that")

    def __enter__(self) -> Stream:
        self._ending.certain = True
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def mute(self) -> bool:
        """Silent output, faded."""
        return not self.engine.record["open"]["target"]

    @mute.setter
    def mute(self, on: bool) -> None:
        self.engine.glide("open", 0.0 if on else 1.0)

    @property
    def bypass(self) -> bool:
        """The dry input in place of the rig, faded."""
        return not self.engine.record["wet"]["target"]

    @bypass.setter
    def bypass(self, on: bool) -> None:
        self.engine.glide("wet", 0.0 if on else 1.0)

    @property
    def in_channel(self) -> int:
        """Device channel that feeds the rig, from 1; the first one where several channels do."""
        return int(self.engine.record["in_channel"]) + 1

    @in_channel.setter
    def in_channel(self, channel: int) -> None:
        named = channels_of(channel)
        if named is None or len(named) > 1:
            raise UsageError(f"in_channel is {channel!r}, expected a channel from 1 to {self.in_channel_choices}")
        if self.in_channel_choices > 1:
            self.engine.record["in_channel"] = min(named[0], self.in_channel_choices) - 1

    @property
    def in_channel_choices(self) -> int:
        """How many values `in_channel` may take; 1 where all channels, or two that were chosen, feed the rig."""
        return self.input_channels if len(self.heard) == 1 else 1

    @property
    def heard(self) -> range:
        """The input's channels, from 0, that feed the rig: those named, else one of a device or all of a file."""
        first, step = int(self.engine.record["in_channel"]), int(self.engine.record["in_step"])
        return range(first, first + step * int(self.engine.record["inputs"]), step)

    @property
    def input_channels(self) -> int:
        """Channels of the device, or of the file that plays in its place."""
        record = self.engine.record
        return int(record["source_channels"] if record["source"] else record["device_inputs"])

    @property
    def in_gain_db(self) -> float:
        """Input gain, -120 to 120 dB; it glides."""
        return float(self.gains["in_gain_db"].value)

    @in_gain_db.setter
    def in_gain_db(self, db: float) -> None:
        self.controller.set_gain("in_gain_db", within("in_gain_db", db))

    @property
    def out_gain_db(self) -> float:
        """Output gain, -120 to 120 dB; it glides."""
        return float(self.gains["out_gain_db"].value)

    @out_gain_db.setter
    def out_gain_db(self, db: float) -> None:
        self.controller.set_gain("out_gain_db", within("out_gain_db", db))

    def set(self, address: str, value: float | str) -> None:
        """Turn a parameter of the current preset; it glides there in 20 ms.

        A new plan for a structural one is built while the audio runs, and crossfaded in; a value for which no plan can
        be built is taken back, and `news` says why.

        Parameters
        ----------
        address : str
            ``block.name``, or a bare name that one block alone has.
        value : float or str
            In native units, within the parameter's range; one of its choices if it has some.

        Raises
        ------
        UsageError
            Unknown, ambiguous or out of range: names what is allowed. Nothing has been turned.
        ResourceLimit
            A random net that would be too costly.
        """
        self.controller.set(address, value)

    def get(self, address: str) -> float:
        """Return a parameter's value as it was set last, a word where it has choices; UsageError as in `set`."""
        value: float = self.controller.find(address).value
        return value

    def find(self, address: str) -> Knob:
        """Return the knob of an address, or of a bare name that one block alone has; UsageError as in `set`."""
        return self.controller.find(address)

    @property
    def knobs(self) -> Mapping[str, Knob]:
        """The gains around every chain, then every parameter of the current preset, by address."""
        return self.controller.knobs

    @property
    def gains(self) -> Mapping[str, Knob]:
        """The two gains around every chain, by address."""
        return self.controller.gains

    @property
    def parameters(self) -> list[tuple[str, Parameter, float]]:
        """(address, Parameter, value) of every parameter of the current preset."""
        return [(address, knob.parameter, knob.value) for address, knob in self.controller.preset.knobs.items()]

    @property
    def presets(self) -> list[str]:
        """Names of all presets, in order."""
        return [preset.name for preset in self.controller.presets]

    @property
    def unplayable(self) -> dict[int, str]:
        """Why presets cannot play, by their index from 0: a file is missing or bad. `select` refuses them."""
        return {index: preset.fault for index, preset in enumerate(self.controller.presets) if preset.fault}

    @property
    def preset(self) -> int:
        """Index of the current preset, from 0."""
        return self.controller.index

    @property
    def source(self) -> Preset | None:
        """What the set list says of the current preset; None if that is not known."""
        return self.controller.preset.source

    def select(self, index: int) -> None:
        """Crossfade to a preset by its index from 0; UsageError if there is none, PresetError if it cannot play."""
        self.controller.select(index)

    def set_many(self, values: Mapping[str, Value], remember: bool = True) -> None:
        """Turn several parameters at once, or none if one value is wrong; `remember` lets `history` undo it."""
        self.controller.set_many(values, remember)

    @property
    def history(self) -> History:
        """What was turned, to be undone."""
        return self.controller.history

    @property
    def scenes(self) -> Mapping[str, Mapping[str, Value]]:
        """Scenes of the current preset: name to values by address."""
        return self.controller.preset.scenes

    def add_scene(self, name: str, values: Mapping[str, Value]) -> None:
        """Add a scene to the current preset, as long as this stream lasts."""
        preset = self.controller.preset
        preset.scenes = {**preset.scenes, name: dict(values)}

    def scene(self, name: str) -> None:
        """Set all values of a scene."""
        self.controller.scene(name)

    def meters(self) -> Meters:
        """Return the meters."""
        return read_meters(self.engine, self.input_channels, self._cleared)

    def clear_clips(self) -> None:
        """Release the clip latches and let held peaks, worst load and xruns of the meters start again."""
        self.engine.record["clear_held"] += 1
        self._cleared = Cleared.of(self.engine)

    @property
    def stats(self) -> Stats:
        """Return everything that is counted; still readable after `close`."""
        parts = (self.recorder, self._latency_frames, self._granted, self.reconnects)
        return Stats.of(self.engine, self.host, self.controller.preset.name, *parts)

    @property
    def audio(self) -> Audio:
        """What has been played, the last minute at most, as the rig's own channels: a notebook shows a player."""
        return played(self.engine, self._frames)

    def _repr_html_(self) -> str:
        return stats_table(self.stats) + ("" if self.active else self.audio._repr_html_())

    def __repr__(self) -> str:
        stats = self.stats
        state = "playing" if self.active else "not playing"
        return f"<rtfx.Stream on {stats.device}, {state}: {stats.preset}, {stats.frames / stats.sample_rate:.1f} s>"

    def do(self, line: str) -> str:
        """Run a command, such as ``preset next``, and return a line to show; `commands` lists them.

        Raises
        ------
        UsageError
            No such command, or arguments that it does not take: names those that it does.
        RtfxError
            It cannot be done now; nothing has changed.
        """
        return do(self, line)

    @property
    def commands(self) -> Mapping[str, Command]:
        """What `do` understands: name to arguments and help."""
        return COMMANDS

    def news(self) -> list[str]:
        """Return what the player should know, each line once."""
        if self.recorder:
            self.recorder.look()
        told = [self.controller.news, self.reloads, self.takes.news, *([self.recorder.news] if self.recorder else [])]
        return [lines.popleft() for lines in told for _ in range(len(lines))]

    def accompany(self, companion: Watcher) -> None:
        """Start something that ends with the stream."""
        companion.start()
        self._companions.append(companion)

    @property
    def active(self) -> bool:
        """False once the stream has ended, by itself or by `close`, and while its device is lost."""
        return not self._closed and not self._complete and self.host.active

    @property
    def _complete(self) -> bool:
        return self._frames is not None and self.engine.clock >= self._frames

    def trouble(self) -> str:
        """Return why the device gives no sound, "" if it does or the stream has ended."""
        return "" if self._closed or self._complete else self.host.trouble()

    def revive(self, host: DeviceHost) -> bool:
        """Go on on another host, already started; False if the stream has been closed meanwhile."""
        with self._lock:
            if self._closed:
                return False
            self.host = self._hosts[0] = host
            self.reconnects += 1
        self._ask_for_realtime()
        return True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the stream ends by itself or `seconds` have passed; return whether it has ended."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.active:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS if deadline is None else min(POLL_SECONDS, max(deadline - time.monotonic(), 0.0)))
        return True

    def close(self) -> None:
        """Fade out, stop the device, finish the recording. A second call waits until the first is done."""
        with self._lock:
            self._closed = True  # no other host is taken any more
        try:
            self._ending()
        finally:
            closed(self)
