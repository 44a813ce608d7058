"""Gain: louder or softer, bit-transparent at 0 dB."""

from __future__ import annotations

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import STATE
from ..rig.parameters import Parameter
from ..units import gain_from_db
from .effect import Effect

PARAMETERS = (Parameter("gain_db", 0.0, -60.0, 24.0, "dB", summary="level change"),)


def cells(values, sample_rate: float) -> list[float]:
    """Return [linear gain]."""
    return [gain_from_db(values["gain_db"])]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    gain = row(s.parameters, s.parameter_stride, 0, frames)
    for n in range(frames):
        y[n] = x[n] * gain[n]
    return 0


KERNEL = Loop(process)
GAIN = Effect("gain", PARAMETERS, cells, KERNEL, summary="level")
