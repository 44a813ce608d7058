"""Parametric equaliser: four bands, each a bell, a shelf or a cut, right up to half the sample rate.

The analogue prototypes are those of the Audio EQ Cookbook (R. Bristow-Johnson); `sections.matched_cells` makes digital
filters of them that do not become narrower near half the sample rate.
"""

from __future__ import annotations

import math

from ..rig.parameters import Parameter
from .effect import Effect
from .sections import CELLS, KERNEL, SECTIONS_STATE, Polynomial, bell, matched_cells, ring_seconds, shelf

BELL, LOW_SHELF, HIGH_SHELF, LOW_CUT, HIGH_CUT, OFF = TYPES = (
    "bell", "low_shelf", "high_shelf", "low_cut", "high_cut", "off",
)  # fmt: skip
BANDS = ((1, LOW_SHELF, 120.0), (2, BELL, 400.0), (3, BELL, 1600.0), (4, HIGH_SHELF, 6000.0))

PARAMETERS = tuple(
    parameter
    for band, kind, frequency in BANDS
    for parameter in (
        Parameter(f"type{band}", kind, kind="structural", choices=TYPES, summary=f"what band {band} is"),
        Parameter(f"hz{band}", frequency, 20.0, 20000.0, "Hz", summary="its centre, or where its slope begins"),
        Parameter(f"db{band}", 0.0, -24.0, 24.0, "dB", summary="its gain; a cut has none"),
        Parameter(f"q{band}", 0.7, 0.1, 10.0, "", summary="its sharpness; a shelf's is at most 1"),
    )
)
SHARPEST_SHELF = 1.0  # a sharper one overshoots by more than 1 dB


def band_of(values, band: int):
    """Return type, frequency in Hz, gain in dB and sharpness of a band; a flat one is off."""
    kind, frequency, gain_db, q = (values[f"{name}{band}"] for name in ("type", "hz", "db", "q"))
    if kind in (BELL, LOW_SHELF, HIGH_SHELF) and gain_db == 0.0:
        kind = OFF
    return kind, frequency, gain_db, min(q, SHARPEST_SHELF) if kind in (LOW_SHELF, HIGH_SHELF) else q


def prototype(kind: str, gain_db: float, q: float) -> tuple[Polynomial, Polynomial]:
    """Return numerator and denominator of the analogue filter for 1 rad/s."""
    slope = (1.0, 1.0 / q, 1.0)
    if kind == BELL:
        return bell(gain_db, q)
    if kind in (LOW_SHELF, HIGH_SHELF):
        numerator, denominator = shelf(10.0 ** (gain_db / 40.0), q)
        return (numerator, denominator) if kind == LOW_SHELF else (numerator[::-1], denominator[::-1])
    return {LOW_CUT: (1.0, 0.0, 0.0), HIGH_CUT: (0.0, 0.0, 1.0), OFF: slope}[kind], slope


def cells(values, sample_rate: float) -> list[float]:
    """Return the cells of the four sections."""
    result: list[float] = []
    for band, *_ in BANDS:
        kind, frequency, gain_db, q = band_of(values, band)
        result += matched_cells(*prototype(kind, gain_db, q), frequency, sample_rate)
    assert len(result) == CELLS * len(BANDS)
    return result


def tail(values, sample_rate: float) -> int:
    """Return the frames that the slowest band takes to fall by 60 dB."""
    seconds = [0.0]
    for band, *_ in BANDS:
        kind, frequency, gain_db, q = band_of(values, band)
        if kind != OFF:
            seconds.append(ring_seconds(frequency, q * 10.0 ** (abs(gain_db) / 40.0)))
    return math.ceil(max(seconds) * sample_rate)


def idle(values) -> bool:
    """Return whether every band is flat."""
    return all(band_of(values, band)[0] == OFF for band, *_ in BANDS)


PARAMETRIC_EQ = Effect(
    "parametric_eq",
    PARAMETERS,
    cells,
    KERNEL,
    SECTIONS_STATE,
    tail,
    summary="four bands: bell, shelf or cut each",
    idle=idle,
    constants=lambda sample_rate: {"count": len(BANDS)},
)
