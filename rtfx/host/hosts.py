"""Opens the host for chosen devices: at the start, again after a device was lost, and to measure its block."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ..engine.engine import Engine
from ..errors import DeviceError
from ..kernels.compile_workers import order
from ..plan.arena import MAX_CHANNELS
from ..rig.parameters import channels_text
from .choose import Choice
from .device import JACK, Device, Missing, cards
from .devices import devices, runs_at
from .jack import NAME, running
from .jack_devices import jack_devices
from .jack_host import KERNELS, JackHost
from .null import PACE, NullHost
from .portaudio import renew
from .portaudio_host import PortAudioHost

DeviceHost: TypeAlias = JackHost | PortAudioHost
Host: TypeAlias = NullHost | DeviceHost
ALSA_CARD = re.compile(r"\s*\(hw:[^)]*\)")  # the number depends on the USB socket
PROBE_SECONDS = 1.0
PROBE_BLOCKS = 4  # the first block may be partial


class OtherRate(DeviceError):
    """The device is connected, but at another sample rate than the engine's."""

    def __init__(self, message: str, sample_rate: float):
        super().__init__(message)
        self.sample_rate = sample_rate


@dataclass(frozen=True)
class Opened:
    """The settings with which a stream was opened.

    Parameters
    ----------
    choice : Choice
        The devices.
    block : int
        Frames per block to request; 0: `latency` decides.
    latency : str, float or None
        "low", "high" or seconds.
    fixed_rate : bool
        Whether the user named the sample rate.
    name : str
        Name of the client of JACK or PipeWire.
    out_channels : tuple of int
        Output channels, from 1, that the user chose; (): the first ones.
    """

    choice: Choice
    block: int
    latency: str | float | None
    fixed_rate: bool
    name: str
    out_channels: tuple[int, ...] = ()

    def again(self, engine: Engine) -> DeviceHost:
        """Return a host, not yet started, on the same devices with their present numbers and ports.

        Raises
        ------
        Missing
            There is no device of that name now.
        OtherRate
            The device runs at another sample rate now.
        DeviceError
            The device does not open.
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


def order_kernels(choice: Choice) -> None:
    """Start to compile the kernels of the host for these devices, unless they are on disk."""
    if choice.output is None:
        order((PACE,))
    elif choice.output.host_api == JACK:
        order(KERNELS)


def open_host(
    engine: Any,
    choice: Choice,
    block: int,
    sample_rate: float,
    latency: str | float | None = None,
    name: str = NAME,
) -> DeviceHost:
    """Return a host on the chosen devices, not yet started. [control thread]

    Parameters
    ----------
    block : int
        Frames per block to request; 0: `latency` decides.
    sample_rate : float
        Hz.
    latency : str, float or None
        "low", "high" or seconds.
    name : str
        Name of the client of JACK or PipeWire.

    Raises
    ------
    DeviceError
        The device is busy or gone, or does not run at the rate.
    """
    assert choice.output is not None
    if choice.output.host_api == JACK:
        return JackHost(engine, choice, block, sample_rate, latency, name)
    return PortAudioHost(engine, choice, block, sample_rate, latency)


def channels(choice: Choice, outputs: int, chosen: tuple[int, ...] = ()) -> tuple[int, int]:
    """Return the number of input and output channels to open on the devices, for a rig with `outputs` outputs.

    Parameters
    ----------
    chosen : tuple of int
        The output channels, from 1, that the user chose; (): the first ones.

    Raises
    ------
    DeviceError
        The device does not have a chosen channel.
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
    source, target = _same(before.input, "input", known), _same(before.output, "output", known)
    return replace(before, input=source, output=target, notes=())


def _same(device: Device | None, side: str, known: list[Device]) -> Device | None:
    if device is None:
        return None
    usable = [d for d in known if d.host_api == device.host_api and d.channels(side)]
    exact = [d for d in usable if d.key == device.key]
    alike = [d for d in usable if ALSA_CARD.sub("", d.name) == ALSA_CARD.sub("", device.name)]
    if not exact and len(alike) != 1:
        raise Missing(f"no {side} device is called {device.label!r}")
    return (exact or alike)[0]


def presence() -> tuple:
    """Return a value that changes when a server starts or a card is plugged in, if that is cheap to detect."""
    return running(), cards()


def measured_block(choice: Choice, sample_rate: float, latency: str | float | None = None) -> int | None:
    """Open a device briefly, muted; return the frames that it requests per block.

    None if it is the null device or does not open.
    """
    if choice.is_null:
        return None
    inputs, outputs = channels(choice, 1)
    engine = Engine(sample_rate, device_inputs=inputs, device_outputs=outputs, muted=True)
    with (
        contextlib.suppress(DeviceError),
        contextlib.closing(open_host(engine, choice, 0, sample_rate, latency, "rtfx-check")) as host,
    ):
        host.start()
        deadline = time.monotonic() + PROBE_SECONDS
        while engine.record["blocks"] < PROBE_BLOCKS and time.monotonic() < deadline:
            time.sleep(0.005)
        return host.block_frames
    return None
