"""The device that was lost, found again by its name and opened again, for the engine that still waits for it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..engine.engine import Engine
from ..errors import DeviceError
from ..plan.layout import MAX_CHANNELS
from ..rig.parameters import channels_text
from . import route
from .choose import Choice
from .device import Device, Missing
from .devices import devices, runs_at
from .hosts import DeviceHost, open_host
from .jack_devices import JACK, jack_devices
from .restart_portaudio import OPEN, renew
from .servers import running

ALSA_CARD = re.compile(r"\s*\(hw:[^)]*\)")  # the number changes with the socket that it is plugged into


class OtherRate(DeviceError):
    """The device is there, at a sample rate that the engine was not made for."""

    def __init__(self, message: str, sample_rate: float):
        super().__init__(message)
        self.sample_rate = sample_rate


@dataclass(frozen=True)
class Opened:
    """How a stream was opened: devices, what was asked of them, whether the user named the rate, the client's name."""

    choice: Choice
    block: int
    latency: str | float | None
    fixed_rate: bool
    name: str
    out_channels: tuple[int, ...] = ()

    def again(self, engine: Engine) -> DeviceHost:
        """Return a host on the same devices as they are now, not yet started.

        Raises
        ------
        Missing, OtherRate, DeviceError
        """
        if self.choice.output is not None and self.choice.output.host_api != JACK:
            renew()
        choice = choose_again(self.choice)
        rate = float(engine.record["sample_rate"])
        target = choice.output
        assert target is not None
        if not runs_at(target, rate):
            raise OtherRate(f"{target.name} runs at {target.sample_rate:g} Hz now, not at {rate:g}", target.sample_rate)
        engine.prepare_for(*channels(choice, int(engine.record["outputs"]), self.out_channels))
        return open_host(engine, choice, self.block, rate, self.latency, self.name)


def channels(choice: Choice, outputs: int, chosen: tuple[int, ...] = ()) -> tuple[int, int]:
    """Return how many channels of the devices are opened for a rig of so many outputs: (inputs, outputs).

    Parameters
    ----------
    chosen : tuple of int
        The channels, from 1, that the user wants to hear it on; () for the first ones.

    Raises
    ------
    DeviceError
        A chosen channel that the device does not have.
    """
    source, target = choice.input, choice.output
    wanted = max(chosen, default=max(2, outputs))
    if target and chosen and wanted > target.output_channels:
        raise DeviceError(
            f"out-channels is {channels_text(chosen)}, but {target.name} has {target.output_channels} output channels: "
            f"name those from 1 to {target.output_channels}"
        )
    return (
        min(source.input_channels, MAX_CHANNELS) if source else 0,
        min(wanted, target.output_channels) if target else max(wanted if chosen else 0, outputs),
    )


def choose_again(before: Choice) -> Choice:
    """Return the devices of the same names and host APIs, or raise `Missing`."""
    behind_jack = before.output is not None and before.output.host_api == JACK
    known = jack_devices() if behind_jack else devices()
    return replace(
        before, input=_same(before.input, "input", known), output=_same(before.output, "output", known), notes=()
    )


def _same(device: Device | None, side: str, known: list[Device]) -> Device | None:
    if device is None:
        return None
    usable = [d for d in known if d.host_api == device.host_api and getattr(d, f"{side}_channels")]
    exact = [d for d in usable if d.key == device.key]
    alike = [d for d in usable if ALSA_CARD.sub("", d.name) == ALSA_CARD.sub("", device.name)]
    if not exact and len(alike) != 1:
        raise Missing(f"no {side} device is called {device.label!r}")
    return (exact or alike)[0]


def look_anew() -> None:
    """Have PortAudio, if it has begun, see the devices that there are now; not while one of its streams is open."""
    if route.begun() and not OPEN:
        with contextlib.suppress(DeviceError):
            renew()


def presence() -> tuple:
    """Return what changes when a server starts or a card is plugged in, where that can be seen cheaply."""
    cards = Path("/proc/asound/cards")
    return running(), cards.read_text(errors="replace") if cards.exists() else ""
