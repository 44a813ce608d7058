"""The settings of a stream: devices, files, numbers, and how models are played."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError, did_you_mean
from ..host.jack import NAME
from ..rig.parameters import CHANNELS_EXPECTED, Options, channels_of
from ..rig.presets import SetList

LONGEST_NAME = 48  # bytes of a client's name: JACK allows 63, and a number may follow
LIMITS = {
    "sample_rate": (1000.0, 768000.0),
    "block_size": (0, 8192),
    "seconds": (1e-3, 1e9),
    "in_gain_db": (-120.0, 120.0),
    "out_gain_db": (-120.0, 120.0),
}


def within(name: str, value: Any) -> float:
    """Return a number within its `LIMITS`, or raise UsageError."""
    low, high = LIMITS[name]
    if not (isinstance(value, Real) and low <= float(value) <= high):
        raise UsageError(f"{name} is {value!r}, expected a number from {low:g} to {high:g}")
    return float(value)


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """The settings of a stream; `Rig.play` documents those that are not listed here.

    Parameters
    ----------
    options : Options
        How the rig is played.
    in_channel, out_channels : tuple of int, optional
        One channel of the device, from 1, or two for stereo, as ``2``, ``"1,2"`` or ``[1, 2]``. By default those of the
        set list, else the first input channel, and as many output channels as the rig has outputs.
    latency : str or float, optional
        Latency of the device: "low", "high" or seconds; by default the set list's, else low unless other programs use
        the device too.
    name : str
        Name of the client that JACK and PipeWire show; a second client gets a number.
    in_gain_db, out_gain_db : float, optional
        Gains in dB; by default the set list's, else 0.
    muted : bool
        Start silent.
    allow_feedback : bool
        Do not mute at the start if a built-in microphone would play through built-in loudspeakers.
    watch : bool
        Reload the set list, its models and impulse responses when they change on disk; `Stream.news` reports it.
    values : mapping
        Parameter values of the first preset by address.
    progress : callable
        Called with the name of each kernel that is about to be compiled.
    """

    options: Options = field(default_factory=Options)
    device: str | int | None = None
    input_device: str | int | None = None
    output_device: str | int | None = None
    input: str | Path | np.ndarray | None = None
    in_channel: tuple[int, ...] | None = None
    out_channels: tuple[int, ...] | None = None
    sample_rate: float | None = None
    block_size: int = 0
    latency: str | float | None = None
    name: str = NAME
    record: str | Path | None = None
    seconds: float | None = None
    in_gain_db: float | None = None
    out_gain_db: float | None = None
    muted: bool = False
    allow_feedback: bool = False
    watch: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)
    progress: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        for name in LIMITS:
            if getattr(self, name) is not None:
                within(name, getattr(self, name))
        if not (isinstance(self.name, str) and 0 < len(self.name.encode()) <= LONGEST_NAME and ":" not in self.name):
            raise UsageError(f"name is {self.name!r}, expected 1 to {LONGEST_NAME} bytes without a colon")
        for name in ("in_channel", "out_channels"):
            value = getattr(self, name)
            channels = channels_of(value)
            if value is not None and channels is None:
                raise UsageError(f"{name} is {value!r}, expected {CHANNELS_EXPECTED}")
            object.__setattr__(self, name, channels)
        if self.record is not None and not str(self.record).strip():
            raise UsageError(f"record is {str(self.record)!r}, expected the name of a file, such as take.wav")

    @classmethod
    def of(cls, options: Options, **settings: Any) -> StreamSettings:
        """Return the named settings; a name that is one of the options replaces the value in `options`.

        Raises
        ------
        UsageError
            A name is unknown, or a number is out of range.
        """
        own = [each.name for each in dataclasses.fields(cls) if each.name != "options"]
        known = [*own, *(each.name for each in dataclasses.fields(Options))]
        for name in settings:
            if name not in known:
                raise UsageError(f"no setting {name!r}{did_you_mean(name, known)}, expected: {', '.join(known)}")
        how = {name: settings.pop(name) for name in list(settings) if name not in own}
        return cls(options=options.but(**how), **settings)

    def beside(self, said: SetList) -> StreamSettings:
        """Return these settings, with unset ones taken from a set list, except its input channel."""
        device, shared = said.device, said.globals
        named = device if self.device is None else {}  # `device` overrides every name in the set list
        return dataclasses.replace(
            self,
            device=_first(self.device, named.get("device")),
            input_device=_first(self.input_device, named.get("input")),
            output_device=_first(self.output_device, named.get("output")),
            sample_rate=self.sample_rate or float(device.get("sample_rate") or 0.0) or None,
            block_size=int(self.block_size or device.get("block") or 0),
            latency=self.latency or device.get("latency"),
            out_channels=_first(self.out_channels, device.get("out_channels")),
            in_gain_db=float(_first(self.in_gain_db, shared.get("in_gain_db"), 0.0)),
            values=self.values or {},
            out_gain_db=float(_first(self.out_gain_db, shared.get("out_gain_db"), 0.0)),
        )


def _first(*values: Any) -> Any:
    """Return the first value that is not None."""
    return next((value for value in values if value is not None), None)
