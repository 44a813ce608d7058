"""Values that users give: parameters with ranges and units, channels of a device, and how a rig is played."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import UsageError, did_you_mean

RATE_METHODS = ("auto", "delay", "dilate", "resample")
PHASES = ("linear", "minimum")
HIGHEST_CHANNEL = 256
CHANNELS_EXPECTED = f"a channel from 1 to {HIGHEST_CHANNEL}, or two with a comma between, such as 1,2"
CHANNEL_WORDS = re.compile(r"\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?", re.ASCII)


@dataclass(frozen=True)
class Parameter:
    """One control of a block, in native units.

    Parameters
    ----------
    kind : str
        "continuous" (glides), "stepped" (one of `choices`) or "structural" (a change needs a new plan).
    whole : bool
        A whole number.
    """

    name: str
    default: float | str
    minimum: float = 0.0
    maximum: float = 1.0
    unit: str = ""
    kind: str = "continuous"
    choices: tuple[str, ...] = ()
    summary: str = ""
    whole: bool = False

    def check(self, value):
        """Return `value` as this parameter stores it, or raise UsageError naming what is allowed."""
        if self.choices:
            choice = str(value).lower() if isinstance(value, bool) else value
            if choice not in self.choices:
                raise UsageError(f"{self.name} is {value!r}, expected one of: {', '.join(self.choices)}")
            return choice
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        outside = not self.minimum <= number <= self.maximum
        if isinstance(value, bool) or outside or (self.whole and number != int(number)):
            unit = f" {self.unit}" if self.unit else ""
            kind = "a whole number" if self.whole else "a number"
            allowed = f"{kind} from {self.minimum:.10g} to {self.maximum:.10g}{unit}"
            raise UsageError(f"{self.name} is {value!r}, expected {allowed}")
        return int(number) if self.whole else number

    def worded(self, value: float | str) -> str:
        """Return a value as it is shown: with its unit, decibels with a sign."""
        if isinstance(value, str):
            return value
        if self.unit == "dB":
            return f"{value:+.1f} dB"
        return f"{value if self.whole else format(value, '.4g')} {self.unit}".strip()

    def norm(self, value: float) -> float:
        """Return the 0 to 1 form of `value`."""
        return (value - self.minimum) / (self.maximum - self.minimum)


@dataclass(frozen=True)
class Options:
    """How a rig is played: made where the user is met, by a command or a call, and handed down whole.

    Parameters
    ----------
    bare : bool
        The models' own functions only: no levels, DC blocker, cab.
    cold : bool
        Models are not prewarmed: they start from the state stored in the file, else zeros.
    cab : str or None
        An impulse response, "none", or None: amps get a default one.
    level : str or None
        The level of every model: "normal", "plugin", "none" or the name of one of its plugins; None: the preset's.
    rate_method : str
        How a model runs whose rate is not the rig's: one of `RATE_METHODS`.
    resample_phase : str
        Of the filters where it is resampled: one of `PHASES`.
    interface_dbu : float, optional
        The level in dBu that the interface turns into full scale: models that state theirs get as much as they expect.
    """

    bare: bool = False
    cold: bool = False
    cab: str | None = None
    level: str | None = None
    rate_method: str = "auto"
    resample_phase: str = "linear"
    interface_dbu: float | None = None

    def __post_init__(self):
        for name, known in (("rate_method", RATE_METHODS), ("resample_phase", PHASES)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is {getattr(self, name)!r}, expected one of: {', '.join(known)}")

    def but(self, **named: Any) -> Options:
        """Return options with others by name; UsageError for a name that there is none of."""
        known = [each.name for each in fields(self)]
        for name in named:
            if name not in known:
                raise UsageError(f"no option {name!r}{did_you_mean(name, known)}, expected one of: {', '.join(known)}")
        return replace(self, **named) if named else self


def channels_of(value: Any) -> tuple[int, ...] | None:
    """Return one or two channels, None if the value is something else.

    Parameters
    ----------
    value : int, str or sequence of int
        ``2``, ``"1,2"`` or ``[1, 2]``; two channels differ.
    """
    if isinstance(value, str):
        match = CHANNEL_WORDS.fullmatch(value)
        value = [int(number) for number in match.groups() if number] if match else []
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    if not whole or len(set(numbers)) != len(numbers) or not 1 <= len(numbers) <= 2:
        return None
    return tuple(numbers) if all(1 <= number <= HIGHEST_CHANNEL for number in numbers) else None


def channels_text(channels: tuple[int, ...]) -> str:
    """Return channels as they are typed."""
    return ",".join(map(str, channels))
