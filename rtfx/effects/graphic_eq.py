"""Graphic equaliser: ten bells an octave apart, whose sum goes through the sliders.

Each bell also moves its neighbours, by `SHARE` of its own dB one octave away. So the gains of the bells are not those
of the sliders: they solve the ten equations that the whole response in dB at each centre is the slider there (as in
V. Välimäki and J. Liski, "Accurate cascade graphic equalizer", IEEE SPL 24(2), 2017). The dB of a bell at the other
centres are nearly proportional to its gain, so a few steps with one matrix solve them. `sections.matched_cells` makes
digital filters of the bells that have their shape up to half the sample rate; the last steps are taken with these.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from ..rig.parameters import Parameter
from .effect import Effect
from .sections import HIGHEST, KERNEL, SECTIONS_STATE, bell, level_db, matched_cells, ring_seconds

CENTRES = (31.25, 62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)
NAMES = ("db31", "db62", "db125", "db250", "db500", "db1k", "db2k", "db4k", "db8k", "db16k")
PARAMETERS = tuple(
    Parameter(name, 0.0, -12.0, 12.0, "dB", summary=f"gain at {centre:g} Hz")
    for name, centre in zip(NAMES, CENTRES, strict=True)
)
Q = 1.05  # at 12 dB a bell has 3.6 dB one octave away, SHARE of it
SHARE = 0.3
PROTOTYPE_DB = 12.0
STEPS = 4
DIGITAL_STEPS = 2
LARGEST_DB = 30.0  # of one bell, when neighbours are turned against each other


def analogue_db(gains: np.ndarray) -> np.ndarray:
    """Return the dB of each bell, by row, at each centre."""
    s = 1j * np.array(CENTRES)[None, :] / np.array(CENTRES)[:, None]
    a = 10.0 ** (np.asarray(gains)[:, None] / 40.0)
    return 20.0 * np.log10(np.abs((s * s + s * a / Q + 1.0) / (s * s + s / (a * Q) + 1.0)))


@cache
def inverse() -> np.ndarray:
    """Return the matrix from dB at the centres to gains of the bells."""
    return np.linalg.inv(analogue_db(np.full(len(CENTRES), PROTOTYPE_DB)).T / PROTOTYPE_DB)


def analogue_gains(values) -> np.ndarray:
    """Return the gain of each bell in dB if they were analogue; all are 0 if all sliders are."""
    wanted = np.array([values[name] for name in NAMES])
    gains = np.zeros(len(wanted))
    for _ in range(STEPS if wanted.any() else 0):
        gains = next_gains(gains, wanted - analogue_db(gains).sum(axis=0))
    return gains


def next_gains(gains: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Return the gains of the bells one step on, by the dB that are missing at each centre."""
    return np.clip(gains + inverse() @ missing, -LARGEST_DB, LARGEST_DB)


def cells(values, sample_rate: float) -> list[float]:
    """Return the cells of the ten sections; a bell that the sample rate does not hold is flat."""
    wanted = np.array([values[name] for name in NAMES])
    gains = analogue_gains(values)
    held = np.array(CENTRES) < HIGHEST * sample_rate
    w = 2.0 * math.pi * np.array(CENTRES)[held] / sample_rate
    for step in range(DIGITAL_STEPS + 1):
        gains = np.where(held, gains, 0.0)
        sections = [
            matched_cells(*bell(float(gain), Q), centre, sample_rate)
            for centre, gain in zip(CENTRES, gains, strict=True)
        ]
        if step == DIGITAL_STEPS or not wanted.any():
            break
        missing = np.zeros(len(wanted))
        missing[held] = wanted[held] - sum(level_db(section, w) for section in sections)
        gains = next_gains(gains, missing)
    return [cell for section in sections for cell in section]


def tail(values, sample_rate: float) -> int:
    """Return the frames that the slowest bell takes to fall by 60 dB."""
    bells = zip(CENTRES, analogue_gains(values), strict=True)
    seconds = [ring_seconds(centre, Q * 10.0 ** (abs(gain) / 40.0)) for centre, gain in bells if gain]
    return math.ceil(max(seconds, default=0.0) * sample_rate)


def idle(values) -> bool:
    """Return whether every slider is at 0."""
    return not any(values[name] for name in NAMES)


GRAPHIC_EQ = Effect(
    "graphic_eq",
    PARAMETERS,
    cells,
    KERNEL,
    SECTIONS_STATE,
    tail,
    summary="ten sliders, an octave apart",
    idle=idle,
    constants=lambda sample_rate: {"count": len(CENTRES)},
)
