"""What the player sees: a live view of three lines in a terminal, or plain lines at changes without one."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from .session import ChannelHint

if TYPE_CHECKING:
    from .stats import Meters
    from .stream import Stream

MESSAGE_SECONDS = 4.0
METER_FLOOR_DBFS, METER_WIDTH = -60.0, 24
YELLOW_DBFS, RED_DBFS = -3.0, 0.0


class PlainView:
    """One line on standard error at each change: preset, mute, bypass, clips, xruns, faults, a signal elsewhere.

    Counts that go on rising are told at most once a second.
    """

    def __init__(self, stream: Stream, out: TextIO | None = None, clock=time.monotonic):
        self._stream, self._out, self._clock = stream, out or sys.stderr, clock
        self._hint = ChannelHint()
        self._told = self._state("", stream.meters())
        self._next = 0.0
        self.say(f"preset {stream.preset + 1}: {stream.presets[stream.preset]}" if stream.presets else "playing")
        if stream.mute:
            self.say("muted")

    def update(self, meters: Meters) -> None:
        now = self._clock()
        hint = self._hint.update(meters.inputs, self._stream.in_channel, now)
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
            "xruns": meters.xruns,
            "blocks of a model muted (not finite)": stream.stats.non_finite_blocks,
            "hint": hint,
        }

    def say(self, text: str) -> None:
        print(f"rtfx: {text}", file=self._out, flush=True)

    def close(self) -> None:
        pass


def _worded(value: str | int, what: str) -> str:
    """Return a message as it is, a number with what is counted: its first word is in the plural."""
    if isinstance(value, str):
        return value
    things, space, rest = what.partition(" ")
    return f"{value} {things if value != 1 else things.removesuffix('s')}{space}{rest}"


class LiveView:
    """Three lines, 80 columns wide: state, meters, and the last message, a hint or the keys."""

    def __init__(self, stream: Stream, console: Any = None, clock=time.monotonic):
        from rich.console import Console
        from rich.live import Live

        self._stream, self._clock = stream, clock
        self._hint = ChannelHint()
        self._message, self._message_ends = "", 0.0
        console = console or Console(stderr=True)
        self._live: Any = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._live.start()

    def update(self, meters: Meters) -> None:
        from rich.text import Text

        now = self._clock()
        hint = self._hint.update(meters.inputs, self._stream.in_channel, now)
        text = self._state_line(meters)
        text.append("\n")
        text.append(self._meter_line(meters))
        below = self._message if now < self._message_ends else hint or "? shows the keys"
        text.append(Text("\n" + below, style="bold yellow" if below is hint else "dim"))
        self._live.update(text, refresh=True)

    def _state_line(self, meters: Meters) -> Any:
        from rich.text import Text

        stream = self._stream
        stats = stream.stats
        text = Text(no_wrap=True, overflow="ellipsis")
        if stream.presets:
            text.append(f"{stream.preset + 1}/{len(stream.presets)} {stream.presets[stream.preset]}", "bold")
        for flag, word in ((stream.mute, "MUTED"), (stream.bypass, "BYPASS")):
            if flag:
                text.append(f" {word}", "bold reverse")
        text.append(f"  load {100 * meters.load:.0f} % max {100 * meters.load_max:.0f} %")
        text.append(f"  xruns {meters.xruns}", "bold red" if meters.xruns else "")
        text.append(f"  {stats.latency_ms:.1f} ms")
        if stats.non_finite_blocks:
            text.append(f"  faults {stats.non_finite_blocks}", "bold red")
        return text

    def _meter_line(self, meters: Meters) -> Any:
        from rich.text import Text

        channel = self._stream.in_channel
        level = meters.inputs[channel - 1] if 0 < channel <= len(meters.inputs) else METER_FLOOR_DBFS
        text = Text(f"in {channel} ")
        text.append(meter(level, meters.clip_in))
        text.append("   out ")
        text.append(meter(meters.output, meters.clip_out))
        return text

    def say(self, text: str) -> None:
        self._message, self._message_ends = text, self._clock() + MESSAGE_SECONDS

    def close(self) -> None:
        self._live.stop()


def meter(level_dbfs: float, clipped: bool) -> Any:
    """Return a level as a bar and a number: yellow from -3 dBFS, red from 0 dBFS and while a clip is latched."""
    from rich.text import Text

    share = min(max(1.0 - level_dbfs / METER_FLOOR_DBFS, 0.0), 1.0)
    full = round(share * METER_WIDTH)
    style = "green" if level_dbfs < YELLOW_DBFS else "yellow" if level_dbfs < RED_DBFS else "red"
    text = Text("━" * full, style)
    text.append("─" * (METER_WIDTH - full), "dim")
    number = f"{level_dbfs:6.1f}" if level_dbfs > METER_FLOOR_DBFS else "   -oo"
    text.append(number, "bold white on red" if clipped else style)
    return text
