"""The pitch of a plucked string: the frequency of its fundamental, to a few hundredths of a cent.

A stiff string has partials at f_n = n f0 sqrt(1 + B n^2), so its period is no exact measure of its fundamental. The
estimate has two steps:

1. The normalised square difference function (P. McLeod and G. Wyvill, "A smarter way to find pitch", 2005) finds the
   period to some cents, and tells strings from noise.
2. A least-squares fit of all partials at once refines it. Each partial is a sinusoid whose complex amplitude changes
   linearly over the window: the real part of (change / amplitude) is its decay, the imaginary part is the error of its
   frequency. As the fit is joint, neighbouring partials do not disturb each other even in a window of three periods,
   and hum of the mains is fitted as further lines. A regression over the partials, weighted by how precisely each is
   known, then gives f0 and B; the pitch is f_1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOWEST_HZ, HIGHEST_HZ = 24.0, 1600.0
ANALYSIS_HZ = 8000.0  # about the rate after decimation; partials above `TOP` of it are not used
TOP = 0.48
LONGEST_SECONDS = 0.22  # a longer window would smooth the glide after a pluck, and follow a peg later
SHORTEST_SECONDS = 0.06
PERIODS = 2.5  # in the shortest window of a low string
COARSE_SECONDS = 0.12  # of the window that finds the period
WINDOW_SECONDS = 0.4  # that `find_pitch` is given: the longest window, and what came before it
QUIETEST = 5e-4  # RMS, -66 dBFS: below it hum and noise are as loud as a string
CLEAR = 0.8  # least value of the difference function at the period; noise stays below 0.6
FIRST_PEAK = 0.9  # share of the highest peak that makes an earlier peak the period
FINE = 4  # the difference function is interpolated to so many points a sample
COUNTS = 4, 6, 12  # partials in the first, second and further fits: the higher ones need a known B
MOST_FITS, SETTLED_CENTS = 3, 0.02  # of the last ones: enough once a fit moves the pitch by less
TYPICAL_B, SPREAD_B, LARGEST_B = 1e-4, 3e-4, 4e-3  # prior of the inharmonicity of guitar and bass strings
OWN_CENTS, DEVIATION_CENTS = 0.1, 0.2  # how far the fundamental, and the others, may be off the formula
STRANGE_CENTS = 1.0  # a partial farther off counts less and less
WEAKEST = 0.01  # of the strongest partial; without a fundamental two strings look like one an octave or more below
NEAR = 0.75  # a line of hum nearer to a partial, in 1 / window, cannot be told from it
MAINS = {50.0: (50.0, 100.0, 150.0, 250.0), 60.0: (60.0, 120.0, 180.0, 300.0)}  # Hz
CENTS = 1200.0 / math.log(2.0)

ATTACK_RATIO = 2.0  # a peak that exceeds those before it by so much is a new note
BEFORE_SECONDS, AFTER_SECONDS = 0.05, 0.02  # where those peaks are looked for; the first is a period of 20 Hz
SETTLE_SECONDS = 0.006  # after the attack


@dataclass(frozen=True)
class Pitch:
    """A string that sounds.

    Parameters
    ----------
    hertz : float
        Frequency of the fundamental in the middle of the window.
    inharmonicity : float
        B in f_n = n f0 sqrt(1 + B n^2).
    clarity : float
        How periodic the sound is, 0 to 1.
    cycles : float
        Phase of the fundamental in the middle of the window, in cycles.
    seconds_ago : float
        From the middle of the window to the end of the audio.
    level : float
        RMS of the window, full scale 1.
    """

    hertz: float
    inharmonicity: float
    clarity: float
    cycles: float
    seconds_ago: float
    level: float


def find_pitch(audio: np.ndarray, sample_rate: float) -> Pitch | None:
    """Return the pitch of the string that sounds at the end of `audio`, or None.

    Parameters
    ----------
    audio : (frames,) float
        The last `WINDOW_SECONDS`; only what was played since the last attack is used.
    sample_rate : float
        Hz.

    Returns
    -------
    Pitch or None
        None for silence, noise, and the first 60 to 100 ms of a note.
    """
    x, rate, late = _decimated(np.asarray(audio, np.float64), sample_rate)
    x = x[_attack(x, rate) :][-round(LONGEST_SECONDS * rate) :]
    if len(x) < SHORTEST_SECONDS * rate:
        return None
    x = x - x.mean()
    level = math.sqrt(float(np.mean(x * x)))
    period = _period(x[-round(COARSE_SECONDS * rate) :], rate) if level > QUIETEST else None
    if period is None or period[1] < CLEAR or len(x) < PERIODS * rate / period[0]:
        return None
    first = _fitted(x[-round(COARSE_SECONDS * rate) :], rate, (math.log(period[0]), TYPICAL_B), COUNTS[0])
    second = first and _fitted(x, rate, first.law, COUNTS[1])
    last = second and _fitted(x, rate, second.law, COUNTS[2])
    lines = _hum(last, rate) if last else ()
    for _ in range(MOST_FITS):
        before, last = last, last and _fitted(x, rate, last.law, COUNTS[2], lines)
        if not before or not last or abs(CENTS * math.log(last.hertz / before.hertz)) < SETTLED_CENTS:
            break
    if not last or not last.sure or not LOWEST_HZ <= last.hertz <= HIGHEST_HZ:
        return None
    middle = late + 0.5 * (len(x) - 1) / rate
    return Pitch(last.hertz, last.law[1], period[1], last.cycles, middle, level)


def _decimated(x: np.ndarray, sample_rate: float) -> tuple[np.ndarray, float, float]:
    """Return the audio at about `ANALYSIS_HZ`, its rate, and the age in seconds of its last sample."""
    step = max(round(sample_rate / ANALYSIS_HZ), 1)
    half = 8 * step if step > 1 else 0
    if len(x) <= 2 * half:
        return np.zeros(0), sample_rate / step, 0.0
    taps = np.sinc(0.94 * np.arange(-half, half + 1) / step) * np.kaiser(2 * half + 1, 6.0)
    # the last window ends with the last sample
    windows = np.lib.stride_tricks.sliding_window_view(x, 2 * half + 1)[(len(x) - 2 * half - 1) % step :: step]
    return windows @ (taps / taps.sum()), sample_rate / step, half / sample_rate


def _attack(x: np.ndarray, rate: float) -> int:
    """Return the index after the last attack in `x`, 0 if there is none."""
    frame = max(round(0.001 * rate), 1)
    peaks = np.abs(x[: len(x) // frame * frame]).reshape(-1, frame).max(axis=1) if len(x) >= frame else np.zeros(0)
    before, after = round(BEFORE_SECONDS * 1000), round(AFTER_SECONDS * 1000)
    if len(peaks) <= after:
        return 0
    view = np.lib.stride_tricks.sliding_window_view
    behind = view(np.concatenate([np.full(before, peaks[0]), peaks]), before).max(axis=1)[: len(peaks) - after + 1]
    ahead = view(peaks, after).max(axis=1)
    found = np.flatnonzero((ahead > ATTACK_RATIO * behind) & (ahead > QUIETEST))
    return (int(found[-1]) + 1) * frame + round(SETTLE_SECONDS * rate) if len(found) else 0


def _period(x: np.ndarray, rate: float) -> tuple[float, float] | None:
    """Return frequency in Hz and clarity: the first high peak of the normalised square difference function."""
    n = len(x)
    size = 1 << (2 * n - 1).bit_length()
    last = min(int(rate / LOWEST_HZ) + 2, int(0.55 * n))
    spectrum = np.fft.rfft(x, size)
    products = FINE * np.fft.irfft(spectrum * spectrum.conj(), FINE * size)[: FINE * last]
    energy = np.concatenate([[0.0], np.cumsum(x * x)])
    lags = np.arange(last)
    both = np.interp(np.arange(FINE * last) / FINE, lags, energy[n] - energy[lags] + energy[n - lags])
    d = 2.0 * products / np.maximum(both, 1e-30)
    below = np.flatnonzero(d < 0.0)
    if not len(below):
        return None
    first = max(int(below[0]), int(FINE * rate / HIGHEST_HZ), 1)
    peaks = first + 1 + np.flatnonzero((d[first + 1 : -1] > d[first:-2]) & (d[first + 1 : -1] >= d[first + 2 :]))
    peaks = peaks[d[peaks] > 0.0]
    if not len(peaks):
        return None
    place = peaks[d[peaks] >= FIRST_PEAK * d[peaks].max()][0]
    left, top, right = d[place - 1 : place + 2]
    offset = 0.5 * (left - right) / (left - 2.0 * top + right)  # of the parabola through the three
    return FINE * rate / (place + offset), float(top)


@dataclass(frozen=True)
class Fit:
    """Partials fitted to a window.

    `law` is (log f0, B); `cycles` the phase of the fundamental in the middle; `rest` what the partials leave, tapered
    as in the fit; `sure` whether there is a fundamental.
    """

    law: tuple[float, float]
    cycles: float
    rest: np.ndarray
    sure: bool

    @property
    def hertz(self) -> float:
        """Frequency of the fundamental."""
        return math.exp(self.law[0]) * math.sqrt(1.0 + self.law[1])


def _fitted(x: np.ndarray, rate: float, law: tuple[float, float], count: int, hum: Sequence[float] = ()) -> Fit | None:
    """Return a fit of up to `count` partials near those of `law`, and of lines at the frequencies `hum`."""
    n = len(x)
    half = 0.5 * n / rate
    numbers = np.arange(1, count + 1)
    partials = _partials(law, numbers)
    numbers = numbers[: max(int(np.searchsorted(partials, TOP * rate)), 1)]
    partials = partials[: len(numbers)]
    hum = [line for line in hum if np.abs(partials - line).min() > 0.5 * NEAR / half]
    time = (np.arange(n) - 0.5 * (n - 1)) / rate
    taper = np.sin(np.pi * (np.arange(n) + 0.5) / n)
    waves = np.exp(2j * np.pi * np.concatenate([partials, hum])[:, None] * time) * taper
    own, k = waves[: len(numbers)], len(numbers)
    # rows are (4 k + 2 lines of hum, n): x = Re((a + b t / half) e^(i 2 pi f t)) for each partial
    rows = np.concatenate([own.real, -own.imag, own.real * (time / half), -own.imag * (time / half)])
    rows = np.concatenate([rows, waves[k:].real, -waves[k:].imag])
    y = taper * x
    products = rows @ rows.T
    products[np.diag_indices(len(products))] *= 1.0 + 1e-9  # partials closer than the window resolves
    inverse = np.linalg.inv(products)
    solution = inverse @ (rows @ y)
    rest = y - solution @ rows
    amplitude = solution[:k] + 1j * solution[k : 2 * k]
    change = solution[2 * k : 3 * k] + 1j * solution[3 * k : 4 * k]
    size = np.maximum(np.abs(amplitude), 1e-15)
    off = (change * amplitude.conj()).imag / size**2 / (2.0 * np.pi * half)  # Hz
    spread = 0.5 * (inverse.diagonal()[2 * k : 3 * k] + inverse.diagonal()[3 * k : 4 * k])
    noise = _noise(rest, time, math.exp(law[0]), k) / max(n - len(solution), 1)
    cents = CENTS * np.sqrt(np.maximum(noise * spread, 0.0)) / size / (2.0 * np.pi * half) / partials
    good = (np.abs(off) < 0.25 / half) & (cents < 20.0)
    if not good.any():
        return None
    found = np.log((partials + off)[good] / numbers[good])
    cents = np.hypot(cents[good], np.where(numbers[good] == 1, OWN_CENTS, DEVIATION_CENTS))
    law = _law(found, numbers[good].astype(float), cents / CENTS, law)
    sure = bool(good[0]) and float(size[0]) > WEAKEST * float(size.max())
    return Fit(law, float(np.angle(amplitude[0])) / (2.0 * np.pi), rest, sure)


def _noise(rest: np.ndarray, time: np.ndarray, f0: float, count: int) -> np.ndarray:
    """Return, for each partial, the power of what a fit has left around it: between it and its neighbours.

    The power near a partial is what disturbs it: of a bright string the partials above the fitted ones are left too.
    """
    between = (np.arange(count + 3) - 0.5) * f0  # the first lies below 0 Hz, where the spectrum goes on mirrored
    power = np.abs(np.exp(-2j * np.pi * between[:, None] * time) @ rest) ** 2
    return (power[:-3] + power[1:-2] + power[2:-1] + power[3:]) / 4.0


def _partials(law: tuple[float, float], numbers: np.ndarray) -> np.ndarray:
    return numbers * math.exp(law[0]) * np.sqrt(1.0 + law[1] * numbers**2)


def _law(found: np.ndarray, n: np.ndarray, spread: np.ndarray, law: tuple[float, float]) -> tuple[float, float]:
    """Return (log f0, B) from log(f_n / n) = log f0 + log(1 + B n^2) / 2, each known to within `spread`.

    A partial far off the others gets little weight: it belongs to another string, or that string's has hidden it.
    """
    start, b = law
    weight = spread**-2
    for _ in range(4):
        slope = 0.5 * n**2 / (1.0 + b * n**2)
        target = found - 0.5 * np.log1p(b * n**2) + slope * b
        total, cross, square = weight.sum(), (weight * slope).sum(), (weight * slope**2).sum() + SPREAD_B**-2
        left, right = (weight * target).sum(), (weight * slope * target).sum() + TYPICAL_B * SPREAD_B**-2
        b = min(max((total * right - cross * left) / (total * square - cross**2), 0.0), LARGEST_B)
        start = float((weight * (found - 0.5 * np.log1p(b * n**2))).sum() / total)
        deviation = CENTS * (found - start - 0.5 * np.log1p(b * n**2))
        weight = spread**-2 / (1.0 + deviation**2 / (STRANGE_CENTS**2 + (2.0 * CENTS * spread) ** 2))
    return start, float(b)


def _hum(fit: Fit, rate: float) -> Sequence[float]:
    """Return the mains' lines that hold the larger part of what a fit has left."""
    time = np.arange(len(fit.rest)) / rate

    def power(lines: Sequence[float]) -> float:
        return float(np.sum(np.abs(np.exp(-2j * np.pi * np.outer(lines, time)) @ fit.rest) ** 2))

    return max(MAINS.values(), key=power)
