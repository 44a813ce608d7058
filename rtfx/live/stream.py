"""A running rig: engine, host, recorder and controller together, from the first block to the final fade-out."""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ..engine.engine import Engine
from ..errors import UsageError
from ..host.hosts import DeviceHost, Host, Opened
from ..host.realtime import Granted, ask, lock_memory, unlock_memory
from ..host.recorder import Recorder
from ..loading.preset import Knob, Value
from ..notebook.audio import Audio, played
from ..notebook.html import stats_table
from ..rig.parameters import Parameter, channels_of
from ..rig.presets import Preset, SetList
from .captures import Captures
from .commands import COMMANDS, Command, do
from .controller import Controller
from .feed import Feed, State, Unsubscribe, snapshot
from .knobs import History, Selection
from .reseed import Reseeder
from .settings import within
from .shutdown import Companion, Ending, closed, let_go
from .stats import Cleared, Meters, Stats, read_meters
from .takes import Takes
from .tuner import Tuner

POLL_SECONDS = 0.005
KEPT_LINES = 1000  # of `news` that nobody asks for


class Learner(Protocol):
    """MIDI inputs, as the commands ``learn`` and ``forget`` and the feed use them."""

    def learn(self, target: str) -> str: ...

    def forget(self, target: str) -> str: ...

    def state(self) -> State: ...


