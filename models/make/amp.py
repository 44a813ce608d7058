"""Three tube-like amplifiers, simulated: the teachers of models/amp.json, combo.json and stack.json.

`amp` is three triode-like stages, each a coupling high-pass, a bias that moves with the signal, an asymmetric
curve that clips softly on one side and harder on the other; a treble lift between them, smaller at high drive; a mid
scoop like that of a passive tone stack; a push-pull power stage whose supply sags. `combo` has one
such stage, `stack` four, the second biased so cold that it clips one side of all but the softest playing. Four times
oversampled.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from scipy.signal import bilinear, lfilter, resample_poly

RATE = 48000
OVERSAMPLING = 4


def high_pass(x: np.ndarray, hz: float, rate: float) -> np.ndarray:
    """Return x through one resistor and capacitor."""
    b, a = bilinear([1.0, 0.0], [1.0, 2.0 * math.pi * hz], rate)
    return lfilter(b, a, x)


def shelf(x: np.ndarray, hz: float, db: float, rate: float) -> np.ndarray:
    """Return x with frequencies above hz raised by db: one pole, one zero."""
    gain = 10.0 ** (db / 20.0)
    b, a = bilinear([gain, 2.0 * math.pi * hz], [1.0, 2.0 * math.pi * hz], rate)
    return lfilter(b, a, x)


@numba.njit
def triode(x, bias, rate):
    """Return one stage: its grid current pumps the bias down as it is driven, over 20 ms."""
    y = np.zeros(x.size)
    moved = 0.0
    pump = 1.0 / (0.02 * rate)
    rest = math.tanh(bias)
    for n in range(x.size):
        v = x[n] + bias - moved
        grid = max(v - 0.6, 0.0)
        moved += pump * (1.5 * grid - moved)
        y[n] = -(math.tanh(v) if v < 0.0 else 1.35 * math.tanh(v / 1.35)) + rest
    return y


@numba.njit
def power(x, rate):
    """Return the power stage: its supply sags with the level, over 60 ms."""
    y = np.zeros(x.size)
    sag = 0.0
    speed = 1.0 / (0.06 * rate)
    for n in range(x.size):
        supply = 1.0 / (1.0 + 0.5 * sag)
        y[n] = supply * math.tanh(x[n] / supply)
        sag += speed * (abs(y[n]) - sag)
    return y


def amp(x: np.ndarray, drive: float) -> np.ndarray:
    """Return the amplifier's output for x (frames,) at 48 kHz and drive from 0 to 1."""
    rate = float(RATE * OVERSAMPLING)
    v = resample_poly(x, OVERSAMPLING, 1)
    v = high_pass(v, 60.0, rate) * 2.5
    v = triode(v, 0.15, rate)
    v = shelf(high_pass(v, 90.0, rate), 1200.0, 8.0 * (1.0 - 0.6 * drive), rate) * 10.0 ** (1.6 * drive - 0.45)
    v = triode(v, -0.25, rate)
    v = high_pass(v, 120.0, rate) * (0.8 + 1.6 * drive)
    v = triode(v, 0.3, rate)
    scooped = v - 0.45 * (high_pass(v, 250.0, rate) - high_pass(v, 1100.0, rate))
    v = power(scooped * (1.1 - 0.25 * drive), rate)
    return 0.8 * resample_poly(v, 1, OVERSAMPLING)


def combo(x: np.ndarray, volume: float) -> np.ndarray:
    """Return a small, bright amplifier that stays clean for longer: one triode, a scoop, a power stage that sags."""
    rate = float(RATE * OVERSAMPLING)
    v = resample_poly(x, OVERSAMPLING, 1)
    v = shelf(high_pass(v, 70.0, rate), 1800.0, 7.0 * (1.0 - volume), rate) * 10.0 ** (1.3 * volume - 0.15)
    v = triode(v, 0.1, rate)
    scooped = v - 0.6 * (high_pass(v, 200.0, rate) - high_pass(v, 900.0, rate))
    v = power(high_pass(scooped, 60.0, rate) * (0.6 + 1.1 * volume), rate)
    return 0.8 * resample_poly(v, 1, OVERSAMPLING)


def stack(x: np.ndarray, gain: float) -> np.ndarray:
    """Return a large, tight amplifier with gain to spare: four triodes, less bass before each, a deep scoop."""
    rate = float(RATE * OVERSAMPLING)
    v = resample_poly(x, OVERSAMPLING, 1)
    v = triode(high_pass(v, 90.0, rate) * 2.5, 0.15, rate)
    v = shelf(high_pass(v, 160.0, rate), 1500.0, 6.0, rate) * 10.0 ** (1.4 * gain + 0.1)
    v = triode(v, -0.6, rate)
    v = triode(high_pass(v, 180.0, rate) * (1.3 + 1.2 * gain), 0.25, rate)
    v = triode(high_pass(v, 120.0, rate) * 1.6, -0.15, rate)
    scooped = v - 0.6 * (high_pass(v, 300.0, rate) - high_pass(v, 1500.0, rate))
    return 0.8 * resample_poly(power(1.1 * scooped, rate), 1, OVERSAMPLING)
