"""Octaver: the octave below and the octave above, of chords too, beside the input.

Each octave is a bank of `transpose.py`. The input is as late as the octaves are said to be, so that all begin together.
"""

from __future__ import annotations

from ..kernels.kernel import Loop
from ..kernels.memory import records, row
from ..rig.parameters import Parameter
from .effect import Effect
from .transpose import BANK, BANKS, bank_dtype, constants_of, dry, latency, ring_frames, shift

PARAMETERS = (
    Parameter("down", 0.7, summary="level of the octave below"),
    Parameter("up", 0.0, summary="level of the octave above"),
    Parameter("dry", 1.0, summary="level of the input"),
)
STATE = bank_dtype(2)
MEMORY = STATE.itemsize
UPPER = BANKS + BANK.itemsize


def cells(values, sample_rate: float) -> list[float]:
    """Return [ratio, level] of the octave below, the same of the one above, level of the input."""
    return [0.5, values["down"], 2.0, values["up"], values["dry"]]


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    lower = row(s.parameters, s.parameter_stride, 0, frames)
    down = row(s.parameters, s.parameter_stride, 1, frames)
    higher = row(s.parameters, s.parameter_stride, 2, frames)
    up = row(s.parameters, s.parameter_stride, 3, frames)
    kept = row(s.parameters, s.parameter_stride, 4, frames)
    dry(state, state + MEMORY, source, target, kept, frames)
    shift(state + BANKS, source, target, lower, down, frames)
    shift(state + UPPER, source, target, higher, up, frames)
    return 0


KERNEL = Loop(process)
OCTAVER = Effect(
    "octaver",
    PARAMETERS,
    cells,
    KERNEL,
    STATE,
    tail=lambda values, sample_rate: round(0.2 * sample_rate),
    summary="adds the octaves below and above; 15 ms late",
    constants=lambda sample_rate: constants_of(2, sample_rate),
    memory=ring_frames,
    latency=latency,
)