class Stream:
    """A rig that plays live, as `Rig.play` returns it; `close`, the end of its ``with`` block or deletion ends it.

    "[any thread]" below means any Python thread: the audio thread runs no Python. `set`, `select` and similar methods
    check their arguments and post the change; the stream's control thread then applies it.

    Parameters
    ----------
    frames : int or None
        The stream ends after this many frames.

    Attributes
    ----------
    set_list, cab : SetList, str or None
        The set list that plays, and the cabinet that was given in place of its own.
    tuner : Tuner
        `Tuner.reading` tells which note a string in the input plays, and how far off it is.
    unheard : bool
        True if no device was found, so that the stream plays on the null device, without sound.
    message : tuple of int and str
        How many lines there were for the player, and the last of them.
    midi : Learner or None
        The MIDI inputs, if some are open.
    turns : lock
        Held by the command that runs, as commands come from several threads.
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
        self.tuner = Tuner(engine)
        self._frames, self._latency_frames = frames, latency_frames
        self._cleared = Cleared.of(engine)
        self.selection = Selection()
        self.set_list = SetList(Path("rig"))
        self.cab: str | None = None
        self.unheard = False
        self.reloads: deque[str] = deque()
        self.reseeder: Reseeder | None = None
        self.midi: Learner | None = None
        self.captures: Captures | None = None
        self._companions: list[Companion] = []
        self._untold: deque[str] = deque(maxlen=KEPT_LINES)
        self._gathering = threading.Lock()
        self.turns = threading.RLock()
        self.message = (0, "")
        self.feed = Feed(self)
        controller.changed = self.feed.touch
        self._closed = False
        self._lock = threading.Lock()
        self._granted = Granted(False, "not asked yet")
        self.opened: Opened | None = None  # how the device was opened, if it can be opened again
        self.reconnects = 0
        self._hosts = [host]
        self._ending = Ending(engine, controller, self._hosts, recorder, takes, self._companions, self.feed)
        weakref.finalize(self, let_go, self._ending).atexit = False  # at exit `shutdown` ends every open stream
        try:
            self._start()
        except BaseException:
            self._ending()
            raise

    def _start(self) -> None:
        """Start every part: recorder and takes before the device, the control thread after it."""
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
        """One line that says how to get real-time priority; "" if it was granted."""
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
        """Whether the output is silent; changes are faded."""
        return not self.engine.record["open"]["target"]

    @mute.setter
    def mute(self, on: bool) -> None:
        self.engine.glide("open", 0.0 if on else 1.0)
        self.feed.touch()

    @property
    def bypass(self) -> bool:
        """Whether the dry input plays in place of the rig; changes are faded."""
        return not self.engine.record["wet"]["target"]

    @bypass.setter
    def bypass(self, on: bool) -> None:
        self.engine.glide("wet", 0.0 if on else 1.0)
        self.feed.touch()

    @property
    def in_channel(self) -> int:
        """The device channel that feeds the rig, from 1; if several channels do, the first of them."""
        return int(self.engine.record["in_channel"]) + 1

    @in_channel.setter
    def in_channel(self, channel: int) -> None:
        named = channels_of(channel)
        if named is None or len(named) > 1:
            raise UsageError(f"in_channel is {channel!r}, expected a channel from 1 to {self.in_channel_choices}")
        if self.in_channel_choices > 1:
            self.engine.record["in_channel"] = min(named[0], self.in_channel_choices) - 1
            self.feed.touch()

    @property
    def in_channel_choices(self) -> int:
        """Number of values that `in_channel` may take; 1 if all channels, or two chosen ones, feed the rig."""
        return self.input_channels if len(self.heard) == 1 else 1

    @property
    def heard(self) -> range:
        """The input channels, from 0, that feed the rig: the chosen ones, else one of a device or all of a file."""
        first, step = int(self.engine.record["in_channel"]), int(self.engine.record["in_step"])
        return range(first, first + step * int(self.engine.record["inputs"]), step)

    @property
    def input_channels(self) -> int:
        """Number of channels of the device, or of the file that plays in its place."""
        record = self.engine.record
        return int(record["source_channels"] if record["source"] else record["device_inputs"])

    @property
    def in_gain_db(self) -> float:
        """Input gain, -120 to 120 dB; a change is smoothed."""
        return float(self.gains["in_gain_db"].value)

    @in_gain_db.setter
    def in_gain_db(self, db: float) -> None:
        self.controller.set_gain("in_gain_db", within("in_gain_db", db))

    @property
    def out_gain_db(self) -> float:
        """Output gain, -120 to 120 dB; a change is smoothed."""
        return float(self.gains["out_gain_db"].value)

    @out_gain_db.setter
    def out_gain_db(self, db: float) -> None:
        self.controller.set_gain("out_gain_db", within("out_gain_db", db))

    def set(self, address: str, value: float | str) -> None:
        """Set a parameter of the current preset; the sound follows in a ramp of 20 ms. [any thread]

        A structural parameter needs a new plan, which is built while the audio runs and then crossfaded in. If no plan
        can be built for the value, the old value is restored, and `news` says why.

        Parameters
        ----------
        address : str
            ``block.name``, or a bare name if only one block has a parameter of that name.
        value : float or str
            A number in the parameter's unit and within its range, or one of its choices.

        Raises
        ------
        UsageError
            The address is unknown or ambiguous, or the value is out of range; the message says what is allowed. No
            value has changed.
        ResourceLimit
            The value asks for a random net that is too costly.
        """
        self.controller.set(address, value)

    def get(self, address: str) -> float:
        """Return the value to which a parameter was set last, even if the sound still glides to it. [any thread]

        Parameters
        ----------
        address : str
            As for `set`.

        Returns
        -------
        float or str
            In the parameter's unit; a word if the parameter has choices.

        Raises
        ------
        UsageError
            The address is unknown or ambiguous.
        """
        value: float = self.controller.find(address).value
        return value

    def find(self, address: str) -> Knob:
        """Return the knob of a parameter. [any thread]

        Parameters
        ----------
        address : str
            As for `set`.

        Returns
        -------
        Knob
            Its address, range, present value and the value in the set list.

        Raises
        ------
        UsageError
            The address is unknown or ambiguous.
        """
        return self.controller.find(address)

    @property
    def knobs(self) -> Mapping[str, Knob]:
        """By address, the input and output gain, then every parameter of the current preset."""
        return self.controller.knobs

    @property
    def gains(self) -> Mapping[str, Knob]:
        """The input and output gain, which all presets share, by address."""
        return self.controller.gains

    @property
    def parameters(self) -> list[tuple[str, Parameter, float]]:
        """The address, the Parameter and the value of every parameter of the current preset."""
        return [(address, knob.parameter, knob.value) for address, knob in self.controller.preset.knobs.items()]

    @property
    def presets(self) -> list[str]:
        """Names of all presets, in order."""
        return [preset.name for preset in self.controller.presets]

    @property
    def unplayable(self) -> dict[int, str]:
        """By index from 0, the reason why a preset cannot play, such as a missing file. `select` refuses it."""
        return {index: preset.fault for index, preset in enumerate(self.controller.presets) if preset.fault}

    @property
    def preset(self) -> int:
        """Index of the current preset, from 0."""
        return self.controller.index

    @property
    def source(self) -> Preset | None:
        """The current preset as it is written in the set list; None if that is not known."""
        return self.controller.preset.source

    def select(self, index: int) -> None:
        """Crossfade to a preset; it becomes the current one at once. [any thread]

        Parameters
        ----------
        index : int
            Place of the preset in `presets`, from 0.

        Raises
        ------
        UsageError
            There is no such preset.
        PresetError
            The preset cannot play.
        """
        self.controller.select(index)

    def set_many(self, values: Mapping[str, Value], remember: bool = True) -> None:
        """Set several parameters at once; if one value is wrong, none of them changes. [any thread]

        Parameters
        ----------
        values : mapping of str to float or str
            Value of each parameter by address, as for `set`.
        remember : bool
            Note the change in `history`, so that it can be undone.

        Raises
        ------
        UsageError
            As for `set`.
        """
        self.controller.set_many(values, remember)

    @property
    def history(self) -> History:
        """The changes of parameters, which can be undone."""
        return self.controller.history

    @property
    def scenes(self) -> Mapping[str, Mapping[str, Value]]:
        """Scenes of the current preset: for each name, values by address."""
        return self.controller.preset.scenes

    def add_scene(self, name: str, values: Mapping[str, Value]) -> None:
        """Add a scene to the current preset until the stream ends; the set list's file does not change. [any thread]

        Parameters
        ----------
        name : str
            Name of the scene.
        values : mapping of str to float or str
            Value of each parameter by address.
        """
        preset = self.controller.preset
        preset.scenes = {**preset.scenes, name: dict(values)}
        self.feed.touch()

    def scene(self, name: str) -> None:
        """Set all values of a scene of the current preset. [any thread]

        Parameters
        ----------
        name : str
            Name of the scene.

        Raises
        ------
        UsageError
            The preset has no such scene; the message lists its scenes.
        """
        self.controller.scene(name)

    def meters(self) -> Meters:
        """Return the levels, the load and the xruns that a display shows while the stream plays. [any thread]

        Returns
        -------
        Meters
            The peak of each channel over the last tenth of a second, in dBFS; the load, from 0 to 1; and, since the
            last `clear_clips`, the held peaks, the highest load, the xruns and whether input and output have clipped.
        """
        return read_meters(self.engine, self.input_channels, self._cleared)

    def clear_clips(self) -> None:
        """Clear the clip indicators, the held peaks, the highest load and the xruns of `meters`. [any thread]

        `stats` still counts from the start of the stream.
        """
        self.engine.record["clear_held"] += 1
        self._cleared = Cleared.of(self.engine)
        self.feed.touch()

    @property
    def stats(self) -> Stats:
        """Counts and measurements of the stream since its start; available after `close` too. [any thread]

        Returns
        -------
        Stats
            A frozen dataclass. Its fields are the keys of ``rtfx play --json``, with the same units.
        """
        parts = (self.recorder, self._latency_frames, self._granted, self.reconnects)
        return Stats.of(self.engine, self.host, self.controller.preset.name, *parts)

    @property
    def audio(self) -> Audio:
        """The rig's output over at most the last minute; a notebook shows it as an audio player. [any thread]

        Returns
        -------
        Audio
            Samples as (channels, frames) float32, full scale at 1, and their rate in Hz.
        """
        return played(self.engine, self._frames)

    def _repr_html_(self) -> str:
        return stats_table(self.stats) + ("" if self.active else self.audio._repr_html_())

    def __repr__(self) -> str:
        stats = self.stats
        state = "playing" if self.active else "not playing"
        return f"<rtfx.Stream on {stats.device}, {state}: {stats.preset}, {stats.frames / stats.sample_rate:.1f} s>"

    def do(self, line: str) -> str:
        """Run a command and return a line to show. [any thread]

        Parameters
        ----------
        line : str
            A command and its arguments, such as ``preset next``; `commands` lists them.

        Returns
        -------
        str
            A line of text for the player; "" if there is nothing to say.

        Raises
        ------
        UsageError
            There is no such command, or it does not take these arguments; the message says what is expected.
        RtfxError
            The command cannot be run now; nothing has changed.
        """
        text = do(self, line)
        if text:
            with self._gathering:
                self.message = self.message[0] + 1, text
        self.feed.touch()
        return text

    @property
    def commands(self) -> Mapping[str, Command]:
        """The commands that `do` can run, by name, each with its arguments and its help text."""
        return COMMANDS

    def subscribe(self, callback: Callable[[State], object], meters: bool = False) -> Unsubscribe:
        """Call a function with the state of the stream, and again at each change, whoever makes it. [any thread]

        Parameters
        ----------
        callback : callable
            ``callback(difference)``, on a thread of the stream's own. The first call brings the whole state, as
            `snapshot` returns it. Each later one brings what has changed since: the keys of the snapshot that differ,
            with their new values; if only values of knobs differ, ``values`` (``{address: {value, text, norm}}``) in
            place of ``knobs``. `live.feed.merged` puts both together. Changes that follow each other quickly come
            together, at most 50 times a second. It must return soon, as all subscribers share the thread; if it
            raises an error it is not called again. The last call has ``ended`` true.
        meters : bool
            Also give it ``meters``, ten times a second: ``{in, out, held_in, held_out}``, lists of levels in dBFS, one
            a channel; ``clip_in``, ``clip_out``; ``load`` and ``load_max``, 0 to 1; ``xruns`` since they were cleared.

        Returns
        -------
        callable
            Called without arguments, it ends the subscription.
        """
        return self.feed.subscribe(callback, meters)

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as numbers, text, lists and dicts, presets and knobs among it. [any thread]

        Returns
        -------
        dict
            The keys that `subscribe` tells changes of; `live.feed.snapshot` describes each.
        """
        return snapshot(self)

    def tell(self, text: str) -> None:
        """Add a line for the player to `news`, for a control surface that has no display of its own. [any thread]"""
        with self._gathering:
            self._untold.append(text)
            self.message = self.message[0] + 1, text
        self.feed.touch()

    def gather(self) -> None:
        """Collect the lines that the parts of the stream have for the player."""
        if self.recorder:
            self.recorder.look()
        told = [self.controller.news, self.reloads, self.takes.news, *([self.recorder.news] if self.recorder else [])]
        with self._gathering:
            lines = [lines.popleft() for lines in told for _ in range(len(lines))]
            self._untold.extend(lines)
            if lines:
                self.message = self.message[0] + len(lines), lines[-1]

    def news(self) -> list[str]:
        """Return the new messages for the player, such as a file that was reloaded. [any thread]

        Each message is returned once, to whichever thread asks first: `subscribe` gives messages to several displays.

        Returns
        -------
        list of str
            One line each; empty if there is nothing new.
        """
        self.gather()
        with self._gathering:
            lines = list(self._untold)
            self._untold.clear()
        return lines

    def accompany(self, companion: Companion) -> None:
        """Start a thread beside the stream, such as a watcher of files or a surface; it ends with the stream.

        Parameters
        ----------
        companion : Companion
            Has the methods ``start()`` and ``close()``.
        """
        companion.start()
        self._companions.append(companion)

    @property
    def active(self) -> bool:
        """Whether audio plays: False once the stream has ended, and while its device is lost."""
        return not self.ended and self.host.active

    @property
    def ended(self) -> bool:
        """Whether the stream is over: closed, or played for as long as was asked."""
        return self._closed or self._complete

    @property
    def _complete(self) -> bool:
        return self._frames is not None and self.engine.clock >= self._frames

    def trouble(self) -> str:
        """Return why the device gives no sound; "" if it does or if the stream has ended. [any thread]"""
        return "" if self.ended else self.host.trouble()

    def revive(self, host: DeviceHost) -> bool:
        """Continue on another host, after the device was lost and is back. [any thread]

        Parameters
        ----------
        host : DeviceHost
            A host of the same engine, already started.

        Returns
        -------
        bool
            False if the stream has been closed meanwhile: then the caller must close the host.
        """
        with self._lock:
            if self._closed:
                return False
            self.host = self._hosts[0] = host
            self.reconnects += 1
        self._ask_for_realtime()
        self.feed.touch()
        return True

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the stream ends. [any thread]

        Parameters
        ----------
        seconds : float, optional
            The longest wait; by default there is no limit.

        Returns
        -------
        bool
            Whether the stream has ended.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.active:
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS if deadline is None else min(POLL_SECONDS, max(deadline - time.monotonic(), 0.0)))
        return True

    def close(self) -> None:
        """Fade out, stop the device and finish the recording; a second call waits until the first is done. [any thread]

        Raises
        ------
        Exception
            The first error of a step, such as the end of a recording; all other steps have run.
        """
        with self._lock:
            self._closed = True  # from here on `revive` refuses another host
        self.feed.touch()
        try:
            self._ending()
        finally:
            closed(self)
