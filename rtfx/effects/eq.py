"""Equaliser: low cut, low shelf, two bells, high shelf, high cut; six second-order sections in series.

The analogue prototypes are those of the Audio EQ Cookbook (R. Bristow-Johnson), discretised by the bilinear transform
with a prewarped frequency. Each section is a state-variable filter with trapezoidal integrators
(A. Simper, "Linear trapezoidal integrated SVF"), which has exactly the cookbook's response, and adds to its input

    m0 x + m1 band + m2 low        cells: g, k, m0, m1, m2        g: tangent of the frequency, k: damping

so that a flat section (all m are 0) changes no bit of the signal: its states are 0 and it takes almost no time. The
states are the outputs of the integrators, not products with coefficients, so a glide does not change their energy. A
biquad in transposed direct form II has the same response at constant parameters; but when its low cut glides from 1 kHz
to off, a sine of amplitude 0.1 becomes a thump of 0.84 (here 0.1). The filter is stable for all g and k above 0, so it
is stable at each value of a glide.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.parameters import Parameter
from .effect import Effect

SECTIONS = 6
CELLS = 5  # of one section
BUTTERWORTH_Q = math.sqrt(0.5)
HIGHEST = 0.45  # largest frequency of a section, as a share of the sample rate
LOWEST_CUT_HZ = 5.0  # lowest frequency of the low cut: a lower one would remove only slow drifts
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

# float64, as the integrators of a section at a low frequency add tiny steps, which float32 would round away.
EQ_STATE = state_dtype(("band", np.float64, (SECTIONS,)), ("low", np.float64, (SECTIONS,)))
RUNAWAY = 1e30  # no guitar brings a state this far; a larger value, or NaN, is reset to 0


def section_cells(numerator, denominator, frequency: float, sample_rate: float) -> list[float]:
    """Return the cells of one section.

    Parameters
    ----------
    numerator, denominator : three floats
        Coefficients of s**2, s and 1 of the analogue prototype for 1 rad/s.
    frequency : float
        Hz, at most `HIGHEST` of the sample rate.
    """
    b2, b1, b0 = numerator
    a2, a1, a0 = denominator
    ratio = math.sqrt(a0 / a2)  # natural frequency of the filter over that of the prototype
    g = ratio * math.tan(math.pi * min(frequency, HIGHEST * sample_rate) / sample_rate)
    k = a1 / math.sqrt(a0 * a2)
    high, band, low = (b2 - a2) / a2, (b1 - a1) * ratio / a0, (b0 - a0) / a0
    return [g, k, high, band - k * high, low - high]  # high = x - k band - low


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


def shelf(a: float):
    """Return numerator and denominator of the low shelf of slope 1; reversed (s for 1/s) it is the high shelf."""
    side = math.sqrt(a) / BUTTERWORTH_Q
    return (a, a * side, a * a), (a, side, 1.0)


def bell(gain_db: float, q: float):
    """Return numerator and denominator of the bell."""
    a = 10.0 ** (gain_db / 40.0)
    return (1.0, a / q, 1.0), (1.0, 1.0 / (a * q), 1.0)


def tail(values, sample_rate: float) -> int:
    """Return the frames that the slowest section takes to fall by 60 dB: 6.91 Q / (pi f) seconds."""
    seconds = [0.0]
    for frequency, q, active in (
        (values["low_cut_hz"], BUTTERWORTH_Q, values["low_cut_hz"] > 0.0),
        (values["low_shelf_hz"], 1.0, values["low_shelf_db"]),
        (values["bell1_hz"], values["bell1_q"] * 10.0 ** (abs(values["bell1_db"]) / 40.0), values["bell1_db"]),
        (values["bell2_hz"], values["bell2_q"] * 10.0 ** (abs(values["bell2_db"]) / 40.0), values["bell2_db"]),
    ):
        if active:
            seconds.append(math.log(1000.0) * q / (math.pi * max(frequency, LOWEST_CUT_HZ)))
    return math.ceil(max(seconds) * sample_rate)


def idle(values) -> bool:
    """Return whether every section is flat."""
    bands = ("low_shelf_db", "bell1_db", "bell2_db", "high_shelf_db")
    cuts = values["low_cut_hz"] > 0.0 or values["high_cut_hz"] < HIGH_CUT_OFF_HZ
    return not cuts and not any(values[name] for name in bands)


def process(state, source, target, frames):
    s = records(state, 1, EQ_STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    for n in range(frames):
        y[n] = x[n]
    for section in range(SECTIONS):
        g_row = row(s.parameters, s.parameter_stride, CELLS * section, frames)
        k_row = row(s.parameters, s.parameter_stride, CELLS * section + 1, frames)
        m0_row = row(s.parameters, s.parameter_stride, CELLS * section + 2, frames)
        m1_row = row(s.parameters, s.parameter_stride, CELLS * section + 3, frames)
        m2_row = row(s.parameters, s.parameter_stride, CELLS * section + 4, frames)
        turned = False
        for n in range(frames):
            turned |= m0_row[n] != 0.0 or m1_row[n] != 0.0 or m2_row[n] != 0.0
        if not turned:
            s.band[section] = 0.0
            s.low[section] = 0.0
            continue
        band_state = s.band[section]
        low_state = s.low[section]
        for n in range(frames):
            # the same as for a whole flat block, so that the block size has no effect
            if m0_row[n] == 0.0 and m1_row[n] == 0.0 and m2_row[n] == 0.0:
                band_state = 0.0
                low_state = 0.0
                continue
            g = np.float64(g_row[n])
            a1 = 1.0 / (1.0 + g * (g + np.float64(k_row[n])))
            a2 = g * a1
            sample = np.float64(y[n])
            rest = sample - low_state
            band = a1 * band_state + a2 * rest
            low = low_state + a2 * band_state + g * a2 * rest
            band_state = 2.0 * band - band_state
            low_state = 2.0 * low - low_state
            change = np.float64(m0_row[n]) * sample + np.float64(m1_row[n]) * band + np.float64(m2_row[n]) * low
            y[n] = np.float32(sample + change)
        if not (abs(band_state) < RUNAWAY and abs(low_state) < RUNAWAY):
            band_state = 0.0
            low_state = 0.0
        s.band[section] = band_state
        s.low[section] = low_state
    return 0


KERNEL = Loop(process)
EQ = Effect(
    "eq", PARAMETERS, cells, KERNEL, EQ_STATE, tail, summary="low and high cut, two shelves, two bells", idle=idle
)
