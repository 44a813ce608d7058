"""Makes models/open-2x12.wav and models/closed-4x12.wav: two loudspeaker cabinets as impulse responses.

Each is synthesised as the magnitude response of a driver in its box and turned into a minimum-phase response, to
which a few reflections are added: the low resonance of cone and box, cone break-up modes between 1.5 and 5 kHz, the
presence peak, the steep fall above it, the dips of an open back or the tight low end of a closed one. Run it:
``python models/make/cabinets.py``.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

RATE = 48000
TAPS = 4096
SIZE = 1 << 16


class Peak(NamedTuple):
    """A resonance or a dip: Hz, dB, Q."""

    frequency: float
    gain: float
    q: float


class Cabinet(NamedTuple):
    """`low` is the corner and Q of the second-order high-pass, `high` corner and order of the fall."""

    low: tuple[float, float]
    high: tuple[float, int]
    peaks: tuple[Peak, ...]
    modes: tuple[float, float, int]  # from Hz, to Hz, how many small cone modes
    reflections: tuple[tuple[float, float], ...]  # ms, gain
    seed: int


CABINETS = {
    "open-2x12": Cabinet(
        low=(82.0, 0.9),
        high=(5200.0, 5),
        peaks=(
            Peak(115.0, 3.0, 1.8),
            Peak(240.0, 1.5, 1.2),
            Peak(420.0, -4.0, 1.6),
            Peak(900.0, 1.0, 1.0),
            Peak(2400.0, 5.5, 1.4),
            Peak(3600.0, 4.0, 2.5),
        ),
        modes=(1300.0, 6500.0, 14),
        reflections=((0.62, -0.16), (1.45, 0.10), (2.9, -0.06), (6.1, 0.03)),
        seed=12,
    ),
    "closed-4x12": Cabinet(
        low=(72.0, 1.15),
        high=(4700.0, 6),
        peaks=(
            Peak(100.0, 5.0, 2.2),
            Peak(160.0, 2.0, 1.5),
            Peak(500.0, -3.0, 0.9),
            Peak(1500.0, 2.0, 1.1),
            Peak(2900.0, 6.5, 1.8),
            Peak(4100.0, 3.0, 3.5),
        ),
        modes=(1100.0, 6000.0, 18),
        reflections=((0.31, -0.12), (0.83, -0.09), (1.9, 0.07), (3.6, -0.04)),
        seed=412,
    ),
}


def bell(f: np.ndarray, peak: Peak) -> np.ndarray:
    """Return the magnitude in dB of a resonance over frequencies f in Hz."""
    octaves = np.log2(np.maximum(f, 1.0) / peak.frequency)
    return peak.gain / (1.0 + (2.0 * peak.q * octaves) ** 2)


def magnitude(cabinet: Cabinet, f: np.ndarray) -> np.ndarray:
    """Return the magnitude response in dB over frequencies f in Hz."""
    corner, q = cabinet.low
    ratio = np.maximum(f, 1e-3) / corner
    db = 20.0 * np.log10(ratio**2 / np.sqrt((1.0 - ratio**2) ** 2 + (ratio / q) ** 2))
    corner, order = cabinet.high
    db -= 10.0 * np.log10(1.0 + (f / corner) ** (2 * order))
    rng = np.random.default_rng(cabinet.seed)
    low, high, count = cabinet.modes
    modes = [
        Peak(math.exp(rng.uniform(math.log(low), math.log(high))), rng.uniform(-4.0, 3.0), rng.uniform(5.0, 14.0))
        for _ in range(count)
    ]
    return np.maximum(db + sum(bell(f, peak) for peak in (*cabinet.peaks, *modes)), -90.0)


def minimum_phase(db: np.ndarray) -> np.ndarray:
    """Return the impulse response of least delay that has this magnitude: by folding the real cepstrum."""
    logarithm = np.concatenate([db, db[-2:0:-1]]) * (math.log(10.0) / 20.0)
    cepstrum = np.fft.ifft(logarithm).real
    half = cepstrum.size // 2
    cepstrum[1:half] *= 2.0
    cepstrum[half + 1 :] = 0.0
    return np.fft.ifft(np.exp(np.fft.fft(cepstrum))).real


def response(cabinet: Cabinet) -> np.ndarray:
    """Return (TAPS,) float64, as loud as a wire between 80 Hz and 5 kHz."""
    f = np.fft.rfftfreq(SIZE, 1.0 / RATE)
    impulse = minimum_phase(magnitude(cabinet, f))
    with_room = impulse.copy()
    for milliseconds, gain in cabinet.reflections:
        delay = round(milliseconds * RATE / 1000.0)
        with_room[delay:] += gain * impulse[:-delay]
    result = with_room[:TAPS] * np.concatenate([np.ones(TAPS // 2), np.hanning(TAPS)[TAPS // 2 :]])
    power = np.abs(np.fft.rfft(result, SIZE)) ** 2
    octaves = np.geomspace(80.0, 5000.0, 400)
    return result / math.sqrt(float(np.interp(octaves, f, power).mean()))


if __name__ == "__main__":
    for name, cabinet in CABINETS.items():
        path = Path(__file__).parents[1] / f"{name}.wav"
        soundfile.write(
            path, response(cabinet), RATE, subtype="PCM_24" if np.abs(response(cabinet)).max() < 1 else "FLOAT"
        )
        print(f"{path.name}: {TAPS} taps at {RATE} Hz, peak {np.abs(response(cabinet)).max():.2f}")
