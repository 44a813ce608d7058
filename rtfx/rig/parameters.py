"""Values that users give: parameters with names, ranges and units, and channels of a device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError

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
