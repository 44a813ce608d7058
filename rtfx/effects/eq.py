"""Equaliser: low cut, low shelf, two bells, high shelf, high cut; six second-order sections in series.

The analogue prototypes are those of the Audio EQ Cookbook (R. Bristow-Johnson), discretised by the bilinear transform
with a prewarped frequency: each section has exactly the cookbook's response. `sections.py` has the kernel.
"""

from __future__ import annotations

import math

from ..rig.parameters import Parameter
from .effect import Effect
from .sections import (
    BUTTERWORTH_Q,
    HIGHEST,
    KERNEL,
    LOWEST_CUT_HZ,
    SECTIONS_STATE,
    bell,
    ring_seconds,
    section_cells,
    shelf,
)

SECTIONS = 6
HIGH_CUT_OFF_HZ = 20000.0

PARAMETERS = (
    Parameter("low_cut_hz", 0.0, 0.0, 1000.0, "Hz", summary="removes what is below, 12 dB an octave; 0 is off"),
    Parameter("low_shelf_hz", 120.0, 20.0, 1000.0, "Hz", summary="middle of the low shelf's slope"),
    Parameter("low_shelf_db", 0.0, -18.0, 18.0, "dB", summary="gain below it"),
    Parameter("bell1_hz", 400.0, 20.0, 16000.0, "Hz", summary="centre of the first bell"),
    Parameter("bell1_db", 0.0, -18.0, 18.0, "dB", summary="gain at its centre"),
    Parameter("bell1_q", 0.7, 0.1, 10.0, "", summary="sharpness: centre over bandwidth"),
    Parameter("bell2_hz", 1600.0, 20.0, 16000.0, "Hz", summary="centre of the second bell"),
    Parameter("bell2_db", 0.0, -18.0, 18.0, "dB", summary="gain at its centre"),
    Parameter("bell2_q", 0.7, 0.1, 10.0, "", summary="sharpness: centre over bandwidth"),
    Parameter("high_shelf_hz", 4000.0, 500.0, 16000.0, "Hz", summary="middle of the high shelf's slope"),
    Parameter("high_shelf_db", 0.0, -18.0, 18.0, "dB", summary="gain above it"),
    Parameter("high_cut_hz", HIGH_CUT_OFF_HZ, 500.0, HIGH_CUT_OFF_HZ, "Hz",
              summary="removes what is above, 12 dB an octave; 20000 is off"),
)  # fmt: skip


def cells(values, sample_rate: float) -> list[float]:
    """Return `CELLS` numbers for each of the `SECTIONS`."""
    low_cut, high_cut = values["low_cut_hz"], values["high_cut_hz"]
    slope = (1.0, 1.0 / BUTTERWORTH_Q, 1.0)
    low_cut_is_off = low_cut <= 0.0
    high_cut_is_off = high_cut >= min(HIGH_CUT_OFF_HZ, HIGHEST * sample_rate)
    low_a = 10.0 ** (values["low_shelf_db"] / 40.0)  # the cookbook's A: square root of the shelf's gain
    low_numerator, low_denominator = shelf(low_a)
    high_a = 10.0 ** (values["high_shelf_db"] / 40.0)
    high_numerator, high_denominator = shelf(high_a)
    result = []
    for numerator, denominator, frequency in (
        (slope if low_cut_is_off else (1.0, 0.0, 0.0), slope, max(low_cut, LOWEST_CUT_HZ)),
        (low_numerator, low_denominator, values["low_shelf_hz"]),
        (*bell(values["bell1_db"], values["bell1_q"]), values["bell1_hz"]),
        (*bell(values["bell2_db"], values["bell2_q"]), values["bell2_hz"]),
        (high_numerator[::-1], high_denominator[::-1], values["high_shelf_hz"]),
        (slope if high_cut_is_off else (0.0, 0.0, 1.0), slope, high_cut),
    ):
        result += section_cells(numerator, denominator, frequency, sample_rate)
    return result


def tail(values, sample_rate: float) -> int:
    """Return the frames that the slowest section takes to fall by 60 dB."""
    seconds = [0.0]
    for frequency, q, active in (
        (values["low_cut_hz"], BUTTERWORTH_Q, values["low_cut_hz"] > 0.0),
        (values["low_shelf_hz"], 1.0, values["low_shelf_db"]),
        (values["bell1_hz"], values["bell1_q"] * 10.0 ** (abs(values["bell1_db"]) / 40.0), values["bell1_db"]),
        (values["bell2_hz"], values["bell2_q"] * 10.0 ** (abs(values["bell2_db"]) / 40.0), values["bell2_db"]),
    ):
        if active:
            seconds.append(ring_seconds(frequency, q))
    return math.ceil(max(seconds) * sample_rate)


def idle(values) -> bool:
    """Return whether every section is flat."""
    bands = ("low_shelf_db", "bell1_db", "bell2_db", "high_shelf_db")
    cuts = values["low_cut_hz"] > 0.0 or values["high_cut_hz"] < HIGH_CUT_OFF_HZ
    return not cuts and not any(values[name] for name in bands)


EQ = Effect(
    "eq",
    PARAMETERS,
    cells,
    KERNEL,
    SECTIONS_STATE,
    tail,
    summary="low and high cut, two shelves, two bells",
    idle=idle,
    constants=lambda sample_rate: {"count": SECTIONS},
)
