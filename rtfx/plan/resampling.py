"""Runs a model at its own sample rate inside a stream at another: conversion filters, and steps around the model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..kernels import resample
from ..kernels.resample import Ratio
from ..model.spec import ModelSpec
from .arena import Builder, Signal
from .lowering import lower

TAPS = 64  # at the lower of the two rates; a multiple of the vector length
ATTENUATION_DB = 110.0  # stop band of the Kaiser window
PASS = 0.907  # end of the pass band as a part of half the lower rate: 20 kHz at 44.1 kHz
GRID = 64  # a minimum-phase filter is computed and shifted on at least this many points per frame
FLOOR = 1e-7  # smallest relative magnitude whose logarithm is taken; below the stop band's


@dataclass(frozen=True)
class Conversion:
    """The conversions to and from a model at `ratio` times the stream's rate.

    The filters are windowed sincs of linear phase, or minimum-phase filters of the same magnitude (`phase`).
    """

    ratio: Ratio
    phase: str = "linear"

    @property
    def inward_taps(self) -> int:
        """Taps of the conversion to the model's rate, counted in stream frames."""
        return _taps(self.ratio.down / self.ratio.up)

    @property
    def outward_taps(self) -> int:
        """Taps of the conversion to the stream's rate, counted in model frames."""
        return _taps(self.ratio.up / self.ratio.down)

    @cached_property
    def _filters(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Both polyphase filters, (phases, taps) float64, and the total delay in stream frames, a whole number."""
        up, down = self.ratio.up, self.ratio.down
        outward, late = design(down, self.outward_taps, up / down, self.phase)
        _, early = design(up, self.inward_taps, down / up, self.phase)
        outward_delay = late * down / up
        latency = math.ceil(outward_delay + early - 1e-9)
        inward, _ = design(up, self.inward_taps, down / up, self.phase, latency - outward_delay)
        return inward, outward, latency

    @property
    def filters(self) -> tuple[np.ndarray, np.ndarray]:
        """Both polyphase filters, inward and outward, (phases, taps) float64."""
        return self._filters[:2]

    @property
    def latency(self) -> int:
        """Delay of both conversions together at low frequencies, a whole number of stream frames."""
        return self._filters[2]


def _taps(shrink: float) -> int:
    """Return the length of a filter whose output has 1 / shrink as many frames as its input."""
    return -(-math.ceil(TAPS * max(shrink, 1.0)) // 16) * 16


@lru_cache(maxsize=32)
def design(phases: int, taps: int, shrink: float, phase: str, delay: float | None = None) -> tuple[np.ndarray, float]:
    """Return a polyphase filter, (phases, taps) float64, and its delay; row p is delayed by ``delay - p / phases``.

    Parameters
    ----------
    phases : int
        Outputs between two frames of the input.
    taps : int
        Input frames that each output reads.
    shrink : float
        Input frames per output frame; the cut-off is half the lower rate.
    phase : str
        One of `rig.parameters.PHASES`.
    delay : float, optional
        In input frames, at most one more than the filter's shortest delay, which is the default.

    Notes
    -----
    Each row is stored with the weight of the oldest frame first.
    """
    middle = (taps - 1) / 2
    if phase == "linear":
        delay = middle if delay is None else delay
        return _rows(_sinc(_times(phases, taps) - delay, taps, shrink), phases, taps), delay
    fine = phases * -(-GRID // phases)
    times = _times(fine, taps)
    response = minimum_phase(_sinc(times - middle, taps, shrink))
    own = float(times @ response / response.sum())
    if delay is None:
        return _rows(response[:: fine // phases], phases, taps), own
    late = round((delay - own) * fine)
    shifted = np.concatenate([np.zeros(late), response[: response.size - late]])
    return _rows(shifted[:: fine // phases], phases, taps), delay


def _times(points: int, taps: int) -> np.ndarray:
    """Return the times, in frames, of `points` points per frame over `taps` frames."""
    return np.arange(taps * points) / points


def _sinc(offset: np.ndarray, taps: int, shrink: float) -> np.ndarray:
    """Return the windowed sinc at these distances from its middle, in input frames."""
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    cutoff = min(1.0, 1.0 / shrink) * (1.0 + PASS) / 2.0
    inside = np.clip(1.0 - (offset / (taps / 2.0)) ** 2, 0.0, None)
    return cutoff * np.sinc(cutoff * offset) * np.i0(beta * np.sqrt(inside)) / np.i0(beta) * (inside > 0.0)


def _rows(response: np.ndarray, phases: int, taps: int) -> np.ndarray:
    """Return a response as one row per phase, oldest frame first, each with gain 1 for a constant signal."""
    rows = response.reshape(taps, phases).T[:, ::-1]
    return np.ascontiguousarray(rows / rows.sum(axis=1, keepdims=True))


def minimum_phase(response: np.ndarray) -> np.ndarray:
    """Return the minimum-phase response of the same magnitude and length: its energy comes as early as possible.

    Its phase is the Hilbert transform of the log magnitude, taken by folding the cepstrum (Oppenheim and Schafer,
    Discrete-Time Signal Processing, 12.1); eight times the length keeps the cepstrum from wrapping.
    """
    size = 1 << (8 * response.size - 1).bit_length()
    magnitude = np.abs(np.fft.rfft(response, size))
    cepstrum = np.fft.irfft(np.log(np.maximum(magnitude, FLOOR * magnitude.max())), size)
    cepstrum[1 : size // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    return np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[: response.size]


def at_own_rate(
    spec: ModelSpec, builder: Builder, audio: Signal, controls: dict[str, Signal], conversion: Conversion | None
) -> Signal:
    """Append the steps of a model, between two conversions if `conversion` is given; return its output."""
    if conversion is None:
        return lower(spec, builder, audio, controls)
    domain = builder.at_rate(conversion.ratio)
    up, down = conversion.ratio
    fields = {"up": up, "down": down}
    inward, outward = conversion.filters
    builder.remember(audio, conversion.inward_taps)
    converted = _buffer(builder, domain, spec.inputs)
    for row in range(spec.inputs):
        _step(builder, resample.INWARD, audio.rows(row, 1), converted.rows(row, 1), inward, fields)
    held = {}
    for name, control in controls.items():
        held[name] = _buffer(builder, domain, 1)
        builder.step(resample.HELD, control, held[name], dtype=resample.STATE, **fields)
    builder.domain = domain
    output = lower(spec, builder, converted, held)
    builder.domain = 0
    builder.remember(output, conversion.outward_taps)
    result = builder.buffer(output.width)
    for row in range(output.width):
        _step(builder, resample.OUTWARD, output.rows(row, 1), result.rows(row, 1), outward, fields)
    return result


def _buffer(builder: Builder, domain: int, rows: int) -> Signal:
    builder.domain = domain
    signal = builder.buffer(rows)
    builder.domain = 0
    return signal


def _step(builder: Builder, kernel, source: Signal, target: Signal, table: np.ndarray, fields: dict) -> None:
    weights = table.astype(np.float32).ravel()
    builder.step(kernel, source, target, weights=weights, dtype=resample.STATE, taps=table.shape[1], **fields)
