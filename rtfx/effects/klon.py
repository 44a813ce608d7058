"""Klon: a whole overdrive pedal, whose gain stage is a neural network or a simulated circuit.

The parts are input buffer, gain stage, tone and output; signals are in volts relative to the pedal's bias. The gain
stage is that of klon_circuit.py (`mode` circuit), or klon.json, a net trained on it (`mode` neural). A change of mode
makes a new plan, so the engine crossfades between them and computes only the current one. Buffer, tone and output are
linear: the buffer is C1 with R1 and R2; the tone is an inverting amplifier with G1 and G4, and a treble branch with C14
between the wiper of the tone pot and the amplifier's input, 1.8 kOhm and 4.7 kOhm at the ends of the pot; the output is
C15 into the level pot. They are solved as the gain stage is: the states are the voltages of the capacitors.
"""

from __future__ import annotations

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from .effect import RESTS, Effect

NET = "klon.json"
NEURAL, CIRCUIT = "neural", "circuit"
VOLTS = 0.5  # volts of digital full scale, at the pedal's input and output

PARAMETERS = (
    Parameter("gain", 0.5, summary="how hard the diodes are driven"),
    Parameter("tone", 0.5, summary="treble: 0 is dark, 1 is bright"),
    Parameter("level", 0.5, summary="how loud it leaves"),
    Parameter("mode", NEURAL, kind="structural", choices=(NEURAL, CIRCUIT), summary="what plays the gain stage"),
)

C1, R1, R2 = 0.1e-6, 10e3, 1e6
C14, G1, G4, TONE_POT, BRIGHT, DARK = 3.9e-9, 1e-5, 1e-5, 10e3, 1.8e3, 4.7e3
C15, R25, LEVEL_POT = 4.7e-6, 560.0, 10e3
RAIL = 4.5  # V: the input buffer clips at this distance from the bias

STATE = state_dtype(("e", np.float64, (2,)))
RUNAWAY = 1e6  # V: no guitar charges a capacitor this far; a larger value, or NaN, is reset to 0


def cells(values, sample_rate: float) -> list[float]:
    """Return [gain, tone, level, half the sample period in s]."""
    return [values["gain"], values["tone"], values["level"], 0.5 / sample_rate]


def process_input(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    half_row = row(s.parameters, s.parameter_stride, 3, frames)
    e = s.e[0] if abs(s.e[0]) < RUNAWAY else 0.0
    for n in range(frames):
        ohms = np.float64(half_row[n]) / C1
        current = (VOLTS * np.float64(x[n]) - e) / (ohms + R1 + R2)
        e += 2.0 * ohms * current
        y[n] = np.float32(min(max(R2 * current, -RAIL), RAIL))
    s.e[0] = e
    return 0


def process_output(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    tone_row = row(s.parameters, s.parameter_stride, 1, frames)
    level_row = row(s.parameters, s.parameter_stride, 2, frames)
    half_row = row(s.parameters, s.parameter_stride, 3, frames)
    e14 = s.e[0] if abs(s.e[0]) < RUNAWAY else 0.0
    e15 = s.e[1] if abs(s.e[1]) < RUNAWAY else 0.0
    for n in range(frames):
        half = np.float64(half_row[n])
        bright = 1.0 / (BRIGHT + (1.0 - np.float64(tone_row[n])) * TONE_POT)
        dark = 1.0 / (DARK + np.float64(tone_row[n]) * TONE_POT)
        g14 = C14 / half
        every = bright + dark + g14
        volts = np.float64(x[n])
        # currents into the amplifier's input, which is held at the bias: from the source, the output and C14
        inverted = -(volts * (G1 + g14 * bright / every) + e14 * g14 * (g14 / every - 1.0)) / (G4 + g14 * dark / every)
        wiper = (bright * volts + dark * inverted + g14 * e14) / every
        e14 = 2.0 * wiper - e14
        # level
        below = LEVEL_POT * np.float64(level_row[n])
        ohms = half / C15
        current = (-inverted - e15) / (ohms + R25 + LEVEL_POT)
        e15 += 2.0 * ohms * current
        y[n] = np.float32(below * current / VOLTS)
    s.e[0], s.e[1] = e14, e15
    return 0


def rest_output(state, constant: float, cells) -> None:
    """Set the state of the output to that of rest at a constant input in V: C14 and C15 carry no current."""
    tone = float(cells[1])
    bright, dark = 1.0 / (BRIGHT + (1.0 - tone) * TONE_POT), 1.0 / (DARK + tone * TONE_POT)
    inverted = -constant * G1 / G4
    state["e"] = (bright * constant + dark * inverted) / (bright + dark), -inverted


INPUT = Loop(process_input)
OUTPUT = Loop(process_output)
RESTS[OUTPUT] = STATE, rest_output
KLON = Effect("klon", PARAMETERS, cells, OUTPUT, STATE, net=NET, summary="a whole overdrive pedal, neural or circuit")
