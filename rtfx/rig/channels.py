"""Channels of a device as users name them: one, or two for stereo, counted from 1."""

from __future__ import annotations

import re
from typing import Any

HIGHEST = 256
EXPECTED = f"a channel from 1 to {HIGHEST}, or two with a comma between, such as 1,2"
WORDS = re.compile(r"\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?", re.ASCII)


def channels_of(value: Any) -> tuple[int, ...] | None:
    """Return one or two channels, None if the value is something else.

    Parameters
    ----------
    value : int, str or sequence of int
        ``2``, ``"1,2"`` or ``[1, 2]``; two channels differ.
    """
    if isinstance(value, str):
        match = WORDS.fullmatch(value)
        value = [int(number) for number in match.groups() if number] if match else []
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    if not whole or len(set(numbers)) != len(numbers) or not 1 <= len(numbers) <= 2:
        return None
    return tuple(numbers) if all(1 <= number <= HIGHEST for number in numbers) else None


def shown(channels: tuple[int, ...]) -> str:
    """Return channels as they are typed."""
    return ",".join(map(str, channels))
