"""The gain stage of a Klon Centaur, solved sample by sample from its component values.

    pre-amp    C3 into the op-amp's input, loaded by R6 with C5 and the pot's first half; R7, C16 and R19 lead the bass
               directly to the sum (feed-forward 1)
    amp        a non-inverting op-amp on 9 V; the pot sets its gain
    clipper    C9, R13, two antiparallel germanium diodes, C10, R16; in parallel the clean treble passes through the
               pot's second half, C11, R15 and a resistor equal to R16 (feed-forward 2)
    sum        R20 with C13, on the rails of a charge pump

Topology and values: J. Chowdhury, arXiv 2009.02833, and docs/measurements/klon.md. By the trapezoidal rule, a capacitor
is at each sample a voltage source e in series with h / C ohms; h is half the sample period. If v is its new voltage,
the next e is 2 v - e. These voltages are the only states, so a knob may move at any sample without adding energy. The
equations of a sample are linear except for the diodes. Newton's method finds the diodes' voltage in at most
`ITERATIONS` steps; it starts above the solution. There the equation is convex and monotonic, so every step comes
nearer, and the voltage is bounded even if the method has not converged after the last step.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop, inline
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype

C3, C4, C5, C6, C7, C8 = 0.1e-6, 68e-9, 68e-9, 390e-9, 82e-9, 390e-12
C9, C10, C11, C12, C13, C16 = 1e-6, 1e-6, 2.2e-9, 27e-9, 820e-12, 1e-6
R5, R6, R7, R8, R9, R10, R11, R12 = 5.1e3, 10e3, 1.5e3, 1.5e3, 1e3, 2e3, 15e3, 422e3
R13, R15, R16, R17, R18, R19, R20 = 1e3, 22e3, 47e3, 27e3, 12e3, 15e3, 392e3
POT, WIPER = 100e3, 1.0  # ohms: the potentiometer, and the smallest resistance of each of its halves
SATURATION, THERMAL = 15e-6, 0.02585  # of a diode: A, V
RAIL = 4.5  # V: the amp clips at this distance from the bias
LOW_RAIL, HIGH_RAIL = -11.7, 13.1  # V: rails of the summing amplifier, with inverted sign, as the tone stage inverts
ITERATIONS = 12  # of Newton's method; measured: 6 at most, up to 100 V
PRECISE = 1e-9  # V: the iteration ends after a step shorter than this
CAPACITORS = 12

# Order of e: C3, C5, C16, C7, C8, C9, C10, C4, C6, C12, C11, C13.
CIRCUIT_STATE = state_dtype(("e", np.float64, (CAPACITORS,)))
RUNAWAY = 1e6  # V: no guitar charges a capacitor this far; a larger value, or NaN, is reset to 0


@inline
def diode_voltage(source, resistance):
    """Return v in V with v + resistance * 2 SATURATION sinh(v / THERMAL) = source; ohms and V. [audio thread]"""
    target = abs(source)
    most = target / (2.0 * SATURATION * resistance)  # of sinh: if the whole voltage lay across the resistance
    v = min(target, THERMAL * math.log(most + math.sqrt(most * most + 1.0)))
    for _ in range(ITERATIONS):
        e = math.exp(v / THERMAL)
        current = resistance * SATURATION * (e - 1.0 / e)
        step = (v + current - target) / (1.0 + resistance * SATURATION / THERMAL * (e + 1.0 / e))
        v -= step
        if step < PRECISE:
            break
    return math.copysign(v, source)


def process(state, source, target, frames):
    s = records(state, 1, CIRCUIT_STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    gain_row = row(s.parameters, s.parameter_stride, 0, frames)
    half_row = row(s.parameters, s.parameter_stride, 3, frames)
    for i in range(CAPACITORS):
        if not abs(s.e[i]) < RUNAWAY:
            s.e[i] = 0.0
    e3, e5, e16, e7, e8, e9 = s.e[0], s.e[1], s.e[2], s.e[3], s.e[4], s.e[5]
    e10, e4, e6, e12, e11, e13 = s.e[6], s.e[7], s.e[8], s.e[9], s.e[10], s.e[11]
    half = np.float64(half_row[0]) if frames > 0 else 1e-5
    r9, r10, r6, r12, r11 = half / C9, half / C10, half / C6, half / C12, half / C11
    g3, g4, g13 = C3 / half, C4 / half, C13 / half
    # a capacitor in parallel with a resistor is a source of `share` times e in series with `ohms`
    share5, ohms5 = R6 / (R6 + half / C5), 1.0 / (1.0 / R6 + C5 / half)
    share16, ohms16 = R19 / (R19 + half / C16), 1.0 / (1.0 / R19 + C16 / half)
    share7, ohms7 = R11 / (R11 + half / C7), 1.0 / (1.0 / R11 + C7 / half)
    share8, ohms8 = R12 / (R12 + half / C8), 1.0 / (1.0 / R12 + C8 / half)
    bass_g, left_g, right_g = 1.0 / (ohms16 + R7), 1.0 / (r9 + R13), 1.0 / (r10 + R16)
    diode_ohms = 1.0 / (left_g + right_g)
    treble_g, shunt_g, clean_g = 1.0 / (r12 + R18), 1.0 / (r6 + R9), 1.0 / (r11 + R15 + R16)
    sum_ohms = 1.0 / (1.0 / R20 + g13)
    gain = np.float32(-1.0)
    pot_g = a_ohms = leg_g = wiper_ohms = down_g = b_ohms = 0.0
    for n in range(frames):
        if gain_row[n] != gain:
            gain = gain_row[n]
            top = max(POT * np.float64(gain), WIPER)
            bottom = max(POT * (1.0 - np.float64(gain)), WIPER)
            pot_g = 1.0 / (ohms5 + top)
            a_ohms = 1.0 / (g3 + pot_g + bass_g)
            leg_g = 1.0 / (bottom + R10 + ohms7)
            wiper_ohms = 1.0 / (1.0 / bottom + 1.0 / R17 + treble_g + clean_g)
            down_g = 1.0 / (top + wiper_ohms)
            b_ohms = 1.0 / (1.0 / R5 + g4 + 1.0 / R8 + shunt_g + down_g)
        volts = np.float64(x[n])
        # pre-amp
        a = a_ohms * ((volts - e3) * g3 + share5 * e5 * pot_g + share16 * e16 * bass_g)
        e3 = 2.0 * (volts - a) - e3
        e5 += 2.0 * (share5 * e5 + ohms5 * pot_g * (a - share5 * e5) - e5)
        bass = share16 * e16 + ohms16 * bass_g * (a - share16 * e16)
        e16 = 2.0 * bass - e16
        # amp: its inverting input has the voltage of its non-inverting input
        current = (a - share7 * e7) * leg_g
        e7 += 2.0 * (share7 * e7 + ohms7 * current - e7)
        v8 = share8 * e8 + ohms8 * current
        e8 = 2.0 * v8 - e8
        amp = min(max(a + v8, -RAIL), RAIL)
        # clipper
        v = diode_voltage(((amp - e9) * left_g + e10 * right_g) * diode_ohms, diode_ohms)
        e9 += 2.0 * r9 * left_g * (amp - e9 - v)
        driven = (v - e10) * right_g
        e10 += 2.0 * r10 * driven
        # feed-forward 2
        pulled = wiper_ohms * (e12 * treble_g + e11 * clean_g)
        b = b_ohms * (volts / R5 + (volts - e4) * g4 + e6 * shunt_g + pulled * down_g)
        wiper = pulled + wiper_ohms * down_g * (b - pulled)
        e4 = 2.0 * (volts - b) - e4
        e6 += 2.0 * r6 * shunt_g * (b - e6)
        e12 += 2.0 * r12 * treble_g * (wiper - e12)
        clean = (wiper - e11) * clean_g
        e11 += 2.0 * r11 * clean
        # sum
        out = sum_ohms * (bass / R19 + driven + clean + e13 * g13)
        e13 = 2.0 * out - e13
        y[n] = np.float32(min(max(out, LOW_RAIL), HIGH_RAIL))
    s.e[0], s.e[1], s.e[2], s.e[3], s.e[4], s.e[5] = e3, e5, e16, e7, e8, e9
    s.e[6], s.e[7], s.e[8], s.e[9], s.e[10], s.e[11] = e10, e4, e6, e12, e11, e13
    return 0


KERNEL = Loop(process)
