"""What a random net would cost, found from its settings alone: refused before anything of its size is allocated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import ResourceLimit
from .settings import RANGES

HISTORY_BYTES = 256 << 20
LOAD = 0.8
RATE = 48000.0  # Hz, that of the load
ORDER = ("dilation", "kernel", "channels", "layers")  # of changes that are equally near: the sound changes least first


def check_cost(settings: Any, kind: str) -> None:
    """Raise ResourceLimit, which names both figures and the nearest setting that fits, for a net that is too costly."""
    if _fits(settings):
        return
    history, load = settings.history_floats * 4 / 2**20, predicted_load(settings)
    raise ResourceLimit(
        f"random:{kind}: {history:.3g} MB of history and a predicted load of {load:.2f}, at most "
        f"{HISTORY_BYTES >> 20} MB and {LOAD:g}: {_words(settings, nearest(settings))} fits"
    )


def predicted_load(settings: Any) -> float:
    """Return the share of one core that the net needs at 48 kHz, 1 for all of it."""
    return settings.frame_ns * 1e-9 * RATE


def nearest(settings: Any) -> Any:
    """Return settings that fit, one value of them as little smaller as possible; two where one is not enough."""
    best, least = None, 2.0
    for key in ORDER:
        value = getattr(settings, key, RANGES[key][0])
        for smaller in range(value - 1, RANGES[key][0] - 1, -1):
            tried = replace(settings, **{key: smaller})
            if _fits(tried):
                if (value - smaller) / value < least:
                    best, least = tried, (value - smaller) / value
                break
    if best is None:
        key = max((key for key in ORDER if hasattr(settings, key)), key=lambda key: getattr(settings, key))
        return nearest(replace(settings, **{key: max(RANGES[key][0], getattr(settings, key) // 2)}))
    return best


def _fits(settings: Any) -> bool:
    return settings.history_floats * 4 <= HISTORY_BYTES and predicted_load(settings) <= LOAD


def _words(settings: Any, other: Any) -> str:
    changed = [key for key in ORDER if getattr(settings, key, None) != getattr(other, key, None)]
    return "&".join(f"{key}={getattr(other, key)}" for key in changed)
