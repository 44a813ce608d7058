"""One sound device, whichever host API it belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DeviceError


class Missing(DeviceError):
    """The device is not there; it may come."""


@dataclass(frozen=True)
class Device:
    """One device of one host API; latencies in seconds, `sample_rate` in Hz is its default.

    Parameters
    ----------
    key : str
        What names it from start to start: PipeWire's node.name, else its name.
    monitor : bool
        As an input it repeats what an output plays: taken only if it is named, since a rig that hears itself howls.
    input_ports, output_ports : tuple of str
        The full names of its ports, channel by channel, where it is behind JACK.
    portaudio : int
        PortAudio's number of it, -1 where it is behind JACK.
    block_frames : int
        The period that its server runs now, 0: unknown.
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
