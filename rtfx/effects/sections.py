"""Second-order filters in series: the kernel that equalisers share, and two ways from an analogue filter to its cells.

Each section is a state-variable filter with trapezoidal integrators (A. Simper, "Linear trapezoidal integrated SVF"),
which can have the response of any biquad, and adds to its input

    m0 x + m1 band + m2 low        cells: g, k, m0, m1, m2        g: tangent of the frequency, k: damping

so that a flat section (all m are 0) changes no bit of the signal: its states are 0 and it takes almost no time. The
states are the outputs of the integrators, not products with coefficients, so a glide does not change their energy. A
biquad in transposed direct form II has the same response at constant parameters; but when its low cut glides from 1 kHz
to off, a sine of amplitude 0.1 becomes a thump of 0.84 (here 0.1). The filter is stable for all g and k above 0, so it
is stable at each value of a glide.

`section_cells` is the bilinear transform: exact at 0 Hz and at the section's frequency, but a bell near half the sample
rate is narrower than the analogue one. `matched_cells` has the analogue response up to half the sample rate. Its poles
are those of the impulse-invariant filter, exp(pole / sample rate); its zeros make the power response equal at 0 Hz and
as near as possible above, after M. Vicanek, "Matched second order digital filters" (2016), who writes both powers as
sums over p0 = cos(w/2)**2, p1 = sin(w/2)**2 and 4 p0 p1:

    |H|**2 = (B0 p0 + B1 p1 + B2 4 p0 p1) / (A0 p0 + A1 p1 + A2 4 p0 p1)

He takes B1 and B2 from two more frequencies; here they are those of least relative error over all frequencies, which
halves the largest error. A filter whose zeros are lower, or less damped, than its poles is made as the inverse of the
filter with both exchanged, so that boost and cut are exact inverses.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype

Polynomial = tuple[float, float, float]  # coefficients of s**2, s and 1
CELLS = 5  # of one section
MOST = 10  # sections in one kernel
BUTTERWORTH_Q = math.sqrt(0.5)
HIGHEST = 0.45  # largest frequency of a section, as a share of the sample rate
FITTED = 64  # frequencies to which a matched section is fitted
FITS = 6  # each weighs more where the one before was wrong
SMALLEST_POWER = 1e-9  # of the numerator at half the sample rate: its inverse stays finite
LOWEST_CUT_HZ = 5.0  # lowest frequency of a low cut: a lower one would remove only slow drifts

# float64, as the integrators of a section at a low frequency add tiny steps, which float32 would round away.
SECTIONS_STATE = state_dtype(("count", np.int64), ("band", np.float64, (MOST,)), ("low", np.float64, (MOST,)))
RUNAWAY = 1e30  # no guitar brings a state this far; a larger value, or NaN, is reset to 0


def section_cells(numerator, denominator, frequency: float, sample_rate: float) -> list[float]:
    """Return the cells of one section by the bilinear transform.

    Parameters
    ----------
    numerator, denominator : three floats
        Coefficients of s**2, s and 1 of the analogue prototype for 1 rad/s.
    frequency : float
        Hz, at most `HIGHEST` of the sample rate.
    """
    cells = _section(numerator, denominator)
    cells[0] *= math.tan(math.pi * min(frequency, HIGHEST * sample_rate) / sample_rate)
    return cells


def matched_cells(numerator, denominator, frequency: float, sample_rate: float) -> list[float]:
    """Return the cells of one section whose response is the analogue one up to half the sample rate.

    Parameters
    ----------
    numerator, denominator : three floats
        Coefficients of s**2, s and 1 of the analogue prototype for 1 rad/s, s**2 and 1 of the denominator not 0. Both
        zeros or none are at 0.
    frequency : float
        Hz, at most `HIGHEST` of the sample rate.
    """
    w0 = 2.0 * math.pi * min(frequency, HIGHEST * sample_rate) / sample_rate
    if numerator == denominator:
        return _section(_poles(denominator, w0)[0], _poles(denominator, w0)[0])
    if _lower(numerator, denominator):
        return _section(*_matched(denominator, numerator, w0)[::-1])
    return _section(*_matched(numerator, denominator, w0))


def _lower(numerator, denominator) -> bool:
    """Return whether the zeros, which are not at 0, are lower than the poles, or as high and less damped."""
    (b2, b1, b0), (a2, a1, a0) = numerator, denominator
    if b0 <= 0.0 or b2 <= 0.0:
        return False
    zeros, poles = b0 / b2, a0 / a2
    if abs(zeros - poles) > 1e-9 * poles:
        return zeros < poles
    return b1 / math.sqrt(b0 * b2) < a1 / math.sqrt(a0 * a2)


def _poles(denominator, w0: float):
    """Return the impulse-invariant denominator: its value by `_bilinear`, and A0, A1, A2."""
    a2, a1, a0 = denominator
    pole = w0 * math.sqrt(a0 / a2)
    q = 0.5 * a1 / math.sqrt(a0 * a2)
    decay, turn = math.exp(-q * pole), pole * math.sqrt(abs(1.0 - q * q))
    turned = math.sin(0.5 * min(turn, math.pi)) ** 2 if q < 1.0 else -(math.sinh(0.5 * turn) ** 2)
    at_0 = math.expm1(-q * pole) ** 2 + 4.0 * decay * turned  # 1 + a1 + a2 without cancellation
    at_half = (1.0 + decay) ** 2 - 4.0 * decay * turned  # 1 - a1 + a2
    return (at_half, 2.0 * (1.0 - decay * decay), at_0), (at_0**2, at_half**2, -4.0 * decay * decay)


def _matched(numerator, denominator, w0: float):
    """Return numerator and denominator of the matched filter in s = (z - 1) / (z + 1)."""
    poles, (a0, a1, a2) = _poles(denominator, w0)
    w = np.geomspace(min(w0, 1.0) / 30.0, 0.97 * math.pi, FITTED)
    s = 1j * w / w0
    p1 = np.sin(0.5 * w) ** 2
    p0 = 1.0 - p1
    p2 = 4.0 * p0 * p1
    below = (a0 * p0 + a1 * p1 + a2 * p2) * np.abs(np.polyval(numerator, s) / np.polyval(denominator, s)) ** 2
    if numerator[2] == 0.0:  # both zeros at 0: one gain is left to fit, |1 - 1/z|**4 = 16 p1**2
        middle = below[FITTED // 2 :] / (16.0 * p1[FITTED // 2 :] ** 2)
        return (4.0 * math.sqrt(float(np.exp(np.log(middle).mean()))), 0.0, 0.0), poles
    b0 = a0 * (numerator[2] / denominator[2]) ** 2
    # in p1 and p1**2, which differ more than p1 and 4 p0 p1: the two equations are better conditioned
    one, two, rest = p1 / below, p1 * p1 / below, 1.0 - b0 * p0 / below
    one_size, two_size = math.sqrt(one @ one), math.sqrt(two @ two)
    one, two = one / one_size, two / two_size
    weight = np.ones(FITTED)
    for _ in range(FITS):
        first, second, wanted = weight * one, weight * two, weight * rest
        straight, across, even = first @ first, first @ second, second @ second
        whole = straight * even - across * across
        c1 = (wanted @ first * even - wanted @ second * across) / whole
        c2 = (wanted @ second * straight - wanted @ first * across) / whole
        error = np.abs(c1 * one + c2 * two - rest)
        weight *= error / max(error.max(), 1e-12) + 0.05
        weight /= weight.max()
    b1, b2 = c1 / one_size + c2 / two_size, -0.25 * c2 / two_size
    b1 = max(float(b1), SMALLEST_POWER * a1)
    root_0, root_1 = math.sqrt(b0), math.sqrt(b1)
    mean = 0.5 * (root_0 + root_1)
    b2 = max(float(b2), -mean * mean)
    first = 0.5 * (mean + math.sqrt(mean * mean + b2))
    return (root_1, 2.0 * (first + b2 / (4.0 * first)), root_0), poles


def _section(numerator, denominator) -> list[float]:
    """Return the cells of a filter in s = (z - 1) / (z + 1), which is what trapezoidal integrators compute."""
    (b2, b1, b0), (a2, a1, a0) = numerator, denominator
    g = math.sqrt(a0 / a2)
    k = a1 / math.sqrt(a0 * a2)
    high, band, low = (b2 - a2) / a2, (b1 - a1) * g / a0, (b0 - a0) / a0
    return [g, k, high, band - k * high, low - high]  # high = x - k band - low


def level_db(cells, w: np.ndarray) -> np.ndarray:
    """Return the response in dB of one section at frequencies in radians a frame, 0 < w < pi."""
    g, k, m0, m1, m2 = cells
    s = 1j * np.tan(0.5 * w) / g
    return 20.0 * np.log10(np.abs(1.0 + m0 + (m1 * s + m2) / (s * s + k * s + 1.0)))


def shelf(a: float, q: float = BUTTERWORTH_Q) -> tuple[Polynomial, Polynomial]:
    """Return the cookbook's low shelf of gain a**2, numerator and denominator; reversed, s for 1/s, the high shelf."""
    side = math.sqrt(a) / q
    return (a, a * side, a * a), (a, side, 1.0)


def bell(gain_db: float, q: float) -> tuple[Polynomial, Polynomial]:
    """Return numerator and denominator of the cookbook's bell."""
    a = 10.0 ** (gain_db / 40.0)
    return (1.0, a / q, 1.0), (1.0, 1.0 / (a * q), 1.0)


def ring_seconds(frequency: float, q: float) -> float:
    """Return the seconds in which a resonance falls by 60 dB: 6.91 q / (pi f)."""
    return math.log(1000.0) * q / (math.pi * max(frequency, LOWEST_CUT_HZ))


def process(state, source, target, frames):
    s = records(state, 1, SECTIONS_STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    for n in range(frames):
        y[n] = x[n]
    for section in range(s.count):
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
