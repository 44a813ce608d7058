"""Tilt: one knob from dark to bright, a first-order filter that turns the spectrum around a pivot.

    H(s) = (g s + 1) / (s + g)        s in units of the pivot; g: the gain far above it, 1 / g far below

The level at the pivot does not change. `sections.matched_cells` makes the digital filter, of H (s + 1) / (s + 1).
"""

from __future__ import annotations

from ..rig.parameters import Parameter
from ..units import gain_from_db
from .effect import Effect
from .sections import KERNEL, SECTIONS_STATE, matched_cells

PARAMETERS = (
    Parameter("tilt_db", 0.0, -12.0, 12.0, "dB", summary="gain of the treble; the bass gets the opposite"),
    Parameter("pivot_hz", 700.0, 100.0, 4000.0, "Hz", summary="frequency that keeps its level"),
)


def cells(values, sample_rate: float) -> list[float]:
    """Return the cells of the section."""
    g = gain_from_db(values["tilt_db"])
    return matched_cells((g, g + 1.0, 1.0), (1.0, g + 1.0, g), values["pivot_hz"], sample_rate)


def idle(values) -> bool:
    """Return whether it is flat."""
    return values["tilt_db"] == 0.0


TILT = Effect(
    "tilt",
    PARAMETERS,
    cells,
    KERNEL,
    SECTIONS_STATE,
    tail=lambda values, sample_rate: int(0.02 * sample_rate),
    summary="from dark to bright around a pivot",
    idle=idle,
    constants=lambda sample_rate: {"count": 1},
)
