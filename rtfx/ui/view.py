"""Shows a stream: as a live page in a terminal, or without one as a plain line at each change."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from ..errors import harmless, one_line

if TYPE_CHECKING:
    from ..live.stats import Meters, Stats
    from ..live.stream import Stream
    from ..live.tuner import Reading
    from .page import ViewState
    from .terminal import Painter, Screen, Stray

FALL_DB_PER_SECOND = 24.0  # how fast the bars fall: slow enough to read
LOAD_FRAMES = 11  # the load shown is that of the last second
LOG_LENGTH = 20
SILENT_DBFS = -70.0  # an input below this carries no guitar
HINT_SECONDS = 2.0  # a pause between two notes is not silence


class PlainView:
    """One line on standard error at each change: preset, mute, bypass, clips, block, xruns, faults, a signal elsewhere.

    Counts that keep rising are printed at most once a second.
    """

    def __init__(self, stream: Stream, out: TextIO | None = None, clock=time.monotonic):
        self._stream, self._out, self._clock = stream, out or sys.stderr, clock
        self.help = False  # lines have no page
        self._hint = ChannelHint()
        self._told = self._state("", stream.meters())
        self._next = 0.0
        self.say(f"preset {stream.preset + 1}: {stream.presets[stream.preset]}" if stream.presets else "playing")
        if stream.mute:
            self.say("muted")

    def update(self, meters: Meters) -> None:
        now = self._clock()
        hint = self._hint.update(meters.inputs, self._stream.heard, now)
        state = self._state(hint, meters)
        changed = [key for key, value in state.items() if value != self._told[key]]
        if all(isinstance(state[key], int) for key in changed) and now < self._next:
            return
        for key in changed:
            if state[key]:
                self.say(_worded(state[key], key))
        if changed:
            self._told, self._next = state, now + 1.0

    def _state(self, hint: str, meters: Meters) -> dict[str, str | int]:
        stream = self._stream
        return {
            "preset": f"preset {stream.preset + 1}: {stream.presets[stream.preset]}" if stream.presets else "",
            "mute": "muted" if stream.mute else "mute off",
            "bypass": "bypass on: the dry guitar" if stream.bypass else "bypass off",
            "clip_in": "input clipped: turn the interface's gain down" if meters.clip_in else "",
            "clip_out": "output reached 0 dBFS: the limiter is at work" if meters.clip_out else "",
            "block": f"a block has {stream.stats.block_frames} frames now" if stream.stats.block_frames else "",
            "tuner": _rounded(stream.tuner.reading()) if stream.tuner.on else "",
            "xruns": meters.xruns,
            "blocks of a model muted (not finite)": stream.stats.non_finite_blocks,
            "hint": hint,
        }

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal was closed: keep playing
            print(f"rtfx: {one_line(harmless(text))}", file=self._out, flush=True)


def _rounded(reading: Reading | None) -> str:
    """Return a reading in whole cents, so that a note that rings is one line or a few."""
    return f"{reading.note} {reading.cents:+.0f} cents" if reading else ""


def _worded(value: str | int, what: str) -> str:
    """Return a message unchanged, or a number followed by the thing counted; `what` begins with a plural."""
    if isinstance(value, str):
        return value
    things, space, rest = what.partition(" ")
    return f"{value} {things if value != 1 else things.removesuffix('s')}{space}{rest}"


class LiveView:
    """A page of the terminal that shows the state of the stream.

    Parameters
    ----------
    screen : Screen
        Already entered.
    stray : Stray, optional
        Its caught lines are shown as messages.

    Attributes
    ----------
    help : bool
        Whether the page shows what the keys do, instead of the stream.
    """

    def __init__(
        self,
        stream: Stream,
        screen: Screen,
        painter: Painter,
        stray: Stray | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._stream, self._screen, self._painter, self._stray, self._clock = stream, screen, painter, stray, clock
        self.help = False
        self._hint = ChannelHint()
        self._log: deque[tuple[str, float]] = deque(maxlen=LOG_LENGTH)
        self._levels: tuple[list[float], list[float]] = ([], [])
        self._drawn = -1.0
        self._xruns, self._last_xrun = 0, ""
        self._loads: deque[tuple[float, float]] = deque([(0.0, 0.0)], maxlen=LOAD_FRAMES)
        for note in stream.notes:
            self.say(note)

    def update(self, meters: Meters) -> None:
        now = self._clock()
        hint = self._hint.update(meters.inputs, self._stream.heard, now)
        self._levels = (louder(self._levels[0], meters.inputs), louder(self._levels[1], meters.outputs))
        if meters.xruns > self._xruns:
            self._last_xrun = time.strftime("%H:%M:%S")
        self._xruns = meters.xruns
        for line in self._stray.lines() if self._stray else ():
            self.say(line.removeprefix("rtfx: "))
        self._draw(meters, hint, now)
        fall = FALL_DB_PER_SECOND * (min(now - self._drawn, 1.0) if self._drawn >= 0.0 else 0.0)
        inputs, outputs = self._levels
        self._levels = ([level - fall for level in inputs], [level - fall for level in outputs])
        self._drawn = now

    def _draw(self, meters: Meters, hint: str, now: float) -> None:
        from .page import help_lines, lines

        width, height = self._screen.size
        if self.help:
            page = help_lines(width, height)
        else:
            page = lines(self._state(meters, hint, now), width, height)
        self._screen.draw(self._painter.paint(page))

    def _state(self, meters: Meters, hint: str, now: float) -> ViewState:
        """Return the state of one frame."""
        from .page import ViewState

        stream = self._stream
        stats, every = stream.stats, list(stream.knobs.values())
        name = stream.presets[stream.preset]
        self._loads.append((meters.busy_seconds, meters.offered_seconds))
        busy, offered = (new - old for new, old in zip(self._loads[-1], self._loads[0], strict=True))
        flags = {"MUTED": stream.mute, "BYPASS": stream.bypass, "REC": stream.recorder is not None}
        return ViewState(
            route=route_line(stats),
            presets=stream.presets,
            unplayable=stream.unplayable,
            preset=stream.preset,
            heard=stream.heard,
            inputs=self._levels[0],
            held_in=meters.held_in,
            outputs=self._levels[1],
            held_out=meters.held_out,
            load=busy / offered if offered > 0.0 else meters.load,
            load_max=meters.load_max,
            xruns=meters.xruns,
            last_xrun=self._last_xrun,
            latency_ms=stats.latency_ms,
            realtime=stats.realtime,
            knobs=every,
            chosen=next((knob for knob in every if knob.address == stream.selection.knob), every[0]),
            turned=frozenset(knob.address for knob in every if knob.turned),
            scene=stream.selection.scenes.get(name, ""),
            slot=stream.selection.slots.current(name) if stream.selection.slots.used(name) else "",
            flags=[flag for flag, on in flags.items() if on],
            faults=stats.non_finite_blocks,
            tuner=stream.tuner.target if stream.tuner.on else None,
            reading=stream.tuner.reading() if stream.tuner.on else None,
            hint=hint,
            log=[(text, now - then) for text, then in self._log],
        )

    def say(self, text: str) -> None:
        self._log.append((text, self._clock()))


def louder(shown: list[float], levels: list[float]) -> list[float]:
    """Return the louder of the shown and the new level of each channel."""
    return [max(pair) for pair in zip(shown, levels, strict=True)] if len(shown) == len(levels) else list(levels)


def route_line(stats: Stats) -> str:
    """Return device, rate and block in one line."""
    route = f" ({stats.route})" if stats.route != stats.device else ""
    block = f", {stats.block_frames} frames" if stats.block_frames else ""
    return f"on {stats.device}{route} at {stats.sample_rate:g} Hz{block}"


class ChannelHint:
    """Watches the input meters and names the channel that has the signal when the chosen one is silent."""

    def __init__(self, seconds: float = HINT_SECONDS):
        self._seconds = seconds
        self._seen: deque[tuple[float, list[float]]] = deque()

    def update(self, levels: list[float], heard: range, now: float) -> str:
        """Return ``signal on input 2: press c`` or "".

        Parameters
        ----------
        levels : list of float
            Peak of each device channel in dBFS.
        heard : range
            Channels, from 0, that feed the rig.
        now : float
            Seconds.
        """
        self._seen.append((now, list(levels)))
        full = now - self._seen[0][0] >= self._seconds
        while now - self._seen[0][0] > self._seconds:
            self._seen.popleft()
        if not full or max(heard) >= len(levels):
            return ""
        peaks = [max(column) for column in zip(*(seen for _, seen in self._seen), strict=False)]
        others = [(peak, -channel) for channel, peak in enumerate(peaks) if channel not in heard]
        if max(peaks[channel] for channel in heard) >= SILENT_DBFS or not others or max(others)[0] < SILENT_DBFS:
            return ""
        return f"signal on input {1 - max(others)[1]}: press c"
