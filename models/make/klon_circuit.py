"""The gain stage of a Klon Centaur, simulated from its component values: the teacher of models/klon.json.

Topology and values after J. Chowdhury, "A comparison of virtual analog modelling techniques for desktop and embedded
implementations" (arXiv 2009.02833) and the reference recordings that belong to it (docs/measurements/klon.md says what
they show and where a schematic differs). Three parts, each solved by the trapezoidal rule:

    pre-amp    C3 into the op-amp's input; R6 with C5 and the pot's first half load it; R7, C16 and R19 carry the bass
               past everything (feed-forward 1)
    amp        non-inverting op-amp, gain set by the pot, its output held to the rails
    clipper    C9, R13, two antiparallel germanium diodes, C10, R16, the diodes' voltage by Newton's method; beside it
               the clean treble through the pot's second half, C11, R15 and a resistor as R16 (feed-forward 2)

and the summing amplifier R20, C13, on a charge pump's rails. The tone and output stages are not part of it.
All voltages are relative to the 4.5 V bias. Polarity: the summing amplifier inverts, and so does the tone stage that
follows it in the pedal; the output here is as after both.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from circuit import Part, StateSpace, state_space, trapezoidal
from scipy.signal import resample_poly

VOLTS_PER_UNIT = 0.5  # what a guitar at digital full scale gives the pedal
R11, R12, C7, C8 = 15e3, 422e3, 82e-9, 390e-12
R20, C13 = 392e3, 820e-12
SATURATION, THERMAL = 15e-6, 0.02585  # of a diode: A, V
RAIL = 4.5  # V, of the amp stage
SUM_RAILS = (-13.1, 11.7)  # V, of the summing amplifier, before the tone stage turns them round
POT = 100e3
WIPER = 1.0  # ohms left at the ends of a potentiometer


def pot(gain: float) -> tuple[float, float]:
    """Return the two parts of the gain potentiometer in ohms."""
    return max(POT * gain, WIPER), max(POT * (1.0 - gain), WIPER)


def leg(gain: float) -> float:
    """Return the resistance in series with R11, which sets the gain of the amp stage, in ohms."""
    return pot(gain)[1] + 2e3


def preamp(gain: float) -> StateSpace:
    """Return the stage from the input (V) to the op-amp's input (V) and to the current of feed-forward 1 (A)."""
    parts: list[Part] = [
        ("V", "in", "0", 0.0),
        ("C", "in", "a", 0.1e-6),
        ("C", "a", "pot", 68e-9),
        ("R", "a", "pot", 10e3),
        ("R", "pot", "0", pot(gain)[0]),
        ("R", "a", "bass", 1.5e3),
        ("C", "bass", "0", 1e-6),
        ("R", "bass", "0", 15e3),
    ]
    return state_space(parts, [{"a": 1.0}, {"bass": 1.0 / 15e3}])


def clipper(gain: float) -> StateSpace:
    """Return the stage around the diodes, and feed-forward 2 beside it.

    Inputs: the pedal's input (V), the amp's output (V), the diodes' current (A). Outputs: the diodes' voltage (V), the
    current into the summing amplifier (A), feed-forward 1 not included.
    """
    top, bottom = pot(gain)
    parts: list[Part] = [
        ("V", "in", "0", 0.0),
        ("V", "amp", "0", 0.0),
        ("I", "diodes", "0", 0.0),
        ("C", "amp", "c9", 1e-6),
        ("R", "c9", "diodes", 1e3),
        ("C", "diodes", "x", 1e-6),
        ("R", "x", "0", 47e3),
        ("R", "in", "b", 5.1e3),
        ("C", "in", "b", 68e-9),
        ("R", "b", "0", 1.5e3),
        ("C", "b", "c6", 390e-9),
        ("R", "c6", "0", 1e3),
        ("R", "b", "wiper", top),
        ("R", "wiper", "0", bottom),
        ("R", "wiper", "0", 27e3),
        ("C", "wiper", "c12", 27e-9),
        ("R", "c12", "0", 12e3),
        ("C", "wiper", "c11", 2.2e-9),
        ("R", "c11", "y", 22e3),
        ("R", "y", "0", 47e3),
    ]
    return state_space(parts, [{"diodes": 1.0}, {"x": 1.0 / 47e3, "y": 1.0 / 47e3}])


