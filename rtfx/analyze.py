"""Measures what a rig does to test signals: transfer, harmonics, response, aliasing, noise, latency, step response.

The rig is a black box, ``frames in -> frames out`` from rest, so that a model, a set list and any other function are
measured alike. Sines have a whole, odd number of cycles in a window of a power of two: each harmonic, and each alias
of one, then falls on a bin of its own, and no window function is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import UsageError
from .units import gain_from_db

if TYPE_CHECKING:
    from .rigs import Rig

Process = Callable[[np.ndarray], np.ndarray]  # (frames,) -> (frames,), from rest at each call

SETTLE_SECONDS = 0.25  # of a sine before the window
WINDOW_SECONDS = 0.5  # at least, of a sine
TRANSFER_HZ, TRANSFER_POINTS = 110.0, 256
TRANSFER_DB = -20.0, -6.0, 0.0
TONE_HZ = 1000.0  # of harmonics and of levels
HARMONICS, HARMONIC_DB = 20, (-40.0, -20.0, 0.0)
LEVELS_DB = tuple(float(db) for db in range(-80, 1, 5))
RESPONSE_DB = -40.0, -20.0, 0.0
SWEEP_SECONDS, SWEEP_LOW_HZ = 4.0, 10.0
RESPONSE_HZ = 20.0, 20000.0
RESPONSE_POINTS, RESPONSE_OCTAVES = 200, 1.0 / 12.0  # points of the curve, and the width of the average around each
RESPONSE_SECONDS = 0.5  # of the impulse response that counts
ALIASING_HZ, ALIASING_POINTS, ALIASING_DB = (1000.0, 5000.0), 25, 0.0
STEP_LEVEL, STEP_SECONDS, STEP_POINTS = 0.1, 0.05, 500
NOISE_SECONDS = 1.0
FLOOR_DB = -200.0


@dataclass(frozen=True)
class Analysis:
    """What was measured; levels in dB, of input and output to full scale unless the name says otherwise.

    Parameters
    ----------
    name : str
    sample_rate : float
        Hz.
    latency_frames : int
        What the rig states.
    response_peak_frames : int
        Where the response to an impulse has its peak: latency, and the delay of filters.
    noise_dbfs, dc_dbfs : float
        RMS and mean of the output for silence.
    transfer : dict
        For each level of a sine of 110 Hz: ``input`` and ``output`` over one cycle, the output earlier by the delay at
        that frequency.
    levels : dict
        ``input_dbfs``, ``output_dbfs``: peak of a sine of 1 kHz and of the sine of equal power that comes out.
    harmonics : dict
        For each level of a sine of 1 kHz: ``level_db`` of the fundamental and its harmonics against the fundamental,
        and ``thd_db``, the power of the harmonics against that of the fundamental.
    response : dict
        ``hz``, and for each level of a sweep the gain in dB: of the linear part, without harmonics.
    aliasing : dict
        ``hz``, ``asr_db``: energy beside the harmonics over energy of the harmonics (arXiv 2505.04082), of sines at
        0 dBFS.
    step : dict
        ``ms``, ``output``: response to a step of 0.1.
    """

    name: str
    sample_rate: float
    latency_frames: int
    response_peak_frames: int
    noise_dbfs: float
    dc_dbfs: float
    transfer: dict[str, Any]
    levels: dict[str, Any]
    harmonics: dict[str, Any]
    response: dict[str, Any]
    aliasing: dict[str, Any]
    step: dict[str, Any]


def analyze(rig: Rig, name: str, sample_rate: float | None = None) -> Analysis:
    """Measure the current preset of a rig, without its limiter.

    Parameters
    ----------
    name : str
        What the result is called.
    sample_rate : float, optional
        Hz; by default the rig's, else 48000.

    Raises
    ------
    RtfxError
        A file or a value cannot be used.
    """
    from .engine.offline import Offline
    from .plan.resolve import DEFAULT_RATE

    rate = float(sample_rate or rig.sample_rate or DEFAULT_RATE)
    plan = rig.plan(rate, 1)
    player = Offline(plan, rig.options.cold, limiter=False)

    def process(x: np.ndarray) -> np.ndarray:
        player.reset()
        return player.process(np.ascontiguousarray(x[:, None], np.float32)).mean(axis=1, dtype=np.float64)

    return measure(process, rate, name, plan.latency_frames)


def measure(process: Process, sample_rate: float, name: str, latency_frames: int = 0) -> Analysis:
    """Measure any function of audio; `process` starts from rest at each call."""
    if sample_rate < 2.2 * ALIASING_HZ[1]:
        raise UsageError(f"sample rate is {sample_rate:g} Hz, expected at least {2.2 * ALIASING_HZ[1]:g} to analyze it")
    response, peak = _response(process, sample_rate)
    silence = process(np.zeros(round((SETTLE_SECONDS + NOISE_SECONDS) * sample_rate)))
    silence = silence[round(SETTLE_SECONDS * sample_rate) :]
    return Analysis(
        name=name,
        sample_rate=sample_rate,
        latency_frames=latency_frames,
        response_peak_frames=peak,
        noise_dbfs=_db(float(np.std(silence))),
        dc_dbfs=_db(abs(float(np.mean(silence)))),
        transfer={_key(db): _transfer(process, sample_rate, db) for db in TRANSFER_DB},
        levels=_levels(process, sample_rate),
        harmonics={_key(db): _harmonics(process, sample_rate, db) for db in HARMONIC_DB},
        response=response,
        aliasing=_aliasing(process, sample_rate),
        step=_step(process, sample_rate),
    )


def spectrum(process: Process, sample_rate: float, hertz: float, db: float) -> tuple[int, np.ndarray]:
    """Return (cycles in the window, amplitude of each bin) of the output for a sine; the odd count nearest to `hertz`.

    The amplitudes are complex, against a cosine at the start of the window, and 1 for a sine at full scale.
    """
    size = 1 << math.ceil(math.log2(WINDOW_SECONDS * sample_rate))
    cycles = 2 * round((hertz * size / sample_rate - 1.0) / 2.0) + 1
    settle = round(SETTLE_SECONDS * sample_rate)
    phase = 2.0 * np.pi * cycles * np.arange(-settle, size) / size
    y = process(gain_from_db(db) * np.sin(phase))[settle:].astype(np.float64)
    return cycles, 2.0 * np.fft.rfft(y) / size


def aliasing_ratio(process: Process, sample_rate: float, hertz: float, db: float = ALIASING_DB) -> float:
    """Return the aliasing-to-signal ratio of a sine in dB: energy beside the harmonics over energy of the harmonics.

    The mean (DC) counts as neither.
    """
    cycles, bins = spectrum(process, sample_rate, hertz, db)
    energy = np.abs(bins) ** 2
    energy[0] = 0.0
    signal = float(energy[::cycles].sum())
    energy[::cycles] = 0.0  # the difference of two sums would lose a small rest
    return _power_db(float(energy.sum()), signal)


def _aliasing(process: Process, sample_rate: float) -> dict[str, Any]:
    hz = np.geomspace(*ALIASING_HZ, ALIASING_POINTS)
    return {"hz": hz.tolist(), "asr_db": [aliasing_ratio(process, sample_rate, each) for each in hz]}


def _harmonics(process: Process, sample_rate: float, db: float) -> dict[str, Any]:
    cycles, bins = spectrum(process, sample_rate, TONE_HZ, db)
    sizes = np.abs(bins[cycles::cycles][:HARMONICS])
    own = max(float(sizes[0]), 1e-12)
    return {
        "level_db": [_db(float(size) / own) for size in sizes],
        "thd_db": _power_db(float((np.abs(bins[2 * cycles :: cycles]) ** 2).sum()), own**2),
    }


def _levels(process: Process, sample_rate: float) -> dict[str, Any]:
    found = []
    for db in LEVELS_DB:
        _, bins = spectrum(process, sample_rate, TONE_HZ, db)
        found.append(_db(math.sqrt(float((np.abs(bins[1:]) ** 2).sum()))))
    return {"input_dbfs": list(LEVELS_DB), "output_dbfs": found}


def _transfer(process: Process, sample_rate: float, db: float) -> dict[str, Any]:
    """Return one cycle of a sine and of what comes out, as a curve; a loop shows memory."""
    cycles, bins = spectrum(process, sample_rate, TRANSFER_HZ, db)
    level = gain_from_db(db)
    turn = np.angle(bins[cycles] * 1j)  # of the fundamental against the sine
    if abs(turn) > 0.5 * np.pi:  # an inverting stage is shown as one
        turn -= np.pi
    numbers = np.arange(len(bins[::cycles]))
    angles = 2.0 * np.pi * np.arange(TRANSFER_POINTS + 1) / TRANSFER_POINTS
    own = bins[::cycles] * np.exp(-1j * numbers * turn)
    y = 0.5 * own[0].real + (own[1:, None] * np.exp(1j * np.outer(numbers[1:], angles))).real.sum(axis=0)
    return {"input": (level * np.sin(angles)).tolist(), "output": y.tolist()}


def _response(process: Process, sample_rate: float) -> tuple[dict[str, Any], int]:
    """Return the gain over frequency at each level, and the peak of the impulse response at the lowest.

    An exponential sweep, divided out of the output, gives an impulse response in which each harmonic comes before the
    linear part (A. Farina, "Simultaneous measurement of impulse response and distortion", 2000).
    """
    high = 0.5 * sample_rate
    octaves = math.log(high / SWEEP_LOW_HZ)
    frames = round(SWEEP_SECONDS * sample_rate)
    tail = round(RESPONSE_SECONDS * sample_rate)
    t = np.arange(frames) / sample_rate
    sweep = np.sin(2.0 * np.pi * SWEEP_LOW_HZ * SWEEP_SECONDS / octaves * np.expm1(t / SWEEP_SECONDS * octaves))
    edge = np.minimum(1.0, np.minimum(np.arange(frames) / (0.02 * frames), np.arange(frames)[::-1] / (0.002 * frames)))
    sweep *= np.sin(0.5 * np.pi * edge) ** 2
    size = 1 << math.ceil(math.log2(frames + 2 * tail))
    given = np.fft.rfft(sweep, size)
    weak = 1e-6 * float((np.abs(given) ** 2).max())
    inverse = given.conj() / (np.abs(given) ** 2 + weak)
    # the second harmonic comes so much earlier than the linear part
    before = round(0.8 * SWEEP_SECONDS * math.log(2.0) / octaves * sample_rate)
    hz = np.geomspace(RESPONSE_HZ[0], min(RESPONSE_HZ[1], 0.45 * sample_rate), RESPONSE_POINTS)
    found: dict[str, Any] = {"hz": hz.tolist()}
    peak = 0
    for db in RESPONSE_DB:
        level = gain_from_db(db)
        y = process(np.concatenate([level * sweep, np.zeros(tail)]))
        impulse = np.fft.irfft(np.fft.rfft(y, size) * inverse, size) / level
        if db == RESPONSE_DB[0]:
            peak = int(np.argmax(np.abs(impulse[:tail])))
        linear = np.zeros(size)
        linear[:tail], linear[-before:] = impulse[:tail], impulse[-before:]
        found[_key(db)] = _smooth(np.fft.rfft(linear), sample_rate / size, hz)
    return found, peak


def _smooth(response: np.ndarray, spacing: float, hz: np.ndarray) -> list[float]:
    """Return the mean power of a response around each frequency, in dB."""
    power = np.concatenate([[0.0], np.cumsum(np.abs(response) ** 2)])
    width = 2.0 ** (0.5 * RESPONSE_OCTAVES)
    low = np.floor(hz / width / spacing).astype(int)
    high = np.minimum(np.maximum(np.ceil(hz * width / spacing).astype(int), low + 1), len(response))
    return [_power_db(float(value), 1.0) for value in (power[high] - power[low]) / (high - low)]


def _step(process: Process, sample_rate: float) -> dict[str, Any]:
    before, frames = round(SETTLE_SECONDS * sample_rate), round(STEP_SECONDS * sample_rate)
    x = np.concatenate([np.zeros(before), np.full(frames, STEP_LEVEL)])
    y = process(x)
    lead = frames // 10
    places = np.unique(np.linspace(before - lead, before + frames - 1, STEP_POINTS).round().astype(int))
    return {"ms": (1000.0 * (places - before) / sample_rate).tolist(), "output": y[places].tolist()}


def _key(db: float) -> str:
    return f"{db:g} dB"


def _db(size: float) -> float:
    return max(20.0 * math.log10(size), FLOOR_DB) if size > 0.0 else FLOOR_DB


def _power_db(power: float, against: float) -> float:
    if power <= 0.0 or against <= 0.0:
        return FLOOR_DB
    return max(10.0 * math.log10(power / against), FLOOR_DB)
