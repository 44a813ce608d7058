"""One sound device: its facts, guesses from its name, and whether its stream still plays."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DeviceError

ALSA, JACK = "ALSA", "JACK Audio Connection Kit"  # host APIs by PortAudio's names; PipeWire's devices are behind JACK
CARDS = Path("/proc/asound/cards")  # Linux: one line for each card

STALL_SECONDS, FIRST_BLOCK_SECONDS = 3.0, 10.0  # longest time without a block; Bluetooth starts slowly
UNWATCHED_SECONDS = 0.5  # longer between two checks: the process, and so its audio, was suspended
PLAYING, GONE, MOVED, STALLED = "playing", "gone", "moved", "stalled"  # MOVED: the device has another sample rate now

BUILTIN_INPUT = re.compile(
    r"built-?in|internal mic|macbook.*microphone|imac.*microphone|microphone array|\bdmic\b|digital mic", re.I
)
BUILTIN_OUTPUT = re.compile(
    r"built-?in|internal speaker|macbook.*speaker|imac.*speaker|speakers? \(realtek|\bspeaker\b.*\bsof\b", re.I
)
NOT_SPEAKERS = re.compile(r"head(phone|set)|hdmi|displayport|s/?pdif|iec958|line ?out", re.I)
ONBOARD = re.compile(r"hda[ -]?intel|hda analog|hda generic|\bsof-|snd_soc|acp\d|\bavs_", re.I)
# ALSA and JACK names that do not name a particular card
GENERIC = re.compile(r"^(default|sysdefault|pulse|pipewire|dmix|dsnoop|system|built-in audio.*)\b", re.I)


class Missing(DeviceError):
    """The device is not connected, but may appear later."""


@dataclass(frozen=True)
class Device:
    """One device of one host API; latencies in seconds, `sample_rate` in Hz is its default.

    Parameters
    ----------
    key : str
        A name that stays the same after a restart: PipeWire's node.name, else its name.
    monitor : bool
        Whether it is an input that repeats an output. It would cause feedback, so it is used only if the user names it.
    input_ports, output_ports : tuple of str
        For JACK and PipeWire, the full names of its ports in channel order.
    portaudio : int
        PortAudio's index of the device; -1 for JACK and PipeWire.
    block_frames : int
        The present period of its server, in frames; 0: unknown.
    """

    index: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    sample_rate: float
    input_latency_low: float = 0.0
    input_latency_high: float = 0.0
    output_latency_low: float = 0.0
    output_latency_high: float = 0.0
    default_input: bool = False
    default_output: bool = False
    key: str = ""
    monitor: bool = False
    input_ports: tuple[str, ...] = ()
    output_ports: tuple[str, ...] = ()
    portaudio: int = -1
    block_frames: int = 0

    @property
    def label(self) -> str:
        return f"{self.name}, {self.host_api}"

    def channels(self, side: str) -> int:
        """Return how many channels it has on the "input" or "output" side."""
        return self.input_channels if side == "input" else self.output_channels


def drifts(source: Device, target: Device) -> bool:
    """Return whether two devices have different clocks; all devices behind JACK share the server's clock."""
    if source.index == target.index or source.host_api == JACK:
        return False
    return _card(source) != _card(target)


def _card(device: Device) -> str:
    """Return the part of a device's name that the input and output of one card share."""
    if device.host_api == ALSA:
        hit = re.search(r"\(hw:(\d+|\w+),", device.name)
    else:  # Windows: "Microphone (Scarlett 2i2 USB)"
        hit = re.search(r"\(([^()]+(?:\([^()]*\))?[^()]*)\)", device.name)
    return hit.group(1) if hit else device.name


def cards() -> str:
    """Return Linux's list of sound cards, "" elsewhere."""
    return CARDS.read_text(errors="replace") if CARDS.exists() else ""


def is_builtin(device: Device, side: str, listed: str | None = None) -> bool:
    """Return, guessed from its name, whether a device is a computer's own microphone or loudspeakers.

    A wrong True costs the user a key press; a wrong False causes feedback. So an onboard card counts as microphone and
    loudspeakers unless its name says otherwise.

    Parameters
    ----------
    side : str
        "input": a microphone; "output": loudspeakers.
    listed : str, optional
        The cards to which a generic name may refer; by default `cards()`.
    """
    if side == "output" and NOT_SPEAKERS.search(device.name):
        return False
    if (BUILTIN_INPUT if side == "input" else BUILTIN_OUTPUT).search(device.name):
        return True
    if device.host_api not in (ALSA, JACK):
        return False
    if ONBOARD.search(device.name):
        return True
    if not GENERIC.search(device.name):
        return False
    lines = re.findall(r"^\s*\d+ \[.*$", cards() if listed is None else listed, re.M)
    return bool(lines) and all(ONBOARD.search(line) for line in lines)


class Watch:
    """Detects that the engine's clock has stopped.

    Parameters
    ----------
    clock : callable
        Returns the frames processed so far.
    """

    def __init__(self, clock: Callable[[], int]):
        self._clock, self._first = clock, clock()
        self._seen = (self._first, time.monotonic(), time.monotonic())  # clock, its last change, the last check

    @property
    def stalled(self) -> bool:
        """Return whether the device has requested no block for `STALL_SECONDS`; call this regularly."""
        clock, moved, looked = self._seen
        now, clock_now = time.monotonic(), self._clock()
        if clock_now != clock or now - looked > UNWATCHED_SECONDS:
            moved = now
        self._seen = (clock_now, moved, now)
        return now - moved > (STALL_SECONDS if clock_now > self._first else FIRST_BLOCK_SECONDS)


class DeviceStream:
    """The common part of streams through JACK and through PortAudio. [control thread]

    Parameters
    ----------
    source, target : Device
        The input and output device; `source` is None if there is no input.
    route : str
        The name of the way to the sound card.
    sample_rate : float
        Hz.
    """

    def __init__(self, engine: Any, source: Device | None, target: Device, route: str, sample_rate: float):
        self.engine, self.route, self.sample_rate = engine, route, sample_rate
        self.input_name, self.output_name = source.name if source else "none", target.name
        self.name = target.name if source is None or source.name == target.name else f"{source.name} > {target.name}"
        self._rate_now = sample_rate  # the rate that `state` found last

    @property
    def active(self) -> bool:
        """Whether the device plays: False if it is gone, has another rate, or has requested no block for seconds."""
        return self.state() == PLAYING

    def state(self) -> str:
        """Return the device's state: `PLAYING`, `GONE`, `MOVED` to another sample rate, or `STALLED`."""
        raise NotImplementedError

    def trouble(self) -> str:
        """Return a line that says why there is no sound; "" if there is sound."""
        state = self.state()
        if state == MOVED:
            return f"{self.name}: its sample rate has changed from {self.sample_rate:g} to {self._rate_now:g} Hz"
        if state == STALLED:
            return f"{self.name} has not asked for sound for {STALL_SECONDS:g} s"
        return self._why_gone() if state == GONE else ""

    def _why_gone(self) -> str:
        """Return a line that says why the device is gone."""
        return f"{self.name} has stopped: is it still plugged in?"