@numba.njit
def diode_voltage(source, resistance):
    """Return v with v + resistance * 2 SATURATION sinh(v / THERMAL) = source.

    Newton from above: both bounds that it starts from lie beyond the root, and the function is convex there.
    """
    target = abs(source)
    v = min(target, THERMAL * math.asinh(target / (2.0 * SATURATION * resistance)))
    for _ in range(30):
        e = math.exp(v / THERMAL)
        f = v + resistance * SATURATION * (e - 1.0 / e) - target
        step = f / (1.0 + resistance * SATURATION / THERMAL * (e + 1.0 / e))
        v -= step
        if abs(step) < 1e-12:
            break
    return math.copysign(v, source)


@numba.njit
def _run(x, leg_ohms, rate, pa, pb, pc, pd, ca, cb, cc, cd):
    """Return the output in volts for the input in volts, both at `rate`."""
    y = np.zeros(x.size)
    p, p_next = np.zeros(pa.shape[0]), np.zeros(pa.shape[0])
    s, s_next = np.zeros(ca.shape[0]), np.zeros(ca.shape[0])
    half = 0.5 / rate
    v7 = v8 = d7 = d8 = 0.0
    x_last = amp_last = i_last = total_last = out = 0.0
    resistance = -cd[0, 2]
    for k in range(cc.shape[1]):
        resistance -= cc[0, k] * cb[k, 2]
    for n in range(x.size):
        # pre-amp
        u = x[n] + x_last
        plus, bass = pd[0, 0] * x[n], pd[1, 0] * x[n]
        for i in range(p.size):
            value = pb[i, 0] * u
            for k in range(p.size):
                value += pa[i, k] * p[k]
            p_next[i] = value
            plus += pc[0, i] * value
            bass += pc[1, i] * value
        p, p_next = p_next, p
        # amp: C7 and C8 carry the current of the leg
        c7, c8 = v7 + half * d7, v8 + half * d8
        w7 = (c7 + half / C7 * plus / leg_ohms) / (1.0 + half / C7 * (1.0 / leg_ohms + 1.0 / R11))
        current = (plus - w7) / leg_ohms
        w8 = (c8 + half / C8 * current) / (1.0 + half / C8 / R12)
        amp = plus + w8
        v7, v8 = w7, w8
        d7, d8 = (current - v7 / R11) / C7, (current - v8 / R12) / C8
        amp = min(max(amp, -RAIL), RAIL)
        # clipper: first without the new diode current, then that current
        source = cd[0, 0] * x[n] + cd[0, 1] * amp
        for i in range(s.size):
            value = cb[i, 0] * u + cb[i, 1] * (amp + amp_last) + cb[i, 2] * i_last
            for k in range(s.size):
                value += ca[i, k] * s[k]
            s_next[i] = value
            source += cc[0, i] * value
        v = diode_voltage(source, resistance)
        diode = (source - v) / resistance
        total = bass + cd[1, 0] * x[n] + cd[1, 1] * amp + cd[1, 2] * diode
        for i in range(s.size):
            s_next[i] += cb[i, 2] * diode
            total += cc[1, i] * s_next[i]
        s, s_next = s_next, s
        x_last, amp_last, i_last = x[n], amp, diode
        # summing amplifier
        out = (out * (1.0 - half / (R20 * C13)) + half / C13 * (total + total_last)) / (1.0 + half / (R20 * C13))
        total_last = total
        y[n] = min(max(out, -SUM_RAILS[1]), -SUM_RAILS[0])
    return y


def volts(x: np.ndarray, gain: float, rate: float) -> np.ndarray:
    """Return the output in volts for one in volts, ``(frames,)`` at `rate`, without oversampling; gain 0 to 1."""
    first, last = trapezoidal(preamp(gain), rate), trapezoidal(clipper(gain), rate)
    return _run(np.ascontiguousarray(x, np.float64), leg(gain), float(rate), *first, *last)


def klon(x: np.ndarray, gain: float, rate: int = 48000, oversampling: int = 4) -> np.ndarray:
    """Return the gain stage's output in volts for a guitar signal of full scale 1, ``(frames,)`` float64 both.

    Parameters
    ----------
    x : numpy.ndarray
    gain : float
        The gain knob, 0 to 1.
    rate : int
        Hz.
    oversampling : int
        The circuit runs at this multiple of the rate.
    """
    up = resample_poly(x * VOLTS_PER_UNIT, oversampling, 1)
    return resample_poly(volts(up, gain, rate * oversampling), 1, oversampling)[: x.size]
