"""Loudness and true peak of audio that passes in blocks, as ITU-R BS.1770-4 defines them.

Unlike `loading.loudness`, which compares models, this adds the channels' powers as the standard and every other meter
do: the same sound on two channels is 3 LU louder than on one.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records
from ..loading.loudness import BLOCK_SECONDS, STEP_SECONDS, gated, k_filters
from ..units import db_from_gain

STEPS = round(BLOCK_SECONDS / STEP_SECONDS)  # in a block
OVERSAMPLING, TAPS = 4, 16  # of the true peak; the standard has 4 and 12
NEAR_PEAK = 0.5  # of the highest sample: the curve between two samples lower than that is no peak
SECTION = ("b0", "b1", "b2", "a1", "a2", "z1", "z2")
WEIGHTING = np.dtype([(f"{name}_{part}", np.float64) for part in ("shelf", "high") for name in SECTION])


def weigh(state, source, channels, frames, squares):
    """Add to `squares` the squares of one channel of interleaved audio behind both filters."""
    s = records(state, 1, WEIGHTING)[0]
    x = floats(source, frames * channels)
    power = floats(squares, frames)
    p1, p2, q1, q2 = s.z1_shelf, s.z2_shelf, s.z1_high, s.z2_high
    for n in range(frames):
        v = np.float64(x[n * channels])
        w = s.b0_shelf * v + p1
        p1 = s.b1_shelf * v - s.a1_shelf * w + p2
        p2 = s.b2_shelf * v - s.a2_shelf * w
        y = s.b0_high * w + q1
        q1 = s.b1_high * w - s.a1_high * y + q2
        q2 = s.b2_high * w - s.a2_high * y
        power[n] += np.float32(y * y)
    s.z1_shelf, s.z2_shelf, s.z1_high, s.z2_high = p1, p2, q1, q2
    return 0


WEIGH = Loop(weigh, "int64(int64, int64, int64, int64, int64)")


class Meter:
    """Measures blocks of (frames, channels) float32 at a rate in Hz, in constant memory but for 10 numbers a second."""

    def __init__(self, sample_rate: float, channels: int):
        self.channels = channels
        self._step = round(STEP_SECONDS * sample_rate)
        self._states = np.zeros(channels, WEIGHTING)
        for part, (zeros, poles) in zip(("shelf", "high"), k_filters(sample_rate), strict=True):
            for name, value in zip(SECTION, (*zeros, *poles[1:]), strict=False):
                self._states[f"{name}_{part}"] = value / poles[0]
        self._powers: list[float] = []  # of each whole step
        self._rest, self._filled = 0.0, 0  # energy and frames of the step that is not whole yet
        self._frames, self._energy = 0, 0.0
        self._peak = 0.0
        self._last = np.zeros((TAPS - 1, channels), np.float32)
        places = np.arange(TAPS) - TAPS // 2 + 1
        shifts = np.arange(1, OVERSAMPLING)[:, None] / OVERSAMPLING
        taps = np.sinc(places - shifts) * np.cos(np.pi * (places - shifts) / (TAPS + 1)) ** 2
        self._between = (taps / taps.sum(axis=1, keepdims=True)).T  # (TAPS, OVERSAMPLING - 1)

    def add(self, block: np.ndarray) -> None:
        """Measure one more block."""
        if not len(block):
            return
        block = np.ascontiguousarray(block, np.float32)
        self._follow_peak(block)
        squares = np.zeros(len(block), np.float32)
        channels = block.shape[1]
        for channel in range(channels):
            source = block.ctypes.data + 4 * channel
            state = self._states.ctypes.data + WEIGHTING.itemsize * channel
            WEIGH(state, source, channels, len(block), squares.ctypes.data)
        self._frames += len(block)
        self._energy += float(squares.sum(dtype=np.float64))
        place = 0
        while place < len(squares):
            part = squares[place : place + self._step - self._filled]
            place += len(part)
            self._rest += float(part.sum(dtype=np.float64))
            self._filled += len(part)
            if self._filled == self._step:
                self._powers.append(self._rest / self._step)
                self._rest, self._filled = 0.0, 0

    def _follow_peak(self, block: np.ndarray) -> None:
        self._peak = max(self._peak, float(np.abs(block).max()))
        audio = np.concatenate([self._last, block])
        self._last = audio[len(audio) - TAPS + 1 :]
        for channel in audio.T:
            windows = np.lib.stride_tricks.sliding_window_view(channel, TAPS)
            middle = np.maximum(np.abs(windows[:, TAPS // 2 - 1]), np.abs(windows[:, TAPS // 2]))
            near = windows[middle > NEAR_PEAK * self._peak]
            if len(near) and self._peak:
                self._peak = max(self._peak, float(np.abs(near @ self._between).max()))

    @property
    def lufs(self) -> float:
        """Integrated loudness in LUFS, -inf for silence; audio shorter than 400 ms is one block."""
        powers = np.array(self._powers)
        if len(powers) < STEPS:
            return gated(np.array([self._energy / max(self._frames, 1)]))
        return gated(np.convolve(powers, np.full(STEPS, 1.0 / STEPS), "valid"))

    @property
    def true_peak_dbtp(self) -> float:
        """The highest peak between and at the samples, in dB to full scale; -inf for silence."""
        return db_from_gain(self._peak) if self._peak else -math.inf
