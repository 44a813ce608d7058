"""Two pedals, simulated from component values: diodes in an op-amp's feedback, and diodes to ground behind one.

Both reduce to one node: a current charges a capacitor; a resistor and two antiparallel diodes discharge it:

    C dv/dt = i - v / R - 2 I sinh(v / (n V))

solved by the trapezoidal rule, its diodes by Newton's method at every sample. Everything before and behind is linear.
Voltages are relative to the pedal's bias of 4.5 V; a guitar at digital full scale is `VOLTS_PER_UNIT`.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from scipy.signal import bilinear, lfilter, resample_poly

RATE = 48000
OVERSAMPLING = 4
VOLTS_PER_UNIT = 0.5
RAIL = 4.5  # V
SILICON = (2.52e-9, 1.75 * 0.02585)  # of a small-signal diode: A, V

# the first: diodes in the feedback
LEG, LEG_C = 4.7e3, 47e-9  # from the inverting input to the bias
STOP, DRIVE_POT, FEEDBACK_C = 51e3, 500e3, 51e-12
DARK, DARK_C, BRIGHT = 1e3, 0.22e-6, 220.0  # the tone control in its middle

# the second: diodes to ground
LEGS = ((47.0, 2.2e-6), (560.0, 4.7e-6))
GAIN_POT, GAIN_C = 100e3, 100e-12
UNITY = 2.0 * math.pi * 1e6  # rad/s at which the op-amp's own gain has fallen to 1
SERIES, SHUNT_C, COUPLING_HZ, FILTER_HZ = 1e3, 1e-9, 15.0, 4500.0


@numba.njit
def diode_node(i, conductance, capacitance, saturation, thermal, rate):
    """Return v (frames,) in volts for the current i in amperes into the node.

    Newton's method from above, where the equation's left side is convex: it cannot overshoot.
    """
    y = np.zeros(i.size)
    two_c = 2.0 * capacitance * rate
    total = two_c + conductance
    v, flow = 0.0, 0.0  # the capacitor's voltage and current
    for n in range(i.size):
        known = i[n] + two_c * v + flow
        target = abs(known)
        at = min(target / total, thermal * math.asinh(target / (2.0 * saturation)))
        for _ in range(30):
            e = math.exp(at / thermal)
            wrong = total * at + saturation * (e - 1.0 / e) - target
            step = wrong / (total + saturation / thermal * (e + 1.0 / e))
            at -= step
            if abs(step) < 1e-12:
                break
        now = math.copysign(at, known)
        flow = two_c * (now - v) - flow
        v = now
        y[n] = v
    return y


def through(x: np.ndarray, numerator, denominator, rate: float) -> np.ndarray:
    """Return x through a transfer function in s, by the trapezoidal rule."""
    b, a = bilinear(numerator, denominator, rate)
    return lfilter(b, a, x)


def screamer_volts(x: np.ndarray, drive: float, rate: float) -> np.ndarray:
    """Return the first pedal's output in volts for one in volts, both at `rate`; drive 0 to 1."""
    x = through(x, [1.0, 0.0], [1.0, 2.0 * math.pi * 16.0], rate)
    leg = through(x, [LEG_C, 0.0], [LEG * LEG_C, 1.0], rate)
    feedback = STOP + DRIVE_POT * drive**2
    clipped = diode_node(leg, 1.0 / feedback, FEEDBACK_C, *SILICON, rate)
    out = np.clip(x + clipped, -RAIL, RAIL)
    return through(out, [BRIGHT * DARK_C, 1.0], [(DARK + BRIGHT) * DARK_C, 1.0], rate)


def op_amp(gain: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the second pedal's amplifier as a transfer function, numerator and denominator in s, falling powers.

    With the noise gain N = P / Q and an open-loop gain of UNITY / s it is N / (1 + N s / UNITY).
    """
    ohms = max(GAIN_POT * gain**2, 1.0)
    (r1, c1), (r2, c2) = LEGS
    one, two, back = np.array([r1 * c1, 1.0]), np.array([r2 * c2, 1.0]), np.array([ohms * GAIN_C, 1.0])
    current = np.polyadd(np.polymul([c1, 0.0], two), np.polymul([c2, 0.0], one))
    q = np.polymul(np.polymul(one, two), back)
    p = np.polyadd(q, ohms * current)
    return UNITY * p, np.polyadd(UNITY * q, np.polymul([1.0, 0.0], p))


def rodent_volts(x: np.ndarray, gain: float, rate: float) -> np.ndarray:
    """Return the second pedal's output in volts for one in volts, both at `rate`; gain 0 to 1."""
    loud = np.clip(through(x, *op_amp(gain), rate), -RAIL, RAIL)
    loud = through(loud, [1.0, 0.0], [1.0, 2.0 * math.pi * COUPLING_HZ], rate)
    v = diode_node(loud / SERIES, 1.0 / SERIES, SHUNT_C, *SILICON, rate)
    return through(v, [2.0 * math.pi * FILTER_HZ], [1.0, 2.0 * math.pi * FILTER_HZ], rate)


def oversampled(volts, x: np.ndarray, knob: float, oversampling: int) -> np.ndarray:
    """Return `volts` of a guitar of full scale 1 at 48 kHz, run at a multiple of that rate."""
    up = resample_poly(x * VOLTS_PER_UNIT, oversampling, 1)
    return resample_poly(volts(up, knob, float(RATE * oversampling)), 1, oversampling)[: x.size]


def screamer(x: np.ndarray, drive: float, oversampling: int = OVERSAMPLING) -> np.ndarray:
    """Return the first pedal's output, 1 for 1 V."""
    return oversampled(screamer_volts, x, drive, oversampling)


def rodent(x: np.ndarray, gain: float, oversampling: int = OVERSAMPLING) -> np.ndarray:
    """Return the second pedal's output, 1 for 1 V."""
    return oversampled(rodent_volts, x, gain, oversampling)
