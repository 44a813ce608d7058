"""The three ways to move blocks in and out, and which of them a choice of devices takes."""

from __future__ import annotations

from typing import Any, TypeAlias

from ..kernels.compile_workers import order
from .choose import Choice
from .jack import NAME
from .jack_devices import JACK
from .jack_host import KERNELS, JackHost
from .null import NullHost
from .portaudio import PortAudioHost

DeviceHost: TypeAlias = JackHost | PortAudioHost
Host: TypeAlias = NullHost | DeviceHost


def order_kernels(choice: Choice) -> None:
    """Begin to compile what the host of these devices needs, unless it is on disk."""
    if choice.output is not None and choice.output.host_api == JACK:
        order(KERNELS)


def open_host(
    engine: Any,
    choice: Choice,
    block: int,
    sample_rate: float,
    latency: str | float | None = None,
    name: str = NAME,
) -> DeviceHost:
    """Return a host on the chosen devices, not yet started; `name` is that of its client where there are clients.

    Raises
    ------
    DeviceError
        The device is busy or gone, or does not run at the rate.
    """
    assert choice.output is not None
    if choice.output.host_api == JACK:
        return JackHost(engine, choice, block, sample_rate, latency, name)
    return PortAudioHost(engine, choice, block, sample_rate, latency)
