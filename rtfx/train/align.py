"""How late one recording is behind the other, to a fraction of a frame, and whether that changes on the way.

What is looked for is the first arrival in the impulse response from dry to wet, not the peak of their correlation:
the group delay of a dark amp belongs to the amp, and a net cannot hear the future.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONGEST_SECONDS = 1.0  # of a delay, either way
LISTENED_SECONDS, PIECE_SECONDS = 20.0, 5.0  # the loudest stretch, where the delay is looked for; a local measurement
ALIKE = 20.0  # likeness from which two recordings are of the same playing: 4 to 12 where they are not, 90 and more else
WINDOW = 8192  # frames of a local measurement
FINER = 16  # steps within a frame
FIRST = 0.5  # of the strongest arrival: one that comes before it counts if it is so strong
PIECES = 10  # along the recording
REGULAR = 1e-3  # of the mean power of the dry recording: frequencies below are not measured
TAPS = 64  # of the interpolator, a Kaiser window of 100 dB
KAISER = 10.0


@dataclass(frozen=True)
class Alignment:
    """How wet follows dry.

    Attributes
    ----------
    delay : float
        Frames by which wet is late.
    inverted : bool
    likeness : float
        The arrival's height over the root mean square of the response around it, see `ALIKE`.
    places, delays : numpy.ndarray
        Frames at which the delay was measured again, and what it was there.
    """

    delay: float
    inverted: bool
    likeness: float
    places: np.ndarray
    delays: np.ndarray

    @property
    def drift(self) -> float:
        """Frames by which the delay grows from the first measured place to the last, jumps left out."""
        steps = np.diff(self.delays)
        return float(np.median(steps) * steps.size) if steps.size > 1 else 0.0

    @property
    def jump(self) -> tuple[int, float]:
        """The frame by which the delay has jumped, and by how many frames beyond the drift."""
        steps = np.diff(self.delays)
        if steps.size < 2:
            return 0, 0.0
        beyond = steps - np.median(steps)
        at = int(np.argmax(np.abs(beyond)))
        return int(self.places[at + 1]), float(beyond[at])


def align(dry: np.ndarray, wet: np.ndarray, rate: float) -> Alignment:
    """Measure how late wet is; (frames,) each, of the same rate."""
    longest, length = int(LONGEST_SECONDS * rate), min(dry.size, wet.size)
    span = min(length, int(LISTENED_SECONDS * rate))
    energy = np.concatenate([[0.0], np.cumsum(np.square(dry[:length], dtype=np.float64))])
    starts = np.arange(0, length - span + 1, max(1, span // 2))
    loudest = int(starts[np.argmax(energy[starts + span] - energy[starts])])
    heard = slice(loudest, loudest + span)
    coarse, likeness = _coarse(dry[heard], wet[heard], longest)
    delay, value = _fine(dry, wet, coarse)
    places, delays = [], []
    span = min(length // PIECES, int(PIECE_SECONDS * rate))
    for start in range(0, length - span + 1, length // PIECES) if span >= 4 * WINDOW else ():
        if energy[start + span] - energy[start] < 0.05 * span * energy[-1] / length:
            continue  # a pause tells nothing
        part = slice(start, start + span)
        near, here = _coarse(dry[part], wet[part], longest)
        if here > ALIKE:
            places.append(start)
            delays.append(_fine(dry[part], wet[part], near)[0])
    return Alignment(delay, value < 0.0, likeness, np.array(places), np.array(delays))


def shifted(wave: np.ndarray, frames: float) -> np.ndarray:
    """Return the wave `frames` earlier, by a windowed sine cardinal; what it lacks at the end is silence."""
    whole = int(np.floor(frames + 0.5))
    part = frames - whole
    moved = np.zeros_like(wave)
    kept = wave[max(whole, 0) : wave.size + min(whole, 0)]
    moved[max(-whole, 0) : max(-whole, 0) + kept.size] = kept
    if abs(part) < 1e-3:
        return moved
    n = np.arange(-TAPS // 2, TAPS // 2 + 1)
    taps = np.sinc(n + part) * np.kaiser(n.size, KAISER)
    return np.convolve(moved, taps / taps.sum(), "same").astype(wave.dtype)


def _coarse(dry: np.ndarray, wet: np.ndarray, longest: int) -> tuple[int, float]:
    """Return the whole frames of the strongest arrival within `longest`, and how far it stands out."""
    size = 1 << int(np.ceil(np.log2(max(dry.size, wet.size) + longest)))
    x, y = np.fft.rfft(dry, size), np.fft.rfft(wet, size)
    power = np.abs(x) ** 2
    response = np.fft.irfft(y * np.conj(x) / (power + REGULAR * power.mean() + 1e-30), size)
    around = np.concatenate([response[-longest:], response[: longest + 1]])
    at = int(np.argmax(np.abs(around)))
    return at - longest, float(np.abs(around[at]) / (np.sqrt(np.mean(around**2)) + 1e-30))


def _fine(dry: np.ndarray, wet: np.ndarray, coarse: int) -> tuple[float, float]:
    """Return the delay to a fraction of a frame, and the response there, by the mean over windows."""
    start = max(0, -coarse)
    x, y = dry[start:], wet[start + coarse :]
    length = min(x.size, y.size) // WINDOW * WINDOW
    if not length:
        return float(coarse), 1.0
    window = np.hanning(WINDOW)
    xs, ys = (np.fft.rfft(wave[:length].reshape(-1, WINDOW) * window) for wave in (x, y))
    power = np.mean(np.abs(xs) ** 2, axis=0)
    response = np.mean(ys * np.conj(xs), axis=0) / (power + REGULAR * power.mean() + 1e-30)
    bins = np.arange(response.size) / response.size
    response = response * np.cos(0.5 * np.pi * bins) ** 2  # without the ringing of a sharp end
    fine = np.fft.irfft(response, WINDOW * FINER)
    reach = 64 * FINER
    around = np.concatenate([fine[-reach:], fine[: reach + 1]])
    size = np.abs(around)
    middle = size[1:-1]
    peaks = np.flatnonzero((middle >= size[:-2]) & (middle >= size[2:]) & (middle >= FIRST * size.max())) + 1
    if not peaks.size:
        return float(coarse), 1.0
    at = int(peaks[0])
    before, top, behind = size[at - 1 : at + 2]
    bend = before - 2.0 * top + behind
    offset = 0.5 * (before - behind) / bend if bend else 0.0
    return coarse + (at + offset - reach) / FINER, float(around[at])
